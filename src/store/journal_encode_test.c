/* Ops to records: what is merged, what is left out. */
#include "store/journal_inside.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { OPS_MAX = 70000 };

struct world {
    struct journal_encoder encoder;
    struct journal_op *ops;
    uint32_t count;
    struct slice left; /* records that were not looked at yet */
};

static int
set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->ops = calloc(OPS_MAX, sizeof *w->ops);
    assert_non_null(w->ops);
    *state = w;
    return 0;
}

static int
tear_down(void **state)
{
    struct world *w = *state;
    journal_encode_trim(&w->encoder, 0);
    free(w->ops);
    free(w);
    return 0;
}

static void
add(struct world *w, struct journal_op op)
{
    assert_true(w->count < OPS_MAX);
    w->ops[w->count++] = op;
}

static struct journal_op
publish(uint64_t queue_id, const char *bytes)
{
    return (struct journal_op){.type = JOURNAL_PUBLISH,
                               .exchange_size = 1,
                               .routing_key_size = 1,
                               .properties_size = 1,
                               .body_size = 4,
                               .bytes = (const uint8_t *)bytes,
                               .queue_id = queue_id,
                               .sequence = 10 * queue_id,
                               .epoch = 1};
}

static struct journal_op
settle(uint64_t queue_id, uint64_t first, uint32_t count)
{
    return (struct journal_op){
        .type = JOURNAL_SETTLE, .queue_id = queue_id, .sequence = first, .count = count, .epoch = 1};
}

static void
encode(struct world *w)
{
    journal_encode(&w->encoder, w->ops, w->count);
    w->left = slice_of(w->encoder.bytes + STORE_BATCH_HEADER, journal_encode_size(&w->encoder));
    size_t whole = (size_t)batch_footprint(w->left.len);
    for (size_t i = w->encoder.len; i < whole; i++)
        assert_int_equal(w->encoder.bytes[i], 0);
}

static struct record
next(struct world *w)
{
    struct record r = {0};
    assert_int_equal(record_parse(&w->left, &r), ERR_OK);
    return r;
}

static void
a_fan_out_is_one_record_with_all_its_targets(void **state)
{
    struct world *w = *state;
    static const char a[] = "erpbody", b[] = "ERPBODY";
    add(w, publish(1, a));
    add(w, publish(2, a));
    add(w, (struct journal_op){.type = JOURNAL_NOTHING});
    add(w, publish(3, a));
    add(w, publish(3, b));
    add(w, publish(4, a)); /* not a neighbour any more */
    encode(w);
    assert_int_equal(w->encoder.records, 3);
    assert_int_equal(w->encoder.elided, 1);
    struct record r = next(w);
    assert_int_equal(r.target_count, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(record_target_at(&r, i).queue_id, i + 1);
        assert_int_equal(record_target_at(&r, i).sequence, 10 * (i + 1));
    }
    assert_true(slice_eq_str(r.message.exchange, "e") && slice_eq_str(r.message.routing_key, "r"));
    assert_true(slice_eq_str(r.message.properties, "p") && slice_eq_str(r.message.body, "body"));
    r = next(w);
    assert_int_equal(r.target_count, 1);
    assert_true(slice_eq_str(r.message.body, "BODY"));
    r = next(w);
    assert_int_equal(record_target_at(&r, 0).queue_id, 4);
    assert_int_equal(w->left.len, 0);
}

static void
a_transaction_another_flag_or_another_end_is_another_message(void **state)
{
    struct world *w = *state;
    static const char a[] = "erpbody";
    struct journal_op op = publish(1, a);
    add(w, op);
    op.tx = 5;
    add(w, op);
    op.message_flags = 1;
    add(w, op);
    op.body_file = 9;
    add(w, op);
    op.expires_at = 70;
    add(w, op);
    add(w, op);
    encode(w);
    assert_int_equal(w->encoder.records, 5);
    assert_int_equal(next(w).tx, 0);
    assert_int_equal(next(w).tx, 5);
    assert_int_equal(next(w).message.flags, 1);
    struct record r = next(w);
    assert_true(r.message.body_file == 9 && r.message.body.len == 0 && r.message.body_size == 4);
    r = next(w);
    assert_true(r.message.expires_at == 70 && r.target_count == 2);
}

static void
a_record_has_65535_targets_at_most(void **state)
{
    struct world *w = *state;
    static const char a[] = "erpbody";
    for (unsigned i = 0; i < UINT16_MAX + 3; i++)
        add(w, publish(i, a));
    encode(w);
    assert_int_equal(w->encoder.records, 2);
    assert_int_equal(next(w).target_count, UINT16_MAX);
    struct record r = next(w);
    assert_int_equal(r.target_count, 3);
    assert_int_equal(record_target_at(&r, 2).queue_id, UINT16_MAX + 2);
    journal_encode_trim(&w->encoder, SIZE_MAX);
    assert_true(w->encoder.target_capacity < 1000);
}

static void
settles_of_adjacent_sequences_are_one(void **state)
{
    struct world *w = *state;
    add(w, settle(1, 5, 1));
    add(w, settle(1, 6, 10));
    add(w, (struct journal_op){.type = JOURNAL_NOTHING});
    add(w, settle(1, 16, 1));
    add(w, settle(1, 18, 1)); /* a gap */
    add(w, settle(2, 19, 1)); /* another queue */
    struct journal_op op = settle(2, 20, 1);
    op.epoch = 2;
    add(w, op);
    op = settle(2, 21, 1);
    op.epoch = 2;
    op.tx = 3;
    add(w, op);
    add(w, settle(3, 0, UINT32_MAX));
    add(w, settle(3, UINT32_MAX, 1)); /* the count is full */
    encode(w);
    assert_int_equal(w->encoder.records, 7);
    struct record r = next(w);
    assert_true(r.queue_id == 1 && r.first == 5 && r.count == 12);
    r = next(w);
    assert_true(r.queue_id == 1 && r.first == 18 && r.count == 1);
    r = next(w);
    assert_true(r.queue_id == 2 && r.first == 19 && r.count == 1);
    r = next(w);
    assert_true(r.queue_id == 2 && r.first == 20 && r.epoch == 2 && r.tx == 0);
    r = next(w);
    assert_true(r.first == 21 && r.tx == 3);
    assert_int_equal(next(w).count, UINT32_MAX);
    r = next(w);
    assert_true(r.first == UINT32_MAX && r.count == 1);
}

static void
the_others_stand_for_themselves(void **state)
{
    struct world *w = *state;
    add(w, (struct journal_op){.type = JOURNAL_DELIVERED, .queue_id = 1, .sequence = 8192, .epoch = 4});
    add(w, (struct journal_op){.type = JOURNAL_TX_END, .tx = 77});
    add(w, (struct journal_op){.type = JOURNAL_META,
                               .queue_id = 2,
                               .sequence = 3,
                               .bytes = (const uint8_t *)"command",
                               .body_size = 7});
    encode(w);
    struct record r = next(w);
    assert_true(r.type == RECORD_DELIVERED && r.queue_id == 1 && r.first == 8192 && r.epoch == 4);
    r = next(w);
    assert_true(r.type == RECORD_TX_END && r.tx == 77);
    r = next(w);
    assert_true(r.type == RECORD_META && r.term == 2 && r.index == 3);
    assert_true(slice_eq_str(r.command, "command"));
}

static void
memory_is_used_again(void **state)
{
    struct world *w = *state;
    static const char a[] = "erpbody", b[] = "erpbodz";
    for (unsigned i = 0; i < 1000; i++)
        add(w, publish(i, i % 2 ? a : b));
    encode(w);
    const uint8_t *bytes = w->encoder.bytes;
    assert_int_equal(w->encoder.records, 1000);
    encode(w);
    assert_ptr_equal(bytes, w->encoder.bytes);
    assert_int_equal(w->encoder.records, 1000);
    journal_encode_trim(&w->encoder, 4096);
    assert_int_equal(w->encoder.capacity, 0);
    encode(w);
    assert_int_equal(next(w).target_count, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_fan_out_is_one_record_with_all_its_targets),
        TEST(a_transaction_another_flag_or_another_end_is_another_message),
        TEST(a_record_has_65535_targets_at_most),
        TEST(settles_of_adjacent_sequences_are_one),
        TEST(the_others_stand_for_themselves),
        TEST(memory_is_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
