/* The file enabled_plugins: [rabbitmq_management,rabbitmq_shovel]. */
#ifndef LEVERET_WIRE_ENABLED_PLUGINS_H
#define LEVERET_WIRE_ENABLED_PLUGINS_H

#include "base/buffer.h"
#include "wire/erlang_terms.h"

enum { ENABLED_PLUGINS_BYTES_MAX = 1 << 16, ENABLED_PLUGINS_MAX = 256 };

/* Calls `each` with every name, in the file's order. False: `error` says where and why, and `each` was not
 * called. An empty file names none. */
bool enabled_plugins_read(struct slice text, void (*each)(void *arg, struct slice name), void *arg,
                          struct erlang_error *error);
/* The file's text, for names as enabled_plugins_read() gives them. */
void enabled_plugins_write(struct buffer *out, const struct slice *names, size_t count);

#endif
