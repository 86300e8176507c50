/*
 * Histories live on shard 0, where bindings are made:
 *
 *   publish, on any shard ─► route, through an exchange of the type ─► held message ─► ring of that exchange
 *   bind, on shard 0 ─► the ring, oldest first ─► the new destination
 *
 * A message goes to shard 0 in the reserved lane, in line with the commands of its channel's shard: who
 * publishes and then binds gets what he has published. It counts in the window between the two shards, so a
 * publisher waits where shard 0 is behind. The ring has holds, no copies.
 *
 * Bounded: RECENT_HISTORY_LENGTH_MAX messages and RECENT_HISTORY_BYTES_MAX of an exchange,
 * RECENT_HISTORIES_BYTES_MAX of all; the oldest messages of the exchange that would go over it go first.
 * Histories are in memory only: RabbitMQ's, too, are gone when the node stops.
 */
#include "broker/recent_history.h"

#include "base/check.h"
#include "base/idmap.h"
#include "broker/binding.h"
#include "broker/courier.h"
#include "broker/message.h"
#include "broker/meta.h"
#include "wire/properties.h"
#include "wire/table.h"

#include <stdlib.h>

struct recent_history {
    uint32_t length_max;
    uint32_t first, count, capacity; /* of the ring */
    size_t bytes;
    struct message **ring;
};

struct recent_histories {
    struct idmap of; /* exchange id -> struct recent_history */
    size_t bytes;
};

static uint32_t
length_of(const struct exchange *x)
{
    int64_t length = RECENT_HISTORY_LENGTH;
    if (table_get_int(x->arguments, "x-recent-history-length", &length) != ERR_OK || length <= 0)
        length = RECENT_HISTORY_LENGTH;
    return length < RECENT_HISTORY_LENGTH_MAX ? (uint32_t)length : RECENT_HISTORY_LENGTH_MAX;
}

/* ---- keeping ---- */

void
recent_history_keep(struct broker *b, const struct route *route, struct message *m)
{
    bool is_not_for_it;
    if (table_get_bool(properties_headers(message_properties(m)), "x-recent-history-no-store",
                       &is_not_for_it) == ERR_OK &&
        is_not_for_it)
        return;
    const uint64_t *ids = route_histories(route);
    for (unsigned i = 0; i < route->history_count; i++) {
        struct message *held = m;
        message_hold(held);
        courier_keep_history(b, ids[i], &held);
    }
}

static void
drop_oldest(struct recent_histories *all, struct broker *b, struct recent_history *h)
{
    struct message *m = h->ring[h->first];
    h->first = (h->first + 1) % h->capacity;
    h->count--;
    h->bytes -= message_size(m);
    all->bytes -= message_size(m);
    message_drop(b, &m);
}

/* The ring doubles up to length_max. */
static void
make_place(struct recent_history *h)
{
    if (h->count < h->capacity)
        return;
    uint32_t capacity = h->capacity ? h->capacity * 2 : 16;
    if (capacity > h->length_max)
        capacity = h->length_max;
    struct message **ring = calloc(capacity, sizeof(struct message *));
    CHECK(ring && capacity > h->count);
    for (uint32_t i = 0; i < h->count; i++)
        ring[i] = h->ring[(h->first + i) % h->capacity];
    free(h->ring);
    h->ring = ring;
    h->capacity = capacity;
    h->first = 0;
}

void
recent_history_store(struct recent_histories *all, struct broker *b, uint64_t exchange_id, struct message **m)
{
    struct recent_history *h = idmap_get(&all->of, exchange_id);
    size_t bytes = message_size(*m);
    if (!h || bytes > RECENT_HISTORY_BYTES_MAX) {
        message_drop(b, m);
        return;
    }
    while (h->count > 0 && (h->count == h->length_max || h->bytes + bytes > RECENT_HISTORY_BYTES_MAX ||
                            all->bytes + bytes > RECENT_HISTORIES_BYTES_MAX))
        drop_oldest(all, b, h);
    if (all->bytes + bytes > RECENT_HISTORIES_BYTES_MAX) { /* the others' have all the room */
        message_drop(b, m);
        return;
    }
    make_place(h);
    h->ring[(h->first + h->count++) % h->capacity] = *m;
    *m = NULL;
    h->bytes += bytes;
    all->bytes += bytes;
}

uint32_t
recent_history_count(const struct recent_histories *all, uint64_t exchange_id)
{
    const struct recent_history *h = idmap_get(&all->of, exchange_id);
    return h ? h->count : 0;
}

/* ---- telling ---- */

static void
send_all(struct broker *b, const struct recent_history *h, const struct exchange *to,
         const struct route *to_queue)
{
    for (uint32_t i = 0; i < h->count; i++) {
        struct message *m = h->ring[(h->first + i) % h->capacity];
        const struct route *route =
            to ? route_find(b, to, message_routing_key(m), message_properties(m)) : to_queue;
        unsigned pending;
        message_hold(m);
        courier_publish(b, route, &m, (struct channel_ref){.shard = (uint16_t)b->index}, 0, false, &pending);
    }
}

/* A ring is short enough to be sent at once: references travel, and the lanes take what is sent. */
bool
recent_history_bound(struct recent_histories *all, struct broker *b, const struct binding *binding)
{
    const struct recent_history *h = idmap_get(&all->of, binding->source->id);
    if (!h || h->count == 0 || !b)
        return false;
    if (binding->to_exchange) {
        send_all(b, h, binding->destination, NULL);
        return true;
    }
    const struct queue_def *q = binding->destination;
    struct route *route = calloc(1, sizeof *route + sizeof route->targets[0]);
    CHECK(route);
    route->count = 1;
    route->only_shard = q->shard;
    route->targets[0] = (struct route_target){.queue = q, .queue_id = q->id, .shard = q->shard};
    send_all(b, h, NULL, route);
    free(route);
    return true;
}

/* ---- up and down ---- */

struct recent_histories *
recent_history_all_new(void)
{
    struct recent_histories *all = calloc(1, sizeof *all);
    CHECK(all);
    idmap_init(&all->of);
    return all;
}

void
recent_history_open(struct recent_histories *all, const struct exchange *x)
{
    struct recent_history *h = calloc(1, sizeof *h);
    CHECK(h);
    h->length_max = length_of(x);
    idmap_put(&all->of, x->id, h);
}

static void
history_free(struct recent_history *h)
{
    free(h->ring);
    free(h);
}

void
recent_history_close(struct recent_histories *all, struct broker *b, const struct exchange *x)
{
    struct recent_history *h = idmap_remove(&all->of, x->id);
    if (!h)
        return;
    while (b && h->count > 0)
        drop_oldest(all, b, h);
    history_free(h); /* without a broker the messages have gone with the pools */
}

void
recent_history_all_free(struct recent_histories *all)
{
    size_t cursor = 0;
    for (struct recent_history *h; (h = idmap_next(&all->of, &cursor, NULL));)
        history_free(h);
    idmap_fini(&all->of);
    free(all);
}
