/* The manifest's bytes, its commits under faults and crashes, its ids; on the simulated disk. */
#include "store/manifest.h"

#include "base/byteorder.h"
#include "io/file.h"
#include "io/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <xxhash.h>

#define DIR "/data"

static char why[512];

static struct io_world *
machine_new(uint64_t seed)
{
    struct io_world *node = sim_node_new(sim_new(seed), "n");
    assert_int_equal(dir_create(node, DIR), ERR_OK);
    assert_int_equal(dir_sync(node, "/"), ERR_OK);
    return node;
}

static enum err
try_open(struct store *s, struct io_world *node)
{
    struct store_config c;
    store_config_init(&c);
    c.dir = DIR;
    return store_open(s, node, &c, NULL, why, sizeof why);
}

static void
must_open(struct store *s, struct io_world *node)
{
    if (try_open(s, node) != ERR_OK)
        fail_msg("%s", why);
}

/* A segment's place holder, synced with its directory. */
static enum err
make_segment(struct store *s, uint64_t id)
{
    char path[STORE_PATH_MAX];
    struct file *f;
    store_segment_path(s, path, id);
    enum err e = file_open(s->world, path, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, &f);
    if (e != ERR_OK)
        return e;
    e = file_pwrite(f, "0123456789", 10, 0);
    if (e == ERR_OK)
        e = file_sync(f);
    file_close(f);
    store_path(s, path, "segment");
    return e == ERR_OK ? dir_sync(s->world, path) : e;
}

static void
name_segment(struct store *s, uint64_t id)
{
    manifest_set_segment(s->manifest, &(struct manifest_segment){.id = id, .size = 10});
}

static void
views_hold_what_was_set_in_order(void **state)
{
    struct io_world *node = machine_new(1);
    struct store s;
    must_open(&s, node);
    uint64_t ids[5];
    for (unsigned i = 0; i < 5; i++)
        ids[i] = manifest_next_id(s.manifest);
    static const unsigned order[] = {3, 0, 4, 1};
    for (unsigned i = 0; i < 4; i++)
        name_segment(&s, ids[order[i]]);
    manifest_drop_segment(s.manifest, ids[1]);
    manifest_drop_segment(s.manifest, ids[1]);
    manifest_set_segment(s.manifest,
                         &(struct manifest_segment){.id = ids[3], .size = 11, .acks_generation = 2});
    manifest_set_chain(s.manifest, &(struct manifest_chain){.boot = 1, .chain = STORE_CHAIN_META, .low = 1});
    manifest_set_chain(s.manifest, &(struct manifest_chain){.boot = 1, .chain = 0, .low = 1});
    manifest_set_chain(s.manifest, &(struct manifest_chain){.boot = 1, .chain = 1, .low = 1});
    manifest_set_chain(s.manifest, &(struct manifest_chain){.boot = 1, .chain = 0, .low = 7});
    manifest_drop_chain(s.manifest, 1, 1);
    manifest_set_snapshot(s.manifest, ids[2], 5, 6);
    struct manifest_view v;
    manifest_view(s.manifest, &v);
    assert_int_equal(v.segment_count, 3);
    assert_int_equal(v.segments[0].id, ids[0]);
    assert_int_equal(v.segments[1].id, ids[3]);
    assert_int_equal(v.segments[1].size, 11);
    assert_int_equal(v.segments[1].acks_generation, 2);
    assert_int_equal(v.segments[2].id, ids[4]);
    assert_int_equal(v.chain_count, 2);
    assert_int_equal(v.chains[0].chain, 0);
    assert_int_equal(v.chains[0].low, 7);
    assert_int_equal(v.chains[1].chain, STORE_CHAIN_META);
    assert_int_equal(v.snapshot_id, ids[2]);
    assert_int_equal(v.snapshot_term, 5);
    assert_int_equal(v.snapshot_index, 6);
    assert_int_equal(v.incarnation, s.incarnation);
    assert_int_equal(v.boot, 1);
    assert_int_equal(v.next_id, ids[4] + 1);
    manifest_view_free(&v);
    store_close(&s);
    sim_free(sim_node_sim(node));
}

static struct manifest_view
sample_view(struct manifest_chain *chains, struct manifest_segment *segments)
{
    chains[0] = (struct manifest_chain){.boot = 2, .chain = 3, .low = 4};
    chains[1] = (struct manifest_chain){.boot = 7, .chain = STORE_CHAIN_META, .low = 1};
    segments[0] = (struct manifest_segment){.id = 5, .size = UINT64_C(1) << 40, .acks_generation = 9};
    segments[1] = (struct manifest_segment){.id = 6, .size = 1};
    return (struct manifest_view){.incarnation = 77,
                                  .snapshot_id = 4,
                                  .snapshot_term = 2,
                                  .snapshot_index = 3,
                                  .next_id = 7,
                                  .boot = 7,
                                  .chains = chains,
                                  .chain_count = 2,
                                  .segments = segments,
                                  .segment_count = 2};
}

static enum err
parse_copy(const struct buffer *b, size_t len)
{
    struct manifest_view v;
    uint8_t *exact = malloc(len ? len : 1); /* so that a sanitizer sees a read behind the end */
    assert_non_null(exact);
    memcpy(exact, b->data, len);
    enum err e = manifest_parse(slice_of(exact, len), &v);
    if (e == ERR_OK)
        manifest_view_free(&v);
    free(exact);
    return e;
}

static void
every_flipped_or_missing_byte_is_noticed(void **state)
{
    struct manifest_chain chains[2];
    struct manifest_segment segments[2];
    struct manifest_view v = sample_view(chains, segments), got;
    struct buffer b, again;
    buffer_init(&b);
    buffer_init(&again);
    manifest_format(&v, &b);
    assert_int_equal(manifest_parse(buffer_slice(&b), &got), ERR_OK);
    manifest_format(&got, &again);
    assert_true(slice_eq(buffer_slice(&b), buffer_slice(&again)));
    assert_int_equal(got.segments[0].size, UINT64_C(1) << 40);
    assert_int_equal(got.chains[1].chain, STORE_CHAIN_META);
    manifest_view_free(&got);
    for (size_t i = 0; i < b.len; i++) {
        b.data[i] ^= 0x10;
        assert_int_equal(parse_copy(&b, b.len), ERR_CORRUPT);
        b.data[i] ^= 0x10;
    }
    for (size_t i = 0; i < b.len; i++)
        assert_int_equal(parse_copy(&b, i), ERR_CORRUPT);
    buffer_fini(&b);
    buffer_fini(&again);
}

static enum err
parse_with(void (*spoil)(struct manifest_view *v))
{
    struct manifest_chain chains[2];
    struct manifest_segment segments[2];
    struct manifest_view v = sample_view(chains, segments);
    struct buffer b;
    buffer_init(&b);
    spoil(&v);
    manifest_format(&v, &b);
    enum err e = parse_copy(&b, b.len);
    buffer_fini(&b);
    return e;
}

static void
spoil_chain_order(struct manifest_view *v)
{
    v->chains[1] = v->chains[0];
}

static void
spoil_segment_order(struct manifest_view *v)
{
    v->segments[1].id = 2;
}

static void
spoil_next_id(struct manifest_view *v)
{
    v->next_id = 6;
}

static void
spoil_boot(struct manifest_view *v)
{
    v->boot = 6;
}

static void
spoil_nothing(struct manifest_view *v)
{
}

static void
what_cannot_be_true_is_corrupt(void **state)
{
    assert_int_equal(parse_with(spoil_nothing), ERR_OK);
    assert_int_equal(parse_with(spoil_chain_order), ERR_CORRUPT);
    assert_int_equal(parse_with(spoil_segment_order), ERR_CORRUPT);
    assert_int_equal(parse_with(spoil_next_id), ERR_CORRUPT);
    assert_int_equal(parse_with(spoil_boot), ERR_CORRUPT);
}

static void
a_newer_version_is_told_from_damage(void **state)
{
    struct manifest_chain chains[2];
    struct manifest_segment segments[2];
    struct manifest_view v = sample_view(chains, segments);
    struct buffer b;
    buffer_init(&b);
    manifest_format(&v, &b);
    le32_put(b.data + 8, STORE_FORMAT_VERSION + 1);
    assert_int_equal(parse_copy(&b, b.len), ERR_CORRUPT);
    le64_put(b.data + b.len - 8, XXH3_64bits(b.data, b.len - 8));
    assert_int_equal(parse_copy(&b, b.len), ERR_UNSUPPORTED);
    buffer_fini(&b);
}

static void
ids_are_never_given_twice_over_crashes(void **state)
{
    struct io_world *node = machine_new(3);
    uint64_t last = 0;
    for (unsigned round = 0; round < 5; round++) {
        struct store s;
        must_open(&s, node);
        uint64_t operations = 0;
        for (unsigned i = 0; i < MANIFEST_ID_BLOCK / 8 * (2 * round + 3); i++) {
            uint64_t id = manifest_next_id(s.manifest);
            assert_true(id > last);
            last = id;
            if (i == 0)
                operations = sim_disk_operations(node);
        }
        if (round == 0) /* fewer than a block, reserved by the new store's first commit */
            assert_int_equal(sim_disk_operations(node), operations);
        if (round == 4)
            assert_true(sim_disk_operations(node) > operations);
        sim_node_crash(node);
        store_close(&s);
    }
    sim_free(sim_node_sim(node));
}

static void
a_commit_reserves_ids_before_they_run_out(void **state)
{
    struct io_world *node = machine_new(4);
    struct store s;
    must_open(&s, node);
    for (unsigned i = 0; i < 10000; i++) {
        if (i % 500 == 499) { /* some change, some commit: more than once for half a block */
            manifest_set_snapshot(s.manifest, 1, 1, i);
            assert_int_equal(manifest_commit(s.manifest), ERR_OK);
        }
        uint64_t operations = sim_disk_operations(node);
        (void)manifest_next_id(s.manifest);
        assert_int_equal(sim_disk_operations(node), operations);
    }
    store_close(&s);
    sim_free(sim_node_sim(node));
}

static void
a_commit_without_a_change_writes_nothing(void **state)
{
    struct io_world *node = machine_new(5);
    struct store s;
    must_open(&s, node);
    uint64_t operations = sim_disk_operations(node);
    assert_int_equal(manifest_commit(s.manifest), ERR_OK);
    assert_int_equal(sim_disk_operations(node), operations);
    store_close(&s);
    must_open(&s, node);
    operations = sim_disk_operations(node);
    assert_int_equal(manifest_commit(s.manifest), ERR_OK); /* the boot number */
    assert_true(sim_disk_operations(node) > operations);
    store_close(&s);
    must_open(&s, node);
    assert_int_equal(s.boot, 3);
    store_close(&s);
    sim_free(sim_node_sim(node));
}

enum { STEPS = 4 };

/* Step k names one more segment and un-names the one before the last; returns the steps that were committed.
 */
static unsigned
run_steps(struct store *s, uint64_t ids[STEPS])
{
    char path[STORE_PATH_MAX];
    for (unsigned k = 0; k < STEPS; k++) {
        ids[k] = manifest_next_id(s->manifest);
        if (make_segment(s, ids[k]) != ERR_OK)
            return k;
        name_segment(s, ids[k]);
        if (k > 0)
            manifest_drop_segment(s->manifest, ids[k - 1]);
        if (manifest_commit(s->manifest) != ERR_OK)
            return k;
        if (k > 0) {
            store_segment_path(s, path, ids[k - 1]);
            (void)!file_unlink(s->world, path);
        }
    }
    return STEPS;
}

/* After the crash: exactly the segment of the last committed step, or of the one that was under way. */
static void
judge_steps(struct io_world *node, const uint64_t ids[STEPS], unsigned committed)
{
    struct store s;
    struct manifest_view v;
    must_open(&s, node);
    manifest_view(s.manifest, &v);
    assert_true(v.segment_count <= 1);
    if (v.segment_count == 0)
        assert_int_equal(committed, 0);
    else
        assert_true((committed > 0 && v.segments[0].id == ids[committed - 1]) ||
                    (committed < STEPS && v.segments[0].id == ids[committed]));
    manifest_view_free(&v);
    uint64_t id = manifest_next_id(s.manifest);
    for (unsigned k = 0; k < STEPS; k++)
        assert_true(id > ids[k]);
    store_close(&s);
}

/* Every operation of the steps is the last one before the power goes. Returns false when none was hit. */
static bool
crash_once(uint64_t seed, uint64_t at)
{
    struct io_world *node = machine_new(seed);
    struct store s;
    uint64_t ids[STEPS] = {0};
    must_open(&s, node);
    uint64_t before = sim_disk_operations(node);
    sim_disk_set_faults(node, &(struct sim_disk_faults){.fail_at = at, .fail_with = ERR_IO, .fail_on = true});
    unsigned committed = run_steps(&s, ids);
    bool is_hit = sim_disk_operations(node) >= before + at;
    sim_disk_set_faults(node, &(struct sim_disk_faults){0});
    sim_node_crash(node);
    store_close(&s);
    judge_steps(node, ids, committed);
    sim_free(sim_node_sim(node));
    return is_hit;
}

static void
a_crash_at_any_operation_leaves_one_of_two_states(void **state)
{
    unsigned hits = 0;
    for (uint64_t at = 1;; at++) {
        bool is_hit = false;
        for (uint64_t seed = 0; seed < 20; seed++)
            is_hit |= crash_once(seed, at);
        if (!is_hit)
            break;
        hits++;
    }
    assert_true(hits > STEPS * 8);
}

/* Without a crash, one operation fails: the store says so, for good, or nothing of the store had failed. */
static void
a_failed_operation_of_a_commit_latches(void **state)
{
    for (uint64_t at = 1;; at++) {
        struct io_world *node = machine_new(at);
        struct store s;
        must_open(&s, node);
        uint64_t before = sim_disk_operations(node);
        sim_disk_set_faults(node, &(struct sim_disk_faults){.fail_at = at, .fail_with = ERR_IO});
        manifest_set_snapshot(s.manifest, 0, 1, 2);
        enum err e = manifest_commit(s.manifest);
        bool is_hit = sim_disk_operations(node) >= before + at;
        assert_int_equal(e, is_hit ? ERR_IO : ERR_OK);
        assert_int_equal(store_failure(&s), e);
        if (is_hit) {
            manifest_set_snapshot(s.manifest, 0, 1, 3);
            before = sim_disk_operations(node);
            assert_int_equal(manifest_commit(s.manifest), ERR_IO);
            uint64_t id = manifest_next_id(s.manifest);
            assert_true(manifest_next_id(s.manifest) > id);
            assert_int_equal(sim_disk_operations(node), before);
        }
        store_close(&s);
        sim_disk_set_faults(node, &(struct sim_disk_faults){0});
        must_open(&s, node);
        store_close(&s);
        sim_free(sim_node_sim(node));
        if (!is_hit) {
            assert_true(at > 4);
            return;
        }
    }
}

static void
a_full_disk_is_a_state_that_ends(void **state)
{
    uint64_t nth = 0;
    for (bool is_hit = true; is_hit;) {
        struct io_world *node = machine_new(++nth);
        struct store s;
        must_open(&s, node);
        uint64_t before = sim_disk_operations(node);
        sim_disk_set_faults(node, &(struct sim_disk_faults){.fail_at = nth, .fail_with = ERR_NO_SPACE});
        manifest_set_snapshot(s.manifest, 0, 1, 2);
        enum err e = manifest_commit(s.manifest);
        is_hit = sim_disk_operations(node) >= before + nth;
        assert_int_equal(e, is_hit ? ERR_NO_SPACE : ERR_OK);
        assert_int_equal(store_failure(&s), nth == 5 ? ERR_NO_SPACE : ERR_OK); /* the directory's sync */
        sim_disk_set_faults(node, &(struct sim_disk_faults){0});
        assert_int_equal(manifest_commit(s.manifest), nth == 5 ? ERR_NO_SPACE : ERR_OK);
        sim_node_crash(node);
        store_close(&s);
        must_open(&s, node);
        struct manifest_view v;
        manifest_view(s.manifest, &v);
        if (nth != 5)
            assert_int_equal(v.snapshot_index, 2);
        manifest_view_free(&v);
        store_close(&s);
        sim_free(sim_node_sim(node));
    }
    assert_int_equal(nth, 6);
}

static void
ids_that_cannot_be_reserved_fail_the_store(void **state)
{
    struct io_world *node = machine_new(8);
    struct store s;
    must_open(&s, node);
    sim_disk_set_faults(node, &(struct sim_disk_faults){.capacity_bytes = 1});
    for (unsigned i = 0; i < MANIFEST_ID_BLOCK; i++)
        (void)manifest_next_id(s.manifest);
    assert_int_equal(store_failure(&s), ERR_OK);
    (void)manifest_next_id(s.manifest);
    assert_int_equal(store_failure(&s), ERR_NO_SPACE);
    store_close(&s);
    sim_free(sim_node_sim(node));
}

static void
thousands_of_segments_are_fine(void **state)
{
    enum { SEGMENTS = 5000 };
    struct io_world *node = machine_new(6);
    struct store s;
    struct manifest_view v;
    must_open(&s, node);
    for (unsigned i = 0; i < SEGMENTS; i++)
        name_segment(&s, manifest_next_id(s.manifest));
    for (unsigned i = 0; i < SEGMENTS; i += 2)
        manifest_drop_segment(s.manifest, i + 1);
    assert_int_equal(manifest_commit(s.manifest), ERR_OK);
    store_close(&s);
    assert_int_equal(store_open_offline(&s, node, DIR, why, sizeof why), ERR_OK);
    manifest_view(s.manifest, &v);
    assert_int_equal(v.segment_count, SEGMENTS / 2);
    for (unsigned i = 0; i < SEGMENTS / 2; i++)
        assert_int_equal(v.segments[i].id, 2 * i + 2);
    manifest_view_free(&v);
    store_close(&s);
    sim_free(sim_node_sim(node));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_hold_what_was_set_in_order),
        cmocka_unit_test(every_flipped_or_missing_byte_is_noticed),
        cmocka_unit_test(what_cannot_be_true_is_corrupt),
        cmocka_unit_test(a_newer_version_is_told_from_damage),
        cmocka_unit_test(ids_are_never_given_twice_over_crashes),
        cmocka_unit_test(a_commit_reserves_ids_before_they_run_out),
        cmocka_unit_test(a_commit_without_a_change_writes_nothing),
        cmocka_unit_test(a_crash_at_any_operation_leaves_one_of_two_states),
        cmocka_unit_test(a_failed_operation_of_a_commit_latches),
        cmocka_unit_test(a_full_disk_is_a_state_that_ends),
        cmocka_unit_test(ids_that_cannot_be_reserved_fail_the_store),
        cmocka_unit_test(thousands_of_segments_are_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
