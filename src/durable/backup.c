/*
 * Shard 0 leads:
 *
 *   NONE ──begin──► CUTTING ──all have told their ends──► PINNED ──end──► NONE
 *                     │ out of patience, or the store fails: all go on, nothing is pinned ─► NONE
 *
 * CUTTING: every shard, and the log of the declared things, writes what it has and then waits. So nothing
 * becomes durable behind one shard's cut before the cuts of all others are made: whatever somebody was told
 * by this node and then based something else on is in the copy, if the other thing is.
 *
 * The store is pinned before the first hold, and the manifest looked at after the last: nobody writes acks or
 * snapshots of a later state in between (journal_is_held()).
 *
 * Mail carries the number of the attempt: what comes late belongs to none.
 */
#include "durable/backup.h"

#include "base/check.h"
#include "broker/courier.h"
#include "durable/meta_log.h"
#include "io/timer.h"
#include "io/worker.h"

#include <stdlib.h>

enum backup_mail {
    BACKUP_HOLD,   /* a: attempt */
    BACKUP_HELD,   /* to shard 0; a: attempt, b: file, c: offset */
    BACKUP_RESUME, /* a: attempt */
};

enum backup_state { BACKUP_NONE, BACKUP_CUTTING, BACKUP_PINNED };

/* A shard's part. */
struct backup_shard {
    uint64_t attempt; /* for which it holds; 0: it does not */
};

struct backup {
    struct backup_config config;
    enum backup_state state;
    uint64_t attempt;
    unsigned waiting; /* for so many ends */
    struct store_cut_end ends[SHARDS_COUNT_MAX + 1];
    unsigned end_count;
    backup_on_cut *on_cut;
    void *arg;
    void (*on_ended)(void *arg);
    void *ended_arg;
    struct wheel_timer timer;
    struct worker_job unpin_job;
    bool is_unpinning;
    struct backup_shard shards[SHARDS_COUNT_MAX];
};

struct backup *
backup_new(const struct backup_config *config)
{
    struct backup *k = calloc(1, sizeof *k);
    CHECK(k);
    k->config = *config;
    return k;
}

void
backup_free(struct backup *k)
{
    if (!k)
        return;
    if (k->state != BACKUP_NONE)
        store_unpin(k->config.store);
    free(k);
}

/* ---- on shard 0 ---- */

static struct broker *
leader(const struct backup *k)
{
    return k->config.node->brokers[0];
}

static void
post_all(struct backup *k, enum backup_mail what)
{
    for (unsigned to = 0; to < shards_count(k->config.node->shards); to++)
        courier_post_durable(leader(k), to, &(struct mail){.u32 = what, .a = k->attempt});
}

static void
run_unpin(void *arg)
{
    struct backup *k = arg;
    store_unpin(k->config.store);
}

static void
on_unpinned(void *arg)
{
    struct backup *k = arg;
    k->is_unpinning = false;
    if (k->on_ended)
        k->on_ended(k->ended_arg);
}

static void
unpin(struct backup *k)
{
    k->state = BACKUP_NONE;
    k->is_unpinning = true;
    k->unpin_job =
        (struct worker_job){.run = run_unpin, .done = on_unpinned, .arg = k, .shard = leader(k)->shard};
    worker_submit(k->config.keeper, &k->unpin_job);
}

static void
resume_all(struct backup *k)
{
    timer_stop(&k->timer);
    post_all(k, BACKUP_RESUME);
    if (k->config.meta)
        meta_log_resume(k->config.meta);
}

static void
give_up(void *arg)
{
    struct backup *k = arg;
    enum err e = store_failure(k->config.store);
    resume_all(k);
    k->on_ended = NULL;
    unpin(k);
    log_warning(k->config.node->log, LOG_STORAGE,
                "a backup was given up: not every shard could write what it had");
    k->on_cut(k->arg, e ? e : ERR_TIMEOUT, NULL,
              e ? "the store has failed"
                : "the disk was too slow, or has no room: not every shard could write what it had");
}

/* All are held. */
static void
finish_cut(struct backup *k)
{
    struct store_cut cut;
    store_cut_whole(k->config.store, &cut);
    cut.ends = k->ends;
    cut.end_count = k->end_count;
    resume_all(k);
    k->state = BACKUP_PINNED;
    log_info(k->config.node->log, LOG_STORAGE, "a backup has begun: superfluous files wait until it ends");
    k->on_cut(k->arg, ERR_OK, &cut, NULL);
    cut.ends = NULL;
    store_cut_fini(&cut);
}

static void
add_end(struct backup *k, uint16_t chain, uint32_t file, uint64_t offset)
{
    k->ends[k->end_count++] =
        (struct store_cut_end){.boot = k->config.store->boot, .chain = chain, .file = file, .offset = offset};
    if (--k->waiting == 0)
        finish_cut(k);
}

static void
on_meta_held(void *arg, uint32_t file, uint64_t offset)
{
    struct backup *k = arg;
    if (k->state == BACKUP_CUTTING)
        add_end(k, STORE_CHAIN_META, file, offset);
}

void
backup_begin(struct backup *k, backup_on_cut *on_cut, void *arg)
{
    if (k->state != BACKUP_NONE || k->is_unpinning) {
        on_cut(arg, ERR_REFUSED, NULL, "another backup is under way");
        return;
    }
    if (store_failure(k->config.store) != ERR_OK) {
        on_cut(arg, store_failure(k->config.store), NULL, "the store has failed");
        return;
    }
    k->state = BACKUP_CUTTING;
    k->attempt++;
    k->on_cut = on_cut;
    k->arg = arg;
    k->end_count = 0;
    k->waiting = shards_count(k->config.node->shards) + (k->config.meta != NULL);
    store_pin(k->config.store);
    post_all(k, BACKUP_HOLD);
    if (k->config.meta)
        meta_log_hold(k->config.meta, on_meta_held, k);
    timer_start(leader(k)->shard, &k->timer, BACKUP_PATIENCE_MS, give_up, k);
}

void
backup_end(struct backup *k, void (*on_ended)(void *arg), void *arg)
{
    CHECK(k->state != BACKUP_NONE);
    k->on_ended = on_ended;
    k->ended_arg = arg;
    if (k->state == BACKUP_CUTTING)
        resume_all(k);
    else
        log_info(k->config.node->log, LOG_STORAGE, "the backup has ended");
    unpin(k);
}

/* ---- on every shard ---- */

void
backup_on_mail(struct backup *k, struct broker *b, const struct mail *m)
{
    struct backup_shard *own = &k->shards[b->index];
    struct journal *j = k->config.journal_of(k->config.arg, b);
    switch ((enum backup_mail)m->u32) {
    case BACKUP_HOLD:
        own->attempt = m->a;
        journal_hold(j);
        break;
    case BACKUP_RESUME:
        own->attempt = 0;
        journal_resume(j);
        break;
    case BACKUP_HELD:
        if (m->a == k->attempt && k->state == BACKUP_CUTTING)
            add_end(k, m->from, (uint32_t)m->b, m->c);
        break;
    }
}

void
backup_on_held(struct backup *k, struct broker *b, uint32_t file, uint64_t offset)
{
    courier_post_durable(
        b, 0, &(struct mail){.u32 = BACKUP_HELD, .a = k->shards[b->index].attempt, .b = file, .c = offset});
}
