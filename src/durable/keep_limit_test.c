/* Limits of a durable queue: what they drop stays gone, and what is on disk only is dropped, too. */
#include "broker/queue_rules.h"
#include "durable/keep_fixture.h"

enum { COUNT = 300, LIMIT = 10 };

static struct rig r;

/* As if a policy had come. */
static void
limit(uint64_t messages)
{
    struct queue *q = rig_queue(&r, 0);
    queue_rules_get(q)->settings.length_max = (int64_t)messages;
    queue_mark_dirty(q);
}

static bool
is_within_limit(struct rig *rig)
{
    return queue_ready_count(rig_queue(rig, 0)) <= LIMIT;
}

static void
what_was_dropped_at_the_head_stays_gone(void **state)
{
    for (unsigned variant = 0; variant < 4; variant++) {
        rig_init(&r, variant);
        rig_start(&r, 1);
        if (variant & 1)
            limit(LIMIT);
        uint64_t first = rig_fill(&r, 0, COUNT, 300, RIG_PERSISTENT);
        rig_until(&r, rig_has_answers);
        limit(LIMIT);
        rig_until(&r, is_within_limit);
        rig_run(&r, 1000); /* what was dropped is settled on the disk */
        if (variant & 2)
            rig_power(&r);
        else
            rig_stop(&r);
        rig_start(&r, 1);
        rig_expect(&r, 0, first + COUNT - LIMIT, first + COUNT - 1);
        rig_fini(&r);
    }
}

static void
what_is_on_disk_only_is_read_and_dropped(void **state)
{
    for (unsigned variant = 0; variant < 2; variant++) {
        rig_init(&r, variant);
        rig_start(&r, 1);
        uint64_t first = rig_fill(&r, 0, COUNT, 300, RIG_PERSISTENT);
        rig_until(&r, rig_has_answers);
        rig_page_out(&r, 0);
        if (variant) { /* all of it */
            rig_turn_log_over(&r, 7, 2);
            rig_stop(&r);
            rig_start(&r, 1);
        }
        assert_true(rig_queue(&r, 0)->paged > 0);
        limit(LIMIT);
        rig_until(&r, is_within_limit);
        rig_expect(&r, 0, first + COUNT - LIMIT, first + COUNT - 1);
        rig_fini(&r);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_dropped_at_the_head_stays_gone),
        cmocka_unit_test(what_is_on_disk_only_is_read_and_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
