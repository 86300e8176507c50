/*
 * Messages: blobs from the shard's pool, and references to blobs of other shards.
 *
 * A remote reference is a struct message with MESSAGE_REMOTE whose size fields equal the original's and whose
 * bytes are
 *
 *   | origin: who has the bytes (8 B) | held: what our shard holds for it (8 B) | count (8 B) | numbers (8 B
 * each) |
 *
 * `origin` is the blob itself, never another reference, so that a reader goes one step. `held` is what the
 * shard that made the reference gave for it: the blob, or a reference that this shard had been given. When
 * the reference comes back, its maker drops `held`. `numbers` is a list that travels with it (the target
 * queues of a publish).
 *
 * Always true: `refs` counts the holds of one shard, the one that has the blob or reference at the moment. A
 * blob whose last hold goes on another shard than `home` goes home by mail; until then nobody touches it.
 */
#include "broker/message.h"

#include "base/buffer.h"
#include "base/check.h"
#include "broker/broker.h"
#include "broker/courier_impl.h"
#include "wire/properties.h"

struct reference {
    struct message head;
    const struct message *origin;
    struct message *held;
    uint64_t count;
    uint64_t numbers[];
};
_Static_assert(sizeof(struct message) == 16, "the blob's head is 16 bytes");
_Static_assert(offsetof(struct reference, origin) == offsetof(struct message, bytes),
               "message_origin() reads it");

static inline size_t
message_allocation(const struct message *m, size_t body_size)
{
    return sizeof *m + m->exchange_size + m->routing_key_size + m->properties_size + body_size + 1;
}

struct message_facts
message_facts_of(const struct properties *p)
{
    bool is_persistent = p->delivery_mode == 2,
         has_expiration = p->flags & PROPERTY_FLAG(PROPERTY_EXPIRATION);
    return (struct message_facts){.flags = (uint8_t)((is_persistent ? MESSAGE_PERSISTENT : 0) |
                                                     (has_expiration ? MESSAGE_HAS_EXPIRATION : 0)),
                                  .priority = p->priority};
}

/* Of any bytes: those of a draft are not validated yet, and it never becomes a message if they are not valid.
 */
static struct message_facts
message_facts_read(struct slice properties)
{
    struct properties p;
    return properties_read(properties, &p) == ERR_OK ? message_facts_of(&p) : (struct message_facts){0};
}

/* Names and properties are short: a call to memcpy() would cost more than the copy. Returns the end. */
static inline uint8_t *
put(uint8_t *at, struct slice s)
{
    if (s.len > 16) {
        memcpy(at, s.data, s.len);
    } else if (s.len >= 8) {
        uint64_t first, last;
        memcpy(&first, s.data, 8);
        memcpy(&last, s.data + s.len - 8, 8);
        memcpy(at, &first, 8);
        memcpy(at + s.len - 8, &last, 8);
    } else
        for (size_t i = 0; i < s.len; i++)
            at[i] = s.data[i];
    return at + s.len;
}

__attribute__((always_inline)) static inline struct message *
message_build(struct broker *b, struct slice exchange, struct slice routing_key, struct slice properties,
              struct message_facts facts, uint32_t body_size, uint32_t capacity)
{
    CHECK(properties.len <= MESSAGE_PROPERTIES_MAX);
    struct message head = {
        .refs = 1,
        .body_size = body_size,
        .properties_size = (uint32_t)properties.len & MESSAGE_PROPERTIES_MAX,
        .priority = facts.priority,
        .exchange_size = (uint8_t)exchange.len,
        .routing_key_size = (uint8_t)routing_key.len,
        .home = (uint8_t)b->index,
        .flags = facts.flags,
    };
    struct message *m = pool_alloc(b->pool, message_allocation(&head, capacity));
    *m = head;
    uint8_t *body = put(put(put(m->bytes, exchange), routing_key), properties);
    body[capacity] = 0xce;
    return m;
}

struct message *
message_new(struct broker *b, struct slice exchange, struct slice routing_key, struct slice properties,
            uint32_t body_size)
{
    struct slice visible = message_visible_of(properties);
    struct message_facts facts = message_facts_read(visible);
    if (__builtin_expect(visible.len != properties.len, 0))
        facts.flags |= MESSAGE_HAS_HIDDEN_KEYS;
    return message_build(b, exchange, routing_key, properties, facts, body_size, body_size);
}

struct message *
message_new_known(struct broker *b, struct slice exchange, struct slice routing_key, struct slice properties,
                  struct message_facts facts, uint32_t body_size)
{
    return message_build(b, exchange, routing_key, properties, facts, body_size, body_size);
}

void
message_hide_keys(struct buffer *out, struct slice keys)
{
    buffer_add_u16(out, MESSAGE_HIDDEN_MARK);
    buffer_add_u32(out, (uint32_t)keys.len);
    buffer_add_slice(out, keys);
}

struct message *
message_new_growing(struct broker *b, struct slice exchange, struct slice routing_key,
                    struct slice properties, uint32_t body_size, uint32_t capacity)
{
    CHECK(capacity <= body_size);
    /* nobody has looked at them yet, so nothing in them is taken for hidden keys */
    return message_build(b, exchange, routing_key, properties, message_facts_read(properties), body_size,
                         capacity);
}

struct message *
message_grow(struct broker *b, struct message *m, uint32_t old_capacity, uint32_t capacity)
{
    CHECK(m->refs == 1 && capacity <= m->body_size);
    m = pool_resize(b->pool, m, message_allocation(m, old_capacity), message_allocation(m, capacity));
    message_body_mut(m)[capacity] = 0xce;
    return m;
}

void
message_discard(struct broker *b, struct message *m, uint32_t capacity)
{
    CHECK(m->refs == 1 && m->home == b->index);
    pool_release(b->pool, m, message_allocation(m, capacity));
}

struct message *
message_copy_with(struct broker *b, const struct message *m, struct slice exchange, struct slice routing_key,
                  struct slice properties, struct message_facts facts)
{
    struct slice body = message_body(m);
    struct message *copy = message_new_known(b, exchange, routing_key, properties, facts, (uint32_t)body.len);
    put(message_body_mut(copy), body);
    return copy;
}

void
message_free(struct broker *b, struct message *m)
{
    if (__builtin_expect(m->home != b->index, 0))
        courier_return(b, m);
    else if (__builtin_expect(m->flags & MESSAGE_REMOTE, 0))
        message_returned(b, m);
    else
        pool_release(b->pool, m, message_allocation(m, m->body_size));
}

static size_t
reference_size(uint64_t count)
{
    return sizeof(struct reference) + count * sizeof(uint64_t);
}

struct message *
message_hand_over_with(struct broker *b, struct message **m, uint32_t count, uint64_t **numbers)
{
    struct reference *r = pool_alloc(b->pool, reference_size(count));
    r->head = **m;
    r->head.refs = 1;
    r->head.home = (uint8_t)b->index;
    r->head.flags |= MESSAGE_REMOTE;
    r->origin = message_origin(*m);
    r->held = *m;
    r->count = count;
    if (numbers)
        *numbers = r->numbers;
    *m = NULL;
    return &r->head;
}

struct message *
message_hand_over(struct broker *b, struct message **m)
{
    if ((*m)->refs > 1)
        return message_hand_over_with(b, m, 0, NULL);
    struct message *whole = *m;
    *m = NULL;
    return whole;
}

const uint64_t *
message_numbers(const struct message *m, uint32_t *count)
{
    CHECK(m->flags & MESSAGE_REMOTE);
    const struct reference *r = (const struct reference *)m;
    *count = (uint32_t)r->count;
    return r->numbers;
}

void
message_returned(struct broker *b, struct message *m)
{
    CHECK(m->home == b->index && m->refs == 0);
    if (!(m->flags & MESSAGE_REMOTE)) {
        pool_release(b->pool, m, message_allocation(m, m->body_size));
        return;
    }
    struct reference *r = (struct reference *)m;
    struct message *held = r->held;
    pool_release(b->pool, r, reference_size(r->count));
    message_drop(b, &held);
}
