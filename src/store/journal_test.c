/* The journal: batches, files, elision, space, its end. journal_crash_test.c has the crashes and faults. */
#include "store/journal_fixture.h"

#include "io/file.h"

static void
publish_three(struct rig *r)
{
    for (unsigned i = 0; i < 3; i++)
        rig_publish(r);
    r->on_turn = NULL;
}

static void
ops_of_one_turn_are_one_batch(void **state)
{
    struct rig r;
    rig_init(&r, 1);
    rig_must_open(&r);
    r.on_turn = publish_three;
    rig_settle(&r);
    assert_int_equal(r.confirmed, 3);
    assert_int_equal(r.released, 3);
    assert_int_equal(r.durable, 1);
    assert_int_equal(journal_bytes_waiting(r.journal), 0);
    struct journal_counts c = journal_counts(r.journal);
    assert_true(c.batches == 1 && c.records == 3 && c.written_bytes == STORE_BLOCK);
    rig_close(&r);
    struct rig_found found = rig_read(&r);
    assert_int_equal(found.count, 3);
    assert_int_equal(found.batches, 1);
    assert_int_equal(found.damages + found.tails, 0);
    rig_fini(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ops_of_one_turn_are_one_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
