/* A vhost's policies stand in lists in the order in which they apply: matching takes the first that matches.
 */
#include "broker/policy.h"

#include "broker/meta_impl.h"
#include "broker/regex.h"

static const char *const applies_names[POLICY_APPLIES] = {
    [POLICY_APPLIES_ALL] = "all",
    [POLICY_APPLIES_QUEUES] = "queues",
    [POLICY_APPLIES_EXCHANGES] = "exchanges",
    [POLICY_APPLIES_CLASSIC_QUEUES] = "classic_queues",
    [POLICY_APPLIES_QUORUM_QUEUES] = "quorum_queues",
    [POLICY_APPLIES_STREAMS] = "streams",
};

static const unsigned applies_targets[POLICY_APPLIES] = {
    [POLICY_APPLIES_ALL] = POLICY_ANYTHING,         [POLICY_APPLIES_QUEUES] = POLICY_QUEUE,
    [POLICY_APPLIES_EXCHANGES] = POLICY_EXCHANGE,   [POLICY_APPLIES_CLASSIC_QUEUES] = POLICY_CLASSIC,
    [POLICY_APPLIES_QUORUM_QUEUES] = POLICY_QUORUM, [POLICY_APPLIES_STREAMS] = POLICY_STREAM,
};

const char *
policy_applies_name(enum policy_applies applies)
{
    return applies_names[applies];
}

bool
policy_applies_parse(struct slice name, enum policy_applies *out)
{
    for (unsigned i = 0; i < POLICY_APPLIES; i++) {
        if (slice_eq_str(name, applies_names[i])) {
            *out = i;
            return true;
        }
    }
    return false;
}

const struct policy *
policy_find(const struct vhost *v, bool is_operator, struct slice name)
{
    LIST_FOREACH (node, &v->policies[is_operator]) {
        const struct policy *p = LIST_ENTRY(node, struct policy, node);
        if (slice_eq(slice_of(p->name, p->name_size), name))
            return p;
    }
    return NULL;
}

const struct policy *
policy_match(struct vhost *v, bool is_operator, enum policy_target target, struct slice name)
{
    LIST_FOREACH (node, &v->policies[is_operator]) {
        const struct policy *p = LIST_ENTRY(node, struct policy, node);
        if (applies_targets[p->apply_to] & target &&
            regex_matches_within(p->regex, name, POLICY_WORK_MAX, &v->policy_work))
            return p;
    }
    return NULL;
}

void
policy_each(const struct vhost *v, bool is_operator, void (*fn)(void *arg, const struct policy *p), void *arg)
{
    LIST_FOREACH (node, &v->policies[is_operator])
        fn(arg, LIST_ENTRY(node, struct policy, node));
}
