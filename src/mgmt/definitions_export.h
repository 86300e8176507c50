/*
 * The definitions of a node that serves, or of one of its vhosts, written in pieces: shard 0 is asked for one
 * after the other, whoever asks takes the text that there is in between.
 */
#ifndef LEVERET_MGMT_DEFINITIONS_EXPORT_H
#define LEVERET_MGMT_DEFINITIONS_EXPORT_H

#include "base/buffer.h"

struct definitions_export;
struct meta;

/* `vhost` NULL: the whole node. */
struct definitions_export *definitions_export_new(const char *vhost);
void definitions_export_free(struct definitions_export *x);

enum definitions_exported { DEFINITIONS_MORE, DEFINITIONS_ALL, DEFINITIONS_NO_VHOST };

/* On shard 0: the next piece, a bounded part of a turn. `version`: what RabbitMQ we are taken for. Not to be
 * called again after DEFINITIONS_ALL. */
enum definitions_exported definitions_export_piece(struct definitions_export *x, const struct meta *m,
                                                   const char *version);
/* What was written: to be taken and cleared between two pieces. Ends between two items, so it is whole UTF-8.
 */
struct buffer *definitions_export_text(struct definitions_export *x);

#endif
