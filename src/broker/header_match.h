/*
 * Does a message's headers table match a binding's arguments? RabbitMQ's rules
 * (rabbit_exchange_type_headers 3.10):
 *
 * - `x-match` is all (default), any, all-with-x or any-with-x; it is never compared itself. Without
 * "-with-x", fields whose names begin with "x-" are not compared either.
 * - A void value in the binding matches any value of that name. Other values are compared without their
 * types: numbers by value (5 of any integer type, 5.0, a timestamp), strings and binaries by bytes; tables
 * and arrays are equal when their bytes are.
 * - `all` without a compared field matches everything, `any` nothing.
 * - Of several fields with one name, the first of the binding is compared with the first of the message, and
 * so on.
 */
/* exports: header_fields_ */
#ifndef LEVERET_BROKER_HEADER_MATCH_H
#define LEVERET_BROKER_HEADER_MATCH_H

#include "base/slice.h"
#include "wire/table.h"

enum header_match_kind {
    HEADER_MATCH_ALL,
    HEADER_MATCH_ANY,
    HEADER_MATCH_ALL_WITH_X,
    HEADER_MATCH_ANY_WITH_X
};

/* What a binding's arguments say; HEADER_MATCH_ALL when they say nothing (or nonsense). */
enum header_match_kind header_match_kind(struct slice arguments);
static inline bool
header_match_is_any(enum header_match_kind kind)
{
    return kind == HEADER_MATCH_ANY || kind == HEADER_MATCH_ANY_WITH_X;
}
/* Is a binding's field of this name compared? */
bool header_match_considers(enum header_match_kind kind, struct slice name);

bool header_match_value_eq(const struct table_value *a, const struct table_value *b);
/* Values that are equal have the same hash. Void has one of its own. */
uint64_t header_match_value_hash(const struct table_value *v);

/* A message's fields by name; zeroed to start, used again for the next message. */
struct header_fields {
    struct header_field {
        struct slice name;
        uint64_t name_hash;
        struct table_value value;
        uint32_t next;   /* the next field of the same name + 1; 0: none */
        uint32_t cursor; /* kept at the first of a name: the one to be compared next, like `next`... */
        uint64_t serial; /* ... in the comparison of this number */
    } * fields;
    uint32_t count, capacity;
    uint64_t serial;
    uint32_t *slots; /* open addressing: index + 1 of the first field of a name */
    uint32_t slot_count, slot_capacity;
};
/* The slices point into `headers`. */
void header_fields_load(struct header_fields *f, struct slice headers);
void header_fields_fini(struct header_fields *f);

bool header_match(struct slice arguments, struct header_fields *f);

#endif
