/*
 * Policies come and go. What a change makes of the things that are there already is found out in slices, one
 * a turn: so many names are matched with so many patterns that 100,000 queues never stop the shard. A vhost
 * that is not through stands in meta.policy_sweeps; until it is, some of its queues and exchanges still go by
 * the old policies. What is declared meanwhile goes by the new ones at once.
 *
 * The order of policies is part of the state; which things know of them is not: it follows by itself.
 */
#include "base/check.h"
#include "broker/jsontext.h"
#include "broker/meta_impl.h"
#include "broker/policy.h"
#include "broker/policy_effect.h"
#include "broker/regex.h"
#include "broker/reply.h"
#include "wire/amqp.h"

#include <stdlib.h>

/* ---- sweeping ---- */

static void
update_queue(struct meta *m, struct queue_def *q)
{
    struct policy_effect *old = atomic_load_explicit(&q->effect, memory_order_relaxed);
    struct policy_effect *e = policy_effect_take(q->vhost, queue_def_target(q), queue_def_name(q));
    atomic_store_explicit(&q->effect, e, memory_order_release);
    if (!policy_effect_is_same(old, e)) {
        meta_tell_policy(m, q);
        meta_event_queue_policy(m, q);
    }
    policy_effect_drop(m->epoch, old);
}

static unsigned
policy_count(const struct vhost *v, bool is_operator)
{
    unsigned count = 0;
    LIST_FOREACH (node, &v->policies[is_operator])
        count++;
    return count;
}

/* Exchanges, then queues. */
static void
sweep(struct meta *m, struct vhost *v)
{
    for (uint64_t end = v->policy_work + POLICY_TURN_WORK; v->policy_work < end; v->policy_work++) {
        void *item = cmap_next(v->policy_sweep_queues ? &v->queues : &v->exchanges, &v->policy_sweep_cursor);
        if (item && v->policy_sweep_queues)
            update_queue(m, item);
        else if (item)
            meta_exchange_policy(m, item);
        else if (v->policy_sweep_queues) {
            list_remove(&v->policy_sweep);
            return;
        } else {
            v->policy_sweep_queues = true;
            v->policy_sweep_cursor = 0;
        }
    }
}

bool
meta_turn(struct meta *m)
{
    if (!list_is_empty(&m->policy_sweeps))
        sweep(m, LIST_ENTRY(m->policy_sweeps.next, struct vhost, policy_sweep));
    return !list_is_empty(&m->policy_sweeps);
}

void
meta_policy_settle(struct meta *m)
{
    while (meta_turn(m))
        ;
}

void
meta_policy_restart(struct vhost *v)
{
    v->policy_sweep_cursor = 0;
}

/* The first slice is done at once: with few queues the change is complete when it is answered. */
static void
policies_changed(struct meta *m, struct vhost *v, const struct meta_command *cmd)
{
    meta_request_free(v->policy_change);
    v->policy_change = meta_request_new(cmd);
    list_remove(&v->policy_sweep);
    list_push_back(&m->policy_sweeps, &v->policy_sweep);
    v->policy_sweep_cursor = 0;
    v->policy_sweep_queues = false;
    sweep(m, v);
}

/* ---- judging ---- */

/* What a command makes, or NULL with `r` saying why not. */
static struct policy *
policy_new(struct vhost *v, const struct meta_command *cmd, json_t *definition, struct meta_result *r)
{
    struct buffer wrong = {0};
    struct regex_error error;
    enum policy_applies apply_to = POLICY_APPLIES_ALL;
    struct regex *regex = regex_new(cmd->pattern, &error);
    if (!regex)
        regex_error_add(&wrong, slice_str("pattern should be regular expression but is invalid: "), &error);
    if (cmd->apply_to.len > 0 && !policy_applies_parse(cmd->apply_to, &apply_to))
        buffer_add_fmt(&wrong, "apply-to '%.*s' unrecognised; should be 'queues', 'exchanges' or 'all'\n",
                       SLICE_FMT(cmd->apply_to));
    policy_key_check(&wrong, definition, cmd->is_operator);
    if (wrong.len > 0)
        meta_fail(r, AMQP_REPLY_PRECONDITION_FAILED, "Validation failed\n\n%.*s",
                  SLICE_FMT(buffer_slice(&wrong)));
    buffer_fini(&wrong);
    if (r->code) {
        regex_free(regex);
        json_decref(definition);
        return NULL;
    }
    struct policy *p = calloc(1, sizeof *p + cmd->name.len + 1);
    CHECK(p);
    p->vhost = v;
    p->priority = cmd->priority;
    p->apply_to = apply_to;
    p->is_operator = cmd->is_operator;
    p->pattern = meta_slice_copy(cmd->pattern);
    p->definition = jsontext_copy(definition);
    p->regex = regex;
    policy_values_init(&p->values, definition);
    list_init(&p->effects);
    p->name_size = (uint8_t)cmd->name.len;
    memcpy(p->name, cmd->name.data, cmd->name.len);
    return p;
}

static void
policy_free(struct policy *p)
{
    policy_values_fini(&p->values);
    regex_free(p->regex);
    free((void *)p->pattern.data);
    free((void *)p->definition.data);
    free(p);
}

static bool
fits(const struct meta_command *cmd, struct meta_result *r)
{
    if (cmd->name.len == 0 || cmd->name.len > UINT8_MAX)
        meta_fail(r, AMQP_REPLY_PRECONDITION_FAILED, "a policy's name has 1 to 255 bytes, not %zu",
                  cmd->name.len);
    else if (cmd->pattern.len > POLICY_PATTERN_MAX)
        meta_fail(r, AMQP_REPLY_PRECONDITION_FAILED, "a policy's pattern has at most %d bytes, not %zu",
                  POLICY_PATTERN_MAX, cmd->pattern.len);
    return r->code == 0;
}

/* ---- commands ---- */

static bool
comes_before(const struct policy *a, const struct policy *b)
{
    return a->priority != b->priority ? a->priority > b->priority : strcmp(a->name, b->name) < 0;
}

static void
insert(struct vhost *v, struct policy *p)
{
    struct list *at = v->policies[p->is_operator].next;
    while (at != &v->policies[p->is_operator] && comes_before(LIST_ENTRY(at, struct policy, node), p))
        at = at->next;
    list_insert_before(at, &p->node);
}

static bool
is_same(const struct policy *a, const struct policy *b)
{
    return a->priority == b->priority && a->apply_to == b->apply_to && slice_eq(a->pattern, b->pattern) &&
           slice_eq(a->definition, b->definition);
}

/* A definition that is an object; NULL with `r`. */
static json_t *
parse_definition(const struct meta_command *cmd, struct meta_result *r)
{
    char why[128];
    json_t *definition = jsontext_parse(cmd->value, POLICY_DEFINITION_MAX, why);
    if (definition && json_is_object(definition))
        return definition;
    if (definition)
        meta_fail(r, AMQP_REPLY_PRECONDITION_FAILED,
                  "Validation failed\n\nthe definition of a policy is a JSON object, such as "
                  "{\"max-length\":100}\n");
    else if (cmd->value.len > POLICY_DEFINITION_MAX)
        meta_fail(r, AMQP_REPLY_PRECONDITION_FAILED, "%s", why);
    else
        meta_fail(r, AMQP_REPLY_SYNTAX_ERROR, "JSON decoding error. Reason: badarg");
    json_decref(definition);
    return NULL;
}

bool
meta_policy_is_refused(const struct meta_command *cmd)
{
    struct meta_result r = {0};
    json_t *definition = fits(cmd, &r) ? parse_definition(cmd, &r) : NULL;
    struct policy *p = definition ? policy_new(NULL, cmd, definition, &r) : NULL;
    if (!p)
        return true;
    policy_free(p);
    return false;
}

void
meta_policy_set(struct meta *m, const struct meta_command *cmd, struct meta_result *r)
{
    struct vhost *v = meta_vhost_known(m, cmd, r);
    json_t *definition = v && fits(cmd, r) ? parse_definition(cmd, r) : NULL;
    if (!definition)
        return;
    struct policy *old = (struct policy *)policy_find(v, cmd->is_operator, cmd->name);
    struct policy *p = policy_new(v, cmd, definition, r);
    if (!p)
        return;
    if (!old && policy_count(v, cmd->is_operator) >= POLICIES_PER_VHOST_MAX) {
        meta_fail(r, AMQP_REPLY_PRECONDITION_FAILED, "vhost '%s' has %d policies, which is the most", v->name,
                  POLICIES_PER_VHOST_MAX);
        policy_free(p);
        return;
    }
    r->existed = old != NULL;
    r->unchanged = old && is_same(old, p);
    if (r->unchanged) {
        policy_free(p);
        return;
    }
    policy_effect_forget(v);
    if (old) {
        list_remove(&old->node);
        policy_free(old);
    }
    insert(v, p);
    policies_changed(m, v, cmd);
}

void
meta_policy_clear(struct meta *m, const struct meta_command *cmd, struct meta_result *r)
{
    struct vhost *v = meta_vhost_known(m, cmd, r);
    if (!v)
        return;
    struct policy *p = (struct policy *)policy_find(v, cmd->is_operator, cmd->name);
    if (!p) {
        meta_fail(r, AMQP_REPLY_NOT_FOUND, "Parameter does not exist");
        return;
    }
    policy_effect_forget(v);
    list_remove(&p->node);
    policy_free(p);
    policies_changed(m, v, cmd);
}

void
meta_policies_remove(struct meta *m, struct vhost *v)
{
    policy_effect_forget(v);
    meta_request_free(v->policy_change);
    v->policy_change = NULL;
    for (int i = 0; i < 2; i++)
        LIST_FOREACH_SAFE (node, tmp, &v->policies[i]) {
            struct policy *p = LIST_ENTRY(node, struct policy, node);
            list_remove(node);
            policy_free(p);
        }
    list_remove(&v->policy_sweep);
}
