/* Field tables as plain JSON, as definitions have arguments: {"x-max-length":1000}. */
#ifndef LEVERET_MGMT_DEFINITIONS_TABLE_H
#define LEVERET_MGMT_DEFINITIONS_TABLE_H

#include "base/buffer.h"
#include "base/slice.h"

#include <jansson.h>

/* A table's fields as an object. Bytes that are not UTF-8 become U+FFFD. */
json_t *definitions_table_to_json(struct slice table);
/* Text as a JSON string, likewise. */
json_t *definitions_table_text(struct slice text);
/* Appends an object's members as fields, in RabbitMQ's types: l for integers, d, t, S, A, F, V. False: a name
 * is longer than 255 bytes, or it is nested too deep. */
bool definitions_table_of_json(struct buffer *out, const json_t *object);

#endif
