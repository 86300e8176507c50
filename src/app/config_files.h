/* Which files a configuration is read from, when the command line names none. */
#ifndef LEVERET_APP_CONFIG_FILES_H
#define LEVERET_APP_CONFIG_FILES_H

#include "app/config_env.h"

enum { CONFIG_FILES_MAX = 128 };

/* Zeroed is empty. Texts live in the arena. */
struct config_files {
    struct arena arena;
    const char *paths[CONFIG_FILES_MAX]; /* in the order in which they are read: for config_request */
    size_t count;
    const char *plugins_file; /* enabled_plugins beside them, whether it exists or not */
};

/*
 * The directory that the rest stands in: PREFIX/etc/leveret when there is a leveret.conf or leveret.config in
 * it, else PREFIX/etc/rabbitmq. In the arena.
 */
const char *config_files_dir(struct config_files *f, const char *prefix, const struct config_io *io);

/*
 * Fills `paths`: the main file (dir/leveret or dir/rabbitmq, or what RABBITMQ_CONFIG_FILE says) with .config
 * or .conf behind it, dir/conf.d/ *.conf in the order of their names, dir/advanced.config. As in RabbitMQ a
 * main file in the classic form takes the place of advanced.config. False: errors are in the report.
 */
bool config_files_find(struct config_files *f, const char *dir, const struct config_env *e,
                       const struct config_io *io, struct config_report *report);
void config_files_fini(struct config_files *f);

#endif
