/*
 * What is told of declared things (event.h): of queues, exchanges and bindings as they come and go, whatever
 * command or thing took them along; of all others when a command about them has been applied. The fields and
 * their order are RabbitMQ's (its create and delete notifications).
 *
 * The actor is whoever gave the command that is being applied. Nothing is told of what a start restores:
 * nobody listens yet.
 */
#include "broker/event.h"
#include "broker/meta_impl.h"
#include "broker/parameter.h"
#include "broker/policy.h"
#include "wire/table.h"

static bool
begin(struct event *e, const struct meta *m, const char *key)
{
    struct broker *b = m->node->brokers[0];
    return b && !m->is_ending && event_begin(e, b, key);
}

static void
add_str(struct event *e, const char *name, struct slice value)
{
    table_add_str(&e->headers, name, value);
}

static void
add_actor(struct event *e, const struct meta *m)
{
    add_str(e, "user_who_performed_action", m->actor.len ? m->actor : slice_str(EVENT_BY_BROKER));
}

/* The name and the vhost of a thing, and out. */
static void
end_named(struct event *e, struct slice name, const struct vhost *v)
{
    add_str(e, "name", name);
    add_str(e, "vhost", slice_of(v->name, v->name_size));
    event_end(e);
}

/* ---- queues, exchanges, bindings ---- */

static void
add_type(struct event *e, const struct queue_def *q)
{
    bool is_quorum = queue_def_target(q) == POLICY_QUORUM;
    add_str(e, "type", slice_str(is_quorum ? "rabbit_quorum_queue" : "rabbit_classic_queue"));
}

void
meta_event_queue(const struct meta *m, const struct queue_def *q, bool is_created)
{
    struct event e;
    if (!begin(&e, m, is_created ? "queue.created" : "queue.deleted"))
        return;
    add_actor(&e, m);
    if (is_created) {
        bool is_quorum = queue_def_target(q) == POLICY_QUORUM;
        table_add_bool(&e.headers, "exclusive", q->exclusive_owner != 0);
        if (is_quorum)
            add_type(&e, q);
        else
            add_str(&e, "owner_pid", slice_str(""));
        event_add_arguments(&e, "arguments", q->arguments);
        table_add_bool(&e.headers, "auto_delete", q->auto_delete);
        table_add_bool(&e.headers, "durable", q->durable);
    }
    end_named(&e, queue_def_name(q), q->vhost);
}

void
meta_event_exchange(const struct meta *m, const struct exchange *x, bool is_created)
{
    struct event e;
    if (!begin(&e, m, is_created ? "exchange.created" : "exchange.deleted"))
        return;
    add_actor(&e, m);
    if (is_created) {
        add_str(&e, "policy", slice_str(""));
        event_add_arguments(&e, "arguments", x->arguments);
        table_add_bool(&e.headers, "internal", x->internal);
        table_add_bool(&e.headers, "auto_delete", x->auto_delete);
        table_add_bool(&e.headers, "durable", x->durable);
        add_str(&e, "type", slice_str(exchange_type_name(x->type)));
    }
    end_named(&e, slice_of(x->name, x->name_size), x->vhost);
}

void
meta_event_binding(const struct meta *m, const struct binding *b, bool is_created)
{
    struct event e;
    if (!begin(&e, m, is_created ? "binding.created" : "binding.deleted"))
        return;
    const struct exchange *to = b->destination;
    const struct vhost *v = b->source->vhost;
    add_actor(&e, m);
    add_str(&e, "vhost", slice_of(v->name, v->name_size));
    event_add_arguments(&e, "arguments", binding_arguments(b));
    add_str(&e, "routing_key", binding_routing_key(b));
    add_str(&e, "destination_kind", slice_str(b->to_exchange ? "exchange" : "queue"));
    add_str(&e, "destination_name",
            b->to_exchange ? slice_of(to->name, to->name_size) : queue_def_name(b->destination));
    add_str(&e, "source_kind", slice_str("exchange"));
    add_str(&e, "source_name", slice_of(b->source->name, b->source->name_size));
    event_end(&e);
}

/* ---- commands ---- */

/* Of a thing that has only a name. */
static void
tell_name(const struct meta *m, const char *key, struct slice name)
{
    struct event e;
    if (!begin(&e, m, key))
        return;
    add_actor(&e, m);
    add_str(&e, "name", name);
    event_end(&e);
}

static void
tell_tags(const struct meta *m, const struct meta_command *cmd)
{
    struct event e;
    if (!begin(&e, m, "user.tags.set"))
        return;
    add_actor(&e, m);
    size_t at = table_add_array_begin(&e.headers, "tags");
    for (struct slice rest = cmd->tags; rest.len > 0;) {
        const uint8_t *comma = memchr(rest.data, ',', rest.len);
        size_t len = comma ? (size_t)(comma - rest.data) : rest.len;
        table_add_str(&e.headers, NULL, slice_trim(slice_of(rest.data, len)));
        len += comma != NULL;
        rest = slice_of(rest.data + len, rest.len - len);
    }
    table_end(&e.headers, at);
    add_str(&e, "name", cmd->name);
    event_end(&e);
}

static void
tell_user(const struct meta *m, const struct meta_command *cmd, const struct meta_result *r)
{
    bool is_new = cmd->kind == META_USER_PUT ? !r->existed : cmd->changes & USER_CHANGE_NEW;
    bool is_whole = cmd->kind == META_USER_PUT;
    if (is_new)
        tell_name(m, "user.created", cmd->name);
    else if (is_whole || cmd->changes & USER_CHANGE_PASSWORD)
        tell_name(m, cmd->password_hash.len ? "user.password.changed" : "user.password.cleared", cmd->name);
    if (cmd->changes & USER_CHANGE_TAGS || (is_new && cmd->tags.len > 0))
        tell_tags(m, cmd);
}

static void
tell_permission(const struct meta *m, const struct meta_command *cmd, const char *key, bool is_set,
                bool is_topic)
{
    struct event e;
    if (!begin(&e, m, key))
        return;
    add_actor(&e, m);
    if (is_set) {
        add_str(&e, "read", cmd->read);
        add_str(&e, "write", cmd->write);
        if (is_topic)
            add_str(&e, "exchange", cmd->name);
        else
            add_str(&e, "configure", cmd->configure);
    }
    add_str(&e, "vhost", cmd->vhost);
    add_str(&e, "user", cmd->user);
    event_end(&e);
}

/* As it is now. */
static void
tell_vhost(const struct meta *m, const char *key, struct slice name)
{
    struct event e;
    const struct vhost *v = vhost_find(m, name);
    if (!v || !begin(&e, m, key))
        return;
    const struct vhost_metadata *d = vhost_metadata(v);
    add_str(&e, "tags", d->tags);
    add_str(&e, "description", d->description);
    add_actor(&e, m);
    size_t at = table_add_table_begin(&e.headers, "cluster_state");
    table_add_str(&e.headers, m->node->name, slice_str("running"));
    table_end(&e.headers, at);
    table_add_bool(&e.headers, "tracing", vhost_is_tracing(v));
    add_str(&e, "default_queue_type",
            d->default_queue_type.len ? d->default_queue_type : slice_str("undefined"));
    add_str(&e, "name", name);
    event_end(&e);
}

static void
tell_parameter(const struct meta *m, struct slice component, struct slice vhost, struct slice name,
               struct slice value)
{
    struct event e;
    if (!begin(&e, m, value.len || !component.len ? "parameter.set" : "parameter.cleared"))
        return;
    add_actor(&e, m);
    if (value.len)
        event_add_json(&e, "value", value);
    add_str(&e, "name", name);
    add_str(&e, "component", component.len ? component : slice_str("global"));
    if (vhost.len)
        add_str(&e, "vhost", vhost);
    event_end(&e);
}

/* Of a virtual host or a user; no limit that counts: they are cleared. */
static void
tell_limits(const struct meta *m, const char *set, const char *cleared, struct slice user, struct slice value)
{
    struct event e;
    bool is_cleared = value.len == 0;
    if (!begin(&e, m, is_cleared ? cleared : set))
        return;
    if (!is_cleared)
        event_add_json_members(&e, value);
    if (user.len)
        add_str(&e, "username", user);
    add_actor(&e, m);
    add_str(&e, "name", slice_str("limits"));
    event_end(&e);
}

static void
tell_vhost_limits(const struct meta *m, struct slice vhost, struct slice value)
{
    tell_parameter(m, slice_str("vhost-limits"), vhost, slice_str("limits"), value);
    tell_limits(m, "vhost.limits.set", "vhost.limits.cleared", slice_of(NULL, 0), value);
}

/* What it consists of. */
static void
add_policy(struct event *e, const struct meta_command *cmd)
{
    add_str(e, "apply-to", cmd->apply_to.len ? cmd->apply_to : slice_str("all"));
    table_add_int64(&e->headers, "priority", cmd->priority);
    event_add_json(e, "definition", cmd->value);
    add_str(e, "pattern", cmd->pattern);
}

/* RabbitMQ tells of an operator policy as of a parameter, too. */
static void
tell_operator_parameter(const struct meta *m, const struct meta_command *cmd, bool is_set)
{
    struct event e;
    if (!begin(&e, m, is_set ? "parameter.set" : "parameter.cleared"))
        return;
    add_actor(&e, m);
    if (is_set) {
        size_t at = table_add_table_begin(&e.headers, "value");
        add_policy(&e, cmd);
        table_end(&e.headers, at);
    }
    add_str(&e, "name", cmd->name);
    add_str(&e, "component", slice_str("operator_policy"));
    add_str(&e, "vhost", cmd->vhost);
    event_end(&e);
}

static void
tell_policy(const struct meta *m, const struct meta_command *cmd, bool is_set)
{
    struct event e;
    const char *cleared = cmd->is_operator ? "operator.policy.cleared" : "policy.cleared";
    if (cmd->is_operator)
        tell_operator_parameter(m, cmd, is_set);
    if (!begin(&e, m, is_set ? "policy.set" : cleared))
        return;
    if (is_set)
        add_policy(&e, cmd);
    add_actor(&e, m);
    add_str(&e, "vhost", cmd->vhost);
    add_str(&e, "name", cmd->name);
    event_end(&e);
}

void
meta_event_queue_policy(const struct meta *m, const struct queue_def *q)
{
    struct event e;
    const struct meta_request *change = q->vhost->policy_change;
    bool is_set = change && change->command.kind == META_POLICY_SET;
    if (!change || !begin(&e, m, is_set ? "queue.policy.updated" : "queue.policy.cleared"))
        return;
    struct slice actor = change->command.actor;
    if (is_set)
        add_policy(&e, &change->command);
    add_str(&e, "user_who_performed_action", actor.len ? actor : slice_str(EVENT_BY_BROKER));
    add_type(&e, q);
    end_named(&e, queue_def_name(q), q->vhost);
}

static void
tell_policy_ends(void *arg, const struct policy *p)
{
    const struct meta_command cmd = {.kind = META_POLICY_CLEAR,
                                     .vhost = slice_of(p->vhost->name, p->vhost->name_size),
                                     .name = slice_of(p->name, p->name_size),
                                     .is_operator = p->is_operator};
    tell_policy(arg, &cmd, false);
}

static void
tell_parameter_ends(void *arg, const struct parameter *p)
{
    tell_parameter(arg, p->component, slice_of(p->vhost->name, p->vhost->name_size), p->name,
                   slice_of(NULL, 0));
}

void
meta_event_vhost_ends(const struct meta *m, const struct vhost *v)
{
    if (!m->node->brokers[0] || m->is_ending)
        return;
    if (atomic_load_explicit(&v->connections_max, memory_order_relaxed) >= 0 ||
        atomic_load_explicit(&v->queues_max, memory_order_relaxed) >= 0)
        tell_vhost_limits(m, slice_of(v->name, v->name_size), slice_of(NULL, 0));
    parameter_each(m, v, tell_parameter_ends, (void *)m);
    policy_each(v, false, tell_policy_ends, (void *)m);
    policy_each(v, true, tell_policy_ends, (void *)m);
}

void
meta_event_applied(const struct meta *m, const struct meta_command *cmd, const struct meta_result *r)
{
    struct slice none = slice_of(NULL, 0);
    if (r->code || r->unchanged || !m->node->brokers[0] || m->is_ending)
        return;
    switch (cmd->kind) {
    case META_VHOST_ADD:
        if (!r->existed)
            tell_vhost(m, "vhost.created", cmd->name);
        break;
    case META_VHOST_SET:
        if (cmd->changes & ~(uint64_t)VHOST_CHANGE_TRACING)
            tell_vhost(m, "vhost.updated", cmd->name);
        break;
    case META_VHOST_DELETE: tell_name(m, "vhost.deleted", cmd->name); break;
    case META_VHOST_LIMITS: tell_vhost_limits(m, cmd->vhost, cmd->value); break;
    case META_USER_PUT:
    case META_USER_SET: tell_user(m, cmd, r); break;
    case META_USER_DELETE: tell_name(m, "user.deleted", cmd->name); break;
    case META_USER_LIMITS:
        tell_limits(m, "user.limits.set", "user.limits.cleared", cmd->name, cmd->value);
        break;
    case META_USER_LIMITS_CLEAR: tell_limits(m, "", "user.limits.cleared", cmd->user, none); break;
    case META_PERMISSION_SET: tell_permission(m, cmd, "permission.created", true, false); break;
    case META_PERMISSION_CLEAR: tell_permission(m, cmd, "permission.deleted", false, false); break;
    case META_TOPIC_PERMISSION_SET: tell_permission(m, cmd, "topic.permission.created", true, true); break;
    case META_TOPIC_PERMISSION_CLEAR: tell_permission(m, cmd, "topic.permission.deleted", false, true); break;
    case META_POLICY_SET: tell_policy(m, cmd, true); break;
    case META_POLICY_CLEAR: tell_policy(m, cmd, false); break;
    case META_PARAMETER_SET: tell_parameter(m, cmd->component, cmd->vhost, cmd->name, cmd->value); break;
    case META_PARAMETER_CLEAR: tell_parameter(m, cmd->component, cmd->vhost, cmd->name, none); break;
    default: break; /* queues, exchanges, bindings: as they come and go */
    }
}
