/*
 * Regular expressions that an operator gives and clients' names are matched with: compiled once, with the JIT
 * where there is one, and matched within limits, so that no expression and no name keeps a shard busy. Not
 * anchored, on bytes, as in RabbitMQ. A compiled one may be used by several threads at once.
 */
#ifndef LEVERET_BROKER_REGEX_H
#define LEVERET_BROKER_REGEX_H

#include "base/slice.h"

struct buffer;
struct regex;

/* A match may begin anywhere in the subject, and the library counts backtracking anew for each place: what is
 * limited here is the sum. Beyond it the answer is no. */
enum {
    REGEX_WORK_MAX = 512 * 1024,
    REGEX_COST_DEAR = 32, /* of a match that is not cheap: see regex_matches_within() */
    REGEX_DEPTH_LIMIT = 1000,
    REGEX_HEAP_LIMIT_KIB = 1024,
    REGEX_WHY_SIZE = 120,
};

/* What is wrong with an expression, and at which byte. */
struct regex_error {
    char why[REGEX_WHY_SIZE];
    size_t offset;
};

/* NULL, with `error`, if it is none. */
struct regex *regex_new(struct slice pattern, struct regex_error *error);
/* A line: `start` and the error as RabbitMQ prints it, an Erlang term that goes on in a second line if the
 * first would be too long. */
void regex_error_add(struct buffer *out, struct slice start, const struct regex_error *error);
void regex_free(struct regex *r);
bool regex_matches(const struct regex *r, struct slice subject);
/* The same with a limit of the caller's. Adds to `cost` what it was, about: 1, or REGEX_COST_DEAR if more
 * than that part of the limit was needed. */
bool regex_matches_within(const struct regex *r, struct slice subject, uint32_t work_max, uint64_t *cost);

#endif
