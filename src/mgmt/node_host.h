/*
 * What the process tells of itself and lets be changed, for requests about the node: its log, its
 * configuration. src/app fills it in. Everything is called on the control thread, whether the application
 * runs or not.
 */
#ifndef LEVERET_MGMT_NODE_HOST_H
#define LEVERET_MGMT_NODE_HOST_H

#include "base/buffer.h"
#include "base/err.h"

#include <jansson.h>

struct logger_follow;

struct node_host {
    void *arg;
    /* New references. Paths of the files that were read; {"rabbit": {"channel_max": 2047, ...}}, without
     * secrets. */
    json_t *(*config_files)(void *arg);
    json_t *(*environment)(void *arg);
    /* The files, then names of other outputs in <>; NULL behind the last. */
    const char *(*log_location)(void *arg, unsigned i);
    /* Appends the last lines of the first file. ERR_NOT_FOUND: there is none. */
    enum err (*log_tail)(void *arg, unsigned lines, struct buffer *out);
    /* Its end from now on, as it grows; NULL: there is no file that could be read. */
    struct logger_follow *(*log_follow)(void *arg);
    void (*log_follow_read)(struct logger_follow *f, size_t most, struct buffer *out);
    void (*log_follow_close)(struct logger_follow *f);
    void (*log_rotate)(void *arg);
    /* One of RabbitMQ's application variables, until the configuration is read again. False: there is none of
     * that name, or the value is none for it. */
    bool (*set_variable)(void *arg, const char *name, json_t *value);
    struct slice cookie;
    const char *enabled_plugins_file; /* NULL: plugins_path() knows */
    /* Of TLS listeners: the server's, or those that clients' are checked with. False: none. */
    bool (*certificate_file)(void *arg, bool is_authority, char *path, size_t size);
};

#endif
