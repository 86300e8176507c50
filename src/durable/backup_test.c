/*
 * Tokens go round the shards: who has one logs its next number, and hands it on when that is durable. So
 * number n+1 of a token exists only because n was kept. A copy made at any cut has numbers 1..k of each
 * token, whatever shards they lie on; a cut without a fence between the shards has holes.
 */
#include "durable/backup.h"

#include "base/check.h"
#include "broker/courier.h"
#include "broker/durability.h"
#include "broker/meta.h"
#include "io/file.h"
#include "io/sim.h"
#include "io/worker.h"
#include "store/chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SHARDS = 4, TOKENS = 6, NUMBERS_MAX = 4096, SEEDS = 25, MAIL_START = 1, MAIL_TOKEN = 100 };

struct token {
    uint64_t number, batch;
    bool is_here; /* logged, not durable yet */
};

struct place {
    struct world *world;
    struct broker *broker;
    struct journal *journal;
    struct worker *writer;
    struct token tokens[TOKENS];
};

struct world {
    struct sim *sim;
    struct io_world *machine;
    struct store store;
    struct node node;
    struct worker *keeper;
    struct place places[SHARDS];
    struct backup *backup;
    uint64_t durable[TOKENS]; /* the last number of each */
    bool is_stopping;
    /* of the cut */
    unsigned cuts;
    enum err error;
    struct store_cut cut;
    char why[512];
};

/* ---- tokens ---- */

static void
log_number(struct place *p, unsigned token, uint64_t number)
{
    struct journal_op *op;
    struct token *t = &p->tokens[token];
    CHECK(!t->is_here);
    journal_append(p->journal, &op);
    *op = (struct journal_op){
        .type = JOURNAL_PUBLISH, .epoch = STORE_EPOCH_ALONE, .queue_id = token + 1, .sequence = number};
    *t = (struct token){.number = number, .batch = journal_batch(p->journal), .is_here = true};
}

static void
on_durable(void *arg, uint64_t batch)
{
    struct place *p = arg;
    struct world *w = p->world;
    for (unsigned i = 0; i < TOKENS; i++) {
        struct token *t = &p->tokens[i];
        if (!t->is_here || t->batch > batch)
            continue;
        t->is_here = false;
        assert_int_equal(w->durable[i] + 1, t->number);
        w->durable[i] = t->number;
        unsigned to = (unsigned)sim_random(w->sim, SHARDS);
        if (!w->is_stopping && t->number < NUMBERS_MAX)
            courier_post_durable(p->broker, to, &(struct mail){.u32 = MAIL_TOKEN + i, .a = t->number + 1});
    }
}

static void
on_held(void *arg, uint32_t file, uint64_t offset)
{
    struct place *p = arg;
    backup_on_held(p->world->backup, p->broker, file, offset);
}

static void
on_released(void *arg, void *owner)
{
}

static const struct journal_events events = {
    .on_durable = on_durable, .on_held = on_held, .on_released = on_released};

/* ---- the node ---- */

static void
attach(void *arg, struct broker *b)
{
    struct world *w = arg;
    w->places[b->index].broker = b;
}

static void
turn(void *arg, struct broker *b)
{
    struct world *w = arg;
    journal_turn(w->places[b->index].journal);
}

static void
mail(void *arg, struct broker *b, const struct mail *m)
{
    struct world *w = arg;
    if (m->u32 >= MAIL_TOKEN)
        log_number(&w->places[b->index], m->u32 - MAIL_TOKEN, m->a);
    else
        backup_on_mail(w->backup, b, m);
}

static void
stop(void *arg, struct broker *b)
{
}

static const struct durability durability = {.attach = attach, .turn = turn, .mail = mail, .stop = stop};
static const struct effects no_effects;

static struct journal *
journal_of(void *arg, struct broker *b)
{
    struct world *w = arg;
    return w->places[b->index].journal;
}

static void
on_cut(void *arg, enum err e, const struct store_cut *cut, const char *why)
{
    struct world *w = arg;
    struct buffer line = {0};
    w->cuts++;
    w->error = e;
    if (e != ERR_OK) {
        assert_non_null(why);
        return;
    }
    store_cut_format(cut, &line);
    assert_int_equal(store_cut_parse(buffer_slice(&line), &w->cut), ERR_OK);
    buffer_fini(&line);
}

static void
shard_start(struct shard *s, void *owner)
{
    struct world *w = owner;
    shard_set_data(s, broker_new(&w->node, s, &no_effects, NULL));
    if (shard_index(s) == 0)
        for (unsigned i = 0; i < TOKENS; i++)
            log_number(&w->places[0], i, 1);
}

static void
shard_mail(struct shard *s, void *owner, const struct mail *m)
{
    struct world *w = owner;
    if (m->from != SHARD_FROM_OUTSIDE)
        courier_on_mail(shard_data(s), m);
    else if (m->type == MAIL_START && m->u32)
        backup_begin(w->backup, on_cut, w);
    else if (m->type == MAIL_START)
        backup_end(w->backup, NULL, NULL);
}

static bool
shard_turn(struct shard *s, void *owner)
{
    return broker_turn(shard_data(s));
}

static void
open_journals(struct world *w)
{
    for (unsigned i = 0; i < SHARDS; i++) {
        struct place *p = &w->places[i];
        *p = (struct place){.world = w, .writer = worker_new(w->machine, "writer")};
        const struct journal_config config = {.store = &w->store,
                                              .shard = shards_get(w->node.shards, i),
                                              .writer = p->writer,
                                              .keeper = w->keeper,
                                              .chain = (uint16_t)i,
                                              .events = &events,
                                              .arg = p};
        assert_int_equal(journal_open(&config, slice_of(NULL, 0), 0, &p->journal), ERR_OK);
    }
    assert_int_equal(manifest_commit(w->store.manifest), ERR_OK);
}

static void
world_open(struct world *w, uint64_t seed)
{
    static const struct shard_hooks hooks = {
        .on_start = shard_start, .on_mail = shard_mail, .on_turn = shard_turn};
    struct store_config config;
    *w = (struct world){.sim = sim_new(seed)};
    w->machine = sim_node_new(w->sim, "n");
    assert_int_equal(dir_create(w->machine, "/data"), ERR_OK);
    store_config_init(&config);
    config.dir = "/data";
    config.log_file_bytes = 64 << 10;
    config.log_files_max = 100000;
    assert_int_equal(store_open(&w->store, w->machine, &config, NULL, w->why, sizeof w->why), ERR_OK);
    w->node =
        (struct node){.durability = &durability, .durability_arg = w, .limits = broker_limits_default()};
    w->node.shards = shards_new(w->machine, SHARDS, &hooks, w);
    w->node.epoch = shards_epoch(w->node.shards);
    w->node.meta = meta_new(&w->node);
    w->keeper = worker_new(w->machine, "keeper");
    open_journals(w);
    w->backup = backup_new(&(struct backup_config){
        .node = &w->node, .store = &w->store, .journal_of = journal_of, .arg = w, .keeper = w->keeper});
    assert_int_equal(shards_start(w->node.shards), ERR_OK);
}

static void
world_close(struct world *w)
{
    w->is_stopping = true;
    shards_stop(w->node.shards);
    shards_join(w->node.shards);
    worker_free(w->keeper);
    for (unsigned i = 0; i < SHARDS; i++) {
        worker_free(w->places[i].writer);
        journal_free(w->places[i].journal);
    }
    backup_free(w->backup);
    for (unsigned i = 0; i < SHARDS; i++)
        broker_free(w->node.brokers[i]);
    meta_free(w->node.meta);
    shards_free(w->node.shards);
    store_close(&w->store);
    store_cut_fini(&w->cut);
    sim_free(w->sim);
}

static void
ask(struct world *w, bool begin)
{
    shards_post_external(w->node.shards, 0, &(struct mail){.type = MAIL_START, .u32 = begin});
}

static bool
has_cut(void *arg)
{
    struct world *w = arg;
    return w->cuts > 0;
}

static bool
is_unpinned(void *arg)
{
    struct world *w = arg;
    return !store_is_pinned(&w->store);
}

/* ---- the copy ---- */

struct reading {
    uint64_t count[TOKENS], last[TOKENS];
};

static bool
on_batch(void *arg, const struct chain_file *f, uint64_t offset, const struct batch_header *h,
         struct slice records)
{
    struct reading *r = arg;
    struct record rec;
    while (records.len > 0) {
        assert_int_equal(record_parse(&records, &rec), ERR_OK);
        for (unsigned i = 0; i < rec.target_count; i++) { /* all have the same, empty message */
            struct record_target at = record_target_at(&rec, i);
            r->count[at.queue_id - 1]++;
            if (at.sequence > r->last[at.queue_id - 1])
                r->last[at.queue_id - 1] = at.sequence;
        }
    }
    return true;
}

static struct reading
read_copy(struct world *w)
{
    struct reading r = {0};
    struct store s;
    struct manifest_view v;
    const struct chain_visitor visitor = {.on_batch = on_batch, .arg = &r};
    assert_int_equal(store_open_offline(&s, w->machine, "/copy", w->why, sizeof w->why), ERR_OK);
    manifest_view(s.manifest, &v);
    assert_int_equal(v.chain_count, SHARDS);
    for (size_t i = 0; i < v.chain_count; i++) {
        struct chain_end end;
        assert_int_equal(chain_walk(&s, &v.chains[i], &visitor, &end, w->why, sizeof w->why), ERR_OK);
        free(end.last_records);
    }
    manifest_view_free(&v);
    store_close(&s);
    return r;
}

static void
a_cut_is_one_moment_of_all_shards(void **state)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world w;
        uint64_t before[TOKENS];
        world_open(&w, seed);
        sim_run_for(w.sim, 2 + sim_random(w.sim, 40));
        memcpy(before, w.durable, sizeof before);
        ask(&w, true);
        assert_true(sim_run_until(w.sim, has_cut, &w, 1000));
        assert_int_equal(w.error, ERR_OK);
        sim_run_for(w.sim, 20); /* it goes on */
        for (unsigned i = 0; i < TOKENS; i++)
            assert_true(w.durable[i] > before[i] + 3);
        struct store_copy how = {.world = w.machine, .dir = "/data", .target = "/copy"};
        if (store_copy(&how, &w.cut, w.why, sizeof w.why) != ERR_OK)
            fail_msg("%s", w.why);
        struct reading r = read_copy(&w);
        for (unsigned i = 0; i < TOKENS; i++) {
            assert_true(r.last[i] >= before[i]);
            if (r.count[i] != r.last[i])
                fail_msg("seed %llu: token %u has %llu numbers up to %llu", (unsigned long long)seed, i,
                         (unsigned long long)r.count[i], (unsigned long long)r.last[i]);
        }
        ask(&w, false);
        sim_run_for(w.sim, 10);
        assert_false(store_is_pinned(&w.store));
        world_close(&w);
    }
}

static void
one_backup_at_a_time_and_another_one_afterwards(void **state)
{
    struct world w;
    world_open(&w, 1);
    sim_run_for(w.sim, 5);
    ask(&w, true);
    assert_true(sim_run_until(w.sim, has_cut, &w, 1000));
    store_cut_fini(&w.cut);
    w.cuts = 0;
    ask(&w, true);
    assert_true(sim_run_until(w.sim, has_cut, &w, 1000));
    assert_int_equal(w.error, ERR_REFUSED);
    ask(&w, false);
    sim_run_for(w.sim, 100);
    assert_false(store_is_pinned(&w.store));
    w.cuts = 0;
    ask(&w, true);
    assert_true(sim_run_until(w.sim, has_cut, &w, 1000));
    assert_int_equal(w.error, ERR_OK);
    assert_true(store_is_pinned(&w.store));
    world_close(&w); /* a node may stop in the middle of one */
}

static void
a_cut_that_is_not_waited_for_leaves_nothing_behind(void **state)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world w;
        world_open(&w, seed);
        sim_run_for(w.sim, 5);
        ask(&w, true);
        ask(&w, false);
        sim_run_for(w.sim, 20);
        uint64_t before = w.durable[0];
        sim_run_for(w.sim, 20);
        assert_true(w.durable[0] > before);
        assert_int_equal(w.cuts, 0);
        assert_false(store_is_pinned(&w.store));
        world_close(&w);
    }
}

static void
a_disk_that_takes_too_long_ends_the_backup_and_not_the_node(void **state)
{
    struct world w;
    world_open(&w, 1);
    sim_run_for(w.sim, 5);
    uint64_t long_ns = (uint64_t)(BACKUP_PATIENCE_MS + 1000) * 1000000;
    sim_disk_set_faults(w.machine,
                        &(struct sim_disk_faults){.latency_min_ns = long_ns, .latency_max_ns = long_ns});
    sim_run_for(w.sim, 5); /* a write begins under it */
    ask(&w, true);
    assert_true(sim_run_until(w.sim, has_cut, &w, BACKUP_PATIENCE_MS + 500));
    assert_int_equal(w.error, ERR_TIMEOUT);
    sim_disk_set_faults(w.machine, &(struct sim_disk_faults){0});
    uint64_t before = w.durable[0];
    sim_run_for(w.sim, 1200);
    assert_true(w.durable[0] > before + 5);
    assert_true(sim_run_until(w.sim, is_unpinned, &w, BACKUP_PATIENCE_MS * 2));
    assert_int_equal(w.cuts, 1);
    world_close(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cut_is_one_moment_of_all_shards),
        cmocka_unit_test(one_backup_at_a_time_and_another_one_afterwards),
        cmocka_unit_test(a_cut_that_is_not_waited_for_leaves_nothing_behind),
        cmocka_unit_test(a_disk_that_takes_too_long_ends_the_backup_and_not_the_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
