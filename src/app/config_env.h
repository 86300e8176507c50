/*
 * RabbitMQ's environment variables and rabbitmq-env.conf, as settings and as places of files. A variable of
 * the process (LEVERET_NAME, then RABBITMQ_NAME) wins over the file, where the prefix may be left out.
 */
#ifndef LEVERET_APP_CONFIG_ENV_H
#define LEVERET_APP_CONFIG_ENV_H

#include "app/config.h"
#include "base/arena.h"

enum {
    CONFIG_ENV_OVERRIDES_MAX = 64,
    CONFIG_ENV_NAMES_MAX = 256, /* assignments in the file */
};

struct config_env_request {
    const char *(*get)(void *arg, const char *name); /* NULL: not set */
    void *arg;
    const char *host; /* this machine's name, with its domain if it is known */
    const char *node; /* what the command line says; NULL: nothing */
    const char *file; /* rabbitmq-env.conf, unless a variable names another; NULL: none is read */
    struct config_io io;
};

/* Zeroed is empty. Texts live in the arena. */
struct config_env {
    struct arena arena;
    struct config_override overrides[CONFIG_ENV_OVERRIDES_MAX];
    size_t override_count;
    const char *file; /* that was read; NULL: none */
    /* Where files are; NULL: not said. */
    const char *config_file, *config_files, *advanced_file, *plugins_file;
    const char *plugins; /* names between commas, instead of that file */
};

/* False: errors are in the report. */
bool config_env_read(struct config_env *e, const struct config_env_request *request,
                     struct config_report *report);
void config_env_fini(struct config_env *e);

#endif
