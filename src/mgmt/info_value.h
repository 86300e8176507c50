/* Values of rows, written as JSON. Each appends one value. */
#ifndef LEVERET_MGMT_INFO_VALUE_H
#define LEVERET_MGMT_INFO_VALUE_H

#include "base/buffer.h"

#include <stdbool.h>

/* What is not UTF-8 becomes U+FFFD. */
void info_value_string(struct buffer *out, struct slice text);
void info_value_text(struct buffer *out, const char *text);
/* A text of its digits above INT64_MAX: many libraries read no such number. */
void info_value_number(struct buffer *out, uint64_t n);
void info_value_boolean(struct buffer *out, bool b);
/* "a,b" as ["a","b"]. */
void info_value_words(struct buffer *out, struct slice words);
/* The thing has no such value: "". */
void info_value_none(struct buffer *out);
/* A valid field table: [[name, type, value], ...]; tables inside likewise, arrays as [[type, value], ...].
 * What is nested deeper than table.h allows is left empty. */
void info_value_table(struct buffer *out, struct slice table);

#endif
