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
    void (*log_rotate)(void *arg);
    struct slice cookie;
    const char *enabled_plugins_file;       /* where there is one: "" */
    const char *certificate_file, *ca_file; /* of TLS listeners; NULL: none */
};

#endif
