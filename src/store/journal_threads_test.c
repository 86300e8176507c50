/* Two journals on real threads and a real disk: for the sanitizers, and because a simulation is not a disk.
 */
#include "io/shard.h"
#include "io/test_world.h"
#include "io/worker.h"
#include "store/chain.h"
#include "store/journal.h"
#include "store/manifest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SHARDS = 2, MESSAGES = 5000, BODY = 300, WAITING_MAX = 40000 };

struct part {
    struct rig *rig;
    struct journal *journal;
    struct worker *writer;
    uint64_t published, confirmed, last_of_batch[MESSAGES + 2];
    uint32_t given_up;
    unsigned held;
};

struct rig {
    struct store store;
    struct shards *shards;
    struct worker *keeper;
    struct part parts[SHARDS];
    _Atomic unsigned done;
};

static void
on_frozen(void *arg, uint64_t batch, uint32_t file)
{
    struct part *p = arg;
    p->last_of_batch[batch] = p->published;
}

static void
on_durable(void *arg, uint64_t batch)
{
    struct part *p = arg;
    p->confirmed = p->last_of_batch[batch];
    if (p->confirmed == MESSAGES && atomic_fetch_add(&p->rig->done, 1) == SHARDS - 1)
        shards_stop(p->rig->shards);
}

static void
on_released(void *arg, void *owner)
{
    struct part *p = arg;
    p->held--;
    free(owner);
}

static void
on_full(void *arg, uint32_t oldest)
{
    struct part *p = arg;
    struct manifest_chain c = {
        .boot = p->rig->store.boot, .chain = (uint16_t)(p - p->rig->parts), .low = oldest + 1};
    manifest_set_chain(p->rig->store.manifest, &c);
    assert_int_equal(manifest_commit(p->rig->store.manifest), ERR_OK);
    p->given_up = oldest;
    journal_release(p->journal, oldest);
}

static const struct journal_events events = {
    .on_frozen = on_frozen, .on_durable = on_durable, .on_released = on_released, .on_full = on_full};

static void
publish(struct part *p)
{
    struct journal_op *op;
    uint8_t *bytes = malloc(BODY);
    assert_non_null(bytes);
    memset(bytes, (int)++p->published, BODY);
    (void)journal_append(p->journal, &op);
    *op = (struct journal_op){.type = JOURNAL_PUBLISH,
                              .queue_id = 1,
                              .sequence = p->published,
                              .epoch = STORE_EPOCH_ALONE,
                              .body_size = BODY,
                              .bytes = bytes,
                              .owner = bytes};
    p->held++;
}

static bool
on_turn(struct shard *s, void *owner)
{
    struct rig *r = owner;
    struct part *p = &r->parts[shard_index(s)];
    for (unsigned i = 0; i < 5 && p->published < MESSAGES; i++)
        if (journal_bytes_waiting(p->journal) < WAITING_MAX)
            publish(p);
    journal_turn(p->journal);
    return p->published < MESSAGES && journal_bytes_waiting(p->journal) < WAITING_MAX;
}

static void
run(struct rig *r)
{
    const struct shard_hooks hooks = {.on_turn = on_turn};
    r->shards = shards_new(NULL, SHARDS, &hooks, r);
    r->keeper = worker_new(NULL, "keeper");
    for (unsigned i = 0; i < SHARDS; i++) {
        struct part *p = &r->parts[i];
        p->rig = r;
        p->writer = worker_new(NULL, "writer");
        const struct journal_config c = {.store = &r->store,
                                         .shard = shards_get(r->shards, i),
                                         .writer = p->writer,
                                         .keeper = r->keeper,
                                         .chain = (uint16_t)i,
                                         .events = &events,
                                         .arg = p};
        assert_int_equal(journal_open(&c, slice_of(NULL, 0), 0, &p->journal), ERR_OK);
    }
    assert_int_equal(manifest_commit(r->store.manifest), ERR_OK);
    assert_int_equal(shards_start(r->shards), ERR_OK);
    shards_join(r->shards);
    for (unsigned i = 0; i < SHARDS; i++)
        worker_free(r->parts[i].writer);
    worker_free(r->keeper);
    for (unsigned i = 0; i < SHARDS; i++) {
        journal_free(r->parts[i].journal);
        assert_int_equal(r->parts[i].held, 0);
        assert_int_equal(r->parts[i].confirmed, MESSAGES);
    }
    shards_free(r->shards);
}

struct found {
    uint64_t count, last;
};

static bool
on_batch(void *arg, const struct chain_file *file, uint64_t offset, const struct batch_header *h,
         struct slice records)
{
    struct found *f = arg;
    struct record rec;
    while (records.len > 0) {
        assert_int_equal(record_parse(&records, &rec), ERR_OK);
        struct record_target at = record_target_at(&rec, 0);
        assert_true(f->count++ == 0 || at.sequence == f->last + 1);
        f->last = at.sequence;
        assert_int_equal(rec.message.body.len, BODY);
        assert_int_equal(rec.message.body.data[BODY - 1], at.sequence & 0xff);
    }
    return true;
}

static void
no_damage(void *arg, const struct chain_file *file, uint64_t offset, bool is_tail, const char *what)
{
    fail_msg("%s at %llu: %s", file->path, (unsigned long long)offset, what);
}

static void
what_threads_write_is_read(void **state)
{
    char why[512];
    struct store_config config;
    struct rig *r = calloc(1, sizeof *r);
    assert_non_null(r);
    (void)test_world_new(0);
    store_config_init(&config);
    config.dir = test_world_directory(NULL);
    config.log_file_bytes = 128 << 10;
    config.log_files_max = 2;
    if (store_open(&r->store, NULL, &config, NULL, why, sizeof why) != ERR_OK)
        fail_msg("%s", why);
    run(r);
    for (unsigned i = 0; i < SHARDS; i++) {
        struct found found = {0};
        struct chain_end end;
        const struct chain_visitor v = {.on_batch = on_batch, .on_damage = no_damage, .arg = &found};
        const struct manifest_chain c = {
            .boot = r->store.boot, .chain = (uint16_t)i, .low = r->parts[i].given_up + 1};
        assert_true(c.low > 2);
        assert_int_equal(chain_walk(&r->store, &c, &v, &end, why, sizeof why), ERR_OK);
        assert_int_equal(found.last, MESSAGES);
        free(end.last_records);
    }
    store_close(&r->store);
    test_world_free(NULL);
    free(r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_threads_write_is_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
