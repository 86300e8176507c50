/*
 * Regular expressions that an operator gives and clients' names are matched with: compiled once, with the JIT
 * where there is one, and matched within limits, so that no expression and no name keeps a shard busy. Not
 * anchored, on bytes, as in RabbitMQ. A compiled one may be used by several threads at once.
 */
#ifndef LEVERET_BROKER_REGEX_H
#define LEVERET_BROKER_REGEX_H

#include "base/slice.h"

struct regex;

enum {
    REGEX_MATCH_LIMIT = 100000, /* of backtracking in one match: beyond it the answer is no */
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
void regex_free(struct regex *r);
bool regex_matches(const struct regex *r, struct slice subject);
/* The same with a limit of backtracking of the caller's. */
bool regex_matches_within(const struct regex *r, struct slice subject, uint32_t match_limit);

#endif
