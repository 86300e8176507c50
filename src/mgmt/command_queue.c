/*
 * Requests about queues: deleting, purging. Where a queue lives is looked up on shard 0, which then asks the
 * queue's shard as a client's session would (server/operator.h); the answer comes back there.
 */
#include "base/check.h"
#include "broker/effects.h"
#include "broker/meta.h"
#include "broker/queue_def.h"
#include "broker/vhost.h"
#include "mgmt/argument.h"
#include "mgmt/ask.h"
#include "mgmt/control_table.h"
#include "server/operator.h"
#include "server/server.h"

#include <stdlib.h>

enum queue_outcome {
    QUEUE_DONE,
    QUEUE_NO_VHOST,
    QUEUE_NOT_FOUND,
    QUEUE_IN_USE,
    QUEUE_NOT_EMPTY,
    QUEUE_REFUSED
};

struct queue_call {
    struct operator_op op; /* first */
    struct ask *answer;
    struct slice vhost, name;
    bool is_deletion, if_unused, if_empty;
    enum queue_outcome outcome;
    char text[256];
    uint32_t messages;
};

/* On the queue's question's shard. */
static void
queue_answered(struct operator_op *op, const struct op_reply *r)
{
    static const enum queue_outcome refused[] = {
        [OP_REFUSED] = QUEUE_REFUSED, [OP_IN_USE] = QUEUE_IN_USE, [OP_NOT_EMPTY] = QUEUE_NOT_EMPTY};
    struct queue_call *q = (struct queue_call *)op;
    q->messages = r->message_count;
    if (r->code)
        q->outcome = refused[r->refusal];
    memcpy(q->text, r->text, sizeof q->text);
    ask_answer(q->answer);
}

static void
queue_run(void *arg, struct server_shard *home, struct ask *answer)
{
    struct queue_call *q = arg;
    const struct vhost *v = vhost_find(home->server->node->meta, q->vhost);
    const struct queue_def *def = v ? queue_def_find(v, q->name) : NULL;
    q->answer = answer;
    q->op.done = queue_answered;
    if (!def) {
        q->outcome = v ? QUEUE_NOT_FOUND : QUEUE_NO_VHOST;
        ask_answer(answer);
    } else if (q->is_deletion) {
        operator_delete(home, def, q->if_unused, q->if_empty, &q->op);
    } else {
        operator_purge(home, def, &q->op);
    }
}

/* RabbitMQ's tools know no vhost here: a queue of one that is not there is not found. */
static void
queue_then(struct control_call *call, void *arg, bool discarded)
{
    const struct queue_call *q = arg;
    if (discarded)
        return;
    switch (q->outcome) {
    case QUEUE_DONE: control_done(call, json_pack("{s:I}", "messages", (json_int_t)q->messages)); break;
    case QUEUE_IN_USE: control_fail(call, CONTROL_USAGE, "Queue is in use"); break;
    case QUEUE_NOT_EMPTY: control_fail(call, CONTROL_USAGE, "Queue is not empty"); break;
    case QUEUE_REFUSED: control_fail(call, CONTROL_REFUSED, "%s", q->text); break;
    default:
        if (q->is_deletion)
            control_fail(call, CONTROL_USAGE, "Queue not found");
        else
            control_fail(call, CONTROL_REFUSED, "not_found");
        break;
    }
}

static void
queue_begin(struct control_call *call, bool is_deletion)
{
    struct queue_call *q = calloc(1, sizeof *q);
    CHECK(q);
    control_set_data(call, q, free);
    q->is_deletion = is_deletion;
    if (argument_name(call, "vhost", "/", &q->vhost) && argument_name(call, "name", NULL, &q->name) &&
        argument_flag(call, "if_unused", &q->if_unused) && argument_flag(call, "if_empty", &q->if_empty))
        control_ask_late(call, 0, queue_run, q, queue_then);
}

static void
run_delete_queue(struct control_call *call)
{
    queue_begin(call, true);
}

static void
run_purge_queue(struct control_call *call)
{
    queue_begin(call, false);
}

const struct control_command command_queue_table[] = {
    {"delete_queue", run_delete_queue, CONTROL_NEEDS_APP | CONTROL_AUDITED},
    {"purge_queue", run_purge_queue, CONTROL_NEEDS_APP | CONTROL_AUDITED},
    {0},
};
