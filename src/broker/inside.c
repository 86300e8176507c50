/*
 * The line of what the broker itself publishes, oldest first:
 *
 *   who notices something ─► message ─► line ─► (end of the turn) route ─► courier
 *
 * The line is there because things are noticed in the middle of other things: a delivery while its queue is
 * being worked on, a deletion while a command is applied. A message goes out of the line in the order in
 * which it came, so what is told of one queue or connection is told in the order in which it happened.
 *
 * Bounded by INSIDE_LINE_MAX and INSIDE_LINE_BYTES: what comes above is dropped. To watch is no reason to
 * slow down what is watched. Where a queue's shard has no room the line waits for it. What is published here
 * is itself never told of, so that no message is the cause of another one.
 */
#include "broker/inside.h"

#include "base/check.h"
#include "base/seqdeque.h"
#include "broker/broker.h"
#include "broker/courier.h"
#include "broker/message.h"
#include "broker/vhost.h"

#include <stdlib.h>

enum {
    INSIDE_LINE_MAX = 16384,
    INSIDE_LINE_BYTES = 32 << 20, /* one message may go over it */
    INSIDE_TURN_MAX = 1024,       /* published in one turn, */
    INSIDE_TURN_WORK = 32768,     /* and bindings looked at and queues given for it */
    INSIDE_TELL_MS = 10000,       /* from one line of the log about dropped ones to the next */
};

struct inside_message {
    const struct vhost *vhost; /* held */
    struct message *message;
};

struct inside {
    struct seqdeque line; /* struct inside_message */
    uint64_t first;       /* its number */
    size_t bytes;
    uint64_t dropped, dropped_told, told_ms;
};

bool
inside_is_wanted(struct broker *b, const struct exchange *x, struct slice routing_key)
{
    const struct route *route = route_find(b, x, routing_key, slice_of(NULL, 0));
    return route->count > 0 || route->history_count > 0;
}

void
inside_publish(struct broker *b, const struct vhost *v, struct message **m)
{
    struct inside *in = b->inside;
    size_t bytes = message_size(*m);
    bool is_full = seqdeque_count(&in->line) >= INSIDE_LINE_MAX ||
                   (in->bytes > 0 && in->bytes + bytes > INSIDE_LINE_BYTES);
    if (is_full) {
        in->dropped++;
        message_drop(b, m);
        return;
    }
    void *entry;
    seqdeque_push_back(&in->line, &entry);
    *(struct inside_message *)entry = (struct inside_message){v, *m};
    *m = NULL;
    in->bytes += bytes;
    vhost_hold(v);
}

uint64_t
inside_dropped(const struct broker *b)
{
    return b->inside->dropped;
}

/* False: there is no room for it now. */
static bool
send_next(struct broker *b, struct inside *in)
{
    struct inside_message *next = seqdeque_get(&in->line, in->first);
    CHECK(next);
    struct message *m = next->message;
    const struct exchange *x = exchange_find(next->vhost, message_exchange(m));
    const struct route *route = x ? route_find(b, x, message_routing_key(m), message_properties(m)) : NULL;
    unsigned to, pending;
    if (route && !courier_can_publish(b, route, &to))
        return false;
    vhost_drop(next->vhost);
    seqdeque_remove_known(&in->line, in->first++);
    in->bytes -= message_size(m);
    if (route)
        courier_publish(b, route, &m, (struct channel_ref){.shard = (uint16_t)b->index}, 0, false, &pending);
    else
        message_drop(b, &m);
    return true;
}

static void
tell_dropped(struct broker *b, struct inside *in)
{
    uint64_t now = broker_now_ms(b);
    if (in->dropped == in->dropped_told || (in->dropped_told > 0 && now < in->told_ms + INSIDE_TELL_MS))
        return;
    if (b->node->log)
        log_warning(b->node->log, LOG_QUEUE,
                    "%llu messages of the firehose or about events were dropped: they came faster than they "
                    "could be queued",
                    (unsigned long long)(in->dropped - in->dropped_told));
    in->dropped_told = in->dropped;
    in->told_ms = now;
}

bool
inside_turn(struct broker *b)
{
    struct inside *in = b->inside;
    if (__builtin_expect(seqdeque_count(&in->line) == 0, 1))
        return false;
    unsigned sent = 0;
    uint64_t work_end = b->route_work + INSIDE_TURN_WORK;
    bool has_room = true;
    while (has_room && seqdeque_count(&in->line) > 0 && sent++ < INSIDE_TURN_MAX && b->route_work < work_end)
        has_room = send_next(b, in);
    tell_dropped(b, in);
    return has_room &&
           seqdeque_count(&in->line) > 0; /* the lane says when it has room, which begins a turn */
}

/* ---- up and down ---- */

struct inside *
inside_new(void)
{
    struct inside *in = calloc(1, sizeof *in);
    CHECK(in);
    seqdeque_init(&in->line, sizeof(struct inside_message), 1);
    in->first = 1;
    return in;
}

void
inside_free(struct broker *b)
{
    struct inside *in = b->inside;
    for (; seqdeque_count(&in->line) > 0; seqdeque_remove_known(&in->line, in->first++))
        vhost_drop(((struct inside_message *)seqdeque_get(&in->line, in->first))->vhost);
    seqdeque_fini(&in->line); /* the messages go with the pool */
    free(in);
    b->inside = NULL;
}

bool
inside_is_idle(const struct broker *b)
{
    return seqdeque_count(&b->inside->line) == 0;
}
