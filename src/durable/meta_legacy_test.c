/* What the first versions refused stays refused in what they logged; all else is applied as it was. */
#include "durable/meta_legacy.h"

#include "base/buffer.h"
#include "wire/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static bool
is_exchange_refused(const char *type)
{
    return meta_legacy_is_refused(&(struct meta_command){
        .kind = META_EXCHANGE_DECLARE, .name = slice_str("x"), .type = slice_str(type), .durable = true});
}

static void
exchanges_of_later_types_were_refused(void **state)
{
    static const char *const known[] = {"direct", "fanout", "topic", "headers"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        assert_false(is_exchange_refused(known[i]));
    assert_true(is_exchange_refused("x-consistent-hash"));
    assert_true(is_exchange_refused("x-random"));
    assert_true(is_exchange_refused(""));
}

static bool
is_queue_refused(const char *argument, const char *value)
{
    struct buffer table = {0};
    table_add_str(&table, argument, slice_str(value));
    bool refused = meta_legacy_is_refused(&(struct meta_command){
        .kind = META_QUEUE_DECLARE, .name = slice_str("q"), .arguments = buffer_slice(&table)});
    buffer_fini(&table);
    return refused;
}

static void
queues_of_later_types_were_refused(void **state)
{
    assert_false(meta_legacy_is_refused(&(struct meta_command){.kind = META_QUEUE_DECLARE}));
    assert_false(is_queue_refused("x-queue-type", "classic"));
    assert_false(is_queue_refused("x-overflow", "drop-head"));
    assert_true(is_queue_refused("x-queue-type", "quorum"));
    assert_true(is_queue_refused("x-queue-type", "stream"));
    assert_true(is_queue_refused("x-delivery-limit", "5"));
    assert_true(is_queue_refused("x-dead-letter-strategy", "at-least-once"));
}

static void
password_hashes_of_later_forms_were_refused(void **state)
{
    static const uint8_t hash[68];
    const size_t sizes[] = {0, 36, 20, 68};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(
            meta_legacy_is_refused(&(struct meta_command){
                .kind = META_USER_PUT, .name = slice_str("u"), .password_hash = slice_of(hash, sizes[i])}),
            i >= 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exchanges_of_later_types_were_refused),
        cmocka_unit_test(queues_of_later_types_were_refused),
        cmocka_unit_test(password_hashes_of_later_forms_were_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
