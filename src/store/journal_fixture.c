/*
 * A message of the workload is its sequence, as text, over and over up to its size: whatever is read back can
 * be compared with what its number says it must be. Its owner is the allocation itself: on_released frees it,
 * so a write that came later would be seen by a sanitizer.
 */
#include "store/journal_fixture.h"

#include "io/file.h"
#include "store/body.h"

#include <stdio.h>

/* ---- events ---- */

static void
on_frozen(void *arg, uint64_t batch, uint32_t file)
{
    struct rig *r = arg;
    assert_int_equal(batch, r->frozen + 1);
    assert_int_equal(r->durable, r->frozen); /* one batch under way at most */
    assert_true(batch < RIG_BATCHES_MAX);
    assert_true(file >= journal_oldest_file(r->journal) && file <= journal_current_file(r->journal));
    r->frozen = batch;
    r->last_of_batch[batch] = r->published;
    r->file_of_batch[batch] = file;
}

static void
on_durable(void *arg, uint64_t batch)
{
    struct rig *r = arg;
    assert_int_equal(batch, r->frozen);
    assert_int_equal(batch, r->durable + 1);
    assert_int_equal(r->failures, 0);
    r->durable = batch;
    r->confirmed = r->last_of_batch[batch];
    assert_int_equal(journal_durable_batch(r->journal), batch);
}

static void
on_released(void *arg, void *owner)
{
    struct rig *r = arg;
    assert_true(r->held > 0);
    r->held--;
    r->released++;
    free(owner);
}

static void
on_full(void *arg, uint32_t oldest)
{
    struct rig *r = arg;
    r->full_events++;
    assert_int_equal(oldest, journal_oldest_file(r->journal));
    if (!r->releases_files)
        return;
    manifest_set_chain(r->store.manifest, &(struct manifest_chain){.boot = r->store.boot, .low = oldest + 1});
    if (manifest_commit(r->store.manifest) != ERR_OK)
        return;
    journal_release(r->journal, oldest);
}

static void
on_space(void *arg, bool is_short)
{
    struct rig *r = arg;
    assert_true(r->is_short != is_short);
    r->is_short = is_short;
    r->space_events++;
}

static void
on_held(void *arg, uint32_t file, uint64_t offset)
{
    struct rig *r = arg;
    assert_int_equal(r->durable, r->frozen);
    r->holds++;
    r->held_file = file;
    r->held_offset = offset;
}

static void
on_failed(void *arg, enum err e)
{
    struct rig *r = arg;
    assert_int_equal(e, store_failure(&r->store));
    r->failed_with = e;
    r->failures++;
    assert_int_equal(r->failures, 1);
}

static const struct journal_events events = {
    .on_durable = on_durable,
    .on_frozen = on_frozen,
    .on_released = on_released,
    .on_full = on_full,
    .on_space = on_space,
    .on_held = on_held,
    .on_failed = on_failed,
};

/* ---- life ---- */

void
rig_init(struct rig *r, uint64_t seed)
{
    *r = (struct rig){.sim = sim_new(seed), .body_size = 100};
    r->node = sim_node_new(r->sim, "n");
    store_config_init(&r->config);
    r->config.dir = "/data";
    r->config.log_file_bytes = 64 << 10;
    r->config.log_files_max = 2;
    assert_int_equal(dir_create(r->node, "/data"), ERR_OK);
    assert_int_equal(dir_sync(r->node, "/"), ERR_OK);
}

void
rig_fini(struct rig *r)
{
    sim_free(r->sim);
}

static bool
on_turn(struct shard *s, void *owner)
{
    struct rig *r = owner;
    if (r->on_turn)
        r->on_turn(r);
    journal_turn(r->journal);
    return r->on_turn != NULL;
}

static enum err
open_journal(struct rig *r)
{
    const struct journal_config config = {.store = &r->store,
                                          .shard = shards_get(r->shards, 0),
                                          .writer = r->writer,
                                          .keeper = r->keeper,
                                          .events = &events,
                                          .arg = r};
    enum err e = journal_open(&config, r->replayed, r->replayed_records, &r->journal);
    if (e == ERR_OK)
        e = manifest_commit(r->store.manifest);
    return e;
}

enum err
rig_open(struct rig *r)
{
    const struct shard_hooks hooks = {.on_turn = on_turn};
    r->shards = shards_new(r->node, 1, &hooks, r);
    r->writer = worker_new(r->node, "writer");
    r->keeper = worker_new(r->node, "keeper");
    r->journal = NULL;
    r->is_open = false;
    enum err e = store_open(&r->store, r->node, &r->config, NULL, r->why, sizeof r->why);
    if (e == ERR_OK) {
        r->is_open = true;
        e = open_journal(r);
    }
    if (e == ERR_OK)
        e = shards_start(r->shards);
    if (e != ERR_OK)
        rig_close(r);
    return e;
}

void
rig_must_open(struct rig *r)
{
    enum err e = rig_open(r);
    if (e != ERR_OK)
        fail_msg("%s: %s", err_text(e), r->why);
}

void
rig_close(struct rig *r)
{
    sim_run_for(r->sim, 0); /* a crash that has begun */
    shards_stop(r->shards);
    if (r->journal)
        shards_join(r->shards);
    worker_free(r->writer);
    worker_free(r->keeper);
    journal_free(r->journal);
    if (r->is_open)
        store_close(&r->store);
    shards_free(r->shards);
    assert_int_equal(r->held, 0);
}

/* ---- the workload ---- */

static void
fill_body(uint8_t *body, size_t size, uint64_t sequence)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%llu ", (unsigned long long)sequence);
    for (size_t i = 0; i < size; i++)
        body[i] = (uint8_t)text[i % (size_t)n];
}

uint32_t
rig_publish(struct rig *r)
{
    struct journal_op *op;
    uint64_t sequence = ++r->published;
    uint8_t *bytes = malloc(4 + r->body_size);
    assert_non_null(bytes);
    memcpy(bytes, "exrk", 4);
    fill_body(bytes + 4, r->body_size, sequence);
    uint32_t index = journal_append(r->journal, &op);
    *op = (struct journal_op){.type = JOURNAL_PUBLISH,
                              .message_flags = 3,
                              .exchange_size = 2,
                              .routing_key_size = 2,
                              .epoch = STORE_EPOCH_ALONE,
                              .queue_id = RIG_QUEUE,
                              .sequence = sequence,
                              .body_size = (uint32_t)r->body_size,
                              .body_file = r->has_bodies_in_files ? sequence : 0,
                              .bytes = bytes,
                              .owner = bytes};
    r->held++;
    return index;
}

void
rig_set_turn(struct rig *r, void (*workload)(struct rig *r))
{
    r->on_turn = workload;
    shards_post_external(r->shards, 0, &(struct mail){.type = 1});
}

void
rig_run(struct rig *r, void (*workload)(struct rig *r))
{
    rig_set_turn(r, workload);
    rig_settle(r);
}

static bool
is_settled(void *arg)
{
    struct rig *r = arg;
    return r->failures > 0 || sim_node_crashes(r->node) > 0 || (!r->on_turn && r->confirmed == r->published);
}

void
rig_settle(struct rig *r)
{
    assert_true(sim_run_until(r->sim, is_settled, r, 60000));
}

/* ---- what is on the disk ---- */

struct reading {
    struct store *store;
    struct rig_found found;
    uint32_t last_file;
};

static void
check_message(struct reading *d, const struct record *rec)
{
    struct rig_found *f = &d->found;
    struct record_target at = record_target_at(rec, 0);
    assert_int_equal(rec->target_count, 1);
    assert_int_equal(at.queue_id, RIG_QUEUE);
    if (f->count > 0)
        assert_int_equal(at.sequence, f->last + 1);
    else
        f->first = at.sequence;
    f->last = at.sequence;
    f->count++;
    assert_true(slice_eq_str(rec->message.exchange, "ex") && slice_eq_str(rec->message.routing_key, "rk"));
    size_t size = (size_t)rec->message.body_size;
    uint8_t *body = malloc(size + 1), *read = malloc(size + 1);
    assert_true(body && read);
    fill_body(body, size, at.sequence);
    if (rec->message.body_file) {
        assert_int_equal(body_read(d->store, rec->message.body_file, read, size), ERR_OK);
        assert_memory_equal(body, read, size);
    } else {
        assert_int_equal(rec->message.body.len, size);
        assert_memory_equal(body, rec->message.body.data, size);
    }
    free(read);
    free(body);
}

static bool
on_batch(void *arg, const struct chain_file *file, uint64_t offset, const struct batch_header *h,
         struct slice records)
{
    struct reading *d = arg;
    struct record rec;
    uint32_t n = 0;
    for (; records.len > 0; n++) {
        assert_int_equal(record_parse(&records, &rec), ERR_OK);
        if (rec.type == RECORD_PUBLISH)
            check_message(d, &rec);
    }
    assert_int_equal(n, h->record_count);
    assert_int_equal(offset % STORE_BLOCK, 0);
    d->found.batches++;
    d->found.records += n;
    d->found.files += file->number != d->last_file;
    d->last_file = file->number;
    return true;
}

static void
on_damage(void *arg, const struct chain_file *file, uint64_t offset, bool is_tail, const char *what)
{
    struct reading *d = arg;
    d->found.tails += is_tail;
    if (is_tail)
        return;
    if (d->found.damages++ == 0) {
        print_message("damaged: %s at %llu: %s\n", file->path, (unsigned long long)offset, what);
        d->found.damaged_file = file->number;
        d->found.damage_offset = offset;
    }
}

struct rig_found
rig_read(struct rig *r)
{
    struct store s;
    struct reading d = {.store = &s};
    struct manifest_view view;
    const struct chain_visitor visitor = {.on_batch = on_batch, .on_damage = on_damage, .arg = &d};
    if (store_open(&s, r->node, &r->config, NULL, r->why, sizeof r->why) != ERR_OK)
        fail_msg("%s", r->why);
    manifest_view(s.manifest, &view);
    for (size_t i = 0; i < view.chain_count; i++) {
        struct chain_end end;
        d.last_file = 0;
        d.found.low = view.chains[i].low;
        if (chain_walk(&s, &view.chains[i], &visitor, &end, r->why, sizeof r->why) != ERR_OK)
            fail_msg("%s", r->why);
        assert_int_equal(end.is_damaged, d.found.damages > 0);
        free(end.last_records);
    }
    manifest_view_free(&view);
    store_close(&s);
    return d.found;
}

void
rig_check_confirmed(const struct rig *r, const struct rig_found *found)
{
    uint64_t batch = 1;
    if (r->confirmed == 0)
        return;
    assert_true(found->last >= r->confirmed || (found->count == 0 && found->low > 1));
    assert_true(found->last <= r->published);
    while (batch <= r->durable && r->file_of_batch[batch] < found->low)
        batch++;
    if (batch > r->durable)
        return;
    assert_true(found->count > 0 && found->first <= r->last_of_batch[batch - 1] + 1);
}
