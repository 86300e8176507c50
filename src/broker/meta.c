/*
 * One command after another changes the tables; what each kind does stands in meta_vhost.c, meta_user.c,
 * meta_topic_permission.c, meta_policy.c, meta_parameter.c, meta_exchange.c, meta_queue.c, meta_binding.c and
 * meta_node.c. The result, identities included, depends on
 * nothing but the state and the command, so that the same commands give the same state again (only on which
 * shard a queue is placed is this node's own business). The order within a change is always the same: the new
 * thing is published complete, or the old one is taken out; then generations rise; then what nobody can find
 * any more goes to the epoch.
 */
#include "broker/meta.h"

#include "base/check.h"
#include "broker/meta_impl.h"
#include "broker/permission.h"
#include "broker/recent_history.h"
#include "wire/amqp_methods.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void
meta_cmap_init(struct meta *m, struct cmap *map, cmap_hash_fn *hash_of)
{
    cmap_init(map, hash_of, epoch_retire, m->epoch);
}

struct slice
meta_slice_copy(struct slice s)
{
    if (s.len == 0)
        return slice_of(NULL, 0);
    uint8_t *copy = malloc(s.len);
    CHECK(copy);
    memcpy(copy, s.data, s.len);
    return slice_of(copy, s.len);
}

uint16_t
meta_fail(struct meta_result *r, uint16_t code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(r->text, sizeof r->text, format, args);
    va_end(args);
    r->code = code;
    return code;
}

uint16_t
meta_fail_vhost(struct meta_result *r, struct slice name)
{
    r->no_vhost = true;
    return meta_fail(r, AMQP_REPLY_NOT_FOUND, "no vhost '%.*s'", SLICE_FMT(name));
}

uint64_t
meta_take_id(struct meta *m, const struct meta_command *cmd)
{
    if (cmd->forced_id == 0)
        return ++m->id_last;
    meta_raise_id_last(m, cmd->forced_id);
    return cmd->forced_id;
}

uint64_t
meta_id_last(const struct meta *m)
{
    return m->id_last;
}

void
meta_set_id_last(struct meta *m, uint64_t id)
{
    CHECK(id >= m->id_last);
    m->id_last = id;
}

struct recent_histories *
meta_histories(const struct meta *m)
{
    return m->histories;
}

const struct vhost_defaults *
meta_vhost_defaults(const struct meta *m)
{
    return m->node->vhost_defaults;
}

struct meta *
meta_new(struct node *node)
{
    CHECK(node->epoch);
    struct meta *m = calloc(1, sizeof *m);
    CHECK(m);
    m->node = node;
    m->epoch = node->epoch;
    m->shard_count = node->shards ? shards_count(node->shards) : 1;
    m->shard_queues = calloc(m->shard_count, sizeof *m->shard_queues);
    m->shard_placed = calloc(m->shard_count, sizeof *m->shard_placed);
    CHECK(m->shard_queues && m->shard_placed);
    m->histories = recent_history_all_new();
    list_init(&m->answers);
    list_init(&m->doomed);
    list_init(&m->stale);
    list_init(&m->policy_sweeps);
    meta_cmap_init(m, &m->vhosts, meta_vhost_hash);
    meta_cmap_init(m, &m->users, meta_user_hash);
    meta_cmap_init(m, &m->permissions, permission_entry_hash);
    meta_cmap_init(m, &m->topic_permissions, meta_topic_permission_hash);
    meta_cmap_init(m, &m->parameters, meta_parameter_hash);
    meta_cmap_init(m, &m->queues, meta_queue_hash);
    meta_cmap_init(m, &m->bindings, meta_binding_hash);
    return m;
}

void
meta_free(struct meta *m)
{
    if (!m)
        return;
    m->hooks = (struct meta_hooks){0};
    m->is_ending = true;
    meta_parameters_remove(m, NULL);
    void *item;
    for (size_t at = 0; (item = cmap_next(&m->vhosts, &at));) {
        struct meta_result r;
        struct vhost *v = item;
        meta_apply(m,
                   &(struct meta_command){.kind = META_VHOST_DELETE, .name = slice_of(v->name, v->name_size)},
                   &r);
    }
    for (size_t at = 0; (item = cmap_next(&m->users, &at));)
        epoch_defer(m->epoch, meta_user_free, item);
    cmap_fini(&m->vhosts);
    cmap_fini(&m->users);
    cmap_fini(&m->permissions);
    cmap_fini(&m->topic_permissions);
    cmap_fini(&m->parameters);
    cmap_fini(&m->queues);
    cmap_fini(&m->bindings);
    recent_history_all_free(m->histories);
    meta_answers_free(m);
    free(m->shard_queues);
    free(m->shard_placed);
    free(m);
}

void
meta_set_hooks(struct meta *m, const struct meta_hooks *hooks, void *arg)
{
    m->hooks = *hooks;
    m->hooks_arg = arg;
}

void
meta_apply(struct meta *m, const struct meta_command *cmd, struct meta_result *result)
{
    static meta_apply_fn *const apply[] = {
        [META_VHOST_ADD] = meta_vhost_add,
        [META_VHOST_DELETE] = meta_vhost_delete,
        [META_USER_PUT] = meta_user_put,
        [META_USER_DELETE] = meta_user_delete,
        [META_PERMISSION_SET] = meta_permission_set,
        [META_PERMISSION_CLEAR] = meta_permission_clear,
        [META_EXCHANGE_DECLARE] = meta_exchange_declare,
        [META_EXCHANGE_DELETE] = meta_exchange_delete,
        [META_EXCHANGE_BIND] = meta_exchange_bind,
        [META_EXCHANGE_UNBIND] = meta_exchange_unbind,
        [META_QUEUE_DECLARE] = meta_queue_declare,
        [META_QUEUE_DELETE] = meta_queue_delete,
        [META_QUEUE_BIND] = meta_queue_bind,
        [META_QUEUE_UNBIND] = meta_queue_unbind,
        [META_NODE_STARTED] = meta_node_started,
        [META_VHOST_SET] = meta_vhost_set,
        [META_VHOST_LIMITS] = meta_vhost_limits,
        [META_USER_LIMITS] = meta_user_limits,
        [META_USER_LIMITS_CLEAR] = meta_user_limits_clear,
        [META_TOPIC_PERMISSION_SET] = meta_topic_permission_set,
        [META_TOPIC_PERMISSION_CLEAR] = meta_topic_permission_clear,
        [META_POLICY_SET] = meta_policy_set,
        [META_POLICY_CLEAR] = meta_policy_clear,
        [META_PARAMETER_SET] = meta_parameter_set,
        [META_PARAMETER_CLEAR] = meta_parameter_clear,
        [META_USER_SET] = meta_user_set,
    };
    _Static_assert(sizeof apply / sizeof apply[0] == META_KINDS, "a function for each kind");
    CHECK((unsigned)cmd->kind < META_KINDS);
    *result = (struct meta_result){0};
    m->actor = cmd->actor;
    apply[cmd->kind](m, cmd, result);
    m->actor = slice_of(NULL, 0);
    meta_exchanges_sweep(m);
    m->actor = cmd->actor;
    meta_event_applied(m, cmd, result);
    epoch_collect(m->epoch);
}

void
meta_each_vhost(const struct meta *m, void (*fn)(void *arg, const struct vhost *v), void *arg)
{
    void *item;
    for (size_t at = 0; (item = cmap_next(&m->vhosts, &at));)
        fn(arg, item);
}

void
meta_each_user(const struct meta *m, void (*fn)(void *arg, const struct user *u), void *arg)
{
    void *item;
    for (size_t at = 0; (item = cmap_next(&m->users, &at));)
        fn(arg, item);
}
