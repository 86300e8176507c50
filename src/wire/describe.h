/* What values look like in a line for people. Internal to wire. */
#ifndef LEVERET_WIRE_DESCRIBE_H
#define LEVERET_WIRE_DESCRIBE_H

#include "base/slice.h"

struct buffer;

/* Appends "text", with \" \\ and \xNN for whatever is not printable UTF-8. */
void
describe_str(struct buffer *out, struct slice text);

#endif
