/*
 * The arguments of requests, with their bounds. Each answers the call with bad_request or bad_argument and
 * returns false where the argument is missing or not what it has to be.
 */
#ifndef LEVERET_MGMT_ARGUMENT_H
#define LEVERET_MGMT_ARGUMENT_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stdint.h>

struct control_call;

enum {
    ARGUMENT_NAME_MAX = 255
}; /* bytes of what is a short string in AMQP and in the log of declared things */

/* A string that names something; `fallback` NULL: it must be there. Slices are good until the call is over.
 */
bool argument_name(struct control_call *call, const char *name, const char *fallback, struct slice *out);
/* A longer one. */
bool argument_text(struct control_call *call, const char *name, const char *fallback, size_t bytes_max,
                   struct slice *out);
/* Missing: `*out` stays as it is. */
bool argument_flag(struct control_call *call, const char *name, bool *out);
bool argument_number(struct control_call *call, const char *name, int64_t least, int64_t most, int64_t *out);
/* An array of strings without commas, added to `out` as "a,b"; missing: nothing is added. */
bool argument_words(struct control_call *call, const char *name, struct buffer *out);
bool argument_is_there(const struct control_call *call, const char *name);
/* For messages about an argument that has been read: its text, else `fallback`. Answers nothing. */
const char *argument_shown(const struct control_call *call, const char *name, const char *fallback);

#endif
