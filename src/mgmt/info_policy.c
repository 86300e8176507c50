/*
 * Policies and operator policies of a vhost, in the order in which they apply. That order may change from
 * turn to turn, so they are shown in one step: a vhost has POLICIES_PER_VHOST_MAX of them at most.
 */
#include "broker/policy.h"
#include "broker/vhost.h"
#include "mgmt/info.h"
#include "mgmt/info_value.h"

static void
put_vhost(struct buffer *out, const struct info_subject *s)
{
    info_value_text(out, s->policy->vhost->name);
}

static void
put_name(struct buffer *out, const struct info_subject *s)
{
    info_value_text(out, s->policy->name);
}

static void
put_pattern(struct buffer *out, const struct info_subject *s)
{
    info_value_string(out, s->policy->pattern);
}

static void
put_apply_to(struct buffer *out, const struct info_subject *s)
{
    info_value_text(out, policy_applies_name(s->policy->apply_to));
}

static void
put_definition(struct buffer *out, const struct info_subject *s)
{
    info_value_string(out, s->policy->definition);
}

static void
put_priority(struct buffer *out, const struct info_subject *s)
{
    buffer_add_fmt(out, "%lld", (long long)s->policy->priority);
}

static void
info_policy_show(void *arg, const struct policy *p)
{
    info_emit(arg, &(struct info_subject){.policy = p});
}

static bool
info_policy_step(struct info_query *q)
{
    policy_each(q->found_vhost, false, info_policy_show, q);
    return false;
}

static bool
info_operator_policy_step(struct info_query *q)
{
    policy_each(q->found_vhost, true, info_policy_show, q);
    return false;
}

static const struct info_column info_policy_columns[] = {
    {"vhost", INFO_STRING, put_vhost},           {"name", INFO_STRING, put_name},
    {"pattern", INFO_STRING, put_pattern},       {"apply-to", INFO_STRING, put_apply_to},
    {"definition", INFO_STRING, put_definition}, /* as JSON text */
    {"priority", INFO_NUMBER, put_priority},     {0}};

const struct info_kind info_policy_kind = {.columns = info_policy_columns,
                                           .is_per_vhost = true,
                                           .is_strict = true,
                                           .passes = 1,
                                           .step = info_policy_step};
const struct info_kind info_operator_policy_kind = {.columns = info_policy_columns,
                                                    .is_per_vhost = true,
                                                    .is_strict = true,
                                                    .passes = 1,
                                                    .step = info_operator_policy_step};
