/*
 * Requests about policies, operator policies, parameters, limits. The metadata judges them (policy_key.h,
 * quota.h), in RabbitMQ's words: here is only how a request becomes a command, and which kind of failure its
 * answer is.
 */
#include "base/check.h"
#include "broker/jsontext.h"
#include "broker/parameter.h"
#include "broker/parameter_check.h"
#include "broker/policy.h"
#include "broker/quota.h"
#include "broker/user.h"
#include "broker/vhost.h"
#include "mgmt/argument.h"
#include "mgmt/control_table.h"
#include "server/server.h"
#include "wire/amqp_methods.h"

#include <stdlib.h>

/* Everything about a vhost; a policy or parameter that is not there has its text from the metadata. */
static void
policy_changed(struct control_call *call, const struct meta_result *r)
{
    if (r->code == 0)
        control_done(call, NULL);
    else if (r->no_vhost)
        control_fail(call, CONTROL_NO_SUCH_VHOST, "Virtual host '%s' does not exist",
                     argument_shown(call, "vhost", "/"));
    else
        control_fail(call, CONTROL_REFUSED, "%s", r->text);
}

/* ---- policies ---- */

static void
policy_set(struct control_call *call, bool is_operator)
{
    struct meta_command cmd = {.kind = META_POLICY_SET, .is_operator = is_operator};
    if (argument_name(call, "vhost", "/", &cmd.vhost) && argument_name(call, "name", NULL, &cmd.name) &&
        argument_text(call, "pattern", NULL, POLICY_PATTERN_MAX, &cmd.pattern) &&
        argument_text(call, "definition", NULL, POLICY_DEFINITION_MAX, &cmd.value) &&
        argument_name(call, "apply_to", "all", &cmd.apply_to) &&
        argument_number(call, "priority", INT32_MIN, INT32_MAX, &cmd.priority))
        control_meta(call, &cmd, policy_changed);
}

static void
policy_clear(struct control_call *call, bool is_operator)
{
    struct meta_command cmd = {.kind = META_POLICY_CLEAR, .is_operator = is_operator};
    if (argument_name(call, "vhost", "/", &cmd.vhost) && argument_name(call, "name", NULL, &cmd.name))
        control_meta(call, &cmd, policy_changed);
}

static void
run_set_policy(struct control_call *call)
{
    policy_set(call, false);
}

static void
run_set_operator_policy(struct control_call *call)
{
    policy_set(call, true);
}

static void
run_clear_policy(struct control_call *call)
{
    policy_clear(call, false);
}

static void
run_clear_operator_policy(struct control_call *call)
{
    policy_clear(call, true);
}

/* ---- parameters ---- */

/* Without a component it would be a global one. */
static bool
policy_component(struct control_call *call, struct slice *out)
{
    if (!argument_name(call, "component", NULL, out))
        return false;
    if (out->len == 0)
        control_fail(call, CONTROL_REFUSED, "Validation failed\n\ncomponent  not found\n");
    return out->len > 0;
}

/* Would the component take the value? What is no JSON is left to whoever applies the command. */
static bool
policy_parameter(struct control_call *call, const struct meta_command *cmd)
{
    char why[128];
    struct buffer wrong = {0};
    json_t *value = jsontext_parse(cmd->value, PARAMETER_VALUE_MAX, why);
    if (value)
        parameter_check(&wrong, cmd->component, cmd->name, value);
    bool is_good = wrong.len == 0;
    if (!is_good)
        control_fail(call, CONTROL_REFUSED, "Validation failed\n\n%.*s", SLICE_FMT(buffer_slice(&wrong)));
    json_decref(value);
    buffer_fini(&wrong);
    return is_good;
}

static void
run_set_parameter(struct control_call *call)
{
    struct meta_command cmd = {.kind = META_PARAMETER_SET};
    if (argument_name(call, "vhost", "/", &cmd.vhost) && policy_component(call, &cmd.component) &&
        argument_name(call, "name", NULL, &cmd.name) &&
        argument_text(call, "value", NULL, PARAMETER_VALUE_MAX, &cmd.value) && policy_parameter(call, &cmd))
        control_meta(call, &cmd, policy_changed);
}

static void
run_clear_parameter(struct control_call *call)
{
    struct meta_command cmd = {.kind = META_PARAMETER_CLEAR};
    if (argument_name(call, "vhost", "/", &cmd.vhost) && policy_component(call, &cmd.component) &&
        argument_name(call, "name", NULL, &cmd.name))
        control_meta(call, &cmd, policy_changed);
}

static void
run_set_global_parameter(struct control_call *call)
{
    struct meta_command cmd = {.kind = META_PARAMETER_SET};
    if (argument_name(call, "name", NULL, &cmd.name) &&
        argument_text(call, "value", NULL, PARAMETER_VALUE_MAX, &cmd.value))
        control_meta(call, &cmd, policy_changed);
}

static void
run_clear_global_parameter(struct control_call *call)
{
    struct meta_command cmd = {.kind = META_PARAMETER_CLEAR};
    if (argument_name(call, "name", NULL, &cmd.name))
        control_meta(call, &cmd, policy_changed);
}

/* ---- limits ---- */

static void
policy_user_changed(struct control_call *call, const struct meta_result *r)
{
    if (r->code == 0)
        control_done(call, NULL);
    else if (r->code == AMQP_REPLY_NOT_FOUND)
        control_fail(call, CONTROL_NO_SUCH_USER, "User \"%s\" does not exist",
                     argument_shown(call, "name", ""));
    else
        control_fail(call, CONTROL_REFUSED, "%s", r->text);
}

static void
run_set_vhost_limits(struct control_call *call)
{
    struct meta_command cmd = {.kind = META_VHOST_LIMITS};
    if (argument_name(call, "vhost", "/", &cmd.vhost) &&
        argument_text(call, "definition", NULL, QUOTA_TEXT_MAX, &cmd.value))
        control_meta(call, &cmd, policy_changed);
}

static void
run_clear_vhost_limits(struct control_call *call)
{
    struct meta_command cmd = {.kind = META_VHOST_LIMITS};
    if (argument_name(call, "vhost", "/", &cmd.vhost))
        control_meta(call, &cmd, policy_changed);
}

static void
run_set_user_limits(struct control_call *call)
{
    struct meta_command cmd = {.kind = META_USER_LIMITS};
    if (argument_name(call, "name", NULL, &cmd.name) &&
        argument_text(call, "definition", NULL, QUOTA_TEXT_MAX, &cmd.value))
        control_meta(call, &cmd, policy_user_changed);
}

static void
run_clear_user_limits(struct control_call *call)
{
    struct meta_command cmd = {.kind = META_USER_LIMITS_CLEAR};
    if (argument_name(call, "name", NULL, &cmd.user) && argument_name(call, "limit", NULL, &cmd.name))
        control_meta(call, &cmd, policy_user_changed);
}

/* The limits of one vhost or user, as JSON text. */
struct policy_limits {
    struct slice vhost, user; /* one of them */
    bool is_found;
    struct buffer text;
};

static void
policy_limits_free(void *arg)
{
    struct policy_limits *l = arg;
    buffer_fini(&l->text);
    free(l);
}

static void
policy_limits_run(void *arg, struct server_shard *home)
{
    struct policy_limits *l = arg;
    const struct meta *m = home->server->node->meta;
    const struct vhost *v = l->vhost.len > 0 ? vhost_find(m, l->vhost) : NULL;
    const struct user *u = l->vhost.len > 0 ? NULL : user_find(m, l->user);
    l->is_found = v || u;
    if (v)
        vhost_limits_add(&l->text, v);
    else if (u)
        user_limits_add(&l->text, u);
}

static void
policy_limits_then(struct control_call *call, void *arg, bool discarded)
{
    struct policy_limits *l = arg;
    if (discarded)
        return;
    if (l->is_found)
        control_done(call, json_pack("{s:s%}", "limits", l->text.data, l->text.len));
    else if (l->vhost.len > 0)
        control_fail(call, CONTROL_NO_SUCH_VHOST, "Virtual host '%.*s' does not exist", SLICE_FMT(l->vhost));
    else
        control_fail(call, CONTROL_NO_SUCH_USER, "User \"%.*s\" does not exist", SLICE_FMT(l->user));
}

static struct policy_limits *
policy_limits_new(struct control_call *call)
{
    struct policy_limits *l = calloc(1, sizeof *l);
    CHECK(l);
    control_set_data(call, l, policy_limits_free);
    return l;
}

static void
run_get_vhost_limits(struct control_call *call)
{
    struct policy_limits *l = policy_limits_new(call);
    if (!argument_name(call, "vhost", "/", &l->vhost))
        return;
    if (l->vhost.len > 0)
        control_ask(call, 0, policy_limits_run, l, policy_limits_then);
    else
        control_fail(call, CONTROL_NO_SUCH_VHOST, "Virtual host '' does not exist");
}

static void
run_get_user_limits(struct control_call *call)
{
    struct policy_limits *l = policy_limits_new(call);
    if (argument_name(call, "name", NULL, &l->user))
        control_ask(call, 0, policy_limits_run, l, policy_limits_then);
}

#define CHANGE (CONTROL_NEEDS_APP | CONTROL_AUDITED)

const struct control_command command_policy_table[] = {
    {"set_policy", run_set_policy, CHANGE},
    {"set_operator_policy", run_set_operator_policy, CHANGE},
    {"clear_policy", run_clear_policy, CHANGE},
    {"clear_operator_policy", run_clear_operator_policy, CHANGE},
    {"set_parameter", run_set_parameter, CHANGE},
    {"clear_parameter", run_clear_parameter, CHANGE},
    {"set_global_parameter", run_set_global_parameter, CHANGE},
    {"clear_global_parameter", run_clear_global_parameter, CHANGE},
    {"set_vhost_limits", run_set_vhost_limits, CHANGE},
    {"clear_vhost_limits", run_clear_vhost_limits, CHANGE},
    {"get_vhost_limits", run_get_vhost_limits, CONTROL_NEEDS_APP},
    {"set_user_limits", run_set_user_limits, CHANGE},
    {"clear_user_limits", run_clear_user_limits, CHANGE},
    {"get_user_limits", run_get_user_limits, CONTROL_NEEDS_APP},
    {0},
};
