/*
 * Exchanges, and the graph that they form. An exchange leads to another by a binding, or by naming it as its
 * alternate, which it may do before that one exists: so who names whom is indexed by name. When the routes
 * from an exchange may have changed, they may have for every exchange that leads to it too: a walk backwards
 * gives all of them a new generation.
 */
#include "base/check.h"
#include "base/hash.h"
#include "broker/event.h"
#include "broker/meta_impl.h"
#include "broker/policy_effect.h"
#include "broker/recent_history.h"
#include "wire/amqp.h"
#include "wire/table.h"

#include <stdlib.h>

/* Those exchanges of a vhost that name the same one as alternate. */
struct alternate {
    struct list users; /* exchange.alternate_node */
    uint8_t name_size;
    uint8_t name[];
};

static uint64_t
exchange_hash(const void *item)
{
    const struct exchange *x = item;
    return hash_bytes(slice_of(x->name, x->name_size));
}

static uint64_t
alternate_hash(const void *item)
{
    const struct alternate *a = item;
    return hash_bytes(slice_of(a->name, a->name_size));
}

static bool
alternate_eq(const void *item, const void *key)
{
    const struct alternate *a = item;
    return slice_eq(slice_of(a->name, a->name_size), *(const struct slice *)key);
}

void
meta_exchanges_init(struct meta *m, struct vhost *v)
{
    meta_cmap_init(m, &v->exchanges, exchange_hash);
    meta_cmap_init(m, &v->alternates, alternate_hash);
}

static struct alternate *
alternate_find(const struct vhost *v, struct slice name)
{
    return cmap_find(&v->alternates, hash_bytes(name), alternate_eq, &name);
}

static void
alternate_add(struct exchange *x)
{
    struct slice name = exchange_alternate(x);
    if (name.len == 0)
        return;
    struct alternate *a = alternate_find(x->vhost, name);
    if (!a) {
        a = malloc(sizeof *a + name.len);
        CHECK(a);
        list_init(&a->users);
        a->name_size = (uint8_t)name.len;
        memcpy(a->name, name.data, name.len);
        cmap_insert(&x->vhost->alternates, alternate_hash(a), a);
    }
    list_push_back(&a->users, &x->alternate_node);
}

static void
alternate_remove(struct exchange *x)
{
    struct slice name = exchange_alternate(x);
    if (name.len == 0)
        return;
    struct alternate *a = alternate_find(x->vhost, name);
    list_remove(&x->alternate_node);
    if (list_is_empty(&a->users)) {
        CHECK(cmap_remove(&x->vhost->alternates, alternate_hash(a), a));
        free(a);
    }
}

/* ---- walking backwards ---- */

struct walk {
    uint64_t number;
    struct exchange *todo;
};

static void
walk_add(struct walk *w, struct exchange *x)
{
    if (x->walk == w->number)
        return;
    x->walk = w->number;
    x->walk_next = w->todo;
    w->todo = x;
}

/* The next exchange of the walk; those that lead to it come later. */
static struct exchange *
walk_next(struct walk *w)
{
    struct exchange *x = w->todo;
    if (!x)
        return NULL;
    w->todo = x->walk_next;
    LIST_FOREACH (node, &x->bindings_to)
        walk_add(w, LIST_ENTRY(node, struct binding, to_node)->source);
    struct alternate *a = x->is_default ? NULL : alternate_find(x->vhost, slice_of(x->name, x->name_size));
    if (a)
        LIST_FOREACH (node, &a->users)
            walk_add(w, LIST_ENTRY(node, struct exchange, alternate_node));
    return x;
}

void
meta_exchange_touch(struct meta *m, struct exchange *x)
{
    struct walk w = {.number = ++m->walk_last};
    uint64_t generation = ++m->generation_last;
    walk_add(&w, x);
    while ((x = walk_next(&w)))
        atomic_store_explicit(&x->generation, generation, memory_order_release);
}

void
meta_exchange_leads_to(struct meta *m, struct exchange *x, const struct exchange *to)
{
    if (!exchange_needs_message(to) || exchange_needs_message(x))
        return;
    struct walk w = {.number = ++m->walk_last};
    walk_add(&w, x);
    while ((x = walk_next(&w)))
        atomic_store_explicit(&x->needs_message, true, memory_order_release);
}

/* Those that name `x` as alternate: it appeared, or is gone. */
static void
alternate_changed(struct meta *m, struct exchange *x)
{
    struct alternate *a = alternate_find(x->vhost, slice_of(x->name, x->name_size));
    if (!a)
        return;
    LIST_FOREACH (node, &a->users) {
        struct exchange *user = LIST_ENTRY(node, struct exchange, alternate_node);
        if (!x->is_removed)
            meta_exchange_leads_to(m, user, x);
        meta_exchange_touch(m, user);
    }
}

/* ---- coming and going ---- */

/* One block: | struct exchange | name | NUL | arguments |; the alternate's name is within the arguments. */
static struct exchange *
exchange_new(struct meta *m, struct vhost *v, uint64_t id, struct slice name, enum exchange_type type,
             struct slice arguments)
{
    struct exchange *x = calloc(1, sizeof *x + name.len + 1 + arguments.len);
    CHECK(x && name.len <= UINT8_MAX);
    x->id = id;
    x->vhost = v;
    x->type = type;
    char *at = (char *)(x + 1);
    if (name.len > 0)
        memcpy(at, name.data, name.len);
    x->name = at;
    x->name_size = (uint8_t)name.len;
    if (arguments.len > 0)
        memcpy(at + name.len + 1, arguments.data, arguments.len);
    x->arguments = slice_of(at + name.len + 1, arguments.len);
    struct slice alternate;
    if (table_get_str(x->arguments, "alternate-exchange", &alternate) == ERR_OK && alternate.len <= UINT8_MAX)
        x->own_alternate = alternate;
    atomic_init(&x->alternate, x->own_alternate.len > 0 ? &x->own_alternate : NULL);
    atomic_init(&x->generation, ++m->generation_last);
    x->is_by_message = router_is_by_message(type, x->arguments);
    atomic_init(&x->needs_message, x->is_by_message);
    x->router = router_ops_of(type)->create(m->epoch, x->arguments);
    list_init(&x->bindings_from);
    list_init(&x->bindings_to);
    return x;
}

void
meta_exchange_free(void *exchange)
{
    struct exchange *x = exchange;
    CHECK(list_is_empty(&x->bindings_from) && list_is_empty(&x->bindings_to));
    router_ops_of(x->type)->destroy(x->router);
    free(x);
}

/* Where its alternate exchange stands in the graph. */
static void
alternate_publish(struct meta *m, struct exchange *x)
{
    struct slice name = exchange_alternate(x);
    alternate_add(x);
    const struct exchange *to = name.len > 0 ? exchange_find(x->vhost, name) : NULL;
    if (to)
        meta_exchange_leads_to(m, x, to);
}

/* What its policies come to now, and the alternate exchange with it: its arguments go first. */
static struct policy_effect *
choose_effect(struct exchange *x)
{
    struct policy_effect *old = atomic_load_explicit(&x->effect, memory_order_relaxed);
    struct policy_effect *e = policy_effect_take(x->vhost, POLICY_EXCHANGE, slice_of(x->name, x->name_size));
    atomic_store_explicit(&x->effect, e, memory_order_release);
    const struct slice *name = x->own_alternate.len > 0 ? &x->own_alternate : NULL;
    if (!name && policy_effect_has(e, POLICY_KEY_ALTERNATE_EXCHANGE)) {
        const struct policy_value *v = &e->of[POLICY_KEY_ALTERNATE_EXCHANGE];
        name = v->text.len > 0 && v->text.len <= UINT8_MAX ? &v->text : NULL;
    }
    atomic_store_explicit(&x->alternate, name, memory_order_release);
    return old;
}

void
meta_exchange_policy(struct meta *m, struct exchange *x)
{
    if (x->is_default)
        return;
    struct slice before = exchange_alternate(x);
    alternate_remove(x);
    struct policy_effect *old = choose_effect(x);
    alternate_publish(m, x);
    if (!slice_eq(before, exchange_alternate(x)))
        meta_exchange_touch(m, x);
    policy_effect_drop(m->epoch, old);
}

static void
publish(struct meta *m, struct exchange *x)
{
    struct cmap *map = &x->vhost->exchanges;
    struct cmap_table *table = atomic_load_explicit(&map->table, memory_order_relaxed);
    if (!x->is_default)
        choose_effect(x);
    cmap_insert(map, exchange_hash(x), x);
    m->exchange_count++;
    if (atomic_load_explicit(&map->table, memory_order_relaxed) != table)
        meta_policy_restart(x->vhost);
    if (x->type == EXCHANGE_RECENT_HISTORY)
        recent_history_open(m->histories, x);
    meta_event_exchange(m, x, true);
    if (x->is_default)
        return;
    alternate_publish(m, x);
    alternate_changed(m, x);
}

void
meta_exchanges_predeclare(struct meta *m, struct vhost *v)
{
    static const struct {
        const char *name;
        enum exchange_type type;
        bool internal;
    } all[] = {
        {"", EXCHANGE_DIRECT, false},
        {"amq.direct", EXCHANGE_DIRECT, false},
        {"amq.fanout", EXCHANGE_FANOUT, false},
        {"amq.topic", EXCHANGE_TOPIC, false},
        {"amq.headers", EXCHANGE_HEADERS, false},
        {"amq.match", EXCHANGE_HEADERS, false},
        {"amq.rabbitmq.trace", EXCHANGE_TOPIC, true},
    };
    uint64_t id = v->id; /* they follow it, in this order */
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct exchange *x = exchange_new(m, v, ++id, slice_str(all[i].name), all[i].type, slice_of(NULL, 0));
        x->durable = x->is_predeclared = true;
        x->internal = all[i].internal;
        x->is_default = all[i].name[0] == 0;
        if (x->is_default)
            v->default_exchange = x;
        publish(m, x);
    }
    meta_raise_id_last(m, id);
}

void
meta_exchange_remove(struct meta *m, struct exchange *x)
{
    x->is_removed = true;
    meta_event_exchange(m, x, false);
    if (x->type == EXCHANGE_RECENT_HISTORY)
        recent_history_close(m->histories, m->is_ending ? NULL : m->node->brokers[0], x);
    list_remove(&x->doomed_node);
    list_remove(&x->stale_node);
    CHECK(cmap_remove(&x->vhost->exchanges, exchange_hash(x), x));
    m->exchange_count--;
    LIST_FOREACH_SAFE (node, tmp, &x->bindings_from)
        meta_binding_remove(m, LIST_ENTRY(node, struct binding, from_node));
    while (!list_is_empty(&x->bindings_to))
        meta_binding_remove(m, LIST_ENTRY(x->bindings_to.next, struct binding, to_node));
    if (x->is_default)
        return; /* it stays with its vhost, for whoever holds that */
    alternate_changed(m, x);
    alternate_remove(x);
    policy_effect_drop(m->epoch, atomic_load_explicit(&x->effect, memory_order_relaxed));
    epoch_defer(m->epoch, meta_exchange_free, x);
}

void
meta_exchanges_sweep(struct meta *m)
{
    while (!list_is_empty(&m->doomed))
        meta_exchange_remove(m, LIST_ENTRY(m->doomed.next, struct exchange, doomed_node));
    while (!list_is_empty(&m->stale)) {
        struct exchange *x = LIST_ENTRY(m->stale.next, struct exchange, stale_node);
        list_remove(&x->stale_node);
        router_ops_of(x->type)->settle(x->router);
        meta_exchange_touch(m, x); /* routes that were computed since the removal are of the old list */
    }
}

/* ---- commands ---- */

static bool
is_reserved(struct slice name)
{
    return slice_starts_with(name, "amq.");
}

static void
refuse_default(struct meta_result *r)
{
    meta_fail(r, AMQP_REPLY_ACCESS_REFUSED, "operation not permitted on the default exchange");
}

/* What stands against a new exchange. */
static uint16_t
check_new(enum exchange_type type, const struct meta_command *cmd, struct meta_result *r)
{
    if (is_reserved(cmd->name))
        return meta_fail(r, AMQP_REPLY_ACCESS_REFUSED,
                         "exchange name '%.*s' contains reserved prefix 'amq.*'", SLICE_FMT(cmd->name));
    struct table_value alternate;
    if (table_find_str(cmd->arguments, "alternate-exchange", &alternate) && alternate.type != TABLE_LONGSTR)
        return meta_fail(r, AMQP_REPLY_PRECONDITION_FAILED,
                         "invalid type '%s' for arg 'alternate-exchange' in exchange '%.*s' in vhost '%.*s'",
                         table_type_name(alternate.type), SLICE_FMT(cmd->name), SLICE_FMT(cmd->vhost));
    const struct router_ops *ops = router_ops_of(type);
    return ops->check_arguments ? r->code = ops->check_arguments(cmd->arguments, r->text) : 0;
}

bool
meta_exchange_is_refused(const struct meta_command *cmd)
{
    struct meta_result r = {0};
    enum exchange_type type;
    return !exchange_type_parse(cmd->type, &type) || check_new(type, cmd, &r) != 0;
}

void
meta_exchange_declare(struct meta *m, const struct meta_command *cmd, struct meta_result *r)
{
    struct vhost *v = meta_vhost_of(m, cmd, r);
    enum exchange_type type;
    if (!v)
        return;
    if (!exchange_type_parse(cmd->type, &type)) {
        meta_fail(r, AMQP_REPLY_COMMAND_INVALID, "unknown exchange type '%.*s'", SLICE_FMT(cmd->type));
        return;
    }
    if (cmd->name.len == 0) {
        refuse_default(r);
        return;
    }
    const struct exchange *old = exchange_find(v, cmd->name);
    if (old) {
        r->existed = true;
        r->code = exchange_check_redeclare(old, cmd, r->text);
        return;
    }
    if (!meta_is_trusted(cmd) && check_new(type, cmd, r))
        return;
    struct exchange *x = exchange_new(m, v, meta_take_id(m, cmd), cmd->name, type, cmd->arguments);
    x->durable = cmd->durable;
    x->auto_delete = cmd->auto_delete;
    x->internal = cmd->internal;
    publish(m, x);
}

void
meta_exchange_delete(struct meta *m, const struct meta_command *cmd, struct meta_result *r)
{
    struct vhost *v = meta_vhost_of(m, cmd, r);
    if (!v)
        return;
    if (cmd->name.len == 0) {
        refuse_default(r);
        return;
    }
    bool is_by_start = cmd->connection_id == 0 &&
                       (slice_eq_str(cmd->name, EVENT_EXCHANGE) || slice_eq_str(cmd->name, LOG_EXCHANGE));
    if (is_reserved(cmd->name) && !is_by_start) {
        meta_fail(r, AMQP_REPLY_ACCESS_REFUSED,
                  "deletion of system exchange '%.*s' in vhost '%s' not allowed", SLICE_FMT(cmd->name),
                  v->name);
        return;
    }
    struct exchange *x = (struct exchange *)exchange_find(v, cmd->name);
    if (!x)
        return;
    r->existed = true;
    if (cmd->if_unused && !list_is_empty(&x->bindings_from)) {
        meta_fail(r, AMQP_REPLY_PRECONDITION_FAILED, "exchange '%s' in vhost '%s' in use", x->name, v->name);
        return;
    }
    meta_exchange_remove(m, x);
}
