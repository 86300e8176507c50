/*
 * Making log files superfluous. In this order, always:
 *
 *   1. what the files have that is still in a queue, or was acked in a transaction whose end is not durable,
 *      and is in no segment is copied into the open segment; delivery marks that stand in them are logged
 * once more
 *   2. the segment is sealed; everything of it is with the disk, and everything that was logged until then
 *      (marks, transactions' ends) is durable
 *   3. on the keeper: segment files are synced, ack bitmaps that changed are written and synced, their
 *      directory is synced, and the manifest, with the new low-water mark, is committed
 *   4. the files may be used again
 *
 * A chore is step 3; it also names nothing but deletes: dead segments, old ack files, dead bodies. There is
 * one at a time. The chains of earlier boots are file 0, and their checkpoint starts with the node.
 * Until all shards are through with it no other file goes: it may say of a message in those chains that it
 * is settled.
 */
#include "base/check.h"
#include "broker/queue_rules.h"
#include "durable/durable_impl.h"
#include "durable/keep_impl.h"
#include "io/file.h"
#include "store/body.h"

#include <stdlib.h>

/* ---- a chore: on the shard ---- */

static void
chore_free(struct keep_chore *c)
{
    for (uint32_t i = 0; i < c->acks_count; i++)
        free(c->acks[i]);
    free(c->sealed);
    free(c->acks);
    free(c->rows);
    free(c->old_generations);
    free(c->doomed);
    free(c->bodies);
    free(c);
}

/* Those that are dead now; again while it waits for room. */
static void
chore_gather_doomed(struct keep *k, struct keep_chore *c)
{
    LIST_FOREACH (at, &k->segments) {
        struct keep_segment *s = LIST_ENTRY(at, struct keep_segment, node);
        if (s->state != KEEP_DOOMED || s->pins > 0)
            continue;
        s->state = KEEP_GOING;
        keep_run_forget_segment(k, s);
        c->doomed = realloc(c->doomed, (c->doomed_count + 1) * sizeof(void *));
        CHECK(c->doomed);
        c->doomed[c->doomed_count++] = s;
    }
}

/* The manifest names it, or will, and goes on doing so. One that is doomed and still being read does, too:
 * log files that say what is settled in it go meanwhile. */
static bool
has_acks(const struct keep_segment *s)
{
    bool stays =
        s->state == KEEP_SEALED || s->state == KEEP_NAMED || (s->state == KEEP_DOOMED && s->pins > 0);
    return stays && segment_is_dirty(s->segment);
}

static void
chore_gather_segments(struct keep *k, struct keep_chore *c, size_t count)
{
    c->sealed = calloc(count + 1, sizeof(void *));
    c->acks = calloc(count + 1, sizeof(void *));
    c->rows = calloc(count + 1, sizeof *c->rows);
    c->old_generations = calloc(count + 1, sizeof *c->old_generations);
    CHECK(c->sealed && c->acks && c->rows && c->old_generations);
    LIST_FOREACH (at, &k->segments) {
        struct keep_segment *s = LIST_ENTRY(at, struct keep_segment, node);
        if (s->state == KEEP_SEALED)
            c->sealed[c->sealed_count++] = s;
        bool is_dirty = has_acks(s);
        if (!is_dirty && s->state != KEEP_SEALED)
            continue;
        uint32_t i = c->row_count++;
        if (is_dirty) {
            c->old_generations[i] = s->acks_generation;
            c->acks[c->acks_count++] = segment_acks_take(s->segment, &s->acks_generation);
        }
        c->rows[i] = (struct manifest_segment){.id = segment_id(s->segment),
                                               .size = segment_size(s->segment),
                                               .acks_generation = s->acks_generation};
    }
}

/* ---- a chore: on the keeper ---- */

static enum err
chore_write(struct keep_chore *c)
{
    struct store *s = c->keep->store;
    char path[STORE_PATH_MAX];
    enum err e = store_failure(s);
    for (uint32_t i = 0; e == ERR_OK && i < c->sealed_count; i++)
        e = segment_sync(c->sealed[i]->segment);
    for (uint32_t i = 0; e == ERR_OK && i < c->acks_count; i++)
        e = segment_acks_write(s, c->acks[i]);
    if (e == ERR_OK && c->acks_count > 0) {
        store_path(s, path, "segment");
        e = dir_sync(s->world, path);
        if (e != ERR_OK)
            store_fail(s, e, "sync the directory", path);
    }
    return e;
}

static void
chore_name(struct keep_chore *c)
{
    struct keep *k = c->keep;
    struct manifest *m = k->store->manifest;
    for (uint32_t i = 0; i < c->row_count; i++)
        manifest_set_segment(m, &c->rows[i]);
    for (uint32_t i = 0; i < c->doomed_count; i++)
        manifest_drop_segment(m, segment_id(c->doomed[i]->segment));
    if (c->low)
        manifest_set_chain(m, &(struct manifest_chain){.boot = k->store->boot,
                                                       .chain = (uint16_t)k->broker->index,
                                                       .low = c->low});
}

static void
delete_file(struct store *s, const char *path)
{
    enum err e = store_unlink(s, path);
    if (e != ERR_OK && e != ERR_NOT_FOUND && store_failure(s) == ERR_OK)
        log_warning(s->log, LOG_STORAGE, "cannot delete %s: %s; the next start tries again", path,
                    err_text(e));
}

static void
chore_delete_doomed(struct keep_chore *c)
{
    struct store *s = c->keep->store;
    char path[STORE_PATH_MAX];
    for (uint32_t i = 0; i < c->doomed_count; i++) {
        uint64_t id = segment_id(c->doomed[i]->segment);
        store_segment_path(s, path, id);
        delete_file(s, path);
        if (c->doomed[i]->acks_generation) {
            store_acks_path(s, path, id, c->doomed[i]->acks_generation);
            delete_file(s, path);
        }
    }
    for (uint32_t i = 0; i < c->body_count; i++)
        body_delete(s, c->bodies[i]);
}

static void
chore_delete_acks(struct keep_chore *c)
{
    struct store *s = c->keep->store;
    char path[STORE_PATH_MAX];
    for (uint32_t i = 0; i < c->row_count; i++)
        if (c->old_generations[i]) {
            store_acks_path(s, path, c->rows[i].id, c->old_generations[i]);
            delete_file(s, path);
        }
}

/* The disk is full, and what is to be deleted may be what fills it: it goes first. */
static void
chore_make_room(struct keep_chore *c)
{
    struct manifest *m = c->keep->store->manifest;
    for (uint32_t i = 0; i < c->doomed_count; i++)
        manifest_drop_segment(m, segment_id(c->doomed[i]->segment));
    if (manifest_commit(m) == ERR_OK)
        chore_delete_doomed(c);
}

static void
run_chore(void *arg)
{
    struct keep_chore *c = arg;
    c->result = chore_write(c);
    if (c->result == ERR_NO_SPACE)
        chore_make_room(c);
    if (c->result == ERR_OK) {
        chore_name(c);
        c->result = c->ends_recovery ? durable_shard_settled(c->keep->durable)
                                     : manifest_commit(c->keep->store->manifest);
    }
    if (c->result == ERR_OK) {
        chore_delete_acks(c);
        chore_delete_doomed(c);
    }
    c->has_run = true;
}

/* ---- a chore: back on the shard ---- */

static void
on_retry(void *arg)
{
    struct keep_chore *c = arg;
    chore_gather_doomed(c->keep, c);
    LIST_FOREACH (at, &c->keep->segments)
        segment_flush(LIST_ENTRY(at, struct keep_segment, node)->segment);
    worker_submit(c->keep->pager, &c->barrier);
}

static void
chore_apply(struct keep *k, struct keep_chore *c)
{
    for (uint32_t i = 0; i < c->doomed_count; i++)
        keep_segment_free(c->doomed[i]);
    for (uint32_t i = 0; i < c->sealed_count; i++) {
        c->sealed[i]->state = KEEP_NAMED;
        keep_segment_check(k, c->sealed[i]);
    }
    if (k->checkpoint != KEEP_CHORE)
        return;
    k->checkpoint = KEEP_IDLE;
    k->counts.checkpoints++;
    keep_mark_drop_files(k, k->target);
    if (c->ends_recovery)
        k->has_settled = true;
    if (c->low)
        journal_release(k->journal, c->low - 1);
}

static void
on_chore_done(void *arg)
{
    struct keep_chore *c = arg;
    struct keep *k = c->keep;
    if (c->result == ERR_NO_SPACE && store_failure(k->store) == ERR_OK) {
        timer_start(k->broker->shard, &k->retry, KEEP_RETRY_MS, on_retry, c);
        return;
    }
    k->chore = NULL;
    k->counts.chores++;
    if (c->result == ERR_OK)
        chore_apply(k, c);
    chore_free(c);
    keep_again(k);
}

static void
on_barrier_done(void *arg)
{
    struct keep_chore *c = arg;
    worker_submit(c->keep->keeper, &c->job);
}

static void
run_barrier(void *arg)
{
    (void)arg;
}

static void
chore_start(struct keep *k, uint32_t low, bool ends_recovery)
{
    struct keep_chore *c = calloc(1, sizeof *c);
    CHECK(c);
    c->keep = k;
    c->low = low;
    c->ends_recovery = ends_recovery;
    size_t count = 0;
    LIST_FOREACH (at, &k->segments)
        count++;
    chore_gather_segments(k, c, count);
    chore_gather_doomed(k, c);
    c->bodies = keep_body_take_dead(k, &c->body_count);
    c->barrier =
        (struct worker_job){.run = run_barrier, .done = on_barrier_done, .arg = c, .shard = k->broker->shard};
    c->job =
        (struct worker_job){.run = run_chore, .done = on_chore_done, .arg = c, .shard = k->broker->shard};
    k->chore = c;
    worker_submit(k->pager, &c->barrier);
}

/* Something waits to be deleted, or a compaction waits for the manifest. */
static bool
has_chore(const struct keep *k)
{
    for (const struct keep_body *b = k->dead_bodies; b; b = b->next)
        if (b->batch <= k->durable_batch)
            return true;
    LIST_FOREACH (at, &k->segments) {
        const struct keep_segment *s = LIST_ENTRY(at, struct keep_segment, node);
        if ((s->state == KEEP_DOOMED && s->pins == 0) || (k->compaction && s->state == KEEP_SEALED))
            return true;
    }
    return false;
}

/* ---- copying ---- */

static bool
copy_one(void *arg, struct queue *q, uint64_t position, const struct queue_entry *e)
{
    struct keep *k = arg;
    if (k->copied >= KEEP_CHECKPOINT_TURN)
        return false;
    keep_run_store(k, keep_queue(k, q), position, e->message, keep_expiry_at(k, queue_expiry_of(e)), false);
    k->copied += message_size(e->message);
    return true;
}

/* A delivery mark in these files is all that is known; if a later one stands elsewhere, not. */
static void
copy_delivered(struct keep *k, struct queue *q)
{
    struct queue_kept *kept = q->kept;
    if (!kept || kept->delivered_file > k->target || (kept->open_mark && kept->open_mark->has_delivered))
        return;
    if (queue_has_nothing(q) && q->front->consumer_count == 0) {
        queue_lower_deliver_limit(q);
        if (!q->is_reserving)
            return;
    }
    keep_delivered_again(k, kept);
}

/* One mark, or what the turn has left for it. True: it is through. */
static bool
copy_mark(struct keep *k, struct keep_mark *m)
{
    struct queue *q = queue_find(k->broker, m->queue_id);
    if (!q)
        return true;
    if (m->first <= m->last) {
        uint64_t from = k->at_position > m->first ? k->at_position : m->first;
        k->at_position = queue_each_unstored(q, from, m->last, copy_one, k);
        if (k->at_position <= m->last)
            return false;
    }
    if (m->has_delivered)
        copy_delivered(k, q);
    return true;
}

static void
copy_some(struct keep *k)
{
    k->copied = 0;
    if (k->pager_bytes > KEEP_BEHIND_BYTES)
        return; /* a turn comes: watch_pace() */
    while (k->at_file) {
        for (; k->at; k->at = k->at->next, k->at_position = 0)
            if (!copy_mark(k, k->at)) {
                keep_again(k);
                return;
            }
        struct list *next = k->at_file->node.next;
        k->at_file = next == &k->files ? NULL : LIST_ENTRY(next, struct keep_file, node);
        if (k->at_file && k->at_file->number > k->target)
            k->at_file = NULL;
        k->at = k->at_file ? k->at_file->marks : NULL;
    }
    if (k->open)
        keep_segment_seal(k);
    k->sealed_batch = keep_last_batch(k); /* with the delivery marks */
    k->checkpoint = KEEP_WAITING;
}

static void
start_copying(struct keep *k, uint32_t target)
{
    if (keep_tx_is_open(k, target)) /* half of it must not become lasting */
        return;
    keep_tx_store(k);
    k->target = target;
    k->at_file = list_is_empty(&k->files) ? NULL : LIST_ENTRY(k->files.next, struct keep_file, node);
    if (k->at_file && k->at_file->number > target)
        k->at_file = NULL;
    k->at = k->at_file ? k->at_file->marks : NULL;
    k->at_position = 0;
    k->checkpoint = KEEP_COPYING;
}

void
keep_checkpoint_turn(struct keep *k)
{
    if (k->log.is_failed)
        return;
    if (k->checkpoint == KEEP_IDLE) {
        if (!k->has_settled)
            start_copying(k, 0);
        else if (durable_is_settled(k->durable) &&
                 journal_current_file(k->journal) - journal_oldest_file(k->journal) >
                     k->store->config.log_files_max)
            start_copying(k, journal_current_file(k->journal) - k->store->config.log_files_max - 1);
    }
    if (k->checkpoint == KEEP_COPYING)
        copy_some(k);
    /* A backup's cut: nothing of later is written beside it. */
    if (k->chore || k->sealed_batch > k->durable_batch || journal_is_held(k->journal))
        return;
    if (k->checkpoint == KEEP_WAITING) {
        k->checkpoint = KEEP_CHORE;
        chore_start(k, k->has_settled ? k->target + 1 : 0, !k->has_settled);
    } else if (k->checkpoint != KEEP_CHORE && has_chore(k)) {
        chore_start(k, 0, false);
    }
}

void
keep_checkpoint_free(struct keep *k)
{
    if (k->chore)
        chore_free(k->chore);
    timer_stop(&k->again);
    timer_stop(&k->retry);
    timer_stop(&k->space);
    timer_stop(&k->pace);
}
