/*
 * A journal on its shard. Ops gather in `open`; frozen, they are `flight` until their batch is durable:
 *
 *   open ──turn──► flight: with the writer ──► durable: told, owners given back, flight is empty
 *                    │ ▲
 *                    ▼ │ waits for room: the next file, or space for a body's file
 *                  waiting
 *
 * Always true: flight is filled only when it was empty, so at most one batch is under way. The writer has the
 * flight and its own struct from the submission of its job until that is done; the keeper has the errand's.
 * A batch of which everything was elided is not written: it is durable in the next turn, without a number on
 * the disk. So `batch` counts what the shard was told, and the writer what stands in the files.
 *
 * Files: oldest .. current are in use; those from `released` up to the oldest are superfluous and wait to be
 * the spare (one) or to be deleted; `next` is prepared. The keeper does one errand at a time: the next file
 * first, deleting last.
 *
 * When a batch has become durable, those who are told mostly answer at once with more. So, where syncs are
 * slow, what has gathered meanwhile is not frozen before the first answer is there, or a millisecond has
 * passed: two halves of the publishers would else wait for every other sync for ever.
 *
 * When the store has failed nothing is submitted any more; owners are given back as soon as no job needs
 * them.
 */
#include "store/journal.h"

#include "base/check.h"
#include "io/clock.h"
#include "io/file.h"
#include "io/shard.h"
#include "io/timer.h"
#include "io/worker.h"
#include "store/journal_inside.h"
#include "store/manifest.h"

#include <stdlib.h>
#include <string.h>

enum {
    OPS_MIN = 32,                /* room for so many is kept at rest */
    FIRST_FILE = 4 << 20,        /* the chain's first file is made while the node's start waits: not larger */
    SPACE_RETRY_MS = 250,        /* between two attempts to find room */
    REST_MS = 1000,              /* without a batch: what a burst needed is given back */
    OPS_BYTES = 64,              /* an op's share of journal_bytes_waiting() beside its message */
    GATHER_MS = 1,               /* the longest wait for answers */
    GATHER_SYNC_NS = 500 * 1000, /* of a batch's writing, from which on that is worth it */
};

/* Of a cut: the batch under way is not the last one yet; the last one is under way, or none is; told. */
enum hold { HOLD_NOT, HOLD_ASKED, HOLD_LAST, HOLD_HELD };

enum errand { ERRAND_MAKE, ERRAND_GROW, ERRAND_DELETE };

struct journal {
    struct journal_config config;
    struct store *store;
    struct journal_ops open, flight;
    uint64_t batch; /* the open one's number */
    uint64_t durable;
    struct journal_counts counts;

    struct journal_writer writer;
    struct worker_job write_job, sync_job;
    bool is_writing, is_syncing; /* submitted */
    bool is_waiting;             /* the flight waits for room */
    bool is_elided;              /* the flight is all elided, and durable when elided_timer fires */

    uint32_t oldest, current, released;
    struct journal_file next; /* file NULL: there is none yet */
    uint64_t wanted;          /* bytes of batches that the waiting flight needs room for */
    uint32_t spare;           /* a file to be used again; 0: none */
    struct {
        enum errand errand;
        struct journal_file file;
        uint32_t number, spare;
        uint64_t size;
        enum err result;
        bool has_run;
    } keeper;
    struct worker_job keeper_job;
    bool is_keeping; /* submitted */

    enum hold hold;
    bool is_file_short, is_body_short, was_short; /* of space; what was told */
    bool is_failed;
    struct wheel_timer sync_timer, space_timer, rest_timer, elided_timer;
    uint64_t batches_at_rest_timer;
    uint64_t submitted_ns; /* the flight, to the writer */
    bool is_gathering;     /* until more than gather_from ops are awaited, or gather_timer fires */
    uint32_t gather_from;
    struct wheel_timer gather_timer;
};

static void plan_keeper(struct journal *j);

/* ---- ops ---- */

static uint64_t
op_bytes(const struct journal_ops *o, uint32_t i)
{
    const struct journal_op *op = &o->ops[i];
    if (op->type == JOURNAL_META)
        return OPS_BYTES + op->body_size;
    if (op->type != JOURNAL_PUBLISH || (i > 0 && journal_encode_is_same(&o->ops[i - 1], op)))
        return OPS_BYTES;
    return OPS_BYTES + (uint64_t)op->exchange_size + op->routing_key_size + op->properties_size +
           op->body_size;
}

/* Ops are complete when the next one is appended, or the batch is frozen. */
static void
account(struct journal_ops *o)
{
    for (; o->accounted < o->count; o->accounted++) {
        o->bytes += op_bytes(o, o->accounted);
        o->awaited += o->ops[o->accounted].type != JOURNAL_SETTLE;
    }
}

static void
resize_ops(struct journal_ops *o, uint32_t capacity)
{
    o->ops = realloc(o->ops, capacity * sizeof *o->ops);
    CHECK(o->ops);
    o->capacity = capacity;
}

uint32_t
journal_append(struct journal *j, struct journal_op **op)
{
    struct journal_ops *o = &j->open;
    account(o);
    if (o->count == o->capacity)
        resize_ops(o, o->capacity ? o->capacity * 2 : OPS_MIN);
    *op = &o->ops[o->count];
    memset(*op, 0, sizeof **op);
    return o->count++;
}

struct journal_op *
journal_open_op(struct journal *j, uint32_t index)
{
    return index < j->open.count ? &j->open.ops[index] : NULL;
}

struct journal_op *
journal_last_op(struct journal *j)
{
    return j->open.count > 0 ? &j->open.ops[j->open.count - 1] : NULL;
}

uint64_t
journal_bytes_waiting(const struct journal *j)
{
    uint64_t last = j->open.accounted < j->open.count ? op_bytes(&j->open, j->open.accounted) : 0;
    return j->open.bytes + last + j->flight.bytes;
}

/* The memory stays. */
static void
clear_ops(struct journal_ops *o)
{
    o->count = o->accounted = o->awaited = 0;
    o->bytes = 0;
}

/* The events may append to the open batch. */
static void
release_flight(struct journal *j)
{
    for (uint32_t i = 0; i < j->flight.count; i++)
        if (j->flight.ops[i].owner)
            j->config.events->on_released(j->config.arg, j->flight.ops[i].owner);
    clear_ops(&j->flight);
}

static void
take_flight(struct journal *j)
{
    struct journal_ops empty = j->flight;
    account(&j->open);
    j->flight = j->open;
    j->open = empty;
}

/* ---- rest: what a burst needed is given back ---- */

static bool
is_flying(const struct journal *j)
{
    return j->is_writing || j->is_waiting || j->is_elided;
}

static void
trim(struct journal *j)
{
    if (j->open.capacity > OPS_MIN && j->open.count <= OPS_MIN)
        resize_ops(&j->open, OPS_MIN);
    if (is_flying(j))
        return;
    free(j->flight.ops);
    j->flight = (struct journal_ops){0};
    journal_encode_trim(&j->writer.encoder, 0);
}

static void
on_rest_timer(void *arg)
{
    struct journal *j = arg;
    bool is_idle = j->counts.batches == j->batches_at_rest_timer;
    if (is_idle)
        trim(j);
    j->batches_at_rest_timer = j->counts.batches;
    if (!is_idle)
        timer_start(j->config.shard, &j->rest_timer, REST_MS, on_rest_timer, j);
}

/* ---- failing, and running short ---- */

static void
drop_all(struct journal *j)
{
    if (j->is_writing)
        return;
    j->is_waiting = j->is_elided = false;
    timer_stop(&j->elided_timer);
    release_flight(j);
    take_flight(j);
    release_flight(j);
}

/* Once told, on_failed is not repeated; what has gathered since is given back. */
static void
fail(struct journal *j)
{
    if (!j->is_failed) {
        j->is_failed = true;
        timer_stop(&j->sync_timer);
        timer_stop(&j->space_timer);
        timer_stop(&j->gather_timer);
        if (j->config.events->on_failed)
            j->config.events->on_failed(j->config.arg, store_failure(j->store));
    }
    drop_all(j);
}

static bool
has_failed(struct journal *j)
{
    if (store_failure(j->store) == ERR_OK)
        return false;
    fail(j);
    return true;
}

static void
tell_space(struct journal *j)
{
    bool is_short = j->is_file_short || j->is_body_short;
    if (is_short == j->was_short)
        return;
    j->was_short = is_short;
    if (j->config.events->on_space)
        j->config.events->on_space(j->config.arg, is_short);
}

/* ---- the flight ---- */

static void
submit_write(struct journal *j)
{
    j->is_writing = true;
    j->is_waiting = false;
    j->submitted_ns = clock_now_ns(j->store->world);
    j->writer.ops = &j->flight;
    j->writer.next = j->next;
    j->writer.outcome = JOURNAL_NOT_RUN;
    j->writer.took_next = false;
    worker_submit(j->config.writer, &j->write_job);
}

static void
on_space_timer(void *arg)
{
    struct journal *j = arg;
    if (j->is_body_short && j->is_waiting)
        submit_write(j);
    plan_keeper(j);
}

static void
retry_later(struct journal *j)
{
    if (!timer_is_active(&j->space_timer))
        timer_start(j->config.shard, &j->space_timer, SPACE_RETRY_MS, on_space_timer, j);
}

static void
on_sync_timer(void *arg)
{
    struct journal *j = arg;
    j->is_syncing = true;
    worker_submit(j->config.writer, &j->sync_job);
}

static void
plan_sync(struct journal *j)
{
    if (j->store->config.sync == STORE_SYNC_INTERVAL && !j->is_syncing && !timer_is_active(&j->sync_timer))
        timer_start(j->config.shard, &j->sync_timer, j->store->config.sync_interval_ms, on_sync_timer, j);
}

static void
count_batch(struct journal *j)
{
    const struct journal_writer *w = &j->writer;
    j->counts.batches++;
    j->counts.records += w->records;
    j->counts.payload_bytes += w->payload;
    j->counts.written_bytes += w->footprint;
    j->counts.elided_ops += w->elided;
}

static void
on_flight_durable(struct journal *j)
{
    j->durable++;
    if (j->config.events->on_durable)
        j->config.events->on_durable(j->config.arg, j->durable);
    release_flight(j);
}

static void
on_written(struct journal *j)
{
    count_batch(j);
    plan_sync(j);
    if (!timer_is_active(&j->rest_timer)) {
        j->batches_at_rest_timer = j->counts.batches;
        timer_start(j->config.shard, &j->rest_timer, REST_MS, on_rest_timer, j);
    }
    on_flight_durable(j);
}

static void
note_next_taken(struct journal *j)
{
    j->current = j->next.number;
    j->next.file = NULL;
    j->wanted = 0;
    j->counts.files++;
}

/* The writer has taken the next file. */
static void
advance(struct journal *j)
{
    note_next_taken(j);
    bool is_full = j->current - j->oldest > j->store->config.log_files_max;
    if (is_full && store_failure(j->store) == ERR_OK && j->config.events->on_full)
        j->config.events->on_full(j->config.arg, j->oldest);
}

/* ---- answers ---- */

static void
on_gather_timer(void *arg)
{
    struct journal *j = arg;
    j->is_gathering = false;
}

/* The flight has become durable. */
static void
gather(struct journal *j)
{
    if (j->open.count == 0 || j->store->config.sync != STORE_SYNC_ALWAYS ||
        clock_now_ns(j->store->world) - j->submitted_ns < GATHER_SYNC_NS)
        return;
    account(&j->open);
    j->is_gathering = true;
    j->gather_from = j->open.awaited;
    timer_start(j->config.shard, &j->gather_timer, GATHER_MS, on_gather_timer, j);
}

/* The end of a turn: is there still nobody's answer? */
static bool
is_gathering(struct journal *j)
{
    if (!j->is_gathering)
        return false;
    account(&j->open);
    if (j->open.awaited <= j->gather_from && j->hold == HOLD_NOT)
        return true;
    timer_stop(&j->gather_timer);
    j->is_gathering = false;
    return false;
}

/* ---- what the writer has done ---- */

static void
on_write_done(void *arg)
{
    struct journal *j = arg;
    j->is_writing = false;
    if (j->writer.took_next)
        advance(j);
    j->is_body_short = j->writer.outcome == JOURNAL_NO_SPACE;
    if (j->is_failed || j->writer.outcome == JOURNAL_FAILED) {
        fail(j);
        return;
    }
    tell_space(j);
    if (j->writer.outcome == JOURNAL_WRITTEN) {
        on_written(j);
        gather(j);
    } else {
        j->is_waiting = true;
        if (j->is_body_short)
            retry_later(j);
        else
            j->wanted = j->writer.footprint;
    }
    plan_keeper(j);
}

static void
on_sync_done(void *arg)
{
    struct journal *j = arg;
    j->is_syncing = false;
    (void)has_failed(j);
}

static void
on_elided_timer(void *arg)
{
    struct journal *j = arg;
    if (has_failed(j))
        return;
    j->is_elided = false;
    on_flight_durable(j);
}

static bool
is_all_elided(const struct journal_ops *o)
{
    uint32_t i = 0;
    while (i < o->count && o->ops[i].type == JOURNAL_NOTHING)
        i++;
    return i == o->count;
}

/* True: nothing may be frozen now. */
static bool
turn_held(struct journal *j)
{
    if (j->hold == HOLD_ASKED) {
        j->hold = HOLD_LAST;
        if (j->open.count > 0)
            return false;
    }
    if (j->hold != HOLD_LAST)
        return j->hold == HOLD_HELD;
    j->hold = HOLD_HELD;
    j->config.events->on_held(j->config.arg, j->writer.current.number, j->writer.offset);
    return true;
}

void
journal_hold(struct journal *j)
{
    CHECK(j->hold == HOLD_NOT && j->config.events->on_held);
    j->hold = HOLD_ASKED;
}

void
journal_resume(struct journal *j)
{
    j->hold = HOLD_NOT;
}

bool
journal_is_held(const struct journal *j)
{
    return j->hold >= HOLD_LAST;
}

void
journal_turn(struct journal *j)
{
    if (has_failed(j) || is_flying(j) || is_gathering(j) || turn_held(j) || j->open.count == 0)
        return;
    take_flight(j);
    uint64_t batch = j->batch++;
    if (j->config.events->on_frozen)
        j->config.events->on_frozen(j->config.arg, batch, j->current);
    if (!is_all_elided(&j->flight)) {
        submit_write(j);
        return;
    }
    j->is_elided = true;
    j->counts.elided_ops += j->flight.count;
    timer_start(j->config.shard, &j->elided_timer, 0, on_elided_timer, j);
}

/* ---- the keeper ---- */

static void
run_errand(void *arg)
{
    struct journal *j = arg;
    uint16_t chain = j->config.chain;
    j->keeper.result = ERR_OK;
    if (j->keeper.errand == ERRAND_MAKE)
        j->keeper.result = journal_file_make(j->store, chain, j->keeper.number, j->keeper.size,
                                             &j->keeper.spare, &j->keeper.file);
    else if (j->keeper.errand == ERRAND_GROW)
        j->keeper.result = journal_file_grow(j->store, chain, &j->keeper.file, j->keeper.size);
    else
        journal_file_delete(j->store, chain, j->keeper.number);
    j->keeper.has_run = true;
}

/* What the keeper has made. */
static void
take_errand(struct journal *j)
{
    if (j->keeper.errand == ERRAND_DELETE)
        return;
    j->next = j->keeper.file; /* none, if it could not be made; as it was, if it could not grow */
    j->spare = j->keeper.spare;
}

static void
on_errand_done(void *arg)
{
    struct journal *j = arg;
    j->is_keeping = false;
    take_errand(j);
    if (has_failed(j))
        return;
    if (j->keeper.errand != ERRAND_DELETE) {
        j->is_file_short = j->keeper.result == ERR_NO_SPACE;
        if (j->is_file_short)
            retry_later(j);
        tell_space(j);
    }
    plan_keeper(j);
}

static void
send_keeper(struct journal *j, enum errand errand, uint32_t number, uint64_t size)
{
    j->is_keeping = true;
    j->keeper.errand = errand;
    j->keeper.number = number;
    j->keeper.size = size;
    j->keeper.spare = j->spare;
    j->keeper.file = j->next;
    j->keeper.has_run = false;
    worker_submit(j->config.keeper, &j->keeper_job);
}

static bool
has_room(const struct journal *j)
{
    return j->next.file && j->wanted <= j->next.size - STORE_BLOCK;
}

static uint64_t
next_size(const struct journal *j)
{
    uint64_t usual = j->store->config.log_file_bytes;
    return j->wanted > usual - STORE_BLOCK ? j->wanted + STORE_BLOCK : usual;
}

/* What is to be done next, if anything is and can be. A batch that waits for a file goes on with it. */
static void
plan_keeper(struct journal *j)
{
    if (j->is_failed || j->is_keeping)
        return;
    if (j->released < j->oldest && !j->spare)
        j->spare = j->released++;
    /* A file that the writer may take is the writer's. */
    bool is_free = !j->is_writing || !j->next.file;
    if (is_free && !has_room(j)) {
        if (!timer_is_active(&j->space_timer) || !j->is_file_short)
            send_keeper(j, j->next.file ? ERRAND_GROW : ERRAND_MAKE, j->current + 1, next_size(j));
        return;
    }
    if (j->is_waiting && !j->is_body_short)
        submit_write(j);
    if (j->released < j->oldest)
        send_keeper(j, ERRAND_DELETE, j->released++, 0);
}

uint32_t
journal_oldest_file(const struct journal *j)
{
    return j->oldest;
}

uint32_t
journal_current_file(const struct journal *j)
{
    return j->current;
}

void
journal_release(struct journal *j, uint32_t file)
{
    CHECK(file < j->current);
    if (file < j->oldest)
        return;
    j->oldest = file + 1;
    if (j->was_short) { /* this may be the room */
        timer_stop(&j->space_timer);
        on_space_timer(j);
    }
    plan_keeper(j);
}

/* ---- life ---- */

static struct journal *
journal_new(const struct journal_config *config)
{
    struct journal *j = calloc(1, sizeof *j);
    CHECK(j);
    CHECK(config->store->config.log_file_bytes % STORE_BLOCK == 0 &&
          config->store->config.log_file_bytes >= 2 * STORE_BLOCK);
    j->config = *config;
    j->store = config->store;
    j->batch = 1;
    j->oldest = j->current = j->released = 1;
    j->counts.files = 1;
    return j;
}

static void
run_write(void *arg)
{
    struct journal *j = arg;
    journal_write(&j->writer);
}

static void
run_sync(void *arg)
{
    struct journal *j = arg;
    (void)journal_write_sync(&j->writer);
}

static void
init_jobs(struct journal *j)
{
    struct shard *shard = j->config.shard;
    j->write_job = (struct worker_job){.run = run_write, .done = on_write_done, .arg = j, .shard = shard};
    j->sync_job = (struct worker_job){.run = run_sync, .done = on_sync_done, .arg = j, .shard = shard};
    j->keeper_job = (struct worker_job){.run = run_errand, .done = on_errand_done, .arg = j, .shard = shard};
}

/* The chain's first file, with the replayed records. */
static enum err
open_first(struct journal *j, struct slice replayed, uint32_t replayed_records)
{
    struct journal_writer *w = &j->writer;
    uint64_t usual = j->store->config.log_file_bytes, size = usual < FIRST_FILE ? usual : FIRST_FILE;
    uint64_t needed = STORE_BLOCK + (replayed_records ? batch_footprint(replayed.len) : 0);
    uint32_t spare = 0;
    *w = (struct journal_writer){.store = j->store, .chain = j->config.chain, .offset = STORE_BLOCK};
    enum err e =
        journal_file_make(j->store, j->config.chain, 1, size < needed ? needed : size, &spare, &w->current);
    if (e != ERR_OK || replayed_records == 0)
        return e;
    j->batch++;
    j->durable++;
    return journal_write_raw(w, replayed, replayed_records);
}

enum err
journal_open(const struct journal_config *config, struct slice replayed, uint32_t replayed_records,
             struct journal **journal)
{
    struct journal *j = journal_new(config);
    init_jobs(j);
    enum err e = open_first(j, replayed, replayed_records);
    if (e != ERR_OK) {
        file_close(j->writer.current.file);
        journal_encode_trim(&j->writer.encoder, 0);
        free(j);
        return e;
    }
    manifest_set_chain(j->store->manifest,
                       &(struct manifest_chain){.boot = j->store->boot, .chain = config->chain, .low = 1});
    plan_keeper(j);
    *journal = j;
    return ERR_OK;
}

/* In journal_free(): no worker has anything of the journal any more. */

static bool
make_room_now(struct journal *j)
{
    enum err e;
    j->wanted = j->writer.footprint;
    if (j->next.file)
        e = journal_file_grow(j->store, j->config.chain, &j->next, next_size(j));
    else
        e = journal_file_make(j->store, j->config.chain, j->current + 1, next_size(j), &j->spare, &j->next);
    return e == ERR_OK;
}

static bool
write_now(struct journal *j)
{
    struct journal_writer *w = &j->writer;
    w->ops = &j->flight;
    for (;;) {
        w->next = j->next;
        journal_write(w);
        if (w->took_next)
            note_next_taken(j);
        if (w->outcome == JOURNAL_WRITTEN)
            return true;
        if (w->outcome != JOURNAL_NEEDS_FILE || !make_room_now(j))
            return false;
    }
}

/* Nobody was promised what cannot be written here. */
static void
write_rest(struct journal *j)
{
    if (j->is_writing && j->writer.took_next)
        note_next_taken(j);
    bool is_left = j->is_waiting || (j->is_writing && j->writer.outcome != JOURNAL_WRITTEN);
    bool is_whole = store_failure(j->store) == ERR_OK && (!is_left || write_now(j));
    release_flight(j);
    take_flight(j);
    if (is_whole && !is_all_elided(&j->flight))
        is_whole = write_now(j);
    if (is_whole)
        is_whole = journal_write_sync(&j->writer);
    if (!is_whole && store_failure(j->store) == ERR_OK)
        log_error(j->store->log, LOG_STORAGE,
                  "no space for the rest of the log: messages that were not confirmed yet are not kept");
    release_flight(j);
}

void
journal_free(struct journal *j)
{
    if (!j)
        return;
    if (j->is_keeping && j->keeper.has_run)
        take_errand(j);
    write_rest(j);
    timer_stop(&j->sync_timer);
    timer_stop(&j->space_timer);
    timer_stop(&j->rest_timer);
    timer_stop(&j->elided_timer);
    timer_stop(&j->gather_timer);
    file_close(j->writer.current.file);
    file_close(j->next.file);
    journal_encode_trim(&j->writer.encoder, 0);
    free(j->open.ops);
    free(j->flight.ops);
    free(j);
}

/* ---- figures ---- */

uint64_t
journal_batch(const struct journal *j)
{
    return j->batch;
}

uint64_t
journal_durable_batch(const struct journal *j)
{
    return j->durable;
}

struct journal_counts
journal_counts(const struct journal *j)
{
    return j->counts;
}

struct journal_footprint
journal_footprint(const struct journal *j)
{
    const struct journal_encoder *e = &j->writer.encoder;
    return (struct journal_footprint){
        .ops_bytes = (j->open.capacity + (size_t)j->flight.capacity) * sizeof(struct journal_op),
        .encoder_bytes = is_flying(j) ? 0 : e->capacity + e->target_capacity * sizeof *e->targets,
    };
}
