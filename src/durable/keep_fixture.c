#include "durable/keep_fixture.h"

#include "wire/properties.h"

#include "broker/message.h"
#include "broker/meta.h"
#include "broker/queue_rank.h"
#include "broker/vhost.h"
#include "io/file.h"

/* ---- what the sessions are told ---- */

static unsigned
queue_number(const struct rig *r, uint64_t queue_id)
{
    unsigned i = 0;
    while (i < RIG_QUEUES && r->queue_ids[i] != queue_id)
        i++;
    return i;
}

static uint64_t
number_of(const struct message *m)
{
    uint64_t number;
    struct slice body = message_body(m);
    memcpy(&number, body.data, sizeof number);
    for (size_t i = sizeof number; i < body.len; i++)
        CHECK(body.data[i] == (uint8_t)(number + i));
    return number;
}

static struct rig_got *
note_got(struct rig *r, const struct message *m, uint64_t queue_id, unsigned shard, uint64_t position,
         bool redelivered)
{
    if (r->got_count == r->got_capacity) {
        r->got_capacity = r->got_capacity ? 2 * r->got_capacity : 64;
        r->got = realloc(r->got, r->got_capacity * sizeof *r->got);
        CHECK(r->got);
    }
    r->got[r->got_count] = (struct rig_got){.number = number_of(m),
                                            .position = position,
                                            .queue = queue_number(r, queue_id),
                                            .shard = shard,
                                            .redelivered = redelivered};
    return &r->got[r->got_count++];
}

/* All consumers are on their queue's shard. */
static struct rig *
rig_of(const struct subscription *s)
{
    return s->local->queue->broker->server;
}

static bool
has_room(struct subscription *s)
{
    return !rig_of(s)->is_full;
}

static void
deliver(struct subscription *s, struct message *m, uint64_t position, bool redelivered)
{
    note_got(rig_of(s), m, s->queue_id, s->queue_shard, position, redelivered);
}

static void
canceled(struct subscription *s)
{
}

static void
confirmed(void *server, struct channel_ref to, uint64_t first, uint64_t last, bool nack)
{
    struct rig *r = server;
    for (uint64_t n = first; n <= last; n++)
        r->answers[n] = (uint8_t)((r->answers[n] + 1) | (nack ? 128 : 0));
}

static void
replied(void *server, struct op_reply *reply)
{
    struct rig *r = server;
    r->replies++;
    r->reply = *reply;
    if (!reply->message)
        return;
    note_got(r, reply->message, reply->queue_id, reply->queue_shard, reply->position, reply->redelivered);
    message_drop(r->node.brokers[reply->to.shard], &reply->message);
    if (r->on_reply)
        r->on_reply(r);
}

static void
publish_room(void *server, unsigned to)
{
    struct rig *r = server;
    r->lanes[to]++;
}

static void
on_alarm(void *server, const char *reason)
{
}

static const struct effects effects = {.has_room = has_room,
                                       .deliver = deliver,
                                       .canceled = canceled,
                                       .confirmed = confirmed,
                                       .replied = replied,
                                       .publish_room = publish_room,
                                       .alarm = on_alarm};

/* ---- the node ---- */

static void
shard_start(struct shard *s, void *owner)
{
    struct rig *r = owner;
    shard_set_data(s, broker_new(&r->node, s, &effects, r));
}

static void
shard_mail(struct shard *s, void *owner, const struct mail *m)
{
    if (m->type >= MAIL_META && m->type < MAIL_META + MAIL_RANGE_SIZE)
        meta_on_mail(shard_data(s), m);
    else if (m->from != SHARD_FROM_OUTSIDE)
        courier_on_mail(shard_data(s), m);
}

static void
shard_room(struct shard *s, void *owner, unsigned to)
{
    courier_on_room(shard_data(s), to);
}

static bool
shard_turn(struct shard *s, void *owner)
{
    bool more = broker_turn(shard_data(s));
    broker_flush(shard_data(s));
    return more;
}

static void
shard_stop(struct shard *s, void *owner)
{
    broker_stop(shard_data(s));
}

static void
shard_discard(void *owner, const struct mail *m)
{
    if (m->type >= MAIL_META && m->type < MAIL_META + MAIL_RANGE_SIZE)
        meta_on_discard(m);
    else if (m->from != SHARD_FROM_OUTSIDE)
        courier_discard(m);
}

static void
on_log(void *arg, enum log_category category, enum log_level level, const char *text)
{
    struct rig *r = arg;
    if (level < LOG_LEVEL_ERROR)
        return;
    r->errors_logged++;
    snprintf(r->last_error, sizeof r->last_error, "%s", text);
}

void
rig_init(struct rig *r, uint64_t seed)
{
    *r = (struct rig){.next = 1};
    r->sim = sim_new(seed);
    r->machine = sim_node_new(r->sim, "n");
    log_init(&r->log, on_log, r, LOG_LEVEL_WARNING);
    CHECK(dir_create(r->machine, "/data") == ERR_OK && dir_sync(r->machine, "/") == ERR_OK);
    r->limits = broker_limits_default();
    durable_config_init(&r->config);
    r->config.store.dir = "/data";
    r->config.store.log_file_bytes = 65536;
    r->config.store.log_files_max = 2;
    r->config.store.segment_bytes = 65536;
    r->config.resident_bytes = 1 << 30; /* nothing is paged out but by rig_page_out() */
}

static void
declare(struct rig *r)
{
    struct meta_result result = {0};
    meta_apply(r->node.meta, &(struct meta_command){.kind = META_VHOST_ADD, .name = slice_str("/")}, &result);
    for (unsigned i = 0; i < RIG_QUEUES; i++) {
        char name[8];
        snprintf(name, sizeof name, "q%u", i);
        struct meta_command command = {.kind = META_QUEUE_DECLARE,
                                       .vhost = slice_str("/"),
                                       .name = slice_str(name),
                                       .arguments =
                                           i == RIG_TRANSIENT_QUEUE ? slice_of(NULL, 0) : r->arguments,
                                       .durable = i != RIG_TRANSIENT_QUEUE,
                                       .first_of_connection = true,
                                       .placed = i % r->shards + 1};
        meta_apply(r->node.meta, &command, &result);
        CHECK(result.code == 0);
    }
}

static void
find_queues(struct rig *r)
{
    const struct vhost *vhost = vhost_find(r->node.meta, slice_str("/"));
    for (unsigned i = 0; i < RIG_QUEUES; i++) {
        char name[8];
        snprintf(name, sizeof name, "q%u", i);
        const struct queue_def *def = queue_def_find(vhost, slice_str(name));
        r->queue_ids[i] = def ? def->id : 0;
    }
}

static bool
is_up(void *arg)
{
    struct rig *r = arg;
    for (unsigned i = 0; i < r->shards; i++)
        if (!r->node.brokers[i] || !r->node.brokers[i]->log)
            return false;
    return true;
}

static void
release(struct rig *r)
{
    durable_close(r->durable);
    r->durable = NULL;
    meta_free(r->node.meta);
    for (unsigned i = 0; i < r->shards; i++)
        if (r->node.brokers[i])
            broker_free(r->node.brokers[i]);
    shards_free(r->node.shards);
    r->node = (struct node){0};
}

bool
rig_try_start(struct rig *r, unsigned shards)
{
    static const struct shard_hooks hooks = {.on_start = shard_start,
                                             .on_mail = shard_mail,
                                             .on_room = shard_room,
                                             .on_turn = shard_turn,
                                             .on_stop = shard_stop,
                                             .on_discard = shard_discard};
    char why[512] = "";
    r->shards = shards;
    r->node = (struct node){.name = "rabbit@n", .log = &r->log, .limits = r->limits};
    r->node.shards = shards_new(r->machine, shards, &hooks, r);
    r->node.epoch = shards_epoch(r->node.shards);
    r->node.meta = meta_new(&r->node);
    enum err e = durable_open(&r->node, r->machine, &r->config, &r->durable, why, sizeof why);
    if (e == ERR_OK && durable_is_new(r->durable))
        declare(r);
    if (e == ERR_OK)
        e = durable_begin(r->durable, why, sizeof why);
    if (e == ERR_OK) {
        find_queues(r);
        CHECK(shards_start(r->node.shards) == ERR_OK && sim_run_until(r->sim, is_up, r, 10000));
        e = durable_problem(r->durable, why, sizeof why);
    }
    if (e == ERR_OK)
        return true;
    snprintf(r->last_error, sizeof r->last_error, "%s", why);
    sim_node_kill(r->machine);
    release(r);
    return false;
}

void
rig_start_at_once(struct rig *r, unsigned shards)
{
    if (!rig_try_start(r, shards))
        fail_msg("it does not start: %s", r->last_error);
}

static bool
has_settled(struct rig *r)
{
    for (unsigned i = 0; i < r->shards; i++)
        if (!keep_has_settled((struct keep *)r->node.brokers[i]->log))
            return false;
    return true;
}

void
rig_start(struct rig *r, unsigned shards)
{
    rig_start_at_once(r, shards);
    rig_until(r, has_settled);
}

void
rig_stop(struct rig *r)
{
    shards_stop(r->node.shards);
    shards_join(r->node.shards);
    release(r);
}

void
rig_power(struct rig *r)
{
    sim_node_crash(r->machine);
    release(r);
}

void
rig_kill(struct rig *r)
{
    sim_node_kill(r->machine);
    release(r);
}

void
rig_fini(struct rig *r)
{
    if (r->node.shards)
        rig_stop(r);
    sim_free(r->sim);
    free(r->got);
}

/* ---- looking ---- */

static void
check_runs(const struct keep *k)
{
    size_t cursor = 0;
    for (struct queue_kept *kept; (kept = idmap_next(&k->kept, &cursor, NULL));)
        for (uint32_t i = 0; i < kept->run_count; i++) {
            const struct keep_run *run = &kept->runs[i];
            const struct segment_run *in = keep_run_in_segment(run);
            CHECK(run->first <= run->last && in->queue_id == kept->id);
            CHECK(run->first >= in->first && run->last <= in->last);
            CHECK(i == 0 || kept->runs[i - 1].last < run->first);
        }
}

void
rig_check(struct rig *r)
{
    for (unsigned i = 0; i < r->shards; i++) {
        broker_check(r->node.brokers[i]);
        check_runs((struct keep *)r->node.brokers[i]->log);
    }
}

static void
kick(struct rig *r)
{
    for (unsigned i = 0; i < r->shards; i++)
        shards_post_external(r->node.shards, i, &(struct mail){0});
}

void
rig_run(struct rig *r, uint64_t ms)
{
    rig_check(r);
    kick(r);
    sim_run_for(r->sim, ms);
    rig_check(r);
}

struct until {
    struct rig *r;
    bool (*is_so)(struct rig *r);
};

static bool
until_so(void *arg)
{
    struct until *u = arg;
    return u->is_so(u->r);
}

void
rig_until(struct rig *r, bool (*is_so)(struct rig *r))
{
    struct until u = {r, is_so};
    kick(r);
    if (!sim_run_until(r->sim, until_so, &u, 10000))
        fail_msg("it did not come to that; last error: %s", r->last_error);
    rig_check(r);
}

bool
rig_has_answers(struct rig *r)
{
    for (uint64_t n = 1; n < r->next; n++)
        if (!r->answers[n])
            return false;
    return true;
}

struct broker *
rig_broker(struct rig *r, unsigned queue)
{
    const struct queue_def *def = queue_def_find_id(r->node.meta, r->queue_ids[queue]);
    CHECK(def);
    return r->node.brokers[def->shard];
}

struct keep *
rig_keep(struct rig *r, unsigned queue)
{
    return (struct keep *)rig_broker(r, queue)->log;
}

struct queue *
rig_queue(struct rig *r, unsigned queue)
{
    return queue_get(rig_broker(r, queue), r->queue_ids[queue]);
}

/* ---- publishing ---- */

static struct channel_ref
channel_on(unsigned shard)
{
    return (struct channel_ref){.connection = 7, .shard = (uint16_t)shard, .channel = 1, .serial = 1};
}

static struct message *
make_message(const struct rig *r, struct broker *b, uint64_t number, uint32_t size, bool is_persistent)
{
    uint8_t run[64];
    struct properties p = {0};
    if (is_persistent) {
        p.flags |= PROPERTY_FLAG(PROPERTY_DELIVERY_MODE);
        p.delivery_mode = 2;
    }
    if (r->expiration) {
        p.flags |= PROPERTY_FLAG(PROPERTY_EXPIRATION);
        p.expiration = slice_str(r->expiration);
    }
    if (r->priority) {
        p.flags |= PROPERTY_FLAG(PROPERTY_PRIORITY);
        p.priority = r->priority;
    }
    struct slice properties = slice_of(run, properties_encode(run, &p));
    struct message *m = message_new(b, slice_str("x"), slice_str("key"), properties, size);
    uint8_t *body = message_body_mut(m);
    CHECK(size >= sizeof number);
    memcpy(body, &number, sizeof number);
    for (size_t i = sizeof number; i < size; i++)
        body[i] = (uint8_t)(number + i);
    return m;
}

static struct route *
make_route(struct rig *r, unsigned queues)
{
    struct route *route = calloc(1, sizeof *route + RIG_QUEUES * sizeof route->targets[0]);
    CHECK(route);
    for (unsigned i = 0; i < RIG_QUEUES; i++) {
        if (!(queues >> i & 1))
            continue;
        const struct queue_def *def = queue_def_find_id(r->node.meta, r->queue_ids[i]);
        route->targets[route->count] = (struct route_target){def, def->id, def->shard};
        if (route->count++ == 0)
            route->only_shard = def->shard;
        else if (route->only_shard != def->shard)
            route->only_shard = ROUTE_MANY_SHARDS;
    }
    return route;
}

static uint64_t
publish(struct rig *r, unsigned from, unsigned queues, uint32_t size, unsigned flags, uint64_t seq)
{
    struct broker *b = r->node.brokers[from];
    uint64_t number = r->next++;
    CHECK(number < RIG_NUMBERS);
    struct message *m = make_message(r, b, number, size, flags & RIG_PERSISTENT);
    struct route *route = make_route(r, queues);
    unsigned pending;
    enum publish_result result = courier_publish(b, route, &m, channel_on(from), seq ? seq : number,
                                                 (flags & RIG_IN_TX) != 0, &pending);
    if (result != PUBLISH_PENDING)
        r->answers[number] = result == PUBLISH_DONE ? 1 : 129;
    free(route);
    return number;
}

bool
rig_has_room(struct rig *r, unsigned from, unsigned queues)
{
    struct route *route = make_route(r, queues);
    unsigned to;
    bool has_room = courier_can_publish(r->node.brokers[from], route, &to);
    free(route);
    return has_room;
}

uint64_t
rig_publish(struct rig *r, unsigned from, unsigned queues, uint32_t size, unsigned flags)
{
    return publish(r, from, queues, size, flags, 0);
}

uint64_t
rig_fill(struct rig *r, unsigned queue, unsigned count, uint32_t size, unsigned flags)
{
    uint64_t first = r->next;
    unsigned from = rig_broker(r, queue)->index;
    for (unsigned i = 0; i < count; i++) {
        rig_publish(r, from, 1u << queue, size, flags);
        if (i % 16 == 15)
            rig_run(r, 1);
    }
    rig_run(r, 1);
    return first;
}

uint64_t
rig_tx_publish(struct rig *r, unsigned from, unsigned queues, uint32_t size, uint64_t seq)
{
    return publish(r, from, queues, size, RIG_PERSISTENT | RIG_IN_TX, seq);
}

void
rig_tx_ack(struct rig *r, unsigned from, const struct rig_got *g, uint64_t seq)
{
    courier_settle_tx(r->node.brokers[from], g->shard, r->queue_ids[g->queue], g->position, SETTLE_ACK,
                      channel_on(from), seq);
}

bool
rig_tx_end(struct rig *r, unsigned from, unsigned shard, uint64_t seq)
{
    return courier_tx_end(r->node.brokers[from], shard, channel_on(from), seq);
}

/* ---- taking ---- */

void
rig_ask(struct rig *r, unsigned queue, bool no_ack)
{
    struct broker *b = rig_broker(r, queue);
    const struct queue_def *def = queue_def_find_id(r->node.meta, r->queue_ids[queue]);
    courier_get(b, def, channel_on(b->index), 1, no_ack);
}

struct reply_wait {
    struct rig *r;
    unsigned replies;
};

static bool
has_reply(void *arg)
{
    struct reply_wait *w = arg;
    return w->r->replies != w->replies;
}

static void
await_reply(struct rig *r, unsigned replies)
{
    struct reply_wait w = {r, replies};
    kick(r);
    if (!sim_run_until(r->sim, has_reply, &w, 10000))
        fail_msg("no answer; last error: %s", r->last_error);
    assert_int_equal(r->reply.code, 0);
}

bool
rig_get(struct rig *r, unsigned queue, bool no_ack, struct rig_got *got)
{
    unsigned replies = r->replies;
    size_t count = r->got_count;
    rig_ask(r, queue, no_ack);
    await_reply(r, replies);
    if (r->got_count == count)
        return false;
    *got = r->got[--r->got_count];
    return true;
}

void
rig_settle(struct rig *r, const struct rig_got *g, enum settle how)
{
    courier_settle(r->node.brokers[g->shard], g->shard, r->queue_ids[g->queue], g->position, how);
}

unsigned
rig_drain(struct rig *r, unsigned queue, uint64_t *numbers, unsigned most)
{
    unsigned n = 0;
    struct rig_got got;
    while (n < most && rig_get(r, queue, false, &got)) {
        numbers[n++] = got.number;
        rig_settle(r, &got, SETTLE_ACK);
    }
    rig_run(r, 10);
    return n;
}

void
rig_expect_every(struct rig *r, unsigned queue, uint64_t first, uint64_t last, unsigned step)
{
    uint64_t *numbers = calloc(RIG_NUMBERS, sizeof *numbers);
    CHECK(numbers);
    unsigned n = rig_drain(r, queue, numbers, RIG_NUMBERS);
    for (unsigned i = 0; i < n; i++)
        if (numbers[i] != first + (uint64_t)i * step)
            fail_msg("queue %u: message %llu instead of %llu", queue, (unsigned long long)numbers[i],
                     (unsigned long long)(first + (uint64_t)i * step));
    free(numbers);
    if (n != (last + step - first) / step)
        fail_msg("queue %u: %u messages instead of %llu", queue, n,
                 (unsigned long long)((last + step - first) / step));
}

void
rig_expect(struct rig *r, unsigned queue, uint64_t first, uint64_t last)
{
    rig_expect_every(r, queue, first, last, 1);
}

void
rig_thin(struct rig *r, unsigned queue, unsigned nth)
{
    struct rig_got *all = calloc(RIG_NUMBERS, sizeof *all);
    CHECK(all);
    unsigned n = 0;
    while (rig_get(r, queue, false, &all[n]))
        n++;
    for (unsigned i = 0; i < n; i++)
        rig_settle(r, &all[i], i % nth ? SETTLE_ACK : SETTLE_REQUEUE);
    free(all);
    rig_run(r, 10);
}

void
rig_consume(struct rig *r, unsigned queue, struct subscription *s, uint16_t prefetch, bool no_ack)
{
    struct broker *b = rig_broker(r, queue);
    const struct queue_def *def = queue_def_find_id(r->node.meta, r->queue_ids[queue]);
    struct consumer_options options = {.prefetch_count = prefetch, .no_ack = no_ack};
    unsigned replies = r->replies;
    courier_consume(b, def, s, &options, channel_on(b->index), 1);
    await_reply(r, replies);
}

void
rig_purge(struct rig *r, unsigned queue)
{
    struct broker *b = rig_broker(r, queue);
    unsigned replies = r->replies;
    courier_purge(b, queue_def_find_id(r->node.meta, r->queue_ids[queue]), channel_on(b->index), 1);
    await_reply(r, replies);
}

void
rig_delete(struct rig *r, unsigned queue)
{
    struct broker *b = rig_broker(r, queue);
    unsigned replies = r->replies;
    courier_delete(b, queue_def_find_id(r->node.meta, r->queue_ids[queue]), channel_on(b->index), 1, false,
                   false, slice_of(NULL, 0));
    await_reply(r, replies);
}

/* ---- the disk ---- */

void
rig_turn_log_over(struct rig *r, unsigned queue, unsigned checkpoints)
{
    uint64_t end = rig_keep(r, queue)->counts.checkpoints + checkpoints;
    for (unsigned i = 0; i < 100 && rig_keep(r, queue)->counts.checkpoints < end; i++) {
        rig_fill(r, queue, 20, 500, RIG_PERSISTENT);
        rig_purge(r, queue);
        rig_run(r, 100);
    }
    assert_true(rig_keep(r, queue)->counts.checkpoints >= end);
}

static void
page_out(struct queue *q)
{
    struct broker *b = q->broker;
    uint64_t at;
    struct queue_entry *e = q->messages ? seqdeque_first(&q->messages->entries, &at) : NULL;
    for (; e; e = seqdeque_next(&q->messages->entries, &at)) {
        if (at < q->cursor || b->log->ops->page_out(b->log, q, at, e) != QUEUE_PAGED)
            continue;
        struct message *m = e->message;
        q->messages->bytes -= queue_weight(m);
        queue_tally_page_out(q, m->body_size);
        q->paged++;
        if (at < q->messages->paged_from)
            q->messages->paged_from = at;
        seqdeque_remove(&q->messages->entries, at);
        message_drop(b, &m);
    }
}

void
rig_page_out(struct rig *r, unsigned queue)
{
    unsigned at = 0;
    for (struct queue *rank; (rank = queue_rank_each(rig_queue(r, queue), &at));)
        page_out(rank);
    rig_check(r);
}

static void
count_file(void *arg, const char *name)
{
    ++*(unsigned *)arg;
}

unsigned
rig_files(struct rig *r, const char *folder)
{
    char path[64];
    unsigned n = 0;
    snprintf(path, sizeof path, "/data/store/%s", folder);
    assert_int_equal(dir_list(r->machine, path, count_file, &n), ERR_OK);
    return n;
}

void
rig_faults(struct rig *r, struct sim_disk_faults faults)
{
    sim_disk_set_faults(r->machine, &faults);
}
