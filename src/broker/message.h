/*
 * A message: one immutable, reference-counted blob, stored once whatever the number of queues it is in.
 *
 *   | struct message (16 B) | exchange | routing key | properties | body | 0xCE |
 *
 * `properties` are the property flags and the property list as the client sent them (the content header's
 * payload from offset 12 on). The octet 0xCE behind the body lets a body frame go out by reference.
 *
 * The keys of BCC are taken out of the properties, but dead letters go by them, too. A message that has some
 * has them before its properties, and is stored like that:
 *
 *   | 0x0001 | size (u32) | hidden keys: an array's payload | properties |
 *
 * No properties begin with 0x0001: that flag would announce more flags, and is refused.
 *
 * `refs` is not atomic: only the shard that owns the blob at the moment touches it. A blob comes from the
 * pool of its `home` shard and goes back there. A message that is wanted by one foreign shard only is handed
 * over whole (message_hand_over); one that several shards want is held once for each of them by its home
 * shard and stands there as a remote reference: a `struct message` with MESSAGE_REMOTE whose bytes[] hold a
 * pointer to the original. Readers use the accessors below and never see the difference. When the last local
 * hold goes, the blob or reference is returned to its home by mail (design.md, invariant 6).
 */
#ifndef LEVERET_BROKER_MESSAGE_H
#define LEVERET_BROKER_MESSAGE_H

#include "base/byteorder.h"
#include "base/check.h"
#include "base/pool.h"
#include "base/slice.h"

struct broker;
struct buffer;

enum {
    MESSAGE_PERSISTENT = 1 << 0, /* delivery-mode 2 */
    MESSAGE_REMOTE = 1 << 1,     /* stands for a blob on another shard */
    MESSAGE_HAS_EXPIRATION = 1 << 2,
    MESSAGE_HAS_HIDDEN_KEYS = 1 << 3,
};
#define MESSAGE_PROPERTIES_MAX ((1u << 24) - 1)

/* What the broker asks of a message's properties wherever it goes: found out once. */
struct message_facts {
    uint8_t flags;    /* MESSAGE_* */
    uint8_t priority; /* 0 where there is none */
};

enum { MESSAGE_HIDDEN_MARK = 0x0001, MESSAGE_HIDDEN_HEADER = 6 };

struct message {
    uint32_t refs;
    uint32_t body_size;
    uint32_t properties_size : 24;
    uint32_t priority : 8; /* as in struct message_facts */
    uint8_t exchange_size;
    uint8_t routing_key_size;
    uint8_t home;  /* index of the shard whose pool it came from */
    uint8_t flags; /* MESSAGE_* */
    uint8_t bytes[];
};

struct properties;
struct message_facts message_facts_of(const struct properties *p);

/* Allocates a message with room for `body_size` body bytes, of which the caller writes all through
 * message_body() before anyone else sees it. One hold belongs to the caller. Sizes are within the limits of
 * the protocol (checked by the session); never NULL. */
struct message *message_new(struct broker *b, struct slice exchange, struct slice routing_key,
                            struct slice properties, uint32_t body_size);
/* The same; the caller knows what the properties say. */
struct message *message_new_known(struct broker *b, struct slice exchange, struct slice routing_key,
                                  struct slice properties, struct message_facts facts, uint32_t body_size);

/* Begins stored properties with hidden keys (the payload of an array); the properties follow. */
void message_hide_keys(struct buffer *out, struct slice keys);

/* A body that arrives in pieces: the blob first has room for `capacity` <= body_size bytes and grows by
 * doubling as bytes really come, so that a peer pays for what it makes us hold. Returns the (perhaps moved)
 * message. */
struct message *message_new_growing(struct broker *b, struct slice exchange, struct slice routing_key,
                                    struct slice properties, uint32_t body_size, uint32_t capacity);
struct message *message_grow(struct broker *b, struct message *m, uint32_t old_capacity, uint32_t capacity);
/* Frees a growing message that never became whole. */
void message_discard(struct broker *b, struct message *m, uint32_t capacity);

/* Another message with the same body and other names or properties (reply-to rewriting, BCC removal, dead
 * letters). */
struct message *message_copy_with(struct broker *b, const struct message *m, struct slice exchange,
                                  struct slice routing_key, struct slice properties,
                                  struct message_facts facts);

static inline void
message_hold(struct message *m)
{
    m->refs++;
}
/* The last hold is gone: frees the blob, or returns it to its home shard. */
void message_free(struct broker *b, struct message *m);
/* Gives up one hold; *m becomes NULL. */
static inline void
message_drop(struct broker *b, struct message **m)
{
    struct message *dropped = *m;
    *m = NULL;
    if (--dropped->refs == 0)
        message_free(b, dropped);
}

/*
 * What another shard gets for the caller's hold (*m becomes NULL): the blob itself when nobody else here
 * holds it, else a remote reference. The receiver has one hold; it reads at once and drops when it likes.
 */
struct message *message_hand_over(struct broker *b, struct message **m);
/* Always a reference, with a list of `count` numbers (the target queues) that travels in it. */
struct message *message_hand_over_with(struct broker *b, struct message **m, uint32_t count,
                                       uint64_t **numbers);
const uint64_t *message_numbers(const struct message *m, uint32_t *count);
/* A blob or reference that came from here is back: nobody holds it any more. */
void message_returned(struct broker *b, struct message *m);

static inline const struct message *
message_origin(const struct message *m)
{
    if (m->flags & MESSAGE_REMOTE) {
        const struct message *origin;
        memcpy(&origin, m->bytes, sizeof origin);
        return origin;
    }
    return m;
}
static inline struct slice
message_exchange(const struct message *m)
{
    m = message_origin(m);
    return slice_of(m->bytes, m->exchange_size);
}
static inline struct slice
message_routing_key(const struct message *m)
{
    m = message_origin(m);
    return slice_of(m->bytes + m->exchange_size, m->routing_key_size);
}
/* Property flags and list, behind the hidden keys if there are any: as it is stored, and as message_new()
 * takes it. */
static inline struct slice
message_stored_properties(const struct message *m)
{
    m = message_origin(m);
    return slice_of(m->bytes + m->exchange_size + m->routing_key_size, m->properties_size);
}
/* The hidden keys that stored properties begin with; data NULL: there are none. */
static inline struct slice
message_hidden_of(struct slice stored)
{
    if (__builtin_expect(stored.len < 2 || be16_get(stored.data) != MESSAGE_HIDDEN_MARK, 1))
        return slice_of(NULL, 0);
    CHECK(stored.len >= MESSAGE_HIDDEN_HEADER);
    size_t size = be32_get(stored.data + 2);
    CHECK(size <= stored.len - MESSAGE_HIDDEN_HEADER);
    return slice_of(stored.data + MESSAGE_HIDDEN_HEADER, size);
}
/* Stored properties without them. */
static inline struct slice
message_visible_of(struct slice stored)
{
    struct slice hidden = message_hidden_of(stored);
    size_t before = hidden.data ? MESSAGE_HIDDEN_HEADER + hidden.len : 0;
    return slice_of(stored.data + before, stored.len - before);
}
/* Property flags and list. */
static inline struct slice
message_properties(const struct message *m)
{
    m = message_origin(m);
    struct slice stored = message_stored_properties(m);
    return __builtin_expect(m->flags & MESSAGE_HAS_HIDDEN_KEYS, 0) ? message_visible_of(stored) : stored;
}
static inline struct slice
message_hidden_keys(const struct message *m)
{
    m = message_origin(m);
    return m->flags & MESSAGE_HAS_HIDDEN_KEYS ? message_hidden_of(message_stored_properties(m))
                                              : slice_of(NULL, 0);
}
/* The body; the octet behind it is 0xCE. */
static inline struct slice
message_body(const struct message *m)
{
    m = message_origin(m);
    return slice_of(m->bytes + m->exchange_size + m->routing_key_size + m->properties_size, m->body_size);
}
static inline uint8_t *
message_body_mut(struct message *m)
{
    return m->bytes + m->exchange_size + m->routing_key_size + m->properties_size;
}
/* Bytes that the blob takes; of a remote reference: that the original takes. The size fields of a reference
 * equal the original's. */
static inline size_t
message_size(const struct message *m)
{
    return sizeof *m + m->exchange_size + m->routing_key_size + m->properties_size + (size_t)m->body_size + 1;
}

#endif
