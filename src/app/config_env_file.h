/* The assignments in rabbitmq-env.conf. To RabbitMQ the file is a shell script; here nothing is ever run. */
#ifndef LEVERET_APP_CONFIG_ENV_FILE_H
#define LEVERET_APP_CONFIG_ENV_FILE_H

#include "base/buffer.h"

#include <stdbool.h>

/* Zeroed but for `rest`, which is the whole text. */
struct config_env_file {
    struct slice rest;
    unsigned line;
    struct buffer value;
};

struct config_env_assignment {
    struct slice name, value; /* until the next call */
    unsigned line;            /* where it begins, or what is wrong */
    const char *error;        /* instead of a name and a value; the rest of the file is not read then */
};

/* The next assignment or error; false at the end. */
bool config_env_file_next(struct config_env_file *f, struct config_env_assignment *a);
void config_env_file_fini(struct config_env_file *f);

#endif
