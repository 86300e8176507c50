/*
 * tx.select, commit, rollback over broker/tx.h. Commit is an op of the channel: what the client sends behind
 * it waits (RabbitMQ closes the connection then), until every queue has answered. A commit that meets a full
 * lane to another shard goes on when there is room. It takes no more of a turn than a read of the same
 * publishes would: what is left goes on in the next one.
 */
#include "base/check.h"
#include "server/class.h"

#include <stdlib.h>

enum { CLASS_TX_COST = 1 }; /* bytes that a commit counts as, among what is parked, once it goes on later */

/* One part of a commit. */
struct class_tx_step {
    struct channel *channel;
    uint64_t work_end; /* of broker.route_work */
};

static struct parked_op *
class_tx_op(const struct channel *ch)
{
    struct parked_op *op = ch->parked ? ch->parked->first : NULL;
    while (op && op->method != AMQP_TX_COMMIT)
        op = op->next;
    return op;
}

/* The rest has the next turn. A connection.close behind it waits, as for whatever is parked. */
static void
class_tx_pause(struct channel *ch)
{
    struct parked_op *op = class_tx_op(ch);
    if (op && op->cost == 0)
        channel_op_charge(ch, op, CLASS_TX_COST);
    server_again(ch->connection->home, ch->connection);
}

/* False: this part is over. Bytes count as if they were read: limits.read_turn_bytes are a whole part. */
static bool
class_tx_may_go_on(const struct class_tx_step *step, size_t bytes)
{
    struct connection *c = step->channel->connection;
    const struct server_limits *limits = &c->home->server->config.limits;
    struct broker *b = c->home->broker;
    if (b->route_work >= step->work_end) {
        class_tx_pause(step->channel);
        return false;
    }
    b->route_work += (uint64_t)bytes * limits->read_turn_work / limits->read_turn_bytes;
    return true;
}

static bool
class_tx_publish(void *arg, struct tx *tx, struct tx_publish *p)
{
    const struct class_tx_step *step = arg;
    return class_tx_may_go_on(step, message_size(p->message)) && basic_publish_replay(step->channel, tx, p);
}

static void
class_tx_settle(struct channel *ch, const struct tx *tx, const struct tx_settle *s)
{
    if (!s->cookie && ch->global_unacked > 0)
        ch->global_unacked--;
    courier_settle_tx(ch->connection->home->broker, s->queue_shard, s->queue_id, s->position,
                      (enum settle)s->how, channel_ref_of(ch), tx->seq);
}

static bool
class_tx_replay_settle(void *arg, struct tx *tx, const struct tx_settle *s)
{
    const struct class_tx_step *step = arg;
    if (!class_tx_may_go_on(step, sizeof *s))
        return false;
    class_tx_settle(step->channel, tx, s);
    return true;
}

static bool
class_tx_end(void *arg, struct tx *tx, unsigned shard)
{
    struct channel *ch = ((const struct class_tx_step *)arg)->channel;
    return courier_tx_end(ch->connection->home->broker, shard, channel_ref_of(ch), tx->seq);
}

static void
class_tx_outcome(struct channel *ch, enum tx_outcome outcome)
{
    struct parked_op *op = class_tx_op(ch);
    if (!op || outcome == TX_AGAIN || outcome == TX_PENDING)
        return;
    if (outcome == TX_FAILED)
        channel_op_refuse(op, AMQP_REPLY_PRECONDITION_FAILED, "partial tx completion");
    else if (ch->global_prefetch)
        basic_consumer_resume_all(ch);
    channel_op_done(ch, op);
}

static const struct tx_replay class_tx_replay = {
    .publish = class_tx_publish, .settle = class_tx_replay_settle, .end = class_tx_end};

static void
class_tx_go_on(struct channel *ch)
{
    struct class_tx_step step = {.channel = ch, .work_end = connection_work_end(ch->connection)};
    class_tx_outcome(ch, tx_commit(ch->connection->home->broker, ch->tx, &class_tx_replay, &step));
}

void
class_tx_retry(struct channel *ch)
{
    if (ch->tx && ch->tx->state == TX_REPLAYING)
        class_tx_go_on(ch);
}

void
class_tx_answered(struct channel *ch, uint64_t first, uint64_t last, bool nack)
{
    if (ch->tx->state != TX_OPEN)
        class_tx_outcome(ch, tx_answered(ch->connection->home->broker, ch->tx, first, last, nack));
}

void
class_tx_answer(struct channel *ch, struct parked_op *op)
{
    CONNECTION_SEND(ch->connection, AMQP_TX_COMMIT_OK_SIZE_MAX, amqp_encode_tx_commit_ok(out, ch->number));
}

/* ---- rollback ---- */

struct tx_returned {
    struct unacked_tagged *entries;
    size_t count;
};

static void
class_tx_restore(void *arg, const struct tx_settle *s)
{
    struct tx_returned *returned = arg;
    returned->entries[returned->count++] = (struct unacked_tagged){
        .tag = s->delivery_tag,
        .delivery = {.queue_id = s->queue_id,
                     .position = s->position,
                     .shard = s->queue_shard,
                     .is_unlimited = s->cookie != 0},
    };
}

static void
class_tx_rollback(struct channel *ch)
{
    struct tx_returned returned = {.entries = calloc(ch->tx->settle_count + 1u, sizeof *returned.entries)};
    CHECK(returned.entries);
    tx_rollback(ch->connection->home->broker, ch->tx, class_tx_restore, &returned);
    if (returned.count > 0)
        unacked_put_back(ch->unacked, returned.entries, returned.count);
    free(returned.entries);
}

/*
 * The channel ends before its commit is through, and nobody was told of it. With all publishes it is as good
 * as done: the settles follow. Otherwise nothing was settled yet, and nothing will be.
 */
static void
class_tx_finish(struct channel *ch)
{
    struct tx *tx = ch->tx;
    struct class_tx_step step = {.channel = ch};
    bool is_published = tx->replayed == tx->publish_count;
    for (; tx->settled < tx->settle_count; tx->settled++) {
        struct tx_settle s = tx->settles[tx->settled];
        if (is_published)
            tx_involve(tx, s.queue_shard);
        else
            s.how = SETTLE_REQUEUE;
        class_tx_settle(ch, tx, &s);
    }
    tx_abandon(tx, &class_tx_replay, &step);
}

void
class_tx_release(struct channel *ch)
{
    if (!ch->tx)
        return;
    if (ch->tx->state == TX_OPEN)
        class_tx_rollback(ch);
    else if (ch->tx->state == TX_REPLAYING)
        class_tx_finish(ch);
    tx_fini(ch->connection->home->broker, ch->tx);
    free(ch->tx);
    ch->tx = NULL;
}

/* ---- methods ---- */

static void
class_tx_select(struct channel *ch)
{
    if (ch->confirm) {
        channel_fail(ch, AMQP_REPLY_PRECONDITION_FAILED, AMQP_TX_SELECT,
                     "cannot switch from confirm to tx mode");
        return;
    }
    if (!ch->tx) {
        ch->tx = calloc(1, sizeof *ch->tx);
        CHECK(ch->tx);
    }
    CONNECTION_SEND(ch->connection, AMQP_TX_SELECT_OK_SIZE_MAX, amqp_encode_tx_select_ok(out, ch->number));
}

void
class_tx_method(struct channel *ch, uint32_t method, struct slice payload)
{
    if (method != AMQP_TX_SELECT && method != AMQP_TX_COMMIT && method != AMQP_TX_ROLLBACK) {
        channel_fail(ch, AMQP_REPLY_COMMAND_INVALID, method, "unimplemented method");
    } else if (channel_decode_failed(ch, method, payload.len == 4 ? ERR_OK : ERR_SYNTAX)) {
        return;
    } else if (method == AMQP_TX_SELECT) {
        class_tx_select(ch);
    } else if (!ch->tx) {
        channel_fail(ch, AMQP_REPLY_PRECONDITION_FAILED, method, "channel is not transactional");
    } else if (method == AMQP_TX_COMMIT) {
        channel_op(ch, method, slice_of(NULL, 0), false);
        class_tx_go_on(ch);
    } else {
        class_tx_rollback(ch);
        CONNECTION_SEND(ch->connection, AMQP_TX_ROLLBACK_OK_SIZE_MAX,
                        amqp_encode_tx_rollback_ok(out, ch->number));
    }
}
