/* Snapshots: an equal state comes back, over many random histories; every damage is found; the file under
 * faults and crashes. */
#include "durable/meta_snapshot.h"

#include "broker/meta_random_fixture.h"
#include "io/file.h"
#include "io/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <xxhash.h>

enum { SEEDS = 100, COMMANDS = 150 };

struct subject {
    struct epoch epoch;
    struct node node;
};

static void
subject_init(struct subject *s)
{
    *s = (struct subject){0};
    epoch_init(&s->epoch, 1);
    s->node.epoch = &s->epoch;
    s->node.meta = meta_new(&s->node);
}

static void
subject_fini(struct subject *s)
{
    meta_free(s->node.meta);
    epoch_fini(&s->epoch);
}

static void
subject_fill(struct subject *s, uint64_t seed)
{
    struct meta_random g = {.state = seed};
    struct meta_result r;
    subject_init(s);
    meta_apply(s->node.meta, &(struct meta_command){.kind = META_VHOST_ADD, .name = slice_str("/")}, &r);
    for (unsigned i = 0; i < COMMANDS; i++) {
        struct meta_command c = meta_random_next(&g, s->node.meta);
        meta_apply(s->node.meta, &c, &r);
    }
    buffer_fini(&g.arguments);
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
an_equal_state_comes_back(void **state)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct subject a, b;
        struct meta_snapshot s;
        struct buffer file = {0}, again = {0};
        subject_fill(&a, seed);
        subject_init(&b);
        meta_snapshot_format(a.node.meta, 1, 77 + seed, &file);
        assert_int_equal(meta_snapshot_parse(buffer_slice(&file), b.node.meta, &s), ERR_OK);
        assert_true(s.term == 1 && s.index == 77 + seed);
        assert_equal(a.node.meta, b.node.meta);
        meta_snapshot_format(b.node.meta, s.term, s.index, &again);
        assert_int_equal(again.len, file.len);
        buffer_fini(&file);
        buffer_fini(&again);
        subject_fini(&a);
        subject_fini(&b);
    }
}

static enum err
parse(const uint8_t *bytes, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);
    struct subject s;
    struct meta_snapshot info;
    assert_non_null(copy);
    memcpy(copy, bytes, len);
    subject_init(&s);
    enum err e = meta_snapshot_parse(slice_of(copy, len), s.node.meta, &info);
    subject_fini(&s);
    free(copy);
    return e;
}

static void
seal(struct buffer *file)
{
    uint64_t sum = XXH3_64bits(file->data, file->len - 8);
    memcpy(file->data + file->len - 8, &sum, 8);
}

static void
every_damage_is_found(void **state)
{
    struct subject a;
    struct buffer file = {0};
    subject_fill(&a, 3);
    meta_snapshot_format(a.node.meta, 1, 2, &file);
    for (size_t i = 0; i < file.len; i++) {
        file.data[i] ^= 1;
        assert_int_equal(parse(file.data, file.len), ERR_CORRUPT);
        file.data[i] ^= 1;
        assert_int_equal(parse(file.data, i), ERR_CORRUPT);
    }
    assert_int_equal(parse(file.data, file.len), ERR_OK);
    /* A wrong structure under a right checksum: one item less, one more, a newer version. */
    file.data[40]--;
    seal(&file);
    assert_int_equal(parse(file.data, file.len), ERR_CORRUPT);
    file.data[40] += 2;
    seal(&file);
    assert_int_equal(parse(file.data, file.len), ERR_CORRUPT);
    file.data[40]--;
    file.data[8] = 2;
    seal(&file);
    assert_int_equal(parse(file.data, file.len), ERR_UNSUPPORTED);
    buffer_fini(&file);
    subject_fini(&a);
}

/* ---- files ---- */

static struct io_world *
machine_new(uint64_t seed)
{
    struct io_world *node = sim_node_new(sim_new(seed), "n");
    assert_int_equal(dir_create(node, "/data"), ERR_OK);
    assert_int_equal(dir_sync(node, "/"), ERR_OK);
    return node;
}

static void
open_store(struct store *s, struct io_world *node)
{
    char why[512];
    struct store_config c;
    store_config_init(&c);
    c.dir = "/data";
    assert_int_equal(store_open(s, node, &c, NULL, why, sizeof why), ERR_OK);
}

/* Whatever fails is said; what was said to be written is there after a power loss. */
static void
a_written_file_is_there_after_a_power_loss(void **state)
{
    struct subject a;
    struct buffer file = {0};
    unsigned failures = 0;
    subject_fill(&a, 5);
    meta_snapshot_format(a.node.meta, 1, 9, &file);
    for (uint64_t n = 1;; n++) {
        struct io_world *node = machine_new(n);
        struct store s;
        struct subject b;
        struct meta_snapshot info;
        const char *what;
        char why[512];
        open_store(&s, node);
        sim_disk_set_faults(node, &(struct sim_disk_faults){.fail_at = n, .fail_with = ERR_IO});
        enum err e = meta_snapshot_write(&s, 5, buffer_slice(&file), &what);
        sim_disk_set_faults(node, &(struct sim_disk_faults){0});
        sim_node_crash(node);
        subject_init(&b);
        if (e == ERR_OK) {
            assert_int_equal(meta_snapshot_read(&s, 5, b.node.meta, &info, why, sizeof why), ERR_OK);
            assert_equal(a.node.meta, b.node.meta);
            assert_int_equal(meta_snapshot_read(&s, 6, b.node.meta, &info, why, sizeof why), ERR_NOT_FOUND);
            assert_non_null(strstr(why, "/data/store/snapshot/6.snapshot"));
        }
        subject_fini(&b);
        store_close(&s);
        sim_free(sim_node_sim(node));
        if (e == ERR_OK)
            break;
        assert_non_null(what);
        failures++;
    }
    assert_true(failures >= 3);
    buffer_fini(&file);
    subject_fini(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_equal_state_comes_back),
        cmocka_unit_test(every_damage_is_found),
        cmocka_unit_test(a_written_file_is_there_after_a_power_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
