/*
 * The node's part: the store and the order in which its parts start and end. Declared things come first,
 * because they say which queues there are and where they live; then each shard takes up its own (keep.c).
 * When all shards have what they need of earlier boots' chains in segments, those chains go.
 */
#include "durable/durable.h"

#include "base/check.h"
#include "broker/durability.h"
#include "durable/backup.h"
#include "durable/durable_impl.h"
#include "durable/meta_log.h"
#include "io/file.h"
#include "io/worker.h"
#include "store/body.h"
#include "store/chain.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

struct durable {
    struct durable_config config;
    struct node *node;
    struct store store;
    struct manifest_view found; /* what was there at the start */
    struct meta_log *meta_log;
    struct worker *meta_writer, *meta_keeper;
    struct backup *backup;
    struct keep *keeps[SHARDS_COUNT_MAX];
    unsigned shard_count;
    pthread_mutex_t lock;       /* of all below */
    _Atomic unsigned unsettled; /* shards that still need old chains; read without the lock */
    uint64_t *bodies;           /* files that are needed */
    size_t body_count;
    struct chain_file *damaged;
    size_t damaged_count;
    enum err problem;
    char why[512];
};

void
durable_config_init(struct durable_config *c)
{
    *c = (struct durable_config){
        .resident_bytes = 24 << 20,
        .snapshot_bytes = 16 << 20,
    };
    store_config_init(&c->store);
}

/* ---- struct durability ---- */

static void
durable_attach(void *arg, struct broker *b)
{
    struct durable *d = arg;
    char why[sizeof d->why] = "";
    struct keep *k = keep_open(d, b, why, sizeof why);
    d->keeps[b->index] = k;
    if (!b->log->is_failed)
        return;
    pthread_mutex_lock(&d->lock);
    if (d->problem == ERR_OK) {
        d->problem = ERR_CORRUPT;
        snprintf(d->why, sizeof d->why, "%s", why);
    }
    pthread_mutex_unlock(&d->lock);
}

static void
durable_submit(void *arg, struct broker *b, struct meta_request *r)
{
    struct durable *d = arg;
    meta_log_submit(d->meta_log, b, r);
}

static void
durable_turn(void *arg, struct broker *b)
{
    struct durable *d = arg;
    if (b->index == 0)
        meta_log_turn(d->meta_log);
    keep_turn(d->keeps[b->index]);
}

static void
durable_stop(void *arg, struct broker *b)
{
    struct durable *d = arg;
    keep_stop(d->keeps[b->index]);
}

static void
durable_mail(void *arg, struct broker *b, const struct mail *m)
{
    struct durable *d = arg;
    backup_on_mail(d->backup, b, m);
}

static const struct durability durability = {.attach = durable_attach,
                                             .submit = durable_submit,
                                             .turn = durable_turn,
                                             .mail = durable_mail,
                                             .stop = durable_stop};

/* ---- for the shards' parts ---- */

struct store *
durable_store(struct durable *d)
{
    return &d->store;
}

void
durable_memory(const struct durable *d, uint64_t *resident_max, uint64_t *pressure_max)
{
    *resident_max = d->config.resident_bytes / d->shard_count;
    *pressure_max = d->config.pressure_bytes / d->shard_count;
}

const struct manifest_view *
durable_found(const struct durable *d)
{
    return &d->found;
}

unsigned
durable_shard_count(const struct durable *d)
{
    return d->shard_count;
}

void
durable_note_damage(struct durable *d, const struct chain_file *f)
{
    pthread_mutex_lock(&d->lock);
    bool is_known = false;
    for (size_t i = 0; i < d->damaged_count; i++)
        is_known |= strcmp(d->damaged[i].path, f->path) == 0;
    if (!is_known) {
        d->damaged = realloc(d->damaged, (d->damaged_count + 1) * sizeof *d->damaged);
        CHECK(d->damaged);
        d->damaged[d->damaged_count++] = *f;
    }
    pthread_mutex_unlock(&d->lock);
}

void
durable_note_bodies(struct durable *d, const uint64_t *ids, size_t count)
{
    pthread_mutex_lock(&d->lock);
    d->bodies = realloc(d->bodies, (d->body_count + count + 1) * sizeof *ids);
    CHECK(d->bodies);
    if (count > 0)
        memcpy(d->bodies + d->body_count, ids, count * sizeof *ids);
    d->body_count += count;
    pthread_mutex_unlock(&d->lock);
}

/* ---- the end of earlier boots' chains ---- */

static int
compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void
delete_body(void *arg, uint64_t id)
{
    struct durable *d = arg;
    if (id < d->found.next_id && !bsearch(&id, d->bodies, d->body_count, sizeof id, compare_ids))
        body_delete(&d->store, id);
}

static void
delete_log_file(void *arg, const char *name)
{
    struct durable *d = arg;
    char path[STORE_PATH_MAX];
    uint32_t boot, number;
    uint16_t chain;
    if (!store_parse_log_name(name, &boot, &chain, &number) || boot >= d->store.boot ||
        chain == STORE_CHAIN_META)
        return;
    store_log_path(&d->store, path, boot, chain, number);
    enum err e = store_unlink(&d->store, path);
    if (e != ERR_OK && e != ERR_NOT_FOUND)
        log_warning(d->store.log, LOG_STORAGE, "cannot delete %s: %s; the next start tries again", path,
                    err_text(e));
}

static void
delete_old(struct durable *d)
{
    char path[STORE_PATH_MAX];
    enum err e;
    for (size_t i = 0; i < d->damaged_count; i++)
        if ((e = chain_quarantine(&d->store, &d->damaged[i])) != ERR_OK)
            log_warning(d->store.log, LOG_STORAGE, "cannot move %s to quarantine: %s", d->damaged[i].path,
                        err_text(e));
    store_path(&d->store, path, "log");
    if ((e = dir_list(d->store.world, path, delete_log_file, d)) != ERR_OK)
        log_warning(d->store.log, LOG_STORAGE, "cannot list %s: %s; the next start tries again", path,
                    err_text(e));
    qsort(d->bodies, d->body_count, sizeof *d->bodies, compare_ids);
    if ((e = body_list(&d->store, delete_body, d)) != ERR_OK)
        log_warning(d->store.log, LOG_STORAGE, "cannot list %s/body: %s; the next start tries again",
                    d->store.dir, err_text(e));
}

bool
durable_is_settled(const struct durable *d)
{
    return atomic_load_explicit(&d->unsettled, memory_order_acquire) == 0;
}

enum err
durable_shard_settled(struct durable *d)
{
    pthread_mutex_lock(&d->lock);
    bool is_last = d->unsettled == 1;
    if (is_last)
        for (size_t i = 0; i < d->found.chain_count; i++)
            if (d->found.chains[i].chain != STORE_CHAIN_META)
                manifest_drop_chain(d->store.manifest, d->found.chains[i].boot, d->found.chains[i].chain);
    enum err e = manifest_commit(d->store.manifest);
    if (e == ERR_OK) {
        d->unsettled--;
        if (is_last) {
            delete_old(d);
            store_forget_mark(&d->store);
        }
    }
    pthread_mutex_unlock(&d->lock);
    return e;
}

/* ---- life ---- */

static const char *
sync_words(const struct store_config *c)
{
    switch (c->sync) {
    case STORE_SYNC_ALWAYS: return "always: a confirm means that the message is synced to the disk";
    case STORE_SYNC_INTERVAL:
        return "interval: a confirm means that the message is written, and synced a moment later; a power "
               "loss may take confirmed messages";
    case STORE_SYNC_NEVER:
        return "never: a confirm means that the message is written; a power loss may take confirmed messages";
    }
    CHECK_UNREACHABLE("an enum store_sync");
}

enum err
durable_open(struct node *node, struct io_world *world, const struct durable_config *config,
             struct durable **out, char *why, size_t why_size)
{
    struct durable *d = calloc(1, sizeof *d);
    CHECK(d);
    *out = d;
    d->config = *config;
    d->node = node;
    d->shard_count = shards_count(node->shards);
    d->unsettled = d->shard_count;
    pthread_mutex_init(&d->lock, NULL);
    enum err e = store_open(&d->store, world, &config->store, node->log, why, why_size);
    if (e != ERR_OK) {
        pthread_mutex_destroy(&d->lock);
        free(d);
        *out = NULL;
        return e;
    }
    manifest_view(d->store.manifest, &d->found);
    d->meta_log = meta_log_new(node, &d->store, config->snapshot_bytes);
    e = meta_log_recover(d->meta_log, why, why_size);
    if (e != ERR_OK) {
        durable_close(d);
        *out = NULL;
        return e;
    }
    log_info(node->log, LOG_STORAGE, "store in %s, boot %u, sync = %s", d->store.dir, d->store.boot,
             sync_words(&config->store));
    return ERR_OK;
}

bool
durable_is_new(const struct durable *d)
{
    return d->store.is_new;
}

static struct journal *
journal_of(void *arg, struct broker *b)
{
    struct durable *d = arg;
    return keep_journal(d->keeps[b->index]);
}

struct backup *
durable_backup(struct durable *d)
{
    return d->backup;
}

void
durable_on_held(struct durable *d, struct broker *b, uint32_t file, uint64_t offset)
{
    backup_on_held(d->backup, b, file, offset);
}

enum err
durable_begin(struct durable *d, char *why, size_t why_size)
{
    d->meta_writer = worker_new(d->store.world, "meta-journal");
    d->meta_keeper = worker_new(d->store.world, "meta-keeper");
    enum err e = meta_log_begin(d->meta_log, shards_get(d->node->shards, 0), d->meta_writer, d->meta_keeper,
                                why, why_size);
    if (e != ERR_OK)
        return e;
    e = manifest_commit(d->store.manifest);
    if (e != ERR_OK) {
        snprintf(why, why_size, "cannot write the manifest in %s: %s", d->store.dir, err_text(e));
        return e;
    }
    meta_log_begun(d->meta_log);
    d->backup = backup_new(&(struct backup_config){.node = d->node,
                                                   .store = &d->store,
                                                   .meta = d->meta_log,
                                                   .journal_of = journal_of,
                                                   .arg = d,
                                                   .keeper = d->meta_keeper});
    d->node->durability_arg = d;
    d->node->durability = &durability;
    return ERR_OK;
}

enum err
durable_problem(struct durable *d, char *why, size_t why_size)
{
    pthread_mutex_lock(&d->lock);
    enum err e = d->problem;
    if (e != ERR_OK)
        snprintf(why, why_size, "%s", d->why);
    pthread_mutex_unlock(&d->lock);
    return e;
}

void
durable_close(struct durable *d)
{
    if (!d)
        return;
    /* All workers of a shard end before the first of its jobs is freed: the shard has them in one list. */
    if (d->meta_writer)
        worker_free(d->meta_writer);
    if (d->meta_keeper)
        worker_free(d->meta_keeper);
    for (unsigned i = 0; i < d->shard_count; i++)
        if (d->keeps[i])
            keep_close(d->keeps[i]);
    backup_free(d->backup);
    meta_log_close(d->meta_log);
    meta_log_free(d->meta_log);
    d->node->durability = NULL;
    manifest_view_free(&d->found);
    store_close(&d->store);
    free(d->bodies);
    free(d->damaged);
    pthread_mutex_destroy(&d->lock);
    free(d);
}
