/* Declared things made again from commands, and what is left of them when a node starts: properties over many
 * random histories, and the rules one by one. */
#include "broker/meta_random_fixture.h"
#include "broker/meta_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum { SEEDS = 200, COMMANDS = 150 };

/* A meta of its own. */
struct other {
    struct epoch epoch;
    struct node node;
};

static void
other_init(struct other *o)
{
    *o = (struct other){0};
    epoch_init(&o->epoch, 1);
    o->node.epoch = &o->epoch;
    o->node.meta = meta_new(&o->node);
}

static void
other_fini(struct other *o)
{
    meta_free(o->node.meta);
    epoch_fini(&o->epoch);
}

static void
take(void *arg, const struct meta_command *cmd)
{
    struct other *o = arg;
    struct meta_result r;
    meta_apply(o->node.meta, cmd, &r);
    if (r.code)
        fail_msg("%u %s", r.code, r.text);
    assert_false(r.existed);
}

static void
other_copy(struct other *o, const struct meta *m)
{
    other_init(o);
    meta_walk(m, take, o);
    meta_set_id_last(o->node.meta, meta_id_last(m));
}

static void
assert_equal(const struct meta *a, const struct meta *b)
{
    struct buffer left = {0}, right = {0};
    meta_dump(a, &left);
    meta_dump(b, &right);
    buffer_add_u8(&left, 0);
    buffer_add_u8(&right, 0);
    assert_string_equal((const char *)left.data, (const char *)right.data);
    assert_int_equal(meta_id_last(a), meta_id_last(b));
    buffer_fini(&left);
    buffer_fini(&right);
}

static void
a_walk_makes_an_equal_state(void **state)
{
    unsigned queues = 0, exclusive = 0;
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        struct fixture *f = fixture_new(1);
        struct meta_random g = {.state = seed};
        for (unsigned i = 0; i < COMMANDS; i++) {
            struct meta_command c = meta_random_next(&g, f->node.meta);
            meta_apply(f->node.meta, &c, &f->r);
        }
        struct other o;
        other_copy(&o, f->node.meta);
        assert_equal(f->node.meta, o.node.meta);
        /* Both go on alike. */
        for (unsigned i = 0; i < COMMANDS; i++) {
            struct meta_command c = meta_random_next(&g, f->node.meta);
            struct meta_result r;
            meta_apply(f->node.meta, &c, &f->r);
            meta_apply(o.node.meta, &c, &r);
            assert_int_equal(r.code, f->r.code);
            assert_int_equal(r.existed, f->r.existed);
            assert_string_equal(r.text, f->r.text);
            assert_string_equal(r.name, f->r.name);
            queues += c.kind == META_QUEUE_DECLARE && !r.code && !r.existed;
            exclusive += c.kind == META_QUEUE_DECLARE && !r.code && c.exclusive;
        }
        assert_equal(f->node.meta, o.node.meta);
        other_fini(&o);
        buffer_fini(&g.arguments);
        fixture_free(f);
    }
    assert_true(queues > SEEDS * 5 && exclusive > SEEDS);
}

static void
start_node(struct other *o)
{
    struct meta_result r;
    meta_apply(o->node.meta, &(struct meta_command){.kind = META_NODE_STARTED}, &r);
    assert_int_equal(r.code, 0);
}

/* A command that is not lasting may be forgotten: what a start leaves is the same without it. */
static void
what_is_not_lasting_may_be_forgotten(void **state)
{
    unsigned changes = 0;
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        struct fixture *f = fixture_new(1);
        struct meta_random g = {.state = 1000 + seed};
        for (unsigned i = 0; i < COMMANDS; i++) {
            struct meta_command c = meta_random_next(&g, f->node.meta);
            bool is_lasting = meta_is_lasting(f->node.meta, &c);
            struct other before, after;
            if (!is_lasting)
                other_copy(&before, f->node.meta);
            meta_apply(f->node.meta, &c, &f->r);
            if (is_lasting)
                continue;
            changes += f->r.code == 0 && !f->r.existed;
            other_copy(&after, f->node.meta);
            start_node(&before);
            start_node(&after);
            meta_set_id_last(before.node.meta, meta_id_last(f->node.meta));
            assert_equal(before.node.meta, after.node.meta);
            other_fini(&before);
            other_fini(&after);
        }
        buffer_fini(&g.arguments);
        fixture_free(f);
    }
    assert_true(changes > SEEDS * 10);
}

static uint16_t
declare(struct fixture *f, enum meta_kind kind, const char *name, bool durable, bool auto_delete)
{
    return apply(f, (struct meta_command){.kind = kind,
                                          .name = slice_str(name),
                                          .type = slice_str("fanout"),
                                          .durable = durable,
                                          .auto_delete = auto_delete});
}

static void
a_started_node_has_what_is_durable(void **state)
{
    struct fixture *f = fixture_new(1);
    declare(f, META_QUEUE_DECLARE, "kept", true, true);
    declare(f, META_QUEUE_DECLARE, "transient", false, false);
    apply(f, (struct meta_command){.kind = META_QUEUE_DECLARE,
                                   .name = slice_str("exclusive"),
                                   .durable = true,
                                   .exclusive = true,
                                   .connection_id = 7});
    declare(f, META_EXCHANGE_DECLARE, "x", true, false);
    declare(f, META_EXCHANGE_DECLARE, "y", false, false);
    assert_int_equal(bind_queue(f, "x", "kept", "1"), 0);
    assert_int_equal(bind_queue(f, "x", "transient", "1"), 0);
    assert_int_equal(bind_queue(f, "y", "kept", "1"), 0);
    assert_int_equal(bind_exchange(f, "amq.topic", "y", "1"), 0);
    apply(f, (struct meta_command){.kind = META_NODE_STARTED, .forced_id = 1000});
    assert_non_null(queue(f, "kept"));
    assert_null(queue(f, "transient"));
    assert_null(queue(f, "exclusive"));
    assert_non_null(exchange(f, "x"));
    assert_null(exchange(f, "y"));
    struct buffer text = {0};
    meta_dump(f->node.meta, &text);
    buffer_add_u8(&text, 0);
    assert_non_null(strstr((char *)text.data, "binding in '/' from 'x' to queue 'kept' key='1'\n"));
    assert_null(strstr((char *)text.data, "transient"));
    assert_null(strstr((char *)text.data, "'y'"));
    buffer_fini(&text);
    assert_int_equal(meta_id_last(f->node.meta), 1000);
    apply(f, (struct meta_command){.kind = META_NODE_STARTED, .forced_id = 900});
    assert_int_equal(meta_id_last(f->node.meta), 1000);
    fixture_free(f);
}

static void
auto_delete_exchanges_go_when_a_start_takes_their_last_binding(void **state)
{
    struct fixture *f = fixture_new(1);
    declare(f, META_QUEUE_DECLARE, "kept", true, false);
    declare(f, META_QUEUE_DECLARE, "transient", false, false);
    declare(f, META_EXCHANGE_DECLARE, "first", true, true);
    declare(f, META_EXCHANGE_DECLARE, "second", true, true);
    declare(f, META_EXCHANGE_DECLARE, "unbound", true, true);
    declare(f, META_EXCHANGE_DECLARE, "bound", true, true);
    bind_exchange(f, "first", "second", "");
    bind_queue(f, "second", "transient", "");
    bind_queue(f, "bound", "kept", "");
    bind_queue(f, "bound", "transient", "");
    apply(f, (struct meta_command){.kind = META_NODE_STARTED});
    assert_null(exchange(f, "first"));
    assert_null(exchange(f, "second"));
    assert_non_null(exchange(f, "unbound"));
    assert_non_null(exchange(f, "bound"));
    fixture_free(f);
}

static bool
is_lasting(struct fixture *f, struct meta_command c)
{
    c.vhost = slice_str("/");
    return meta_is_lasting(f->node.meta, &c);
}

static void
lasting_is_what_changes_something_durable(void **state)
{
    struct fixture *f = fixture_new(1);
    struct meta_command q = {.kind = META_QUEUE_DECLARE, .name = slice_str("q"), .durable = true};
    struct meta_command b = {
        .kind = META_QUEUE_BIND, .name = slice_str("q"), .source = slice_str("amq.topic")};
    assert_true(is_lasting(f, q));
    assert_false(is_lasting(f, b)); /* there is no q: refused */
    q.exclusive = true;
    assert_false(is_lasting(f, q));
    q.exclusive = false;
    apply(f, q);
    assert_false(is_lasting(f, q));
    assert_true(is_lasting(f, b));
    apply(f, b);
    assert_false(is_lasting(f, b));
    b.kind = META_QUEUE_UNBIND;
    assert_true(is_lasting(f, b));
    b.routing_key = slice_str("other");
    assert_false(is_lasting(f, b));
    assert_true(
        is_lasting(f, (struct meta_command){.kind = META_QUEUE_DELETE, .queue_id = queue(f, "q")->id}));
    assert_false(is_lasting(f, (struct meta_command){.kind = META_QUEUE_DELETE, .queue_id = 9999}));
    assert_true(is_lasting(f, (struct meta_command){.kind = META_USER_PUT, .name = slice_str("u")}));
    declare(f, META_EXCHANGE_DECLARE, "x", false, false);
    assert_false(is_lasting(f, (struct meta_command){.kind = META_EXCHANGE_DELETE, .name = slice_str("x")}));
    assert_false(is_lasting(
        f, (struct meta_command){.kind = META_QUEUE_BIND, .name = slice_str("q"), .source = slice_str("x")}));
    fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_walk_makes_an_equal_state),
        cmocka_unit_test(what_is_not_lasting_may_be_forgotten),
        cmocka_unit_test(a_started_node_has_what_is_durable),
        cmocka_unit_test(auto_delete_exchanges_go_when_a_start_takes_their_last_binding),
        cmocka_unit_test(lasting_is_what_changes_something_durable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
