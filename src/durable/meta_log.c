/*
 * A command's way: encoded, appended to the journal's open batch, and put at the end of `waiting`. What is at
 * the head of `waiting` is applied as soon as it may be: when its batch is durable, or when it changes
 * nothing that outlives the node. Always true:
 *
 * - The state is that of the commands up to index `applied`, in their order; `waiting` has those behind it,
 * in their order, without a gap. (Once the store has failed, nothing is logged any more.)
 * - Whether a command is lasting is asked when it is at the head: then the state is the one it will meet.
 * - Every command up to the last applied lasting one is on the disk.
 * - What is refused for its own words is not logged. It waits for its turn, and is answered then.
 *
 * A batch is written when somebody waits for it. Commands that made transient things alone stay in the open
 * one until then, or until there is a lot: clients that come and go with queues of their own cost no syncs.
 *
 * Ids: what a crash takes off the end of the log were commands that nobody got an answer to, and commands
 * that made transient things. So that the ids of the latter are never given to anything else, each boot's
 * ids start at a number of its own.
 *
 * Snapshots: the state as bytes is made on the shard, written on the keeper. Then the manifest names it, and
 * the chain counts from the file on that has the first command behind it. Every boot begins with one; so
 * there is never more to read than a snapshot and what one boot logged since.
 *
 * When the store fails, what waits and is lasting is refused, now and from then on; all else goes on.
 */
#include "durable/meta_log.h"

#include "base/buffer.h"
#include "base/check.h"
#include "durable/meta_codec.h"
#include "durable/meta_recover.h"
#include "durable/meta_snapshot.h"
#include "io/file.h"
#include "io/worker.h"
#include "store/journal.h"
#include "store/manifest.h"
#include "wire/amqp.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    META_LOG_TERM = 1,               /* alone: nobody else was ever elected */
    META_LOG_RECORD_BYTES = 24,      /* of a record beside its command */
    META_LOG_BOOT_ID_BITS = 40,      /* ids of one boot */
    META_LOG_LAZY_MAX = 128 << 10,   /* bytes that nobody waits for and that are not worth a sync yet */
    META_LOG_BACKLOG_MAX = 16 << 20, /* bytes that wait for the disk: beyond it, transient things wait, too */
};
#define NEVER_KEPT UINT64_MAX /* the batch of a command that came after the store had failed */

struct waiting {
    struct waiting *next;
    struct meta_request *request;
    uint64_t batch;
    bool is_logged;
    bool is_placed; /* we chose the shard of its queue */
};

/* One at a time; the keeper's between submission and `done`. */
struct snapshot_job {
    struct worker_job job;
    struct store *store;
    struct buffer file;
    uint64_t index, old_id;
    uint32_t low; /* of the chain, once the snapshot counts */
    /* filled in by the keeper */
    uint64_t id;
    enum err result;
};

struct meta_log {
    struct node *node;
    struct store *store;
    struct broker *broker; /* shard 0's, from the first command on */
    struct shard *shard;
    struct worker *keeper;
    struct journal *journal;
    struct waiting *first, **end;
    uint64_t waiting_count;
    uint64_t index, applied;
    uint64_t durable_batch, frozen_batch;
    uint32_t frozen_file;
    bool is_failed, is_short, is_cutting;
    void (*on_held)(void *arg, uint32_t file, uint64_t offset); /* of a cut */
    void *held_arg;
    struct buffer encoded; /* scratch */
    /* snapshots */
    uint64_t snapshot_bytes; /* configured */
    uint64_t logged_bytes;   /* since the last one */
    uint64_t snapshot_size;  /* of the last one */
    uint64_t snapshot_id, snapshot_index, snapshots;
    bool wants_snapshot, is_writing;
    struct snapshot_job writing;
    /* between meta_log_begin() and meta_log_begun(): what the new manifest does without */
    struct manifest_view old;
};

struct meta_log *
meta_log_new(struct node *node, struct store *store, uint64_t snapshot_bytes)
{
    struct meta_log *l = calloc(1, sizeof *l);
    CHECK(l);
    l->node = node;
    l->store = store;
    l->snapshot_bytes = snapshot_bytes;
    l->end = &l->first;
    return l;
}

void
meta_log_free(struct meta_log *l)
{
    if (!l)
        return;
    CHECK(!l->journal && !l->first);
    manifest_view_free(&l->old);
    buffer_fini(&l->encoded);
    free(l);
}

struct meta_log_counts
meta_log_counts(const struct meta_log *l)
{
    return (struct meta_log_counts){.index = l->index,
                                    .applied = l->applied,
                                    .waiting = l->waiting_count,
                                    .snapshots = l->snapshots,
                                    .snapshot_index = l->snapshot_index,
                                    .is_short = l->is_short};
}

/* ---- applying ---- */

static struct meta_request *
take_first(struct meta_log *l)
{
    struct waiting *w = l->first;
    struct meta_request *r = w->request;
    l->first = w->next;
    if (!l->first)
        l->end = &l->first;
    l->waiting_count--;
    if (w->is_placed)
        meta_queue_unplace(l->node->meta, r->command.placed);
    free(w);
    return r;
}

static void
refuse(struct meta_log *l, struct meta_request *r)
{
    r->result = (struct meta_result){
        .code = AMQP_REPLY_INTERNAL_ERROR,
        .text = "the node cannot write to its disk any more: nothing durable can be declared, changed or "
                "deleted until the disk is repaired and the node restarted",
    };
    meta_answer(l->broker, r);
}

/* Applies what may be, from the head on. */
static void
drain(struct meta_log *l)
{
    while (l->first) {
        bool is_kept = l->first->batch <= l->durable_batch;
        bool must_be_kept = !is_kept && meta_is_lasting(l->node->meta, &l->first->request->command);
        if (must_be_kept && l->is_failed) {
            refuse(l, take_first(l));
            continue;
        }
        if (must_be_kept ||
            (!is_kept && !l->is_failed && journal_bytes_waiting(l->journal) > META_LOG_BACKLOG_MAX))
            return;
        l->applied += l->first->is_logged && !l->is_failed;
        meta_commit(l->broker, take_first(l));
    }
}

static uint64_t
append(struct meta_log *l, const struct meta_command *cmd)
{
    buffer_clear(&l->encoded);
    meta_codec_put(&l->encoded, cmd);
    CHECK(l->encoded.len <= UINT32_MAX);
    uint8_t *copy = malloc(l->encoded.len);
    CHECK(copy);
    memcpy(copy, l->encoded.data, l->encoded.len);
    struct journal_op *op;
    journal_append(l->journal, &op);
    op->type = JOURNAL_META;
    op->queue_id = META_LOG_TERM;
    op->sequence = ++l->index;
    op->bytes = op->owner = copy;
    op->body_size = (uint32_t)l->encoded.len;
    l->logged_bytes += META_LOG_RECORD_BYTES + l->encoded.len;
    return journal_batch(l->journal);
}

void
meta_log_submit(struct meta_log *l, struct broker *b, struct meta_request *r)
{
    struct waiting *w = malloc(sizeof *w);
    CHECK(w && l->journal);
    l->broker = b;
    bool is_placed = r->command.kind == META_QUEUE_DECLARE && !r->command.placed;
    if (is_placed)
        r->command.placed = meta_queue_place(l->node->meta, &r->command);
    *w = (struct waiting){.request = r, .is_placed = is_placed};
    if (!r->result.code && !meta_is_refused(&r->command)) {
        r->command.is_judged = w->is_logged = !l->is_failed;
        w->batch = w->is_logged ? append(l, &r->command) : NEVER_KEPT;
    }
    *l->end = w;
    l->end = &w->next;
    l->waiting_count++;
    drain(l);
}

/* ---- snapshots while it runs ---- */

static void
snapshot_run(void *arg)
{
    struct snapshot_job *j = arg;
    struct store *s = j->store;
    const char *what;
    char path[STORE_PATH_MAX];
    j->id = manifest_next_id(s->manifest);
    j->result = meta_snapshot_write(s, j->id, buffer_slice(&j->file), &what);
    if (j->result != ERR_OK) {
        store_snapshot_path(s, path, j->id);
        if (j->result == ERR_NO_SPACE)
            (void)!file_unlink(s->world, path); /* else the next start does it */
        else
            store_fail(s, j->result, what, path);
        return;
    }
    /* In this order: a commit of another thread may come between the two. */
    manifest_set_snapshot(s->manifest, j->id, META_LOG_TERM, j->index);
    manifest_set_chain(s->manifest,
                       &(struct manifest_chain){.boot = s->boot, .chain = STORE_CHAIN_META, .low = j->low});
    j->result = manifest_commit(s->manifest);
    if (j->result != ERR_OK)
        return;
    store_snapshot_path(s, path, j->old_id);
    (void)!store_unlink(s, path); /* else the next start does it */
}

static void
snapshot_done(void *arg)
{
    struct meta_log *l = arg;
    struct snapshot_job *j = &l->writing;
    l->is_writing = false;
    buffer_fini(&j->file);
    if (j->result == ERR_OK) {
        l->snapshot_id = j->id;
        l->snapshot_index = j->index;
        l->snapshots++;
        if (j->low > journal_oldest_file(l->journal))
            journal_release(l->journal, j->low - 1);
    } else if (j->result == ERR_NO_SPACE) {
        log_warning(l->node->log, LOG_STORAGE,
                    "no room for a snapshot of the declared things: their log grows until there is");
    }
}

static void
snapshot_job_run(void *arg)
{
    snapshot_run(&((struct meta_log *)arg)->writing);
}

/* The first file with a command behind the state: that of the batch under way, or where the next one goes. */
static uint32_t
first_file_needed(const struct meta_log *l)
{
    return l->frozen_batch > l->durable_batch ? l->frozen_file : journal_current_file(l->journal);
}

static void
snapshot_start(struct meta_log *l)
{
    struct snapshot_job *j = &l->writing;
    *j = (struct snapshot_job){
        .store = l->store, .index = l->applied, .old_id = l->snapshot_id, .low = first_file_needed(l)};
    meta_snapshot_format(l->node->meta, META_LOG_TERM, l->applied, &j->file);
    l->snapshot_size = j->file.len;
    l->logged_bytes = 0;
    l->wants_snapshot = false;
    l->is_writing = true;
    j->job = (struct worker_job){.run = snapshot_job_run, .done = snapshot_done, .arg = l, .shard = l->shard};
    worker_submit(l->keeper, &j->job);
}

void
meta_log_turn(struct meta_log *l)
{
    if (l->is_failed)
        return;
    if (l->first || l->is_cutting || journal_bytes_waiting(l->journal) > META_LOG_LAZY_MAX)
        journal_turn(l->journal);
    if (journal_is_held(l->journal))
        return;
    /* A large state is not written for a small change: no more for snapshots than for the log. */
    bool is_due = l->logged_bytes >= l->snapshot_bytes && l->logged_bytes >= l->snapshot_size;
    if ((is_due || l->wants_snapshot) && !l->is_writing && store_failure(l->store) == ERR_OK)
        snapshot_start(l);
}

/* ---- the journal's events ---- */

static void
on_durable(void *arg, uint64_t batch)
{
    struct meta_log *l = arg;
    l->durable_batch = batch;
    drain(l);
}

static void
on_frozen(void *arg, uint64_t batch, uint32_t file)
{
    struct meta_log *l = arg;
    l->frozen_batch = batch;
    l->frozen_file = file;
}

static void
on_released(void *arg, void *owner)
{
    free(owner);
}

static void
on_full(void *arg, uint32_t oldest_file)
{
    struct meta_log *l = arg;
    l->wants_snapshot = true;
}

static void
on_space(void *arg, bool is_short)
{
    struct meta_log *l = arg;
    l->is_short = is_short;
    alarm_raise(l->node->brokers[0], ALARM_STORE, is_short);
    if (is_short)
        log_error(l->node->log, LOG_STORAGE,
                  "no room for the log of the declared things: what is durable cannot be declared, changed "
                  "or deleted until there is");
    else
        log_info(l->node->log, LOG_STORAGE, "there is room again for the log of the declared things");
}

static void
on_held(void *arg, uint32_t file, uint64_t offset)
{
    struct meta_log *l = arg;
    l->on_held(l->held_arg, file, offset);
}

static void
on_failed(void *arg, enum err e)
{
    struct meta_log *l = arg;
    l->is_failed = true;
    drain(l);
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

/* ---- beginning and ending ---- */

enum err
meta_log_recover(struct meta_log *l, char *why, size_t why_size)
{
    enum err e = meta_recover(l->store, l->node->meta, &l->index, why, why_size);
    if (e != ERR_OK)
        return e;
    struct meta_command started = {.kind = META_NODE_STARTED,
                                   .forced_id = (uint64_t)l->store->boot << META_LOG_BOOT_ID_BITS};
    struct meta_result r;
    meta_apply(l->node->meta, &started, &r);
    l->applied = ++l->index; /* it is not logged: the snapshot that follows has it */
    return ERR_OK;
}

static enum err
write_first_snapshot(struct meta_log *l, char *why, size_t why_size)
{
    struct manifest *m = l->store->manifest;
    struct buffer file = {0};
    const char *what;
    uint64_t id = manifest_next_id(m);
    meta_snapshot_format(l->node->meta, META_LOG_TERM, l->index, &file);
    enum err e = meta_snapshot_write(l->store, id, buffer_slice(&file), &what);
    l->snapshot_size = file.len;
    buffer_fini(&file);
    if (e != ERR_OK) {
        char path[STORE_PATH_MAX];
        store_snapshot_path(l->store, path, id);
        snprintf(why, why_size, "cannot %s %s: %s; check the disk and the permissions", what, path,
                 err_text(e));
        return e;
    }
    l->snapshot_id = id;
    l->snapshot_index = l->index;
    manifest_set_snapshot(m, id, META_LOG_TERM, l->index);
    return ERR_OK;
}

enum err
meta_log_begin(struct meta_log *l, struct shard *shard0, struct worker *writer, struct worker *keeper,
               char *why, size_t why_size)
{
    struct journal_config config = {.store = l->store,
                                    .shard = shard0,
                                    .writer = writer,
                                    .keeper = keeper,
                                    .chain = STORE_CHAIN_META,
                                    .events = &events,
                                    .arg = l};
    l->shard = shard0;
    l->keeper = keeper;
    manifest_view(l->store->manifest, &l->old);
    /* No last batch is replayed into the new chain: the snapshot has it. */
    enum err e = journal_open(&config, slice_of(NULL, 0), 0, &l->journal);
    if (e != ERR_OK) {
        snprintf(why, why_size, "cannot make the log of the declared things in %s: %s", l->store->dir,
                 err_text(e));
        return e;
    }
    e = write_first_snapshot(l, why, why_size);
    for (size_t i = 0; e == ERR_OK && i < l->old.chain_count; i++)
        if (l->old.chains[i].chain == STORE_CHAIN_META)
            manifest_drop_chain(l->store->manifest, l->old.chains[i].boot, STORE_CHAIN_META);
    return e;
}

/* What cannot be deleted is deleted at the next start: no manifest names it. */
void
meta_log_begun(struct meta_log *l)
{
    char path[STORE_PATH_MAX];
    if (l->old.snapshot_id) {
        store_snapshot_path(l->store, path, l->old.snapshot_id);
        (void)!file_unlink(l->store->world, path);
    }
    for (size_t i = 0; i < l->old.chain_count; i++) {
        const struct manifest_chain *c = &l->old.chains[i];
        enum err e = c->chain == STORE_CHAIN_META ? ERR_OK : ERR_NOT_FOUND;
        for (uint32_t n = c->low; e == ERR_OK; n++) {
            store_log_path(l->store, path, c->boot, c->chain, n);
            e = file_unlink(l->store->world, path);
        }
    }
    manifest_view_free(&l->old);
}

void
meta_log_hold(struct meta_log *l, void (*on_held_fn)(void *arg, uint32_t file, uint64_t offset), void *arg)
{
    l->on_held = on_held_fn;
    l->held_arg = arg;
    l->is_cutting = true;
    journal_hold(l->journal);
}

void
meta_log_resume(struct meta_log *l)
{
    l->is_cutting = false;
    journal_resume(l->journal);
}

void
meta_log_close(struct meta_log *l)
{
    if (l->journal)
        journal_free(l->journal);
    l->journal = NULL;
    buffer_fini(&l->writing.file);
    while (l->first)
        meta_request_free(take_first(l));
}
