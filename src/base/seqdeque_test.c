#include "base/seqdeque.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct entry {
    uint64_t sequence, check;
};

static uint64_t
push(struct seqdeque *d)
{
    void *p;
    uint64_t sequence = seqdeque_push_back(d, &p);
    assert_int_equal((uintptr_t)p % 16, 0);
    *(struct entry *)p = (struct entry){sequence, ~sequence};
    return sequence;
}

static void
push_wide(struct seqdeque *d)
{
    void *p;
    uint64_t sequence = seqdeque_push_back(d, &p);
    memset(p, 0xff, d->entry_size);
    *(struct entry *)p = (struct entry){sequence, ~sequence};
}

static size_t
blocks_held(const struct seqdeque *d)
{
    size_t n = d->spare ? 1 : 0;
    for (uint32_t i = 0; i < d->dir_len; i++)
        n += d->directory[d->dir_head + i] != NULL;
    return n;
}

static void
test_empty_deque_holds_no_memory(void **state)
{
    struct seqdeque d;
    seqdeque_init(&d, sizeof(struct entry), 1);
    uint64_t sequence = 7;
    assert_null(d.directory);
    assert_null(seqdeque_get(&d, 1));
    assert_null(seqdeque_first(&d, &sequence));
    assert_null(seqdeque_next(&d, &sequence));
    assert_false(seqdeque_remove(&d, 1));
    assert_int_equal(sequence, 7);
    assert_int_equal(push(&d), 1);
    assert_true(seqdeque_remove(&d, 1));
    assert_int_equal(blocks_held(&d), 1);
    seqdeque_trim(&d);
    assert_null(d.directory);
    assert_int_equal(push(&d), 2);
    seqdeque_trim(&d);
    assert_non_null(seqdeque_get(&d, 2));
    seqdeque_fini(&d);
}

static void
test_few_entries_take_a_small_block(void **state)
{
    struct seqdeque d;
    seqdeque_init(&d, sizeof(struct entry), 1);
    for (int i = 0; i < 8; i++)
        push(&d);
    assert_int_equal(d.tail->cap, 8);
    push(&d);
    assert_int_equal(d.tail->cap, 16);
    for (uint64_t s = 1; s <= 9; s++)
        assert_int_equal(((struct entry *)seqdeque_get(&d, s))->check, ~s);
    for (uint64_t s = 1; s <= 9; s++)
        assert_true(seqdeque_remove(&d, s));
    assert_int_equal(blocks_held(&d), 0);
    seqdeque_fini(&d);
}

static void
test_swinging_between_none_and_one_keeps_one_small_block(void **state)
{
    struct seqdeque d;
    seqdeque_init(&d, sizeof(struct entry), 1);
    push(&d);
    const struct seqdeque_block *block = d.tail;
    for (uint64_t s = 1; s < 10000; s++) {
        assert_true(seqdeque_remove(&d, s));
        assert_int_equal(push(&d), s + 1);
        assert_ptr_equal(d.tail, block);
        assert_int_equal(d.tail->cap, 8);
    }
    seqdeque_fini(&d);
}

static void
test_stuck_old_entry_pins_one_block_only(void **state)
{
    struct seqdeque d;
    seqdeque_init(&d, sizeof(struct entry), 1);
    uint64_t stuck = push(&d);
    for (int i = 0; i < 100000; i++)
        assert_true(seqdeque_remove(&d, push(&d)));
    assert_true(blocks_held(&d) <= 3);
    assert_true(d.dir_cap <= 2 * 100001 / SEQDEQUE_BLOCK);
    uint64_t sequence;
    struct entry *e = seqdeque_first(&d, &sequence);
    assert_int_equal(sequence, stuck);
    assert_int_equal(e->sequence, stuck);
    assert_null(seqdeque_next(&d, &sequence));
    uint64_t last = push(&d);
    assert_non_null(seqdeque_next(&d, &sequence));
    assert_int_equal(sequence, last);
    seqdeque_remove(&d, stuck);
    assert_true(blocks_held(&d) <= 2);
    seqdeque_first(&d, &sequence);
    assert_int_equal(sequence, last);
    seqdeque_fini(&d);
}

static void
test_first_in_first_out_reuses_the_spare_and_a_short_directory(void **state)
{
    struct seqdeque d;
    seqdeque_init(&d, sizeof(struct entry), 1);
    for (int i = 0; i < 1000; i++)
        push(&d);
    for (uint64_t s = 1; s < 100000; s++) {
        push(&d);
        assert_true(seqdeque_remove(&d, s));
        assert_true(blocks_held(&d) <= 6);
    }
    assert_true(d.dir_cap <= 24);
    seqdeque_fini(&d);
}

static void
test_skipped_sequences_have_no_entry(void **state)
{
    struct seqdeque d;
    seqdeque_init(&d, sizeof(struct entry), 1);
    for (uint64_t s = 1; s <= 1000; s++)
        assert_int_equal(seqdeque_skip(&d), s);
    assert_null(d.directory);
    assert_int_equal(push(&d), 1001);
    assert_int_equal(seqdeque_skip(&d), 1002);
    assert_null(seqdeque_get(&d, 1002));
    assert_int_equal(push(&d), 1003);
    assert_true(seqdeque_remove(&d, 1001));
    assert_true(seqdeque_remove(&d, 1003));
    assert_int_equal(seqdeque_skip(&d), 1004);
    assert_int_equal(push(&d), 1005);
    assert_non_null(seqdeque_get(&d, 1005));
    assert_int_equal(seqdeque_count(&d), 1);
    seqdeque_fini(&d);
}

enum { SEQUENCES = 200000 };
static bool model[SEQUENCES + 2];

static void
assert_same(const struct seqdeque *d, uint64_t first, uint64_t next)
{
    uint64_t at = 0, count = 0;
    struct entry *e = seqdeque_first(d, &at);
    for (uint64_t s = first; s < next; s++) {
        if (!model[s]) {
            assert_null(seqdeque_get(d, s));
            continue;
        }
        count++;
        assert_non_null(e);
        assert_int_equal(at, s);
        assert_ptr_equal(e, seqdeque_get(d, s));
        assert_int_equal(e->sequence, s);
        assert_int_equal(e->check, ~s);
        e = seqdeque_next(d, &at);
    }
    assert_null(e);
    assert_int_equal(seqdeque_count(d), count);
    assert_null(seqdeque_get(d, next));
}

/* Phases differ in how old the removed entries are and in whether the deque grows, shrinks or runs empty. */
static void
test_random_changes_match_an_array(void **state)
{
    unsigned short seed[3] = {7, 8, 9};
    struct seqdeque d;
    seqdeque_init(&d, sizeof(struct entry), 1);
    uint64_t next = 1, oldest = 1;
    while (next < SEQUENCES) {
        uint64_t pushes = (uint64_t)nrand48(seed) % (nrand48(seed) % 2 ? 20 : 2000);
        for (; pushes > 0 && next < SEQUENCES; pushes--) {
            assert_int_equal(push(&d), next);
            model[next++] = true;
        }
        bool is_draining = nrand48(seed) % 3 == 0;
        for (uint64_t s = oldest; s < next; s++) {
            if (!is_draining && nrand48(seed) % 4 == 0)
                continue;
            assert_int_equal(seqdeque_remove(&d, s), model[s]);
            assert_false(seqdeque_remove(&d, s));
            model[s] = false;
        }
        assert_same(&d, oldest, next);
        while (oldest < next && !model[oldest])
            oldest++;
    }
    seqdeque_fini(&d);
}

/* What was taken out comes back anywhere, also far in front of everything that is left. */
static void
test_entries_put_in_again_match_an_array(void **state)
{
    enum { SPAN = 3000 };
    static uint8_t there[SPAN];
    for (unsigned seed = 1; seed < 60; seed++) {
        memset(there, 0, sizeof there);
        uint64_t first = seed % 3 ? seed * 100 : 5, count = 0, next = 0;
        struct seqdeque d;
        seqdeque_init(&d, sizeof(struct entry), first);
        srandom(seed);
        for (unsigned step = 0; step < 9000; step++) {
            unsigned how = (unsigned)random() % 8;
            uint64_t at = next ? (uint64_t)random() % next : 0;
            if (how < 3 && next < SPAN) {
                assert_int_equal(push(&d), first + next);
                there[next++] = 1;
                count++;
            } else if (next && there[at]) {
                assert_true(seqdeque_remove(&d, first + at));
                there[at] = 0;
                count--;
            } else if (next) {
                *(struct entry *)seqdeque_put(&d, first + at) = (struct entry){first + at, ~(first + at)};
                there[at] = 1;
                count++;
            }
            for (uint64_t i = 0; step % 1500 == 0 && i < next; i++) { /* now and then everything goes */
                if (there[i])
                    assert_true(seqdeque_remove(&d, first + i));
                count -= there[i];
                there[i] = 0;
            }
            assert_int_equal(seqdeque_count(&d), count);
        }
        uint64_t sequence = 0, seen = 0;
        for (struct entry *e = seqdeque_first(&d, &sequence); e; e = seqdeque_next(&d, &sequence), seen++) {
            assert_true(there[sequence - first]);
            assert_true(e->sequence == sequence && e->check == ~sequence);
        }
        assert_int_equal(seen, count);
        seqdeque_fini(&d);
    }
}

static void
test_walk_may_remove_what_it_visits(void **state)
{
    struct seqdeque d;
    seqdeque_init(&d, sizeof(struct entry), 5);
    for (int i = 0; i < 3000; i++)
        push(&d);
    uint64_t sequence, seen = 0;
    for (void *e = seqdeque_first(&d, &sequence); e; e = seqdeque_next(&d, &sequence), seen++)
        assert_true(seqdeque_remove(&d, sequence));
    assert_int_equal(seen, 3000);
    assert_int_equal(blocks_held(&d), 0);
    assert_int_equal(seqdeque_next_sequence(&d), 3005);
    seqdeque_fini(&d);
}

static void
test_entries_of_odd_size_do_not_overlap(void **state)
{
    struct seqdeque d;
    seqdeque_init(&d, 3, 1);
    for (int i = 0; i < 600; i++) {
        void *e;
        seqdeque_push_back(&d, &e);
        memset(e, i, 3);
    }
    for (uint64_t s = 1; s <= 600; s++) {
        uint8_t byte = (uint8_t)(s - 1), expected[3] = {byte, byte, byte};
        assert_memory_equal(seqdeque_get(&d, s), expected, 3);
    }
    seqdeque_fini(&d);
}

/* Small blocks, full ones, dropped ones, and a stuck old entry. */
static void
test_widened_entries_keep_their_bytes_and_places(void **state)
{
    for (uint64_t pushed = 1; pushed < 3000; pushed = pushed * 2 + 1) {
        struct seqdeque d;
        seqdeque_init(&d, sizeof(struct entry), 5);
        for (uint64_t i = 0; i < pushed; i++)
            push(&d);
        for (uint64_t s = 6; s < pushed; s++)
            if (s < pushed / 2 || s % 3)
                seqdeque_remove(&d, s);
        uint64_t count = seqdeque_count(&d), seen = 0, sequence;
        seqdeque_widen(&d, sizeof(struct entry) + 8);
        push_wide(&d);
        for (struct entry *e = seqdeque_first(&d, &sequence); e; e = seqdeque_next(&d, &sequence), seen++)
            assert_true(e->sequence == sequence && e->check == ~sequence);
        assert_int_equal(seen, count + 1);
        assert_int_equal(seqdeque_next_sequence(&d), pushed + 6);
        while (seqdeque_first(&d, &sequence))
            assert_true(seqdeque_remove(&d, sequence));
        push_wide(&d);
        assert_int_equal(seqdeque_count(&d), 1);
        seqdeque_fini(&d);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_deque_holds_no_memory),
        cmocka_unit_test(test_few_entries_take_a_small_block),
        cmocka_unit_test(test_swinging_between_none_and_one_keeps_one_small_block),
        cmocka_unit_test(test_stuck_old_entry_pins_one_block_only),
        cmocka_unit_test(test_first_in_first_out_reuses_the_spare_and_a_short_directory),
        cmocka_unit_test(test_skipped_sequences_have_no_entry),
        cmocka_unit_test(test_random_changes_match_an_array),
        cmocka_unit_test(test_entries_put_in_again_match_an_array),
        cmocka_unit_test(test_walk_may_remove_what_it_visits),
        cmocka_unit_test(test_entries_of_odd_size_do_not_overlap),
        cmocka_unit_test(test_widened_entries_keep_their_bytes_and_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
