/*
 * basic.publish, from three frames (method, header, body) to courier_publish().
 *
 * Fast path: all three stand whole in the read buffer, the body in one frame. Nothing is allocated but the
 * message. Otherwise a draft on the channel collects them; its message grows as bytes really come.
 *
 * A message is judged when it is complete (RabbitMQ reads a body that is too large to its end, too): size,
 * permission, exchange, properties, route. What can be remembered from the last publish on this channel is:
 * the exchange for this turn, the permission while nobody's changed, the route while the exchange's bindings
 * have not changed, and a property run that held nothing to look at.
 *
 * If the way to a queue's shard is full, nothing has happened yet: the connection is not read until there is
 * room, and then the same message comes again.
 */
#include "base/check.h"
#include "broker/message.h"
#include "broker/topic_permission.h"
#include "broker/vhost.h"
#include "server/blocked.h"
#include "server/class.h"
#include "server/firehose.h"
#include "server/publish_properties.h"
#include "wire/properties.h"

#include <stdlib.h>

/* ---- what a channel remembers ---- */

static struct channel_publisher *
basic_publisher(struct channel *ch)
{
    if (__builtin_expect(!ch->publisher, 0)) {
        ch->publisher = calloc(1, sizeof *ch->publisher);
        CHECK(ch->publisher);
    }
    return ch->publisher;
}

/* Looks it up anew. NULL: failed. */
static const struct exchange *
basic_publish_exchange_slow(struct channel *ch, struct channel_publisher *pub, struct slice name)
{
    struct connection *c = ch->connection;
    struct meta *meta = c->home->server->node->meta;
    bool is_same = pub->turn && slice_eq(name, slice_of(pub->exchange_name, pub->exchange_size));
    uint64_t generation = permission_generation(meta);
    pub->turn = 0;
    if (!is_same || !pub->may_write || pub->permission_generation != generation) {
        if (!channel_may(ch, AMQP_BASIC_PUBLISH, PERMISSION_WRITE, "exchange", name))
            return NULL;
        pub->may_write = true;
        pub->permission_generation = generation;
    }
    const struct exchange *x = exchange_find(c->vhost, name);
    if (!x) {
        channel_fail(ch, AMQP_REPLY_NOT_FOUND, AMQP_BASIC_PUBLISH, "no exchange '%.*s' in vhost '%s'",
                     SLICE_FMT(name), c->vhost->name);
        return NULL;
    }
    if (x->internal) {
        channel_fail(ch, AMQP_REPLY_ACCESS_REFUSED, AMQP_BASIC_PUBLISH,
                     "cannot publish to internal exchange '%.*s' in vhost '%s'", SLICE_FMT(name),
                     c->vhost->name);
        return NULL;
    }
    pub->is_topic_restricted = x->type == EXCHANGE_TOPIC &&
                               topic_permission_find(meta, intern_slice(c->user), c->vhost, name) != NULL;
    pub->exchange = x;
    pub->exchange_size = (uint8_t)name.len;
    if (name.len)
        memcpy(pub->exchange_name, name.data, name.len);
    pub->turn = c->home->turn;
    return x;
}

static inline const struct exchange *
basic_publish_exchange(struct channel *ch, struct slice name)
{
    struct channel_publisher *pub = basic_publisher(ch);
    if (__builtin_expect(pub->turn == ch->connection->home->turn && name.len == pub->exchange_size &&
                             memcmp(name.data, pub->exchange_name, name.len) == 0,
                         1))
        return pub->exchange;
    return basic_publish_exchange_slow(ch, pub, name);
}

/* A topic permission restricts the user here: every key is asked for, those of CC and BCC too. False: failed.
 */
static bool
basic_publish_may_topic(struct channel *ch, const struct exchange *x, struct slice routing_key,
                        const struct publish_properties *more)
{
    bool may = channel_may_topic(ch, AMQP_BASIC_PUBLISH, PERMISSION_WRITE, x, routing_key);
    for (unsigned i = 1; may && i < more->key_count; i++)
        may = channel_may_topic(ch, AMQP_BASIC_PUBLISH, PERMISSION_WRITE, x, more->keys[i]);
    return may;
}

/* The properties hold nothing that must be looked at. Otherwise `more` says what they hold; false: failed. */
static inline bool
basic_publish_properties(struct channel *ch, struct publish *p, struct publish_properties *more)
{
    struct channel_publisher *pub = ch->publisher;
    struct slice run = p->properties;
    if (__builtin_expect(run.len == pub->properties_size && memcmp(run.data, pub->properties, run.len) == 0,
                         1)) {
        more->facts = pub->facts;
        return true;
    }
    if (!publish_properties_check(ch, run, more))
        return false;
    if (!more->is_special && run.len <= sizeof pub->properties) {
        memcpy(pub->properties, run.data, run.len);
        pub->properties_size = (uint8_t)run.len;
        pub->facts = more->facts;
    }
    return true;
}

/* ---- routing ---- */

static inline const struct route *
basic_publish_route(struct channel *ch, const struct exchange *x, struct slice routing_key,
                    struct slice properties, const struct publish_properties *more)
{
    struct broker *b = ch->connection->home->broker;
    if (__builtin_expect(more->key_count > 0, 0)) {
        more->keys[0] = routing_key;
        return route_find_many(b, x, more->keys, more->key_count, properties);
    }
    if (__builtin_expect(exchange_needs_message(x), 0))
        return route_find(b, x, routing_key, properties);
    const struct route *route = route_find_memo(b, &basic_publisher(ch)->memo, x, routing_key);
    return route ? route : route_find(b, x, routing_key, properties);
}

/* Not now: the connection is not read until the lane to `to` has room. */
static void
basic_publish_wait(struct channel *ch, unsigned to)
{
    struct connection *c = ch->connection;
    struct server_waiting *waiting = &c->home->waiting_for_room;
    if (!(c->blocked & BLOCK_ROOM)) {
        server_handles_add(&waiting->to[to], c->handle);
        waiting->count++;
    }
    c->flags |= CONNECTION_ROOM_AWAITED;
    connection_block(c, BLOCK_ROOM);
}

/*
 * Replies. As in RabbitMQ every key of a publish to the default exchange (CC and BCC, too) that is the
 * address of somebody who waits for a reply reaches that one, each once, beside the queues of the other keys;
 * that counts for neither `mandatory` nor the confirm. No queue has such a name, so a single key with a route
 * is none.
 */
static inline bool
basic_publish_may_reply(const struct exchange *x, const struct route *route, unsigned key_count)
{
    return x->is_default && (route->count == 0 || key_count > 1);
}

/* The i-th key as an address; false: it is none, or stands before. */
static bool
basic_publish_reply_to(const struct server *server, const struct slice *keys, unsigned i,
                       struct channel_ref *to, uint64_t *reply_key)
{
    if (!replyto_is_address(keys[i]) || !replyto_decode(keys[i], server->shard_count, to, reply_key))
        return false;
    for (unsigned before = 0; before < i; before++)
        if (slice_eq(keys[before], keys[i]))
            return false;
    return true;
}

static bool
basic_publish_has_room(struct channel *ch, const struct exchange *x, const struct route *route,
                       const struct slice *keys, unsigned key_count, unsigned *to)
{
    struct server_shard *home = ch->connection->home;
    if (__builtin_expect(!courier_can_publish(home->broker, route, to), 0))
        return false;
    if (__builtin_expect(!basic_publish_may_reply(x, route, key_count), 1))
        return true;
    for (unsigned i = 0; i < key_count; i++) {
        struct channel_ref reply;
        uint64_t reply_key;
        if (basic_publish_reply_to(home->server, keys, i, &reply, &reply_key) &&
            !courier_has_room(home->broker, reply.shard)) {
            *to = reply.shard;
            return false;
        }
    }
    return true;
}

static void
basic_publish_reply(struct channel *ch, const struct slice *keys, unsigned key_count, struct message *m)
{
    struct server_shard *home = ch->connection->home;
    for (unsigned i = 0; i < key_count; i++) {
        struct channel_ref to;
        uint64_t reply_key;
        if (!basic_publish_reply_to(home->server, keys, i, &to, &reply_key))
            continue;
        struct message *copy = m;
        message_hold(copy);
        courier_direct_reply(home->broker, to, reply_key, &copy);
    }
}

/* ---- sending ---- */

static struct message *
basic_publish_build(struct channel *ch, struct publish *p, const struct publish_properties *more)
{
    struct broker *b = ch->connection->home->broker;
    struct slice properties = more->rewritten.len ? buffer_slice(&more->rewritten) : p->properties;
    if (!p->drafted) {
        struct message *m =
            message_new_known(b, p->exchange, p->routing_key, properties, more->facts, (uint32_t)p->body.len);
        if (p->body.len)
            memcpy(message_body_mut(m), p->body.data, p->body.len);
        return m;
    }
    if (more->rewritten.len) /* the original goes with its draft: more->keys lie in it */
        return message_copy_with(b, *p->drafted, p->exchange, p->routing_key, properties, more->facts);
    struct message *m = *p->drafted;
    *p->drafted = NULL;
    return m;
}

static void
basic_publish_return(struct channel *ch, struct slice exchange, struct slice routing_key,
                     const struct delivery_content *content)
{
    struct amqp_basic_return m = {.reply_code = AMQP_REPLY_NO_ROUTE,
                                  .reply_text = slice_str("NO_ROUTE"),
                                  .exchange = exchange,
                                  .routing_key = routing_key};
    uint8_t *out = delivery_begin(ch->connection, AMQP_BASIC_RETURN_SIZE_MAX, content);
    delivery_end(ch, out, amqp_encode_basic_return(out, ch->number, &m), content);
}

static void
basic_publish_confirm(struct channel *ch, uint64_t seq, enum publish_result result, unsigned pending)
{
    struct channel_confirm *confirm = ch->confirm;
    if (result == PUBLISH_PENDING)
        confirm_pending(&confirm->confirm, seq, pending);
    else
        confirm_resolve(&confirm->confirm, seq, result == PUBLISH_REJECTED);
    if (!list_is_linked(&confirm->node))
        list_push_back(&ch->connection->home->confirming, &confirm->node);
}

/* It goes to its queues. Takes the message. */
static void
basic_publish_send(struct channel *ch, const struct route *route, struct message *m, bool mandatory)
{
    struct broker *b = ch->connection->home->broker;
    if (__builtin_expect(route->count == 0, 0) && mandatory) {
        struct delivery_content content = delivery_content_of(m);
        basic_publish_return(ch, message_exchange(m), message_routing_key(m), &content);
    }
    if (!ch->confirm) {
        unsigned pending;
        courier_publish(b, route, &m, channel_ref_of(ch), 0, false, &pending);
        return;
    }
    uint64_t seq = confirm_next(&ch->confirm->confirm);
    unsigned pending = 0;
    enum publish_result result = courier_publish(b, route, &m, channel_ref_of(ch), seq, false, &pending);
    basic_publish_confirm(ch, seq, result, pending);
}

static void
basic_publish_into_tx(struct channel *ch, struct publish *p, const struct publish_properties *more)
{
    struct broker *b = ch->connection->home->broker;
    struct message *m = basic_publish_build(ch, p, more);
    unsigned extra = more->key_count ? more->key_count - 1 : 0;
    if (tx_add_publish(b, ch->tx, &m, extra ? more->keys + 1 : NULL, extra, p->mandatory))
        return;
    message_drop(b, &m);
    channel_fail(ch, AMQP_REPLY_PRECONDITION_FAILED, AMQP_BASIC_PUBLISH,
                 "transaction is larger than the limit (%u bytes)", b->node->limits.tx_bytes_max);
}

static enum verdict
basic_publish_routed(struct channel *ch, struct publish *p, const struct exchange *x,
                     const struct publish_properties *more)
{
    struct connection *c = ch->connection;
    if (ch->tx) {
        c->flags |= CONNECTION_SETTLED;
        basic_publish_into_tx(ch, p, more);
        return VERDICT_DONE;
    }
    const struct route *route = basic_publish_route(ch, x, p->routing_key, p->properties, more);
    if (__builtin_expect(!(c->flags & CONNECTION_SETTLED) && route->count > 0, 0) &&
        connection_move(c, route->targets[0].shard))
        return VERDICT_NOT_YET;
    const struct slice *keys = more->key_count ? more->keys : &p->routing_key;
    unsigned key_count = more->key_count ? more->key_count : 1, to;
    if (__builtin_expect(!basic_publish_has_room(ch, x, route, keys, key_count, &to), 0)) {
        basic_publish_wait(ch, to);
        return VERDICT_NOT_YET;
    }
    struct message *m = basic_publish_build(ch, p, more);
    if (__builtin_expect(basic_publish_may_reply(x, route, key_count), 0))
        basic_publish_reply(ch, keys, key_count, m);
    if (firehose_is_on(ch))
        firehose_publish(ch, x, route, keys, key_count, m);
    basic_publish_send(ch, route, m, p->mandatory);
    return VERDICT_DONE;
}

/* The whole message is there. */
static enum verdict
basic_publish_message(struct channel *ch, struct publish *p)
{
    uint32_t size_max = ch->connection->home->broker->node->limits.message_size_max;
    if (p->immediate) {
        channel_fail(ch, AMQP_REPLY_NOT_IMPLEMENTED, AMQP_BASIC_PUBLISH, "immediate=true");
        return VERDICT_DONE;
    }
    if (p->body_size > size_max) {
        channel_fail(ch, AMQP_REPLY_PRECONDITION_FAILED, AMQP_BASIC_PUBLISH,
                     "message size %llu is larger than configured max size %u",
                     (unsigned long long)p->body_size, size_max);
        return VERDICT_DONE;
    }
    const struct exchange *x = basic_publish_exchange(ch, p->exchange);
    struct publish_properties more;
    more.key_count = 0;
    more.rewritten.len = 0;
    more.is_special = false;
    if (!x || !basic_publish_properties(ch, p, &more))
        return VERDICT_DONE;
    enum verdict verdict = VERDICT_DONE;
    if (__builtin_expect(!ch->publisher->is_topic_restricted, 1) ||
        basic_publish_may_topic(ch, x, p->routing_key, &more))
        verdict = basic_publish_routed(ch, p, x, &more);
    if (__builtin_expect(more.is_special, 0))
        publish_properties_fini(&more);
    if (verdict == VERDICT_DONE)
        blocked_on_publish(ch->connection);
    return verdict;
}

/* Takes the message unless there is no room. */
static bool
basic_publish_replay_keys(struct channel *ch, struct tx *tx, struct tx_publish *p, const struct exchange *x,
                          const struct slice *keys, unsigned key_count)
{
    struct broker *b = ch->connection->home->broker;
    const struct route *route = route_find_many(b, x, keys, key_count, message_properties(p->message));
    unsigned to, pending = 0;
    if (!basic_publish_has_room(ch, x, route, keys, key_count, &to)) {
        basic_publish_wait(ch, to);
        return false;
    }
    if (basic_publish_may_reply(x, route, key_count))
        basic_publish_reply(ch, keys, key_count, p->message);
    if (firehose_is_on(ch))
        firehose_publish(ch, x, route, keys, key_count, p->message);
    if (route->count == 0 && p->mandatory) {
        struct delivery_content content = delivery_content_of(p->message);
        basic_publish_return(ch, message_exchange(p->message), keys[0], &content);
    }
    for (uint32_t i = 0; i < route->count; i++)
        tx_involve(tx, route->targets[i].shard);
    enum publish_result result =
        courier_publish(b, route, &p->message, channel_ref_of(ch), tx->seq, true, &pending);
    tx_published(tx, result, pending);
    return true;
}

bool
basic_publish_replay(void *arg, struct tx *tx, struct tx_publish *p)
{
    struct channel *ch = arg;
    const struct exchange *x = exchange_find(ch->connection->vhost, message_exchange(p->message));
    if (!x) { /* deleted since it was published: nobody gets it */
        message_drop(ch->connection->home->broker, &p->message);
        tx_published(tx, PUBLISH_DONE, 0);
        return true;
    }
    struct slice *keys = calloc(p->extra_count + 1u, sizeof *keys);
    CHECK(keys);
    const uint8_t *at = p->extra_keys;
    keys[0] = message_routing_key(p->message);
    for (unsigned i = 0; i < p->extra_count; i++)
        keys[i + 1] = tx_next_key(&at);
    bool is_done = basic_publish_replay_keys(ch, tx, p, x, keys, p->extra_count + 1u);
    free(keys);
    return is_done;
}

/* ---- the fast path ---- */

/* A whole frame of `type` on the channel: its payload; data NULL: not so. */
static inline struct slice
whole_frame(const uint8_t *p, size_t size, uint8_t type, uint16_t channel, uint32_t payload_max)
{
    if (size < FRAME_OVERHEAD || p[0] != type || be16_get(p + 1) != channel)
        return slice_of(NULL, 0);
    uint32_t length = be32_get(p + 3);
    if (length > payload_max || size < (size_t)length + FRAME_OVERHEAD ||
        p[FRAME_HEADER_SIZE + length] != AMQP_FRAME_END)
        return slice_of(NULL, 0);
    return slice_of(p + FRAME_HEADER_SIZE, length);
}

ssize_t
basic_publish_fast(struct connection *c, const uint8_t *p, size_t size)
{
    if (size < FRAME_HEADER_SIZE + 4 || be32_get(p + FRAME_HEADER_SIZE) != AMQP_BASIC_PUBLISH)
        return 0;
    uint16_t number = be16_get(p + 1);
    uint32_t payload_max = (c->frame_max ? c->frame_max : UINT32_MAX) - FRAME_OVERHEAD;
    struct channel *ch = channel_find(c, number);
    if (!ch || ch->state != CHANNEL_OPEN || ch->parked || ch->draft)
        return 0;
    struct slice method = whole_frame(p, size, AMQP_FRAME_METHOD, number, payload_max);
    if (!method.data)
        return 0;
    size_t used = method.len + FRAME_OVERHEAD;
    struct slice header = whole_frame(p + used, size - used, AMQP_FRAME_HEADER, number,
                                      c->home->server->config.limits.method_frame_max);
    if (!header.data || header.len < CONTENT_HEADER_SIZE_MIN || header.len > payload_max ||
        be16_get(header.data) != AMQP_CLASS_BASIC)
        return 0;
    used += header.len + FRAME_OVERHEAD;
    uint64_t body_size = be64_get(header.data + 4);
    struct slice body = slice_of("", 0);
    if (body_size > 0) {
        body = whole_frame(p + used, size - used, AMQP_FRAME_BODY, number, payload_max);
        if (!body.data || body.len != body_size)
            return 0;
        used += body.len + FRAME_OVERHEAD;
    }
    if (body_size >= c->home->server->config.limits.bulk_body_bytes)
        c->flags |= CONNECTION_BULK;
    struct amqp_basic_publish m;
    if (amqp_decode_basic_publish(method, &m))
        return 0;
    struct publish publish = {.exchange = m.exchange,
                              .routing_key = m.routing_key,
                              .properties = slice_of(header.data + 12, header.len - 12),
                              .body = body,
                              .body_size = body_size,
                              .mandatory = m.mandatory,
                              .immediate = m.immediate};
    return basic_publish_message(ch, &publish) == VERDICT_DONE ? (ssize_t)used : -1;
}

/* ---- drafts ---- */

/* The connection moves before there is a draft, which would hold it here for good. */
static bool
basic_publish_moves(struct channel *ch, const struct amqp_basic_publish *m)
{
    struct connection *c = ch->connection;
    if (c->flags & CONNECTION_SETTLED || ch->tx)
        return false;
    const struct exchange *x = exchange_find(c->vhost, m->exchange);
    if (!x || exchange_needs_message(x))
        return false;
    const struct route *route = route_find(c->home->broker, x, m->routing_key, slice_of(NULL, 0));
    return route->count > 0 && connection_move(c, route->targets[0].shard);
}

enum verdict
basic_publish_method(struct channel *ch, struct slice payload)
{
    struct amqp_basic_publish m;
    if (channel_decode_failed(ch, AMQP_BASIC_PUBLISH, amqp_decode_basic_publish(payload, &m)))
        return VERDICT_DONE;
    if (basic_publish_moves(ch, &m))
        return VERDICT_NOT_YET;
    struct channel_draft *draft = calloc(1, sizeof *draft + m.exchange.len + m.routing_key.len);
    CHECK(draft);
    draft->mandatory = m.mandatory;
    draft->immediate = m.immediate;
    draft->exchange_size = (uint8_t)m.exchange.len;
    draft->routing_key_size = (uint8_t)m.routing_key.len;
    memcpy(draft->names, m.exchange.data, m.exchange.len);
    memcpy(draft->names + m.exchange.len, m.routing_key.data, m.routing_key.len);
    ch->draft = draft;
    blocked_on_publish(ch->connection);
    return VERDICT_DONE;
}

void
basic_publish_draft_free(struct channel *ch)
{
    struct channel_draft *draft = ch->draft;
    struct broker *b = ch->connection->home->broker;
    if (!draft)
        return;
    ch->draft = NULL;
    if (draft->message && draft->is_whole)
        message_drop(b, &draft->message);
    else if (draft->message)
        message_discard(b, draft->message, draft->capacity);
    free(draft);
}

/* Everything has come. */
static enum verdict
basic_publish_draft(struct channel *ch)
{
    struct channel_draft *draft = ch->draft;
    draft->is_whole = true;
    struct publish publish = {
        .exchange = slice_of(draft->names, draft->exchange_size),
        .routing_key = slice_of(draft->names + draft->exchange_size, draft->routing_key_size),
        .drafted = draft->message ? &draft->message : NULL,
        .body_size = draft->body_size,
        .mandatory = draft->mandatory,
        .immediate = draft->immediate,
    };
    if (draft->message)
        publish.properties = message_properties(draft->message);
    struct connection *c = ch->connection;
    uint16_t number = ch->number;
    uint32_t serial = ch->serial;
    enum verdict verdict = basic_publish_message(ch, &publish);
    ch = c->state == CONNECTION_DEAD ? NULL : channel_find(c, number);
    if (verdict == VERDICT_NOT_YET || !ch || ch->serial != serial || ch->draft != draft)
        return verdict; /* kept for later; or an error ended the channel, and the draft with it */
    basic_publish_draft_free(ch);
    return VERDICT_DONE;
}

enum verdict
basic_publish_retry(struct channel *ch)
{
    return basic_publish_draft(ch);
}

static void
basic_publish_header(struct channel *ch, struct slice payload)
{
    struct channel_draft *draft = ch->draft;
    struct content_header header;
    struct server_shard *home = ch->connection->home;
    if (content_header_decode(payload, &header)) {
        channel_fail(ch, AMQP_REPLY_FRAME_ERROR, AMQP_BASIC_PUBLISH, "content header frame is too short");
        return;
    }
    if (header.class_id != AMQP_CLASS_BASIC) {
        channel_fail(ch, AMQP_REPLY_UNEXPECTED_FRAME, AMQP_BASIC_PUBLISH,
                     "expected content header for class 60, got one for class %u instead", header.class_id);
        return;
    }
    draft->wants_body = 1;
    draft->body_size = header.body_size;
    if (header.body_size > home->broker->node->limits.message_size_max)
        return; /* read to its end, kept nowhere */
    draft->message =
        message_new_growing(home->broker, slice_of(draft->names, draft->exchange_size),
                            slice_of(draft->names + draft->exchange_size, draft->routing_key_size),
                            header.properties, (uint32_t)header.body_size, 0);
}

/* Room for `need` bytes of body, and as much again for those to come; never more than the body's size. A peer
 * pays with bytes for what it makes us hold. */
static void
basic_publish_grow(struct channel *ch, uint64_t need)
{
    struct channel_draft *draft = ch->draft;
    if (need <= draft->capacity)
        return;
    uint64_t capacity = ch->connection->home->server->config.limits.draft_first_bytes;
    while (capacity < 2 * need)
        capacity *= 2;
    if (capacity > draft->body_size)
        capacity = draft->body_size;
    draft->message =
        message_grow(ch->connection->home->broker, draft->message, draft->capacity, (uint32_t)capacity);
    draft->capacity = (uint32_t)capacity;
}

enum verdict
basic_publish_content(struct channel *ch, uint8_t type, struct slice payload)
{
    struct channel_draft *draft = ch->draft;
    if (type == AMQP_FRAME_HEADER) {
        basic_publish_header(ch, payload);
    } else if (payload.len > draft->body_size - draft->received) {
        channel_fail(ch, AMQP_REPLY_FRAME_ERROR, AMQP_BASIC_PUBLISH,
                     "content body frame exceeds remaining content size");
    } else {
        if (payload.len >= ch->connection->home->server->config.limits.bulk_body_bytes)
            ch->connection->flags |= CONNECTION_BULK;
        if (draft->message && payload.len) {
            basic_publish_grow(ch, draft->received + payload.len);
            memcpy(message_body_mut(draft->message) + draft->received, payload.data, payload.len);
        }
        draft->received += payload.len;
    }
    blocked_on_publish(ch->connection); /* an alarm stops also what is half-way */
    if (ch->state != CHANNEL_OPEN || ch->draft != draft || draft->received < draft->body_size)
        return VERDICT_DONE;
    if (!draft->wants_body)
        return VERDICT_DONE;
    basic_publish_draft(ch); /* if it cannot go on now it stays whole, and its frames are done with */
    return VERDICT_DONE;
}

struct slice
basic_publish_body_room(struct channel *ch, uint32_t want)
{
    struct channel_draft *draft = ch->draft;
    if (!draft || !draft->message || draft->is_whole || ch->state != CHANNEL_OPEN || ch->parked ||
        want > draft->body_size - draft->received)
        return slice_of(NULL, 0);
    if (draft->received == draft->capacity)
        basic_publish_grow(ch, draft->received + 1);
    uint64_t room = draft->capacity - draft->received;
    return slice_of(message_body_mut(draft->message) + draft->received, room < want ? room : want);
}

void
basic_publish_body_arrived(struct channel *ch, size_t n)
{
    struct channel_draft *draft = ch->draft;
    draft->received += n;
    ch->connection->flags |= CONNECTION_BULK;
    blocked_on_publish(ch->connection);
    if (draft->received == draft->body_size)
        basic_publish_draft(ch);
}
