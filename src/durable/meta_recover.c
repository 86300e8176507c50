/*
 * Commands are numbered without a gap over all boots. A chain may begin with some that the snapshot has: they
 * are skipped. One that is missing means that what comes behind it was not made from this state: then nothing
 * is served. What the torn end of a chain takes away was nobody's yet.
 */
#include "durable/meta_recover.h"

#include "base/check.h"
#include "durable/meta_codec.h"
#include "durable/meta_legacy.h"
#include "durable/meta_snapshot.h"
#include "store/chain.h"
#include "store/manifest.h"
#include "store/record.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define REMEDY "restore the data directory from a backup, or move it aside to start empty"

struct recovery {
    struct meta *meta;
    uint64_t index;
    enum err error;
    char *why;
    size_t why_size;
    char damage[STORE_PATH_MAX + 128]; /* where something in the middle could not be read */
};

static bool
stop(struct recovery *r, enum err e, const struct chain_file *f, uint64_t offset, uint64_t index)
{
    r->error = e;
    if (e == ERR_UNSUPPORTED)
        snprintf(r->why, r->why_size,
                 "%s, batch at byte %" PRIu64 ": command %" PRIu64 " was written by a newer version of "
                 "Leveret: start that version",
                 f->path, offset, index);
    else if (index > r->index + 1)
        snprintf(r->why, r->why_size,
                 "%s, batch at byte %" PRIu64 ": command %" PRIu64
                 " of the declared things is missing%s%s: " REMEDY,
                 f->path, offset, r->index + 1, *r->damage ? "; unreadable: " : "", r->damage);
    else
        snprintf(r->why, r->why_size,
                 "%s, batch at byte %" PRIu64
                 ": there is no command of declared things behind number %" PRIu64 ": " REMEDY,
                 f->path, offset, r->index);
    return false;
}

static bool
on_batch(void *arg, const struct chain_file *f, uint64_t offset, const struct batch_header *h,
         struct slice records)
{
    struct recovery *r = arg;
    while (records.len > 0) {
        struct record record;
        struct meta_command cmd;
        struct meta_result result;
        if (record_parse(&records, &record) != ERR_OK || record.type != RECORD_META)
            return stop(r, ERR_CORRUPT, f, offset, r->index);
        if (record.index <= r->index)
            continue;
        if (record.index > r->index + 1)
            return stop(r, ERR_CORRUPT, f, offset, record.index);
        enum err e = meta_codec_get(record.command, &cmd);
        if (e != ERR_OK)
            return stop(r, e, f, offset, record.index);
        if (cmd.is_judged || !meta_legacy_is_refused(&cmd))
            meta_apply(r->meta, &cmd, &result); /* refused for what there is, now as it was then */
        r->index++;
    }
    return true;
}

static void
on_damage(void *arg, const struct chain_file *f, uint64_t offset, bool is_tail, const char *what)
{
    struct recovery *r = arg;
    if (!is_tail)
        snprintf(r->damage, sizeof r->damage, "%s at byte %" PRIu64 " (%s)", f->path, offset, what);
}

static enum err
recover_chain(struct store *s, const struct manifest_chain *c, struct recovery *r)
{
    const struct chain_visitor visitor = {.on_batch = on_batch, .on_damage = on_damage, .arg = r};
    struct chain_end end = {0};
    enum err e = chain_walk(s, c, &visitor, &end, r->why, r->why_size);
    free(end.last_records);
    return e == ERR_OK ? r->error : e;
}

static enum err
recover_snapshot(struct store *s, const struct manifest_view *view, struct recovery *r)
{
    struct meta_snapshot info;
    if (!view->snapshot_id)
        return ERR_OK;
    enum err e = meta_snapshot_read(s, view->snapshot_id, r->meta, &info, r->why, r->why_size);
    if (e != ERR_OK)
        return e;
    r->index = info.index;
    if (info.index == view->snapshot_index)
        return ERR_OK;
    snprintf(r->why, r->why_size,
             "snapshot %" PRIu64 " of the declared things ends at command %" PRIu64 ", not at %" PRIu64
             " as %s/MANIFEST says: " REMEDY,
             view->snapshot_id, info.index, view->snapshot_index, s->dir);
    return ERR_CORRUPT;
}

enum err
meta_recover(struct store *s, struct meta *m, uint64_t *index, char *why, size_t why_size)
{
    struct recovery *r = malloc(sizeof *r);
    struct manifest_view view;
    CHECK(r);
    *r = (struct recovery){.meta = m, .why = why, .why_size = why_size};
    manifest_view(s->manifest, &view);
    enum err e = recover_snapshot(s, &view, r);
    for (size_t i = 0; e == ERR_OK && i < view.chain_count; i++)
        if (view.chains[i].chain == STORE_CHAIN_META)
            e = recover_chain(s, &view.chains[i], r);
    *index = r->index;
    manifest_view_free(&view);
    free(r);
    return e;
}
