/*
 * Requests about the replicas of queues: mirrors, of which there are none, and members of quorum queues, of
 * which there is one. What has only one answer on a single node is answered by name and type of the queue;
 * `peek` looks at a message of a quorum queue, which stays where it is. The words are RabbitMQ's.
 */
#include "base/buffer.h"
#include "base/check.h"
#include "broker/erlterm.h"
#include "broker/message.h"
#include "broker/policy_key.h"
#include "broker/queue_def.h"
#include "broker/vhost.h"
#include "mgmt/argument.h"
#include "mgmt/ask.h"
#include "mgmt/control_table.h"
#include "mgmt/info_value.h"
#include "server/operator.h"
#include "server/server.h"
#include "wire/codec.h"
#include "wire/properties.h"
#include "wire/table.h"

#include <stdlib.h>

enum { PEEK_PAYLOAD_MAX = 64 };

struct queue_question {
    struct operator_op op; /* first; peek's */
    struct slice vhost, name;
    bool is_there, is_quorum;
    uint64_t queue_id;
    uint16_t shard;
    struct server_shard *home;
    struct ask *answer;
    int64_t position;
    bool has_message;
    struct buffer fields; /* of the message: [["name", value], ...] */
};

static void
question_free(void *data)
{
    struct queue_question *q = data;
    buffer_fini(&q->fields);
    free(q);
}

static void
find_queue(void *arg, struct server_shard *home)
{
    struct queue_question *q = arg;
    const struct vhost *v = vhost_find(home->broker->node->meta, q->vhost);
    const struct queue_def *def = v ? queue_def_find(v, q->name) : NULL;
    q->is_there = def != NULL;
    if (!def)
        return;
    q->is_quorum = queue_def_target(def) == POLICY_QUORUM;
    q->queue_id = def->id;
    q->shard = def->shard;
}

/* NULL: the call was answered. */
static struct queue_question *
question_new(struct control_call *call)
{
    struct queue_question *q = calloc(1, sizeof *q);
    CHECK(q);
    control_set_data(call, q, question_free);
    if (!argument_name(call, "vhost", "/", &q->vhost) || !argument_name(call, "name", NULL, &q->name))
        return NULL;
    return q;
}

static void
ask_queue(struct control_call *call, void (*then)(struct control_call *call, void *arg, bool discarded))
{
    struct queue_question *q = question_new(call);
    if (q)
        control_ask(call, 0, find_queue, q, then);
}

/* ---- mirrors ---- */

static void
then_sync(struct control_call *call, void *arg, bool discarded)
{
    const struct queue_question *q = arg;
    if (!discarded)
        control_fail(call, CONTROL_REFUSED,
                     q->is_quorum  ? "quorum_queue_not_supported"
                     : q->is_there ? "not_mirrored"
                                   : "not_found");
}

static void
run_sync_queue(struct control_call *call)
{
    ask_queue(call, then_sync);
}

static void
then_cancel(struct control_call *call, void *arg, bool discarded)
{
    const struct queue_question *q = arg;
    if (!discarded && q->is_there)
        control_done(call, json_pack("{s:s}", "state", "not_syncing"));
    else if (!discarded)
        control_fail(call, CONTROL_REFUSED, "not_found");
}

static void
run_cancel_sync_queue(struct control_call *call)
{
    ask_queue(call, then_cancel);
}

/* ---- members ---- */

static void
then_quorum_status(struct control_call *call, void *arg, bool discarded)
{
    const struct queue_question *q = arg;
    if (!discarded && q->is_quorum)
        control_done(call, json_pack("{s:s}", "leader", control_hosts(control_of(call))->node_name));
    else if (!discarded)
        control_fail(call, CONTROL_REFUSED,
                     q->is_there ? "Cannot get quorum status of a classic queue" : "not_found");
}

static void
run_quorum_status(struct control_call *call)
{
    ask_queue(call, then_quorum_status);
}

/* Is it about this node's member? */
static bool
is_own_member(const struct control_call *call)
{
    const char *node = json_string_value(control_argument(call, "node"));
    return node && strcmp(node, control_hosts(control_of(call))->node_name) == 0;
}

/* False: the call was answered. The words are the same for adding and deleting. */
static bool
has_members(struct control_call *call, const struct queue_question *q)
{
    if (q->is_quorum)
        return true;
    control_fail(call, CONTROL_REFUSED, q->is_there ? "Cannot add members to a classic queue" : "not_found");
    return false;
}

/* The member that there is was added already: done. */
static void
then_add(struct control_call *call, void *arg, bool discarded)
{
    if (discarded || !has_members(call, arg))
        return;
    if (is_own_member(call))
        control_done(call, NULL);
    else
        control_fail(call, CONTROL_REFUSED, "node_not_running");
}

static void
run_add_member(struct control_call *call)
{
    if (control_string(call, "node", NULL))
        ask_queue(call, then_add);
}

static void
then_delete(struct control_call *call, void *arg, bool discarded)
{
    if (discarded || !has_members(call, arg))
        return;
    if (is_own_member(call))
        control_fail(call, CONTROL_REFUSED, "last_node");
    else
        control_done(call, NULL);
}

static void
run_delete_member(struct control_call *call)
{
    if (control_string(call, "node", NULL))
        ask_queue(call, then_delete);
}

/* A queue of one member has nothing that would have to be reclaimed. */
static void
then_reclaim(struct control_call *call, void *arg, bool discarded)
{
    const struct queue_question *q = arg;
    if (discarded)
        return;
    if (q->is_quorum)
        control_done(call, NULL);
    else if (q->is_there)
        control_fail(call, CONTROL_REFUSED, "This operation is not applicable to classic queues");
    else
        control_fail(call, CONTROL_REFUSED, "Target queue was not found in virtual host '%.*s'",
                     SLICE_FMT(q->vhost));
}

static void
run_reclaim(struct control_call *call)
{
    ask_queue(call, then_reclaim);
}

/* ---- peek ---- */

static void
add_field(struct buffer *out, const char *prefix, struct slice name)
{
    struct buffer whole = {0};
    buffer_add_str(&whole, prefix);
    buffer_add_slice(&whole, name);
    buffer_add_str(out, out->len > 1 ? ",[" : "[");
    info_value_string(out, buffer_slice(&whole));
    buffer_add_u8(out, ',');
    buffer_fini(&whole);
}

static void
add_property(struct buffer *out, struct slice run, enum property property)
{
    struct slice value;
    if (property == PROPERTY_HEADERS || !properties_find(run, property, &value))
        return;
    add_field(out, "", slice_str(property_name(property)));
    switch (amqp_property_table[property].type) {
    case AMQP_TYPE_OCTET: info_value_number(out, value.data[0]); break;
    case AMQP_TYPE_TIMESTAMP: info_value_number(out, be64_get(value.data)); break;
    default: info_value_string(out, value); break;
    }
    buffer_add_u8(out, ']');
}

/* Texts as they are where they can be printed, otherwise as Erlang writes their bytes. */
static void
add_binary(struct buffer *out, struct slice bytes)
{
    struct buffer text = {0};
    erlterm_add_binary(&text, bytes);
    bool is_text = bytes.len == 0 || (text.len > 2 && text.data[2] == '"');
    info_value_string(out, is_text ? bytes : buffer_slice(&text));
    buffer_fini(&text);
}

static void
add_header(struct buffer *out, struct slice name, const struct table_value *v)
{
    struct buffer text = {0};
    add_field(out, "header.", name);
    if (table_value_is_int(v)) {
        buffer_add_fmt(out, "%lld", (long long)v->integer);
    } else if (v->type == TABLE_LONGSTR) {
        add_binary(out, v->bytes);
    } else {
        erlterm_add(&text, v);
        info_value_string(out, buffer_slice(&text));
    }
    buffer_add_u8(out, ']');
    buffer_fini(&text);
}

static void
add_array(struct buffer *out, struct slice array)
{
    struct table_value key;
    for (struct table_iter it = table_iter_items(array); table_iter_next(&it, NULL, &key);)
        if (key.type == TABLE_LONGSTR) {
            buffer_add_u8(out, ',');
            info_value_string(out, key.bytes);
        }
}

static void
add_names(struct buffer *out, const struct message *m)
{
    struct slice copies, body = message_body(m);
    add_field(out, "", slice_str("routing_keys"));
    buffer_add_u8(out, '[');
    info_value_string(out, message_routing_key(m));
    if (table_get_array(properties_headers(message_properties(m)), "CC", &copies) == ERR_OK)
        add_array(out, copies);
    add_array(out, message_hidden_keys(m));
    buffer_add_str(out, "]]");
    add_field(out, "", slice_str("exchange"));
    info_value_string(out, message_exchange(m));
    buffer_add_u8(out, ']');
    add_field(out, "", slice_str("payload (max 64 bytes)"));
    add_binary(out, slice_of(body.data, body.len < PEEK_PAYLOAD_MAX ? body.len : PEEK_PAYLOAD_MAX));
    buffer_add_u8(out, ']');
}

/* In RabbitMQ's order: the last property first. */
static void
describe(struct buffer *out, const struct message *m, uint32_t delivery_count)
{
    static const char count[] = "x-delivery-count";
    struct slice run = message_properties(m), name;
    struct table_value v;
    buffer_add_u8(out, '[');
    for (unsigned i = PROPERTY_COUNT; i-- > 0;)
        add_property(out, run, (enum property)i);
    add_names(out, m);
    for (struct table_iter it = table_iter_fields(properties_headers(run)); table_iter_next(&it, &name, &v);)
        if (!slice_eq_str(name, count))
            add_header(out, name, &v);
    add_field(out, "header.", slice_str(count));
    info_value_number(out, delivery_count);
    buffer_add_str(out, "]]");
}

static void
peeked(struct operator_op *op, const struct op_reply *r)
{
    struct queue_question *q = (struct queue_question *)op;
    struct message *m = r->message;
    q->is_there = r->code == 0;
    if (m) {
        q->has_message = true;
        describe(&q->fields, m, r->delivery_count);
        message_drop(q->home->broker, &m);
    }
    ask_answer(q->answer);
}

static void
run_peek_there(void *arg, struct server_shard *home, struct ask *answer)
{
    struct queue_question *q = arg;
    q->home = home;
    q->answer = answer;
    q->op.done = peeked;
    operator_peek(home, q->queue_id, (uint32_t)q->position, &q->op);
}

static void
peek_fails(struct control_call *call, const struct queue_question *q)
{
    if (!q->is_there)
        control_fail(call, CONTROL_REFUSED, "Target queue was not found in virtual host '%.*s'",
                     SLICE_FMT(q->vhost));
    else
        control_fail(call, CONTROL_REFUSED, "Target queue does not have a message at that position");
}

static void
then_peeked(struct control_call *call, void *arg, bool discarded)
{
    struct queue_question *q = arg;
    if (discarded)
        return;
    if (!q->has_message)
        peek_fails(call, q);
    else
        control_done(
            call, json_pack("{s:o}", "message",
                            json_loadb((const char *)q->fields.data, q->fields.len, JSON_ALLOW_NUL, NULL)));
}

static void
then_peek(struct control_call *call, void *arg, bool discarded)
{
    struct queue_question *q = arg;
    if (discarded)
        return;
    if (q->is_quorum)
        control_ask_late(call, q->shard, run_peek_there, q, then_peeked);
    else if (q->is_there)
        control_fail(call, CONTROL_REFUSED, "Cannot peek into a classic queue");
    else
        peek_fails(call, q);
}

static void
run_peek(struct control_call *call)
{
    struct queue_question *q = question_new(call);
    if (q && argument_number(call, "position", 1, UINT32_MAX, &q->position))
        control_ask(call, 0, find_queue, q, then_peek);
}

const struct control_command command_replica_table[] = {
    {"sync_queue", run_sync_queue, CONTROL_NEEDS_APP},
    {"cancel_sync_queue", run_cancel_sync_queue, CONTROL_NEEDS_APP},
    {"quorum_status", run_quorum_status, CONTROL_NEEDS_APP},
    {"add_member", run_add_member, CONTROL_NEEDS_APP},
    {"delete_member", run_delete_member, CONTROL_NEEDS_APP},
    {"reclaim_quorum_memory", run_reclaim, CONTROL_NEEDS_APP},
    {"peek", run_peek, CONTROL_NEEDS_APP},
    {0},
};
