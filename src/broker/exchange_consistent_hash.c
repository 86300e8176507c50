/*
 * x-consistent-hash: a binding's key is a number, its weight: so many buckets are its own. A message's hash
 * chooses a bucket by jump consistent hashing (Lamping and Veach, 2014): buckets get equal shares, and a
 * bucket more at the end takes its share from all others evenly, moving nothing else.
 *
 * What is hashed: the routing key, or what the exchange's arguments name: `hash-header`, or `hash-property`
 * (message_id, correlation_id, timestamp). Messages without it all go the same way.
 *
 * Of several bindings of one destination the first counts and the others have no bucket; when it goes the
 * next one's weight counts from then on, at its own place.
 */
#include "base/check.h"
#include "base/hash.h"
#include "broker/bindlist.h"
#include "broker/erlterm.h"
#include "broker/reply.h"
#include "broker/router.h"
#include "wire/amqp.h"
#include "wire/properties.h"
#include "wire/table.h"

#include <stdlib.h>

enum { CONSISTENT_HASH_NOTHING = 1 }; /* the hash of what a message does not have */

struct consistent_hash {
    struct bindlist buckets;
    struct epoch *epoch;
    struct slice header;    /* within the exchange's arguments; empty: not by header */
    enum property property; /* with is_by_property */
    bool is_by_property;
};

/* ---- arguments ---- */

static bool
hashed_property(struct slice name, enum property *property)
{
    static const struct {
        const char *name; /* as RabbitMQ's plugin spells it */
        enum property property;
    } known[] = {{"message_id", PROPERTY_MESSAGE_ID},
                 {"correlation_id", PROPERTY_CORRELATION_ID},
                 {"timestamp", PROPERTY_TIMESTAMP}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (!slice_eq_str(name, known[i].name))
            continue;
        *property = known[i].property;
        return true;
    }
    return false;
}

static uint16_t
consistent_hash_check_arguments(struct slice arguments, char text[256])
{
    struct table_value header, name;
    enum property property;
    bool by_header = table_find_str(arguments, "hash-header", &header);
    bool by_property = table_find_str(arguments, "hash-property", &name);
    if (by_header && by_property)
        return reply_fail(text, AMQP_REPLY_PRECONDITION_FAILED,
                          "hash-header and hash-property are mutually exclusive");
    if ((by_header && header.type != TABLE_LONGSTR) || (by_property && name.type != TABLE_LONGSTR))
        return reply_fail(text, AMQP_REPLY_PRECONDITION_FAILED, "%s must be a longstr",
                          by_header ? "hash-header" : "hash-property");
    if (by_property && !hashed_property(name.bytes, &property))
        return reply_fail(text, AMQP_REPLY_PRECONDITION_FAILED, "Unsupported property: %.*s",
                          SLICE_FMT(name.bytes));
    return 0;
}

static void *
consistent_hash_create(struct epoch *epoch, struct slice arguments)
{
    struct consistent_hash *h = calloc(1, sizeof *h);
    CHECK(h);
    h->epoch = epoch;
    struct slice name;
    if (table_get_str(arguments, "hash-header", &name) == ERR_OK)
        h->header = name;
    else if (table_get_str(arguments, "hash-property", &name) == ERR_OK)
        h->is_by_property = hashed_property(name, &h->property);
    return h;
}

static void
consistent_hash_destroy(void *router)
{
    struct consistent_hash *h = router;
    bindlist_fini(&h->buckets);
    free(h);
}

/* ---- weights ---- */

/* False: the key is no integer. Above UINT32_MAX it is UINT32_MAX + 1. */
static bool
parse_weight(struct slice key, int64_t *weight)
{
    const uint8_t *at = key.data, *end = at + key.len;
    bool is_negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    if (at == end)
        return false;
    *weight = 0;
    for (; at < end; at++) {
        if (*at < '0' || *at > '9')
            return false;
        *weight = *weight * 10 + (*at - '0');
        if (*weight > UINT32_MAX)
            *weight = (int64_t)UINT32_MAX + 1;
    }
    if (is_negative)
        *weight = -*weight;
    return true;
}

static uint16_t
consistent_hash_check(const struct router_binding *binding, char text[256])
{
    int64_t weight;
    if (!parse_weight(binding->routing_key, &weight)) {
        struct buffer term = {0};
        const struct table_value key = {.type = TABLE_LONGSTR, .bytes = binding->routing_key};
        erlterm_add(&term, &key);
        reply_fail(text, AMQP_REPLY_PRECONDITION_FAILED, "The binding key must be an integer: %.*s",
                   SLICE_FMT(buffer_slice(&term)));
        buffer_fini(&term);
        return AMQP_REPLY_PRECONDITION_FAILED;
    }
    if (weight < 1)
        return reply_fail(text, AMQP_REPLY_PRECONDITION_FAILED, "The binding key must be greater than 0");
    if (weight > UINT32_MAX)
        return reply_fail(text, AMQP_REPLY_PRECONDITION_FAILED, "The binding key must be at most %u",
                          UINT32_MAX);
    return 0;
}

static uint64_t
weight_of(const struct binding *b)
{
    int64_t weight;
    bool is_number = parse_weight(binding_routing_key(b), &weight);
    CHECK(is_number && weight > 0);
    return (uint64_t)weight;
}

static uint16_t
consistent_hash_check_room(const void *router, char text[256])
{
    const struct consistent_hash *h = router;
    return bindlist_check_room(&h->buckets, text);
}

static void
consistent_hash_add(void *router, struct binding *b)
{
    struct consistent_hash *h = router;
    bool is_first = !bindlist_has(&h->buckets, b->destination);
    bindlist_add(&h->buckets, b, is_first ? weight_of(b) : 0, NULL, h->epoch);
}

static void
consistent_hash_remove(void *router, struct binding *b)
{
    bindlist_remove(b);
}

static void
consistent_hash_settle(void *router)
{
    struct consistent_hash *h = router;
    bindlist_settle(&h->buckets, weight_of, h->epoch);
}

/* ---- routing ---- */

static uint64_t
jump(uint64_t hash, uint64_t buckets)
{
    uint64_t bucket = 0;
    for (double next = 0; next < (double)buckets;) {
        bucket = (uint64_t)next;
        hash = hash * 2862933555777941757u + 1;
        next = ((double)bucket + 1) * ((double)(1u << 31) / ((double)(hash >> 33) + 1));
    }
    return bucket;
}

static uint64_t
hash_of(const struct consistent_hash *h, const struct router_query *query)
{
    struct slice value;
    struct table_value field;
    uint64_t hash = 0;
    if (h->is_by_property)
        return query->properties.len && properties_find(query->properties, h->property, &value)
                   ? hash_bytes(value)
                   : CONSISTENT_HASH_NOTHING;
    if (h->header.data)
        return query->properties.len && table_find(properties_headers(query->properties), h->header, &field)
                   ? hash_combine(field.type, hash_bytes(field.encoded))
                   : CONSISTENT_HASH_NOTHING;
    for (unsigned i = 0; i < query->key_count; i++)
        hash = hash_combine(hash, hash_bytes(query->keys[i]));
    return hash;
}

static void
consistent_hash_route(const void *router, const struct router_query *query, struct router_scratch *s)
{
    const struct consistent_hash *h = router;
    const struct bindlist_items *buckets = bindlist_read(&h->buckets);
    if (buckets)
        router_found(s, bindlist_at(buckets, jump(hash_of(h, query), bindlist_sum(buckets))));
}

const struct router_ops exchange_consistent_hash_ops = {
    .create = consistent_hash_create,
    .destroy = consistent_hash_destroy,
    .check_arguments = consistent_hash_check_arguments,
    .check = consistent_hash_check,
    .check_room = consistent_hash_check_room,
    .add = consistent_hash_add,
    .remove = consistent_hash_remove,
    .settle = consistent_hash_settle,
    .route = consistent_hash_route,
};
