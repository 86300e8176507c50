/*
 * What the policies of a vhost come to for one queue or exchange: the user policy and the operator policy
 * that apply, and their definitions as one. Made by the writer, shared by all things for which it is the
 * same, never changed; the thing's definition points to it. Read by every shard without locks: good until the
 * end of the turn.
 */
#ifndef LEVERET_BROKER_POLICY_EFFECT_H
#define LEVERET_BROKER_POLICY_EFFECT_H

#include "base/list.h"
#include "broker/policy_key.h"

struct epoch;
struct exchange;
struct policy;
struct queue_def;
struct vhost;

struct policy_effect {
    struct slice policy, operator_policy; /* names, or empty */
    struct slice definition;              /* effective, JSON sorted and compact */
    uint64_t set;                         /* bits: 1 << enum policy_key, of those that are for such a thing */
    struct policy_value of[POLICY_KEYS];
    /* ---- the writer's ---- */
    struct list node;                /* in policy.effects, until some policy of the vhost changes */
    const struct policy *made_of[2]; /* user's, operator's: compared, and not looked into */
    enum policy_target target;
    uint32_t users; /* things that point to it */
    struct json_t *trees[2];
};

/* NULL: no policy applies. */
const struct policy_effect *policy_effect_of_queue(const struct queue_def *q);
const struct policy_effect *policy_effect_of_exchange(const struct exchange *x);

static inline bool
policy_effect_has(const struct policy_effect *e, enum policy_key key)
{
    return e && e->set >> key & 1;
}

/* ---- for the writer ---- */

/* What applies to a thing now, with a hold for it; NULL: nothing. */
struct policy_effect *policy_effect_take(struct vhost *v, enum policy_target target, struct slice name);
/* One thing less points to it. NULL is harmless. */
void policy_effect_drop(struct epoch *epoch, struct policy_effect *e);
/* Does it make the same of a thing? Either may be NULL. */
bool policy_effect_is_same(const struct policy_effect *a, const struct policy_effect *b);
/* The policies of the vhost are about to change: what was made of them is not given to further things. */
void policy_effect_forget(const struct vhost *v);

#endif
