/*
 * Queues. A definition never changes. Every queue is bound to the default exchange by its name, which is
 * nowhere stored: that exchange looks the queue up; so only its generation tells that a queue came or went.
 */
#include "base/base64url.h"
#include "base/check.h"
#include "base/hash.h"
#include "broker/equivalence.h"
#include "broker/meta_impl.h"
#include "broker/policy_effect.h"
#include "broker/queue_args.h"
#include "broker/reply.h"
#include "wire/amqp.h"

#include <stdlib.h>

void
meta_each_queue(const struct meta *m, void (*fn)(void *arg, void *queue_def), void *arg)
{
    cmap_foreach(&m->queues, fn, arg);
}

uint64_t
meta_queue_hash(const void *item)
{
    return hash_u64(((const struct queue_def *)item)->id);
}

static uint64_t
name_hash(const void *item)
{
    return hash_bytes(queue_def_name(item));
}

void
meta_queues_init(struct meta *m, struct vhost *v)
{
    meta_cmap_init(m, &v->queues, name_hash);
}

/* Exclusive queues and a connection's first one live where the connection does, all others where the fewest
 * are, those counted that were placed and are not made yet. */
static uint16_t
choose(const struct meta *m, const struct meta_command *cmd)
{
    unsigned best = cmd->shard_hint < m->shard_count ? cmd->shard_hint : 0;
    if (cmd->exclusive || cmd->first_of_connection)
        return (uint16_t)best;
    for (unsigned i = 0; i < m->shard_count; i++)
        if (m->shard_queues[i] + m->shard_placed[i] < m->shard_queues[best] + m->shard_placed[best])
            best = i;
    return (uint16_t)best;
}

uint64_t
meta_queue_place(struct meta *m, const struct meta_command *cmd)
{
    uint16_t at = choose(m, cmd);
    m->shard_placed[at]++;
    return at + 1u;
}

void
meta_queue_unplace(struct meta *m, uint64_t placed)
{
    m->shard_placed[placed - 1]--;
}

/* With fewer shards than before, what lived together goes on living together: segments depend on it. */
static uint16_t
place(const struct meta *m, const struct meta_command *cmd)
{
    if (!cmd->placed)
        return choose(m, cmd);
    return (uint16_t)((cmd->placed - 1) % m->shard_count);
}

/*
 * amq.gen- and 16 bytes in base64url, as RabbitMQ's: the submitter's random number, and the queue's id mixed
 * with it, which makes it unique. A log that is replayed makes it again: this formula never changes.
 */
static struct slice
make_name(const struct meta *m, const struct vhost *v, uint64_t random, char out[64])
{
    struct slice name;
    do {
        uint64_t words[2] = {random, (m->id_last + 1) ^ (random * 0x9e3779b97f4a7c15u)};
        memcpy(out, "amq.gen-", 8);
        name = slice_of(out, 8 + base64url_encode(out + 8, slice_of(words, sizeof words)));
        random++;
    } while (queue_def_find(v, name));
    return name;
}

/* One block: | struct queue_def | name | NUL | arguments |. */
static struct queue_def *
queue_def_new(struct meta *m, struct vhost *v, struct slice name, const struct meta_command *cmd)
{
    struct queue_def *q = calloc(1, sizeof *q + name.len + 1 + cmd->arguments.len);
    CHECK(q && name.len <= UINT8_MAX);
    q->id = meta_take_id(m, cmd);
    q->vhost = v;
    q->exclusive_owner = cmd->exclusive ? cmd->connection_id : 0;
    q->durable = cmd->durable && !cmd->exclusive;
    q->auto_delete = cmd->auto_delete;
    q->shard = place(m, cmd);
    q->name_size = (uint8_t)name.len;
    memcpy(q->name, name.data, name.len);
    uint8_t *at = (uint8_t *)q->name + name.len + 1;
    if (cmd->arguments.len > 0)
        memcpy(at, cmd->arguments.data, cmd->arguments.len);
    q->arguments = slice_of(at, cmd->arguments.len);
    list_init(&q->bindings);
    return q;
}

static void
describe(const struct queue_def *q, struct meta_result *r)
{
    r->queue_id = q->id;
    r->queue_shard = q->shard;
    memcpy(r->name, q->name, (size_t)q->name_size + 1);
}

/* All that is asked of the command's words alone; `name`: made up, if it has none. */
static uint16_t
check_words(struct slice name, const struct meta_command *cmd, char text[256])
{
    if (cmd->arguments.len == 0)
        return 0;
    char what[EQUIVALENCE_NAME_MAX];
    equivalence_name(what, "queue", name, cmd->vhost);
    uint16_t code = cmd->name.len > 0 ? 0 : queue_args_check_unnamed(cmd->arguments, text);
    if (!code)
        code = queue_args_check(cmd->arguments, what, text);
    const struct queue_properties p = {
        .durable = cmd->durable, .exclusive = cmd->exclusive, .auto_delete = cmd->auto_delete};
    return code ? code : queue_args_check_properties(cmd->arguments, &p, what, text);
}

bool
meta_queue_is_refused(const struct meta_command *cmd)
{
    char text[256];
    return queue_def_check_name(cmd->name, text) || check_words(cmd->name, cmd, text);
}

/* The vhost's limit. */
static uint16_t
check_room(const struct vhost *v, struct slice name, const struct meta_command *cmd, char text[256])
{
    int64_t most = atomic_load_explicit(&v->queues_max, memory_order_relaxed);
    if (cmd->forced_id || most < 0 || cmap_count(&v->queues) < (uint64_t)most)
        return 0;
    return reply_fail(text, AMQP_REPLY_PRECONDITION_FAILED,
                      "cannot declare queue '%.*s': queue limit in vhost '%s' (%lld) is reached",
                      SLICE_FMT(name), v->name, (long long)most);
}

void
meta_queue_declare(struct meta *m, const struct meta_command *cmd, struct meta_result *r)
{
    struct vhost *v = meta_vhost_of(m, cmd, r);
    if (!v)
        return;
    CHECK(!cmd->exclusive || cmd->connection_id != 0);
    char made_up[64];
    struct slice name = cmd->name;
    r->code = meta_is_trusted(cmd) ? 0 : queue_def_check_name(name, r->text);
    if (r->code)
        return;
    const struct queue_def *old = name.len > 0 ? queue_def_find(v, name) : NULL;
    if (old) {
        r->existed = true;
        r->code = queue_def_check_redeclare(old, cmd, r->text);
        if (!r->code)
            describe(old, r);
        return;
    }
    if (name.len == 0)
        name = make_name(m, v, cmd->random, made_up);
    r->code = meta_is_trusted(cmd) ? 0 : check_words(name, cmd, r->text);
    if (!r->code)
        r->code = check_room(v, name, cmd, r->text);
    if (r->code)
        return;
    struct queue_def *q = queue_def_new(m, v, name, cmd);
    atomic_init(&q->effect, policy_effect_take(v, queue_def_target(q), name));
    m->shard_queues[q->shard]++;
    m->quorum_queues += queue_def_target(q) == POLICY_QUORUM;
    cmap_insert(&m->queues, meta_queue_hash(q), q);
    struct cmap_table *table = atomic_load_explicit(&v->queues.table, memory_order_relaxed);
    cmap_insert(&v->queues, name_hash(q), q);
    if (atomic_load_explicit(&v->queues.table, memory_order_relaxed) != table)
        meta_policy_restart(v);
    meta_exchange_touch(m, v->default_exchange);
    describe(q, r);
    meta_event_queue(m, q, true);
    if (m->hooks.queue_declared)
        m->hooks.queue_declared(m->hooks_arg, q);
}

void
meta_queue_remove(struct meta *m, struct queue_def *q)
{
    struct vhost *v = q->vhost;
    CHECK(cmap_remove(&v->queues, name_hash(q), q));
    CHECK(cmap_remove(&m->queues, meta_queue_hash(q), q));
    m->quorum_queues -= queue_def_target(q) == POLICY_QUORUM;
    meta_exchange_touch(m, v->default_exchange);
    struct slice actor = m->actor;
    m->actor = slice_of(NULL, 0); /* bindings follow by themselves */
    while (!list_is_empty(&q->bindings))
        meta_binding_remove(m, LIST_ENTRY(q->bindings.next, struct binding, to_node));
    m->actor = actor;
    meta_event_queue(m, q, false);
    m->shard_queues[q->shard]--;
    if (m->hooks.queue_deleted)
        m->hooks.queue_deleted(m->hooks_arg, q);
    policy_effect_drop(m->epoch, atomic_load_explicit(&q->effect, memory_order_relaxed));
    epoch_defer(m->epoch, free, q);
}

void
meta_queue_delete(struct meta *m, const struct meta_command *cmd, struct meta_result *r)
{
    struct queue_def *q = (struct queue_def *)queue_def_find_id(m, cmd->queue_id);
    if (!q)
        return;
    if (cmd->connection_id != 0)
        r->code = queue_def_check_exclusive(q, cmd->connection_id, r->text);
    if (r->code)
        return;
    r->existed = true;
    describe(q, r);
    meta_queue_remove(m, q);
}
