/*
 * One pass over the files that the manifest names, and the bodies. A problem is told and the next thing is
 * looked at. Beside checksums it is checked that what belongs together agrees: a batch has as many records as
 * its header says, a run's entries are in order, within the run and as many as its row says, a live message's
 * body file is there.
 *
 * A torn end of a chain is no damage: a crash in the middle of a write leaves one.
 */
#include "store/store_check.h"

#include "base/check.h"
#include "io/file.h"
#include "store/body.h"
#include "store/chain.h"
#include "store/segment.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { WHY_SIZE = 512, BODY_HEADER = 64 };

struct checking {
    struct store *store;
    const struct store_check *how;
    struct store_check_counts *counts;
    uint64_t done, total;
    /* the run that is being read */
    const struct segment *segment;
    const struct segment_run *run;
    const char *path;
    uint64_t entries, last;
};

static void
problem(struct checking *c, const char *path, uint64_t offset, enum err e, const char *what)
{
    bool is_damage = e == ERR_CORRUPT || e == ERR_NOT_FOUND || e == ERR_UNSUPPORTED || e == ERR_TRUNCATED;
    c->counts->damages += is_damage;
    c->counts->unreadable += !is_damage;
    if (c->how->on_problem)
        c->how->on_problem(c->how->arg, path, offset, is_damage, what);
}

static void
progress(struct checking *c, uint64_t bytes)
{
    c->done += bytes < c->total - c->done ? bytes : c->total - c->done;
    if (c->how->on_progress)
        c->how->on_progress(c->how->arg, c->done, c->total);
}

/* ---- what there is to do ---- */

static uint64_t
size_of(const struct checking *c, const char *path)
{
    struct file_stat st;
    return file_stat(c->store->world, path, &st) == ERR_OK ? st.size : 0;
}

static void
add_body_size(void *arg, uint64_t id)
{
    struct checking *c = arg;
    char path[STORE_PATH_MAX];
    store_body_path(c->store, path, id);
    c->total += size_of(c, path);
}

static void
measure(struct checking *c, const struct manifest_view *v)
{
    char path[STORE_PATH_MAX];
    for (size_t i = 0; i < v->chain_count; i++)
        for (uint32_t number = v->chains[i].low; number; number++) {
            store_log_path(c->store, path, v->chains[i].boot, v->chains[i].chain, number);
            uint64_t size = size_of(c, path);
            if (!size)
                break;
            c->total += size;
            c->counts->log_files++;
        }
    for (size_t i = 0; i < v->segment_count; i++)
        c->total += v->segments[i].size;
    if (body_list(c->store, add_body_size, c) != ERR_OK)
        return; /* told when they are read */
    c->counts->bytes = c->total;
}

/* ---- the log ---- */

static bool
on_batch(void *arg, const struct chain_file *f, uint64_t offset, const struct batch_header *h,
         struct slice records)
{
    struct checking *c = arg;
    char what[WHY_SIZE];
    uint32_t count = 0;
    c->counts->batches++;
    for (struct record r; records.len > 0 && record_parse(&records, &r) == ERR_OK; count++) {
        enum err e =
            r.type == RECORD_META && c->how->on_meta ? c->how->on_meta(c->how->arg, r.command) : ERR_OK;
        if (e != ERR_OK) {
            snprintf(what, sizeof what, "the command with index %" PRIu64 ": %s", r.index, err_text(e));
            problem(c, f->path, offset, e, what);
        }
    }
    c->counts->records += count;
    if (records.len > 0 || count != h->record_count) {
        snprintf(what, sizeof what,
                 "batch %" PRIu64 " has a good checksum, but %" PRIu32 " readable records of %" PRIu32,
                 h->number, count, h->record_count);
        problem(c, f->path, offset, ERR_CORRUPT, what);
    }
    progress(c, batch_footprint(h->payload_size));
    return true;
}

static void
on_damage(void *arg, const struct chain_file *f, uint64_t offset, bool is_tail, const char *what)
{
    struct checking *c = arg;
    if (is_tail)
        c->counts->tails++;
    else
        problem(c, f->path, offset, ERR_CORRUPT, what);
}

static void
check_chain(struct checking *c, const struct manifest_chain *row)
{
    char why[WHY_SIZE] = "", path[STORE_PATH_MAX];
    uint64_t before = c->done, size = 0;
    struct chain_visitor visitor = {.on_batch = on_batch, .on_damage = on_damage, .arg = c};
    struct chain_end end = {0};
    enum err e = chain_walk(c->store, row, &visitor, &end, why, sizeof why);
    free(end.last_records);
    if (e != ERR_OK) {
        store_log_path(c->store, path, row->boot, row->chain, row->low);
        problem(c, path, 0, e, why);
    }
    for (uint32_t number = row->low; number; number++) { /* what of its files was not batches */
        store_log_path(c->store, path, row->boot, row->chain, number);
        uint64_t more = size_of(c, path);
        if (!more)
            break;
        size += more;
    }
    if (c->done - before < size)
        progress(c, size - (c->done - before));
}

/* ---- segments ---- */

static void
on_entry(void *arg, uint64_t sequence, const struct record_message *m, bool is_transient)
{
    struct checking *c = arg;
    char what[WHY_SIZE], path[STORE_PATH_MAX];
    bool is_live = segment_is_live(c->segment, c->run, sequence);
    if (sequence < c->run->first || sequence > c->run->last || (c->entries > 0 && sequence <= c->last)) {
        snprintf(what, sizeof what,
                 "sequence %" PRIu64 " of queue %" PRIu64 " is out of order in its run %" PRIu64 "..%" PRIu64,
                 sequence, c->run->queue_id, c->run->first, c->run->last);
        problem(c, c->path, c->run->offset, ERR_CORRUPT, what);
    }
    c->entries++;
    c->last = sequence;
    c->counts->entries++;
    c->counts->live_entries += is_live;
    if (!is_live || !m->body_file)
        return;
    store_body_path(c->store, path, m->body_file);
    if (size_of(c, path) == m->body_size + BODY_HEADER)
        return;
    snprintf(what, sizeof what,
             "message %" PRIu64 " of queue %" PRIu64 " has its body of %" PRIu64
             " bytes in this file, which is missing or has another size",
             sequence, c->run->queue_id, m->body_size);
    problem(c, path, 0, ERR_CORRUPT, what);
}

static void
check_run(struct checking *c, struct segment *g, const struct segment_run *run)
{
    struct segment_cursor cursor;
    char what[WHY_SIZE];
    enum err e = ERR_OK;
    c->segment = g;
    c->run = run;
    c->entries = 0;
    segment_cursor_start(run, &cursor);
    for (bool done = false; !done && e == ERR_OK;) {
        uint64_t from = cursor.offset;
        e = segment_read(g, run, &cursor, run->first, SEGMENT_CHUNK, on_entry, c, &done);
        progress(c, cursor.offset - from);
    }
    if (e != ERR_OK) {
        snprintf(what, sizeof what, "an entry of queue %" PRIu64 ": %s", run->queue_id, err_text(e));
        problem(c, c->path, cursor.offset, e, what);
    } else if (c->entries != run->count) {
        snprintf(what, sizeof what,
                 "the run of queue %" PRIu64 " has %" PRIu64 " entries instead of %" PRIu32, run->queue_id,
                 c->entries, run->count);
        problem(c, c->path, run->offset, ERR_CORRUPT, what);
    }
}

static void
check_segment(struct checking *c, const struct manifest_segment *row)
{
    char why[WHY_SIZE] = "", path[STORE_PATH_MAX];
    struct segment *g;
    uint64_t before = c->done;
    store_segment_path(c->store, path, row->id);
    c->path = path;
    c->counts->segments++;
    enum err e = segment_load(c->store, row->id, row->acks_generation, &g, why, sizeof why);
    if (e == ERR_OK) {
        uint32_t count;
        const struct segment_run *runs = segment_runs(g, &count);
        if (size_of(c, path) != row->size)
            problem(c, path, 0, ERR_CORRUPT, "its size is not the one in the manifest");
        for (uint32_t i = 0; i < count; i++)
            check_run(c, g, &runs[i]);
        segment_free(g);
    } else {
        problem(c, path, 0, e, why);
    }
    if (c->done - before < row->size)
        progress(c, row->size - (c->done - before));
}

/* ---- bodies ---- */

static void
check_body(void *arg, uint64_t id)
{
    struct checking *c = arg;
    char path[STORE_PATH_MAX];
    enum err e = ERR_CORRUPT;
    store_body_path(c->store, path, id);
    uint64_t size = size_of(c, path);
    c->counts->bodies++;
    if (size > BODY_HEADER) {
        uint8_t *body = malloc(size - BODY_HEADER);
        CHECK(body);
        e = body_read(c->store, id, body, size - BODY_HEADER);
        free(body);
    }
    if (e != ERR_OK)
        problem(c, path, 0, e, err_text(e));
    progress(c, size);
}

static void
check_snapshot(struct checking *c, uint64_t id)
{
    char path[STORE_PATH_MAX], why[WHY_SIZE] = "";
    struct file_stat st;
    store_snapshot_path(c->store, path, id);
    enum err e = file_stat(c->store->world, path, &st);
    if (e == ERR_OK && c->how->on_snapshot)
        e = c->how->on_snapshot(c->how->arg, c->store, id, why, sizeof why);
    if (e != ERR_OK)
        problem(c, path, 0, e, *why ? why : e == ERR_NOT_FOUND ? "it is missing" : err_text(e));
}

void
store_check(struct store *s, const struct store_check *how, struct store_check_counts *counts)
{
    struct checking c = {.store = s, .how = how, .counts = counts};
    struct manifest_view v;
    char path[STORE_PATH_MAX];
    *counts = (struct store_check_counts){0};
    manifest_view(s->manifest, &v);
    measure(&c, &v);
    progress(&c, 0);
    if (v.snapshot_id)
        check_snapshot(&c, v.snapshot_id);
    for (size_t i = 0; i < v.chain_count; i++)
        check_chain(&c, &v.chains[i]);
    for (size_t i = 0; i < v.segment_count; i++)
        check_segment(&c, &v.segments[i]);
    enum err e = body_list(s, check_body, &c);
    if (e != ERR_OK) {
        store_path(s, path, "body");
        problem(&c, path, 0, e, err_text(e));
    }
    manifest_view_free(&v);
}
