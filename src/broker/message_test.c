/* Blobs: what they hold, how they grow, what other shards get, and that everything comes home. */
#include "broker/message.h"

#include "broker/broker_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct {
    struct fixture f;
    struct broker *b;
} w;

static int
setup(void **state)
{
    (void)state;
    memset(&w, 0, sizeof w);
    epoch_init(&w.f.epoch, 1);
    w.f.node.epoch = &w.f.epoch;
    fixture_meta_init(&w.f);
    w.b = broker_new(&w.f.node, NULL, NULL, NULL);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    assert_int_equal(pool_bytes_used(w.b->pool), 0);
    broker_free(w.b);
    meta_free(w.f.node.meta);
    epoch_fini(&w.f.epoch);
    return 0;
}

static void
test_a_message_holds_its_parts(void **state)
{
    (void)state;
    static const char text[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    for (size_t x = 0; x < 36; x += 3)
        for (size_t k = 0; k < 36; k++) {
            struct slice properties = slice_of("\0\0", 2);
            struct message *m = message_new(w.b, slice_of(text, x), slice_of(text + 1, k), properties, 5);
            memcpy(message_body_mut(m), "hello", 5);
            assert_true(slice_eq(message_exchange(m), slice_of(text, x)));
            assert_true(slice_eq(message_routing_key(m), slice_of(text + 1, k)));
            assert_true(slice_eq(message_properties(m), properties));
            assert_true(slice_eq_str(message_body(m), "hello"));
            assert_int_equal(message_body(m).data[5], 0xce);
            message_drop(w.b, &m);
            assert_null(m);
        }
}

static void
test_facts_come_from_the_properties(void **state)
{
    (void)state;
    /* content-type "a", headers {}, delivery-mode 2, priority 5, expiration "9" */
    static const uint8_t run[] = {0xb9, 0x00, 1, 'a', 0, 0, 0, 0, 2, 5, 1, '9'};
    struct message *m = message_new(w.b, slice_str(""), slice_str(""), slice_of(run, sizeof run), 0);
    assert_int_equal(m->flags, MESSAGE_PERSISTENT | MESSAGE_HAS_EXPIRATION);
    assert_int_equal(m->priority, 5);
    assert_int_equal(message_properties(m).len, sizeof run);
    message_hold(m);
    struct message *first = m, *there = message_hand_over(w.b, &m); /* a reference tells it, too */
    assert_true(there->flags & MESSAGE_REMOTE && there->priority == 5);
    message_drop(w.b, &there);
    message_drop(w.b, &first);
    static const uint8_t transient[] = {0x10, 0x00, 1};
    m = message_new(w.b, slice_str(""), slice_str(""), slice_of(transient, sizeof transient), 0);
    assert_true(m->flags == 0 && m->priority == 0);
    message_drop(w.b, &m);
}

static void
test_a_body_grows_as_it_comes(void **state)
{
    (void)state;
    const uint32_t size = 100000;
    struct message *m =
        message_new_growing(w.b, slice_str("x"), slice_str("k"), slice_of("\0\0", 2), size, 64);
    uint32_t capacity = 64;
    for (uint32_t i = 0; i < size; i++) {
        if (i == capacity) {
            uint32_t more = capacity * 2 < size ? capacity * 2 : size;
            m = message_grow(w.b, m, capacity, more);
            capacity = more;
        }
        message_body_mut(m)[i] = (uint8_t)(i * 7);
    }
    for (uint32_t i = 0; i < size; i++)
        assert_int_equal(message_body(m).data[i], (uint8_t)(i * 7));
    assert_int_equal(message_body(m).data[size], 0xce);
    message_drop(w.b, &m);
    m = message_new_growing(w.b, slice_str("x"), slice_str("k"), slice_of("\0\0", 2), size, 64);
    message_discard(w.b, m, 64);
}

static void
test_a_copy_has_other_names_and_the_same_body(void **state)
{
    (void)state;
    struct message *m = fixture_message(w.b, 42, 16);
    struct message *copy = message_copy_with(w.b, m, slice_str("y"), slice_str("z"), slice_of("\0\0", 2),
                                             (struct message_facts){0});
    message_drop(w.b, &m);
    assert_true(slice_eq_str(message_exchange(copy), "y"));
    assert_int_equal(fixture_number(copy), 42);
    message_drop(w.b, &copy);
}

static void
test_a_sole_hold_is_handed_over_whole_a_shared_one_by_reference(void **state)
{
    (void)state;
    struct message *m = fixture_message(w.b, 42, 16), *kept = m;
    struct message *there = message_hand_over(w.b, &m);
    assert_ptr_equal(there, kept);
    assert_null(m);
    message_hold(kept);
    m = kept;
    there = message_hand_over(w.b, &m);
    assert_ptr_not_equal(there, kept);
    assert_true(there->flags & MESSAGE_REMOTE);
    assert_int_equal(fixture_number(there), 42);
    assert_int_equal(message_size(there), message_size(kept));
    assert_int_equal(there->body_size, 16);

    /* a reference that is shared in its turn: the new one still reads the blob itself */
    message_hold(there);
    uint64_t *numbers;
    struct message *again = there;
    struct message *third = message_hand_over_with(w.b, &again, 2, &numbers);
    numbers[0] = 7;
    numbers[1] = 8;
    assert_ptr_equal(message_origin(third), kept);
    uint32_t count;
    assert_int_equal(message_numbers(third, &count)[1], 8);
    assert_int_equal(count, 2);

    message_drop(w.b, &there);
    message_drop(w.b, &third); /* drops its hold on the reference, and that its hold on the blob */
    assert_int_equal(kept->refs, 1);
    message_drop(w.b, &kept);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_message_holds_its_parts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_facts_come_from_the_properties, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_body_grows_as_it_comes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_copy_has_other_names_and_the_same_body, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_sole_hold_is_handed_over_whole_a_shared_one_by_reference,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
