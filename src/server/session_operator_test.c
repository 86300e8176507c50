/* What an operator does to running queues and connections, as their clients see it; simulated, over three
 * shards. */
#include "broker/meta.h"
#include "broker/vhost.h"
#include "server/connection.h"
#include "server/operator.h"
#include "server/session_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SHARDS = 3 };

static struct session_world *
world(void **state)
{
    return *state;
}

/* ---- an operator's call, from the test to shard 0 ---- */

static struct call {
    struct operator_op op;
    const char *queue;
    bool is_deletion, if_unused, if_empty;
    bool is_done;
    uint16_t code;
    char text[256];
    uint32_t messages;
} call;

static void
call_done(struct operator_op *op, const struct op_reply *r)
{
    struct call *made = (struct call *)op;
    made->is_done = true;
    made->code = r->code;
    made->messages = r->message_count;
    snprintf(made->text, sizeof made->text, "%s", r->text);
}

static void
call_run(struct session_node *n, uint64_t arg)
{
    struct server_shard *home = n->server->parts[arg];
    const struct vhost *v = vhost_find(n->node.meta, slice_str("/"));
    const struct queue_def *q = queue_def_find(v, slice_str(call.queue));
    assert_non_null(q);
    call.op.done = call_done;
    if (call.is_deletion)
        operator_delete(home, q, call.if_unused, call.if_empty, &call.op);
    else
        operator_purge(home, q, &call.op);
}

static void
run(void **state, struct call wanted)
{
    call = wanted;
    session_node_run(session_world_node(world(state)), call_run, 0);
    for (int i = 0; i < 100 && !call.is_done; i++)
        session_world_wait(world(state), 1);
    assert_true(call.is_done);
}

/* `count` messages in a queue of each client, each client's wherever it was placed. */
static void
fill(struct session_client *c, const char *queue, int count)
{
    session_declare(c, 1, queue);
    for (int i = 0; i < count; i++)
        session_publish(c, 1, "", queue, "m");
}

/* ---- queues ---- */

static void
test_purge_and_delete_reach_queues_of_every_shard(void **state)
{
    struct session_client *clients[SHARDS];
    char name[16];
    for (int i = 0; i < SHARDS; i++) {
        clients[i] = session_login(world(state));
        snprintf(name, sizeof name, "q%d", i);
        fill(clients[i], name, 5 + i);
    }
    session_world_wait(world(state), 20);
    for (int i = 0; i < SHARDS; i++) {
        snprintf(name, sizeof name, "q%d", i);
        run(state, (struct call){.queue = name});
        assert_int_equal(call.code, 0);
        assert_int_equal(call.messages, 5 + i);
        session_publish(clients[i], 1, "", name, "again");
        session_world_wait(world(state), 20);
        run(state, (struct call){.queue = name, .is_deletion = true, .if_empty = true});
        assert_int_equal(call.code, 406);
        assert_non_null(strstr(call.text, "in vhost '/' not empty"));
        run(state, (struct call){.queue = name, .is_deletion = true, .if_unused = true});
        assert_int_equal(call.code, 0);
        assert_int_equal(call.messages, 1);
    }
    for (int i = 0; i < SHARDS; i++)
        session_logout(clients[i]);
}

static void
test_consumed_queue_is_kept_if_asked_to_and_else_its_consumer_is_told(void **state)
{
    struct session_client *c = session_login(world(state));
    session_declare(c, 1, "used");
    struct amqp_basic_consume consume = {.queue = slice_str("used"), .consumer_tag = slice_str("t")};
    session_send(c, 1, AMQP_BASIC_CONSUME, &consume);
    session_expect(c, 1, AMQP_BASIC_CONSUME_OK, NULL);
    run(state, (struct call){.queue = "used", .is_deletion = true, .if_unused = true});
    assert_int_equal(call.code, 406);
    assert_string_equal(call.text, "queue 'used' in vhost '/' in use");
    run(state, (struct call){.queue = "used", .is_deletion = true});
    assert_int_equal(call.code, 0);
    session_expect(c, 1, AMQP_BASIC_CANCEL, NULL);
    session_open_channel(c, 2); /* the connection is well */
    session_client_free(c);
}

/* ---- connections ---- */

static struct operator_closing closing;
static bool rounds_over;

static void
close_some(struct session_node *n, uint64_t arg)
{
    closing.cursor = 0;
    for (int i = 0; i < 100 && !rounds_over; i++)
        rounds_over = operator_close_connections(n->server->parts[arg], &closing, 1);
}

/* All on one shard, which is the one that runs the test's call. */
static int
setup_one(void **state)
{
    *state = session_world_new(1, NULL, 1);
    return 0;
}

static void
close_as(void **state, struct operator_closing wanted)
{
    closing = wanted;
    rounds_over = false;
    session_node_run(session_world_node(world(state)), close_some, 0);
    session_world_wait(world(state), 10);
    assert_true(rounds_over);
}

static void
expect_told(struct session_client *c, const char *text)
{
    struct amqp_connection_close close;
    session_expect(c, 0, AMQP_CONNECTION_CLOSE, &close);
    assert_int_equal(close.reply_code, AMQP_REPLY_CONNECTION_FORCED);
    assert_true(slice_eq_str(close.reply_text, text));
    session_send(c, 0, AMQP_CONNECTION_CLOSE_OK, NULL);
    assert_true(session_client_is_ended(c));
    session_client_free(c);
}

static uint64_t
first_id(void **state)
{
    size_t cursor = 0;
    struct connection *c =
        slots_next(&session_world_node(world(state))->server->parts[0]->connections, &cursor, NULL);
    assert_non_null(c);
    return c->id;
}

static void
test_connections_are_closed_by_id_user_and_vhost_and_told_why(void **state)
{
    struct session_client *a = session_login(world(state)), *b = session_login(world(state)),
                          *c = session_login(world(state)), *d = session_login(world(state));
    close_as(state,
             (struct operator_closing){.id = first_id(state), .reason = "it is %s you", .left = UINT64_MAX});
    assert_int_equal(closing.closed, 1);
    expect_told(a, "CONNECTION_FORCED - it is %s you");
    close_as(state,
             (struct operator_closing){.user = slice_str("nobody"), .reason = "x", .left = UINT64_MAX});
    assert_int_equal(closing.closed, 0);
    close_as(state,
             (struct operator_closing){.vhost = slice_str("other"), .reason = "x", .left = UINT64_MAX});
    assert_int_equal(closing.closed, 0);
    close_as(state, (struct operator_closing){.vhost = slice_str("/"), .reason = "one of you", .left = 1});
    assert_int_equal(closing.closed, 1);
    expect_told(b, "CONNECTION_FORCED - one of you");
    close_as(state, (struct operator_closing){
                        .user = slice_str("guest"), .reason = "all of you", .left = UINT64_MAX});
    assert_int_equal(closing.closed, 2);
    expect_told(c, "CONNECTION_FORCED - all of you");
    expect_told(d, "CONNECTION_FORCED - all of you");
}

/* Who has not got in yet has no vhost and no place in an operator's list. */
static void
test_connection_in_its_handshake_is_left_alone(void **state)
{
    struct session_client *c = session_client_open(world(state));
    session_client_send(c, frame_protocol_header, FRAME_PROTOCOL_HEADER_SIZE);
    session_expect(c, 0, AMQP_CONNECTION_START, NULL);
    close_as(state, (struct operator_closing){.reason = "x", .left = UINT64_MAX});
    assert_int_equal(closing.closed, 0);
    session_client_free(c);
}

/* ---- users ---- */

static void
delete_guest(struct session_node *n, uint64_t arg)
{
    struct meta_result result;
    meta_apply(n->node.meta, &(struct meta_command){.kind = META_USER_DELETE, .name = slice_str("guest")},
               &result);
    assert_int_equal(result.code, 0);
}

static void
test_connections_of_a_deleted_user_are_closed_on_every_shard(void **state)
{
    struct session_client *clients[SHARDS];
    for (int i = 0; i < SHARDS; i++)
        clients[i] = session_login(world(state));
    session_node_run(session_world_node(world(state)), delete_guest, 0);
    for (int i = 0; i < SHARDS; i++)
        expect_told(clients[i], "CONNECTION_FORCED - user 'guest' is deleted");
}

/* ---- listeners ---- */

static void
suspend(struct session_node *n, uint64_t resume)
{
    char why[256];
    if (resume)
        assert_int_equal(server_resume(n->server, why, sizeof why), ERR_OK);
    else
        server_suspend(n->server);
}

static void
test_suspended_listeners_let_nobody_in_and_nobody_out(void **state)
{
    struct session_client *in = session_login(world(state));
    for (int i = 0; i < 2; i++) { /* twice is once */
        session_node_run(session_world_node(world(state)), suspend, 0);
        session_world_wait(world(state), 10);
    }
    struct session_client *out = session_client_open(world(state));
    assert_true(session_client_is_ended(out));
    session_client_free(out);
    session_open_channel(in, 2);
    for (int i = 0; i < 2; i++) {
        session_node_run(session_world_node(world(state)), suspend, 1);
        session_world_wait(world(state), 10);
    }
    session_logout(session_login(world(state)));
    session_logout(in);
}

static int
setup(void **state)
{
    *state = session_world_new(SHARDS, NULL, 1);
    return 0;
}

static int
teardown(void **state)
{
    session_world_wait(*state, 20);
    session_world_free(*state);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_purge_and_delete_reach_queues_of_every_shard, setup, teardown),
        cmocka_unit_test_setup_teardown(test_consumed_queue_is_kept_if_asked_to_and_else_its_consumer_is_told,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_connections_are_closed_by_id_user_and_vhost_and_told_why,
                                        setup_one, teardown),
        cmocka_unit_test_setup_teardown(test_suspended_listeners_let_nobody_in_and_nobody_out, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_connections_of_a_deleted_user_are_closed_on_every_shard, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_connection_in_its_handshake_is_left_alone, setup_one, teardown),
    };
    return cmocka_run_group_tests_name("operator", tests, NULL, NULL);
}
