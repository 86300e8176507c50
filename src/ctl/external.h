/* Erlang's external term format (term_to_binary), as far as configuration values need it, and terms as Erlang
 * prints them. */
#ifndef LEVERET_CTL_EXTERNAL_H
#define LEVERET_CTL_EXTERNAL_H

#include "base/buffer.h"
#include "base/err.h"

struct erlang_term;

enum { EXTERNAL_DEPTH_MAX = 32 };

/* ERR_UNSUPPORTED: maps, floats, integers of more than 32 bits; ERR_LIMIT: a text longer than 65535, or too
 * deep. */
ERR_USE enum err external_encode(struct buffer *out, const struct erlang_term *term);
/* Adds the term as text. ERR_SYNTAX: no such format, or something follows; ERR_UNSUPPORTED: a kind that is
 * not known here. */
ERR_USE enum err external_print(struct buffer *out, struct slice bytes);

#endif
