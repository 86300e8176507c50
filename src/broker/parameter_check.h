/*
 * What the values of runtime parameters must be: shovels, federation upstreams and sets of those. Whoever
 * submits a META_PARAMETER_SET that an operator wants asks here first; applying the command asks no more.
 */
#ifndef LEVERET_BROKER_PARAMETER_CHECK_H
#define LEVERET_BROKER_PARAMETER_CHECK_H

#include "base/slice.h"

struct buffer;
struct json_t;

/* Is there such a component? */
bool parameter_check_knows(struct slice component);
/* Appends a line for each thing that is wrong, in RabbitMQ's words and order, or nothing. Once the text is
 * long the rest is left out: what is told is cut anyway. */
void parameter_check(struct buffer *wrong, struct slice component, struct slice name,
                     const struct json_t *value);

#endif
