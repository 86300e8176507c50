/* Numbers in text. All of the slice must be the number: no spaces, no sign where none is said, no digits
 * missing. */
#ifndef LEVERET_BASE_TEXT_H
#define LEVERET_BASE_TEXT_H

#include "base/err.h"
#include "base/slice.h"

/* Decimal digits. ERR_SYNTAX, or ERR_RANGE from 2^64 up; `*out` changes only on success, here and below. */
ERR_USE enum err text_to_u64(struct slice s, uint64_t *out);

/* The same, and ERR_RANGE unless min <= number <= max. */
ERR_USE enum err text_to_u64_within(struct slice s, uint64_t min, uint64_t max, uint64_t *out);

/* Digits with an optional '-' or '+' in front. */
ERR_USE enum err text_to_i64(struct slice s, int64_t *out);

/*
 * A number of bytes with RabbitMQ's units: k, ki and kiB are 1024 bytes, kB is 1000; the same with M, G and
 * T; no unit is bytes. Upper and lower case are the same. (RabbitMQ 3.10 refuses some mixtures of case, "Ki"
 * without B, and T.)
 */
ERR_USE enum err text_to_bytes(struct slice s, uint64_t *out);

#endif
