/*
 * For property tests: commands of all kinds from a seed, over few names, so that most of them meet something
 * (and many are refused). The slices are good until the next command.
 */
#ifndef LEVERET_BROKER_META_RANDOM_FIXTURE_H
#define LEVERET_BROKER_META_RANDOM_FIXTURE_H

#include "base/hash.h"
#include "broker/meta.h"
#include "wire/table.h"

struct meta_random {
    uint64_t state;
    struct buffer arguments;
};

static inline unsigned
meta_random_below(struct meta_random *g, unsigned bound)
{
    g->state += 0x9e3779b97f4a7c15u;
    return (unsigned)(hash_u64(g->state) % bound);
}

static inline struct slice
meta_random_pick(struct meta_random *g, const char *const names[], unsigned count)
{
    return slice_str(names[meta_random_below(g, count)]);
}
#define META_RANDOM_PICK(g, ...)                                                                             \
    meta_random_pick(g, (const char *const[]){__VA_ARGS__},                                                  \
                     sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static inline struct slice
meta_random_vhost(struct meta_random *g)
{
    return META_RANDOM_PICK(g, "/", "/", "/", "/", "two", "never");
}
static inline struct slice
meta_random_exchange(struct meta_random *g)
{
    return META_RANDOM_PICK(g, "x1", "x2", "x3", "x4", "x5", "amq.direct", "amq.headers", "");
}
static inline struct slice
meta_random_queue(struct meta_random *g)
{
    return META_RANDOM_PICK(g, "q1", "q2", "q3", "q4", "q5", "q6", "q7", "amq.q");
}

static inline struct slice
meta_random_arguments(struct meta_random *g, enum meta_kind kind)
{
    buffer_clear(&g->arguments);
    if (meta_random_below(g, 3))
        return slice_of(NULL, 0);
    if (kind == META_EXCHANGE_DECLARE) {
        table_add_str(&g->arguments, "alternate-exchange", meta_random_exchange(g));
    } else if (kind == META_QUEUE_DECLARE) {
        table_add_int64(&g->arguments, "x-max-length", (int64_t)meta_random_below(g, 3) - 1);
        if (!meta_random_below(g, 3))
            table_add_str(&g->arguments, "x-queue-type", slice_str("quorum"));
    } else {
        table_add_str(&g->arguments, "z", META_RANDOM_PICK(g, "1", "2"));
        table_add_str(&g->arguments, "a", slice_str("3"));
    }
    return buffer_slice(&g->arguments);
}

static inline void
meta_random_declare(struct meta_random *g, struct meta_command *c)
{
    bool is_queue = c->kind == META_QUEUE_DECLARE;
    c->name = is_queue ? meta_random_queue(g) : meta_random_exchange(g);
    if (is_queue && !meta_random_below(g, 6))
        c->name = slice_of(NULL, 0);
    if (!is_queue)
        c->type = META_RANDOM_PICK(g, "direct", "fanout", "topic", "headers", "nothing");
    c->durable = meta_random_below(g, 2);
    c->auto_delete = meta_random_below(g, 2);
    c->internal = !is_queue && !meta_random_below(g, 4);
    c->exclusive = is_queue && !meta_random_below(g, 4);
    c->random = hash_u64(g->state);
    c->arguments = meta_random_arguments(g, c->kind);
}

static inline void
meta_random_bind(struct meta_random *g, struct meta_command *c)
{
    bool to_queue = c->kind == META_QUEUE_BIND || c->kind == META_QUEUE_UNBIND;
    c->source = meta_random_exchange(g);
    c->name = to_queue ? meta_random_queue(g) : meta_random_exchange(g);
    c->routing_key = META_RANDOM_PICK(g, "", "k", "a.b");
    c->arguments = meta_random_arguments(g, c->kind);
}

static inline void
meta_random_access(struct meta_random *g, struct meta_command *c)
{
    c->user = META_RANDOM_PICK(g, "ann", "bob", "eve");
    if (c->kind == META_USER_PUT || c->kind == META_USER_DELETE || c->kind == META_USER_SET)
        c->name = c->user;
    if (c->kind == META_USER_SET)
        c->changes = meta_random_below(g, 8);
    c->configure = META_RANDOM_PICK(g, "", ".*", "^q");
    c->write = META_RANDOM_PICK(g, ".*", "(");
    c->read = META_RANDOM_PICK(g, ".*", "");
    c->tags = META_RANDOM_PICK(g, "", "administrator", "monitoring,odd");
    if (meta_random_below(g, 2))
        c->password_hash = slice_str("123456789012345678901234567890123456");
}

static inline void
meta_random_queue_delete(struct meta_random *g, const struct meta *m, struct meta_command *c)
{
    const struct vhost *v = vhost_find(m, c->vhost);
    const struct queue_def *q = v ? queue_def_find(v, meta_random_queue(g)) : NULL;
    c->queue_id = q ? q->id : 1 + meta_random_below(g, (unsigned)meta_id_last(m) + 2);
    c->connection_id = meta_random_below(g, 3);
}

static inline void
meta_random_limits(struct meta_random *g, struct meta_command *c)
{
    c->user = c->name = META_RANDOM_PICK(g, "ann", "bob", "eve");
    if (c->kind == META_USER_LIMITS_CLEAR)
        c->name = META_RANDOM_PICK(g, "all", "max-channels", "odd");
    else
        c->value = META_RANDOM_PICK(g, "{\"max-connections\":3}", "{\"max-queues\":4}",
                                    "{\"max-channels\": -1}", "{}", "[]", "{\"odd\":1}", "{", "");
}

static inline void
meta_random_vhost_set(struct meta_random *g, struct meta_command *c)
{
    c->name = meta_random_vhost(g);
    c->changes = meta_random_below(g, 32);
    c->description = META_RANDOM_PICK(g, "", "what it is for");
    c->tags = META_RANDOM_PICK(g, "", "a,b");
    c->default_queue_type = META_RANDOM_PICK(g, "", "classic", "quorum", "odd");
    c->is_protected = meta_random_below(g, 4) == 0;
    c->is_tracing = meta_random_below(g, 2);
}

static inline void
meta_random_topic_permission(struct meta_random *g, struct meta_command *c)
{
    c->user = META_RANDOM_PICK(g, "ann", "bob", "eve");
    c->name = META_RANDOM_PICK(g, "x1", "amq.topic", "");
    c->write = META_RANDOM_PICK(g, "^{username}\\.", ".*", "", "(");
    c->read = META_RANDOM_PICK(g, "{vhost}", ".*");
}

static inline void
meta_random_policy(struct meta_random *g, struct meta_command *c)
{
    c->name = META_RANDOM_PICK(g, "p1", "p2", "p3", "");
    c->is_operator = meta_random_below(g, 3) == 0;
    c->pattern = META_RANDOM_PICK(g, "^q", "1$", "", "x|q", "[", "(a+)+$");
    c->apply_to = META_RANDOM_PICK(g, "all", "queues", "exchanges", "", "classic_queues", "odd");
    c->priority = (int64_t)meta_random_below(g, 5) - 1;
    c->value = META_RANDOM_PICK(g, "{\"max-length\":10}", "{\"message-ttl\": 5, \"expires\": 86400000}",
                                "{\"alternate-exchange\":\"x2\"}",
                                "{\"max-length\":5,\"overflow\":\"reject-publish\"}", "{\"odd\":1}", "{}",
                                "[", "{\"ha-mode\":\"all\"}");
}

static inline void
meta_random_parameter(struct meta_random *g, struct meta_command *c)
{
    c->component = META_RANDOM_PICK(g, "", "shovel", "federation-upstream", "odd");
    c->name = META_RANDOM_PICK(g, "cluster_name", "one", "two", "");
    c->value = META_RANDOM_PICK(g, "\"here\"", "{\"b\": 1, \"a\": [true, null]}", "nothing", "17",
                                "{\"uri\":\"amqp://\", \"expires\": 5}",
                                "{\"src-uri\":[],\"dest-uri\":\"amqps://h/v\",\"src-queue\":\"q\"}");
}

/* `m` is the state that the command will meet, for ids. */
static inline struct meta_command
meta_random_next(struct meta_random *g, const struct meta *m)
{
    static const enum meta_kind often[] = {META_EXCHANGE_DECLARE, META_QUEUE_DECLARE, META_QUEUE_BIND,
                                           META_EXCHANGE_BIND};
    unsigned kind = meta_random_below(g, META_KINDS + 12);
    struct meta_command c = {.kind = kind < META_KINDS ? (enum meta_kind)kind : often[kind % 4],
                             .vhost = meta_random_vhost(g),
                             .connection_id = 1 + meta_random_below(g, 2)};
    switch (c.kind) {
    case META_VHOST_ADD:
        meta_random_limits(g, &c);
        meta_random_vhost_set(g, &c);
        break;
    case META_VHOST_SET: meta_random_vhost_set(g, &c); break;
    case META_VHOST_LIMITS:
    case META_USER_LIMITS:
    case META_USER_LIMITS_CLEAR: meta_random_limits(g, &c); break;
    case META_TOPIC_PERMISSION_SET:
    case META_TOPIC_PERMISSION_CLEAR: meta_random_topic_permission(g, &c); break;
    case META_POLICY_SET:
    case META_POLICY_CLEAR: meta_random_policy(g, &c); break;
    case META_PARAMETER_SET:
    case META_PARAMETER_CLEAR: meta_random_parameter(g, &c); break;
    case META_VHOST_DELETE: c.name = meta_random_below(g, 6) ? slice_str("two") : slice_str("/"); break;
    case META_EXCHANGE_DECLARE:
    case META_QUEUE_DECLARE: meta_random_declare(g, &c); break;
    case META_EXCHANGE_DELETE:
        c.name = meta_random_exchange(g);
        c.if_unused = meta_random_below(g, 2);
        break;
    case META_QUEUE_DELETE: meta_random_queue_delete(g, m, &c); break;
    case META_EXCHANGE_BIND:
    case META_EXCHANGE_UNBIND:
    case META_QUEUE_BIND:
    case META_QUEUE_UNBIND: meta_random_bind(g, &c); break;
    case META_NODE_STARTED: c.forced_id = meta_random_below(g, 2) ? meta_id_last(m) + 5 : 0; break;
    default: meta_random_access(g, &c); break;
    }
    return c;
}

#endif
