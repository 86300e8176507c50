/*
 * A call's life: begun by its request; answered; settled when it is answered, or its client has gone, and
 * nothing holds it. Questions to the application hold it, whoever else needs it holds it by hand. All calls
 * of these functions only write into the connection's buffer and list it as dirty; what may free it happens
 * at the end of the turn.
 */
#include "mgmt/control_impl.h"

#include "base/check.h"
#include "broker/event.h"
#include "mgmt/ask.h"
#include "mgmt/audit.h"
#include "mgmt/info_value.h"
#include "server/server.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { FAIL_TEXT_MAX = 4096 };

#define NOT_RUNNING_TEXT "the application is not running on this node; start it with start_app"

/* ---- life ---- */

void
control_call_begin(struct control_peer *p)
{
    struct control_call *call = &p->call;
    static const struct control_command unknown = {.name = "?"};
    const struct control_command *command = control_table_find(p->request.command);
    CHECK(!call->command);
    *call = (struct control_call){.peer = p, .command = command ? command : &unknown};
    list_init(&call->asks);
    if (!command)
        control_fail(call, CONTROL_BAD_REQUEST, "there is no request named '%s'", p->request.command);
    else if (command->flags & CONTROL_NEEDS_APP &&
             !p->control->config.host->is_running(p->control->config.host->arg))
        control_fail(call, CONTROL_NOT_RUNNING, NOT_RUNNING_TEXT);
    else
        command->run(call);
}

/* Also of one whose client left before the answer: what it asked for may well be done. */
static void
write_audit(const struct control_call *call)
{
    const struct control_peer *p = call->peer;
    audit_write(p->control->config.log,
                &(struct audit_entry){
                    .command = call->command->name,
                    .arguments = p->request.arguments,
                    .user = p->request.user,
                    .origin = p->origin,
                    .failure = call->has_failed ? control_error_word(call->failed_with) : NULL,
                    .has_left = !call->is_answered,
                });
}

bool
control_call_settle(struct control_call *call)
{
    if (call->holds > 0 || (!call->is_answered && call->peer->conn))
        return false;
    if (call->command->flags & CONTROL_AUDITED)
        write_audit(call);
    if (call->free_data)
        call->free_data(call->data);
    call->command = NULL;
    call->free_data = NULL;
    call->on_room = NULL;
    return true;
}

void
control_hold(struct control_call *call)
{
    call->holds++;
}

void
control_release(struct control_call *call)
{
    CHECK(call->holds > 0);
    if (--call->holds == 0)
        control_peer_stir(call->peer);
}

/* ---- what a command sees ---- */

const struct control_command *
control_command_of(const struct control_call *call)
{
    return call->command;
}

json_t *
control_arguments(const struct control_call *call)
{
    return call->peer->request.arguments;
}

json_t *
control_argument(const struct control_call *call, const char *name)
{
    return json_object_get(call->peer->request.arguments, name);
}

const char *
control_string(struct control_call *call, const char *name, const char *fallback)
{
    json_t *value = control_argument(call, name);
    if (json_is_string(value))
        return json_string_value(value);
    if (!value && fallback)
        return fallback;
    control_fail(call, CONTROL_BAD_REQUEST, "%s must be a string", name);
    return NULL;
}

struct slice
control_body(const struct control_call *call)
{
    return control_request_body(&call->peer->request, &call->peer->in);
}

const char *
control_user(const struct control_call *call)
{
    return call->peer->request.user;
}

const char *
control_origin(const struct control_call *call)
{
    return call->peer->origin;
}

struct control *
control_of(const struct control_call *call)
{
    return call->peer->control;
}

void
control_set_data(struct control_call *call, void *data, void (*free_data)(void *data))
{
    CHECK(!call->free_data);
    call->data = data;
    call->free_data = free_data;
}

void *
control_data(const struct control_call *call)
{
    return call->data;
}

void
control_keep(struct control_call *call, void *data, void (*free_data)(void *data))
{
    struct control_peer *p = call->peer;
    if (p->free_kept)
        p->free_kept(p->kept);
    p->kept = data;
    p->free_kept = free_data;
}

void *
control_kept(const struct control_call *call)
{
    return call->peer->kept;
}

void
control_unkeep(struct control_call *call)
{
    call->peer->kept = NULL;
    call->peer->free_kept = NULL;
}

/* ---- answering ---- */

/* Whether what the command says still goes anywhere. */
static bool
is_heard(struct control_call *call)
{
    if (call->is_discarded || !call->peer->conn)
        return false;
    CHECK(!call->is_answered);
    control_peer_stir(call->peer);
    return true;
}

void
control_row(struct control_call *call, struct slice text)
{
    if (!is_heard(call))
        return;
    struct buffer *out = &call->peer->out;
    buffer_add_str(out, "r ");
    buffer_add_slice(out, text);
    buffer_add_u8(out, '\n');
}

void
control_rows(struct control_call *call, struct slice lines)
{
    if (is_heard(call))
        buffer_add_slice(&call->peer->out, lines);
}

void
control_text(struct control_call *call, struct slice piece)
{
    if (!is_heard(call))
        return;
    struct buffer *out = &call->peer->out;
    buffer_add_str(out, "d ");
    info_value_string(out, piece);
    buffer_add_u8(out, '\n');
}

bool
control_has_room(const struct control_call *call)
{
    const struct control_peer *p = call->peer;
    return p->conn && p->out.len - p->out_at < CONTROL_BUFFERED_MAX;
}

void
control_when_room(struct control_call *call, void (*on_room)(struct control_call *call))
{
    call->on_room = on_room;
    control_peer_stir(call->peer);
}

bool
control_is_gone(const struct control_call *call)
{
    return !call->peer->conn;
}

/* The answer's last line; NULL: none is heard any more. */
static bool
begin_answer(struct control_call *call)
{
    if (call->is_discarded)
        return false;
    CHECK(!call->is_answered);
    call->is_answered = true;
    call->on_room = NULL;
    control_peer_stir(call->peer);
    return call->peer->conn != NULL;
}

void
control_done(struct control_call *call, json_t *result)
{
    if (begin_answer(call)) {
        char *line = result ? json_dumps(result, JSON_COMPACT) : NULL;
        CHECK(line || !result);
        buffer_add_fmt(&call->peer->out, "o %s\n", line ? line : "{}");
        free(line);
    }
    json_decref(result);
}

void
control_fail(struct control_call *call, enum control_error kind, const char *fmt, ...)
{
    char text[FAIL_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (call->is_discarded)
        return;
    call->has_failed = true;
    call->failed_with = kind;
    if (begin_answer(call))
        control_peer_error(call->peer, kind, text);
}

/* ---- asking the application ---- */

/* A question of a call: `run` somewhere, or a change of the declared things. */
struct question {
    struct ask ask; /* first */
    struct list in_call;
    struct control_call *call;
    void *arg;
    void (*run)(void *arg, struct server_shard *home);
    void (*run_late)(void *arg, struct server_shard *home, struct ask *answer);
    void (*then)(struct control_call *call, void *arg, bool discarded);
    struct meta_request *request; /* ours until it is submitted */
    struct meta_result result;
    void (*then_changed)(struct control_call *call, const struct meta_result *result);
};

static bool
on_run(struct ask *a, struct server_shard *home)
{
    struct question *q = (struct question *)a;
    q->run(q->arg, home);
    return true;
}

static bool
on_run_late(struct ask *a, struct server_shard *home)
{
    struct question *q = (struct question *)a;
    q->run_late(q->arg, home, a);
    return false;
}

static void
on_applied(struct broker *b, struct meta_request *r)
{
    struct question *q = (struct question *)(uintptr_t)r->cookie[0];
    q->result = r->result;
    meta_request_free(r);
    ask_answer(&q->ask);
}

static bool
on_submit(struct ask *a, struct server_shard *home)
{
    struct question *q = (struct question *)a;
    struct meta_request *r = q->request;
    q->request = NULL; /* from here on it is on its way: what discards that frees it */
    r->on_done = on_applied;
    r->cookie[0] = (uintptr_t)q;
    meta_submit(home->broker, r);
    return false;
}

/* The application has ended under the call: it fails, once, whatever its command still hears and says. */
static void
fail_discarded(struct control_call *call)
{
    if (!call->is_answered)
        control_fail(call, CONTROL_NOT_RUNNING, NOT_RUNNING_TEXT);
    call->is_discarded = true;
}

static void
on_answer(struct ask *a)
{
    struct question *q = (struct question *)a;
    struct control_call *call = q->call;
    list_remove(&q->in_call);
    if (a->discarded)
        fail_discarded(call);
    else
        call->boot = a->boot;
    if (q->then)
        q->then(call, q->arg, a->discarded);
    else if (!a->discarded)
        q->then_changed(call, &q->result);
    if (q->request)
        meta_request_free(q->request);
    free(q);
    control_release(call);
}

static void
post(struct control_call *call, unsigned shard, const struct question *question)
{
    struct question *q = calloc(1, sizeof *q);
    CHECK(q);
    *q = *question;
    q->call = call;
    q->ask.done = on_answer;
    q->ask.boot = call->boot;
    list_push_back(&call->asks, &q->in_call);
    control_hold(call);
    ask_post(call->peer->control->asker, shard, &q->ask);
}

void
control_ask(struct control_call *call, unsigned shard, void (*run)(void *arg, struct server_shard *home),
            void *arg, void (*then)(struct control_call *call, void *arg, bool discarded))
{
    post(call, shard, &(struct question){.ask.run = on_run, .arg = arg, .run = run, .then = then});
}

void
control_ask_late(struct control_call *call, unsigned shard,
                 void (*run)(void *arg, struct server_shard *home, struct ask *answer), void *arg,
                 void (*then)(struct control_call *call, void *arg, bool discarded))
{
    post(call, shard, &(struct question){.ask.run = on_run_late, .arg = arg, .run_late = run, .then = then});
}

void
control_meta(struct control_call *call, const struct meta_command *cmd,
             void (*then)(struct control_call *call, const struct meta_result *result))
{
    struct meta_command by_tool = *cmd;
    by_tool.actor = slice_str(EVENT_BY_TOOL);
    post(call, 0,
         &(struct question){
             .ask.run = on_submit, .request = meta_request_new(&by_tool), .then_changed = then});
}

void
control_call_abandon(struct control_call *call)
{
    if (!call->command)
        return;
    while (!list_is_empty(&call->asks)) {
        struct question *q = LIST_ENTRY(call->asks.next, struct question, in_call);
        list_remove(&q->ask.open);
        q->ask.discarded = true;
        on_answer(&q->ask);
    }
    if (call->free_data)
        call->free_data(call->data);
    call->free_data = NULL;
}
