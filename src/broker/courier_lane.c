/*
 * Between two shards: windows, fences, and what is gathered in a turn.
 *
 * The data lane carries messages. Each (from, to) has a window of message bytes, spent when a mail is posted
 * and given back when the receiver has handled it; and the ring has a bounded number of cells.
 * courier_has_room() asks for both. After a yes one publish posts at most one mail to that shard; should the
 * ring be full all the same (another publish came in between, a transaction is being replayed) the mail waits
 * in `overflow`, and as long as anything does nobody gets another yes. So the overflow is bounded by what one
 * callback publishes after its last question.
 *
 * Why two shards that flood each other cannot lock up: nobody ever waits inside. A receiver handles every
 * data mail that it gets, whatever its own lanes look like, and gives the window back on the reserved lane,
 * which never refuses. Only the sources of publishes are stopped, by the session layer, until publish_room().
 *
 * Fences: data mails are counted by both ends. An operation that must see a channel's earlier publishes
 * carries the sender's count; the receiver holds it until its own count is there, and what comes from that
 * shard behind a held operation waits in line, so that operations and settles stay in order. Data mails never
 * wait for anything: a held operation always gets its turn.
 */
#include "base/check.h"
#include "broker/courier_impl.h"
#include "broker/deadletter.h"
#include "broker/message.h"
#include "broker/queue_log.h"

#include <stdlib.h>

struct held_mail {
    struct list node;
    uint64_t fence;
    struct mail mail;
};

/* ---- the data lane ---- */

static bool
lane_is_open(const struct broker *b, const struct courier_lane *lane, unsigned to)
{
    return lane->window > 0 && lane->overflow_count == 0 && shard_has_room(b->shard, to);
}

bool
courier_has_room(struct broker *b, unsigned to)
{
    struct courier_lane *lane = &b->courier->lanes[to];
    if (to == b->index || lane_is_open(b, lane, to))
        return true;
    lane->is_wanted = true;
    return false;
}

static void
lane_overflow(struct courier_lane *lane, const struct mail *m)
{
    if (lane->overflow_count == lane->overflow_cap) {
        lane->overflow_cap = lane->overflow_cap ? lane->overflow_cap * 2 : 16;
        lane->overflow = realloc(lane->overflow, lane->overflow_cap * sizeof *m);
        CHECK(lane->overflow);
    }
    lane->overflow[lane->overflow_count++] = *m;
}

static void
lane_drain(struct broker *b, struct courier_lane *lane, unsigned to)
{
    while (lane->overflow_first < lane->overflow_count &&
           shard_post(b->shard, to, SHARD_LANE_DATA, &lane->overflow[lane->overflow_first]))
        lane->overflow_first++;
    if (lane->overflow_first < lane->overflow_count)
        return;
    free(lane->overflow);
    lane->overflow = NULL;
    lane->overflow_first = lane->overflow_count = lane->overflow_cap = 0;
}

void
courier_post_data(struct broker *b, unsigned to, struct mail *m, size_t bytes)
{
    struct courier_lane *lane = &b->courier->lanes[to];
    m->u32 = (uint32_t)bytes;
    lane->window -= (int64_t)bytes;
    lane->posted++;
    if (lane->overflow_count || !shard_post(b->shard, to, SHARD_LANE_DATA, m))
        lane_overflow(lane, m);
}

static void
lane_announce_room(struct broker *b, struct courier_lane *lane, unsigned to)
{
    if (!lane->is_wanted || !lane_is_open(b, lane, to))
        return;
    lane->is_wanted = false;
    b->effects->publish_room(b->server, to);
}

void
courier_on_room(struct broker *b, unsigned to)
{
    struct courier_lane *lane = &b->courier->lanes[to];
    lane_drain(b, lane, to);
    lane_announce_room(b, lane, to);
}

void
courier_window_used(struct broker *b, unsigned from, uint32_t bytes)
{
    b->courier->lanes[from].handled_bytes += bytes;
    courier_touch(b, from);
}

void
courier_on_window(struct broker *b, unsigned from, uint32_t bytes)
{
    struct courier_lane *lane = &b->courier->lanes[from];
    lane->window += bytes;
    lane_announce_room(b, lane, from);
}

/* ---- fences ---- */

bool
courier_hold(struct broker *b, const struct mail *m, uint64_t fence)
{
    struct courier_lane *lane = &b->courier->lanes[m->from];
    if (fence <= lane->handled && list_is_empty(&lane->held))
        return false;
    struct held_mail *held = malloc(sizeof *held);
    CHECK(held);
    held->mail = *m;
    held->fence = fence;
    list_push_back(&lane->held, &held->node);
    return true;
}

void
courier_data_handled(struct broker *b, unsigned from, uint32_t bytes)
{
    struct courier_lane *lane = &b->courier->lanes[from];
    lane->handled++;
    lane->handled_bytes += bytes;
    courier_touch(b, from);
    while (__builtin_expect(!list_is_empty(&lane->held), 0)) {
        struct held_mail *held = LIST_ENTRY(lane->held.next, struct held_mail, node);
        if (held->fence > lane->handled)
            return;
        list_remove(&held->node);
        courier_handle(b, &held->mail);
        free(held);
    }
}

/* ---- the reserved lane ---- */

void
courier_post(struct broker *b, unsigned to, const struct mail *m)
{
    bool accepted = shard_post(b->shard, to, SHARD_LANE_RESERVED, m);
    CHECK(accepted);
}

static void
lane_flush_settles(struct broker *b, struct courier_lane *lane, unsigned to)
{
    struct settle_run *run = &lane->settles;
    if (!run->queue_id)
        return;
    courier_post(b, to,
                 &(struct mail){.type = MAIL_SETTLE,
                                .a = run->queue_id,
                                .b = run->first,
                                .c = run->last,
                                .d = run->tx,
                                .u32 = run->how});
    run->queue_id = 0;
}

void
courier_post_fenced(struct broker *b, unsigned to, struct mail *m)
{
    struct courier_lane *lane = &b->courier->lanes[to];
    lane_flush_settles(b, lane, to);
    m->d = lane->posted;
    courier_post(b, to, m);
}

uint32_t
courier_fence_all(struct broker *b, struct meta_request *r)
{
    unsigned count = b->courier->count;
    for (unsigned to = 0; to < count; to++)
        if (to != b->index)
            courier_post_fenced(b, to, &(struct mail){.type = MAIL_FENCE, .p = r});
    return count - 1;
}

static void
courier_settle_remote(struct broker *b, unsigned to, uint64_t queue_id, uint64_t position, uint32_t how,
                      uint64_t tx)
{
    struct courier_lane *lane = &b->courier->lanes[to];
    struct settle_run *run = &lane->settles;
    if (run->queue_id == queue_id && run->how == how && position == run->last + 1 && run->tx == tx) {
        run->last = position;
        return;
    }
    lane_flush_settles(b, lane, to);
    *run =
        (struct settle_run){.queue_id = queue_id, .first = position, .last = position, .tx = tx, .how = how};
    courier_touch(b, to);
}

void
courier_settle(struct broker *b, unsigned shard, uint64_t queue_id, uint64_t position, enum settle how)
{
    if (shard == b->index)
        courier_on_settle(b, queue_id, position, position, (uint32_t)how, 0);
    else
        courier_settle_remote(b, shard, queue_id, position, (uint32_t)how, 0);
}

void
courier_settle_tx(struct broker *b, unsigned shard, uint64_t queue_id, uint64_t position, enum settle how,
                  struct channel_ref from, uint64_t seq)
{
    uint64_t tx = courier_tx_id(from, seq);
    if (shard == b->index)
        courier_on_settle(b, queue_id, position, position, (uint32_t)how, tx);
    else
        courier_settle_remote(b, shard, queue_id, position, (uint32_t)how, tx);
}

static bool
tx_end_here(struct broker *b, struct channel_ref from, uint64_t seq)
{
    return b->log && b->log->ops->tx_end(b->log, courier_tx_id(from, seq), from, seq);
}

void
courier_on_tx_end(struct broker *b, struct channel_ref from, uint64_t seq)
{
    if (!tx_end_here(b, from, seq))
        courier_confirm(b, from, seq, false, 1);
}

bool
courier_tx_end(struct broker *b, unsigned shard, struct channel_ref from, uint64_t seq)
{
    if (shard == b->index)
        return tx_end_here(b, from, seq);
    struct mail m = {.type = MAIL_TX_END, .a = seq};
    mail_put_channel(&m, from, 0);
    courier_post_fenced(b, shard, &m);
    return true;
}

void
courier_tell(struct broker *b, struct channel_ref to, uint64_t first, uint64_t last, bool nack)
{
    if (__builtin_expect(deadletter_is_publisher(to), 0) && to.channel == DEADLETTER_ASKS)
        deadletters_answered(b, first, last, nack);
    else if (__builtin_expect(deadletter_is_publisher(to), 0))
        deadletters_confirmed(b, first, last, nack);
    else
        b->effects->confirmed(b->server, to, first, last, nack);
}

static void
lane_flush_confirms(struct broker *b, struct courier_lane *lane, unsigned to)
{
    struct confirm_run run = lane->confirms;
    lane->confirms.times = 0;
    if (run.times == 0)
        return;
    if (to == b->index) {
        for (uint32_t i = 0; i < run.times; i++)
            courier_tell(b, run.to, run.first, run.last, run.nack);
        return;
    }
    struct mail m = {.type = MAIL_CONFIRM, .a = run.first, .d = run.last, .u32 = run.times};
    mail_put_channel(&m, run.to, run.nack);
    courier_post(b, to, &m);
}

static bool
channel_ref_eq(struct channel_ref a, struct channel_ref b)
{
    return a.connection == b.connection && a.channel == b.channel && a.serial == b.serial;
}

void
courier_confirm_range(struct broker *b, struct channel_ref to, uint64_t first, uint64_t last, bool nack,
                      uint32_t times)
{
    struct courier_lane *lane = &b->courier->lanes[to.shard];
    struct confirm_run *run = &lane->confirms;
    if (run->times == times && first == run->last + 1 && run->nack == nack && channel_ref_eq(run->to, to)) {
        run->last = last;
        return;
    }
    lane_flush_confirms(b, lane, to.shard);
    *run = (struct confirm_run){.to = to, .first = first, .last = last, .times = times, .nack = nack};
    courier_touch(b, to.shard);
}

void
courier_confirm(struct broker *b, struct channel_ref to, uint64_t seq, bool nack, uint32_t times)
{
    if (times > 0)
        courier_confirm_range(b, to, seq, seq, nack, times);
}

static void
lane_flush_returns(struct broker *b, struct courier_lane *lane, unsigned to)
{
    if (!lane->returns)
        return;
    courier_post(b, to, &(struct mail){.type = MAIL_RETURN, .p = lane->returns});
    lane->returns = NULL;
}

void
courier_return(struct broker *b, struct message *m)
{
    struct courier_lane *lane = &b->courier->lanes[m->home];
    if (!lane->returns) {
        lane->returns = malloc(sizeof *lane->returns);
        CHECK(lane->returns);
        lane->returns->count = 0;
        courier_touch(b, m->home);
    }
    lane->returns->messages[lane->returns->count++] = m;
    if (lane->returns->count == MESSAGE_BATCH)
        lane_flush_returns(b, lane, m->home);
}

/* An eighth of the window is given back at a time: less would still leave seven eighths to the sender. */
static void
lane_flush_window(struct broker *b, struct courier_lane *lane, unsigned to)
{
    if (lane->handled_bytes < b->node->limits.publish_window_bytes / 8)
        return;
    if (b->log && b->log->is_behind) { /* publishers there are slowed like those here */
        courier_touch(b, to);
        return;
    }
    courier_post(b, to, &(struct mail){.type = MAIL_WINDOW, .u32 = lane->handled_bytes});
    lane->handled_bytes = 0;
}

void
courier_flush(struct broker *b)
{
    struct courier *c = b->courier;
    for (unsigned word = 0; word < SHARDS_COUNT_MAX / 64; word++) {
        uint64_t touched = c->touched[word];
        c->touched[word] = 0;
        for (; touched; touched &= touched - 1) {
            unsigned to = word * 64 + (unsigned)__builtin_ctzll(touched);
            struct courier_lane *lane = &c->lanes[to];
            lane_flush_confirms(b, lane, to);
            if (to == b->index)
                continue;
            lane_flush_settles(b, lane, to);
            lane_flush_returns(b, lane, to);
            lane_flush_window(b, lane, to);
        }
    }
}

/* ---- the courier itself ---- */

struct courier *
courier_new(struct broker *b)
{
    unsigned count = b->node->shards ? shards_count(b->node->shards) : 1;
    struct courier *c = calloc(1, sizeof *c + count * sizeof c->lanes[0]);
    CHECK(c);
    c->count = count;
    list_init(&c->deletions);
    for (unsigned i = 0; i < count; i++) {
        c->lanes[i].window = b->node->limits.publish_window_bytes;
        list_init(&c->lanes[i].held);
    }
    return c;
}

void
courier_free(struct courier *c)
{
    for (unsigned i = 0; i < c->count; i++) {
        struct courier_lane *lane = &c->lanes[i];
        for (uint32_t k = lane->overflow_first; k < lane->overflow_count; k++)
            courier_discard(&lane->overflow[k]);
        free(lane->overflow);
        free(lane->returns);
        while (!list_is_empty(&lane->held)) {
            struct held_mail *held = LIST_ENTRY(lane->held.next, struct held_mail, node);
            list_remove(&held->node);
            courier_discard(&held->mail);
            free(held);
        }
    }
    courier_deletions_free(c);
    free(c);
}
