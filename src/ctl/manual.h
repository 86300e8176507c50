/* The manual page of a tool, from the tables, in roff with the man macros. */
#ifndef LEVERET_CTL_MANUAL_H
#define LEVERET_CTL_MANUAL_H

#include "base/buffer.h"

void manual_page(struct buffer *out, const char *tool, unsigned tools);

#endif
