/* The manual pages leveret(8) and leveret.conf(5), from the tables of options and keys, in roff with the man
 * macros. */
#ifndef LEVERET_APP_MANUAL_H
#define LEVERET_APP_MANUAL_H

#include "base/buffer.h"

void manual_program(struct buffer *out);
void manual_config(struct buffer *out);

#endif
