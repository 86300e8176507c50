/*
 * Requests that close connections: one by its pid, those of a vhost, of a user, or all; and that keep new
 * ones out.
 *
 * Shard after shard is asked to close some (server/operator.h), a slice at a time, or one at a time where
 * there is to be a pause between them; and all of them once more, since a connection may have moved from one
 * that was not asked yet to one that was. Who asks and goes away ends it.
 */
#include "base/check.h"
#include "base/log.h"
#include "io/timer.h"
#include "mgmt/argument.h"
#include "mgmt/ask.h"
#include "mgmt/control_table.h"
#include "mgmt/info_pid.h"
#include "server/operator.h"
#include "server/server.h"

#include <stdlib.h>

enum { CLOSING_ROUNDS = 2, CLOSING_REASON_MAX = 1024, CLOSING_DELAY_MS_MAX = 600000, CLOSING_PID_MAX = 512 };

struct closing_call {
    struct operator_closing closing;
    struct control_call *call;
    struct slice pid; /* empty: not by pid */
    enum err pid_error;
    unsigned round, shard;
    bool is_over_here;
    uint64_t closed_before; /* this slice */
    int64_t delay_ms;
    struct wheel_timer timer;
};

static void
closing_free(void *arg)
{
    struct closing_call *c = arg;
    timer_stop(&c->timer);
    free(c);
}

static void closing_next(struct closing_call *c);

/* ---- slices ---- */

static void
closing_run(void *arg, struct server_shard *home)
{
    struct closing_call *c = arg;
    struct info_pid pid = {0};
    c->closed_before = c->closing.closed;
    if (c->pid.len > 0) {
        c->pid_error = info_pid_parse(c->pid, home->server, &pid);
        if (c->pid_error == ERR_OK && pid.kind != INFO_PID_CONNECTION)
            c->pid_error = ERR_NOT_FOUND;
        c->closing.id = pid.id;
    }
    c->is_over_here =
        c->pid_error != ERR_OK ||
        operator_close_connections(home, &c->closing, c->delay_ms > 0 ? 1 : OPERATOR_CLOSES_PER_SLICE);
}

static void
closing_paused(void *arg)
{
    struct closing_call *c = arg;
    struct control_call *call = c->call;
    closing_next(c);
    control_release(call);
}

static void
closing_answered(struct control_call *call, void *arg, bool discarded)
{
    struct closing_call *c = arg;
    if (discarded)
        return;
    if (c->is_over_here) {
        c->closing.cursor = 0;
        c->shard++;
    }
    if (c->delay_ms > 0 && c->closing.closed > c->closed_before && c->closing.left > 0) {
        control_hold(call);
        timer_start(control_shard(control_of(call)), &c->timer, (uint64_t)c->delay_ms, closing_paused, c);
    } else {
        closing_next(c);
    }
}

/* RabbitMQ says nothing to the tool when the connection is not there, and a word in the log. */
static void
closing_done(struct closing_call *c)
{
    if (c->pid.len > 0 && c->pid_error == ERR_SYNTAX) {
        control_fail(c->call, CONTROL_REFUSED, "Error:\n{:invalid_pid_syntax, \"%.*s\"}", SLICE_FMT(c->pid));
        return;
    }
    if (c->pid.len > 0 && c->closing.closed == 0)
        log_warning(control_log(control_of(c->call)), LOG_CONNECTION,
                    "connection %.*s was to be closed (%s) and is not open", SLICE_FMT(c->pid),
                    c->closing.reason);
    control_done(c->call, json_pack("{s:I}", "closed", (json_int_t)c->closing.closed));
}

static void
closing_next(struct closing_call *c)
{
    unsigned count = asker_shard_count(control_asker(control_of(c->call)));
    if (c->shard >= count) {
        c->shard = 0;
        c->round++;
    }
    bool is_over = c->round == CLOSING_ROUNDS || c->closing.left == 0 || c->pid_error != ERR_OK;
    if (is_over || control_is_gone(c->call))
        closing_done(c);
    else
        control_ask(c->call, c->shard, closing_run, c, closing_answered);
}

/* ---- requests ---- */

static struct closing_call *
closing_new(struct control_call *call)
{
    struct closing_call *c = calloc(1, sizeof *c);
    CHECK(c);
    control_set_data(call, c, closing_free);
    c->call = call;
    c->closing.left = UINT64_MAX;
    struct slice reason;
    if (!argument_text(call, "reason", NULL, CLOSING_REASON_MAX, &reason))
        return NULL;
    c->closing.reason = (const char *)reason.data;
    return c;
}

static void
run_close_connection(struct control_call *call)
{
    struct closing_call *c = closing_new(call);
    if (!c || !argument_text(call, "pid", NULL, CLOSING_PID_MAX, &c->pid))
        return;
    c->closing.left = 1;
    if (c->pid.len == 0)
        control_fail(call, CONTROL_REFUSED, "Error:\n{:invalid_pid_syntax, \"\"}");
    else
        closing_next(c);
}

static void
run_close_all_connections(struct control_call *call)
{
    bool is_global = false;
    int64_t limit = 0;
    struct closing_call *c = closing_new(call);
    if (!c || !argument_name(call, "vhost", "/", &c->closing.vhost) ||
        !argument_flag(call, "global", &is_global) || !argument_number(call, "limit", 0, INT64_MAX, &limit) ||
        !argument_number(call, "delay_ms", 0, CLOSING_DELAY_MS_MAX, &c->delay_ms))
        return;
    if (limit > 0)
        c->closing.left = (uint64_t)limit;
    if (is_global)
        c->closing.vhost = slice_of(NULL, 0);
    else if (c->closing.vhost.len == 0) /* nobody is in a vhost without a name */
        c->closing.left = 0;
    closing_next(c);
}

static void
run_close_all_user_connections(struct control_call *call)
{
    struct closing_call *c = closing_new(call);
    if (!c || !argument_name(call, "user", NULL, &c->closing.user))
        return;
    if (c->closing.user.len == 0)
        c->closing.left = 0;
    closing_next(c);
}

/* ---- listeners ---- */

struct listeners_call {
    bool is_resumption;
    enum err err;
    char why[256];
};

static void
listeners_run(void *arg, struct server_shard *home)
{
    struct listeners_call *l = arg;
    if (l->is_resumption)
        l->err = server_resume(home->server, l->why, sizeof l->why);
    else
        server_suspend(home->server);
}

static void
listeners_then(struct control_call *call, void *arg, bool discarded)
{
    const struct listeners_call *l = arg;
    if (!discarded && l->err)
        control_fail(call, CONTROL_REFUSED, "%s", l->why);
    else if (!discarded)
        control_done(call, NULL);
}

static void
listeners_begin(struct control_call *call, bool is_resumption)
{
    struct listeners_call *l = calloc(1, sizeof *l);
    CHECK(l);
    l->is_resumption = is_resumption;
    control_set_data(call, l, free);
    control_ask(call, 0, listeners_run, l, listeners_then);
}

static void
run_suspend_listeners(struct control_call *call)
{
    listeners_begin(call, false);
}

static void
run_resume_listeners(struct control_call *call)
{
    listeners_begin(call, true);
}

const struct control_command command_connection_table[] = {
    {"close_connection", run_close_connection, CONTROL_NEEDS_APP | CONTROL_AUDITED},
    {"close_all_connections", run_close_all_connections, CONTROL_NEEDS_APP | CONTROL_AUDITED},
    {"close_all_user_connections", run_close_all_user_connections, CONTROL_NEEDS_APP | CONTROL_AUDITED},
    {"suspend_listeners", run_suspend_listeners, CONTROL_NEEDS_APP | CONTROL_AUDITED},
    {"resume_listeners", run_resume_listeners, CONTROL_NEEDS_APP | CONTROL_AUDITED},
    {0},
};
