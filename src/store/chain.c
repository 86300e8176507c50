/*
 * Walking a chain. Where batch k+1 is expected there is one of these:
 *
 *   - batch k+1: goes on behind it;
 *   - nothing, and the next file begins with k+1: this file was full;
 *   - nothing valid from there on: the end, torn if something of a batch stands there;
 *   - nothing, and further on in this file or in a later one a valid batch m > k+1: what was between is
 *     corrupt, because m was written after it had been synced. It goes on with m.
 *
 * Valid means: magic, the file's salt, checksum. The next place to look at is always a multiple of 4 KiB, so
 * a search looks at the first bytes of each block. Old content of a file that is used again has another salt.
 *
 * A last file without a header for its place was being prepared when the node stopped: nothing was in it.
 * Only if it has none at all and begins with a batch that may follow (valid by the salt that stands in it),
 * the header was lost later.
 *
 * The reader has one piece of the file in memory, larger if a batch is.
 */
#include "store/chain.h"

#include "base/byteorder.h"
#include "base/check.h"
#include "io/file.h"
#include "store/log_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 1 << 20, SALT_AT = 24 /* in a batch's header */ };

struct walk {
    struct store *store;
    const struct manifest_chain *chain;
    const struct chain_visitor *visitor;
    struct chain_end *end;
    char *why;
    size_t why_size;
    /* The file. */
    struct chain_file at;
    struct file *file;
    uint8_t *piece;
    bool is_headless;
    size_t capacity, len; /* of the piece */
    uint64_t start;       /* its place in the file */
    /* The place where batch end->last_batch + 1 was expected and not found; not yet known what it means. */
    bool is_broken, is_torn; /* torn: something of a batch stands there */
    struct chain_file broken;
    uint64_t broken_offset;
    struct chain_file full; /* the file before, when its batches go on to its end */
    uint64_t full_offset;   /* where that is */
    /* The last valid batch. */
    struct chain_file last;
    uint64_t last_offset;
    bool is_stopped; /* by the visitor, or it is known that nothing follows */
};

/* ---- files ---- */

enum err
chain_file_open(struct store *s, const char *path, uint64_t incarnation, struct chain_file *f)
{
    uint8_t *block = malloc(STORE_BLOCK);
    struct log_file_header h;
    struct file *file;
    size_t got = 0;
    CHECK(block && strlen(path) < sizeof f->path);
    *f = (struct chain_file){0};
    memcpy(f->path, path, strlen(path) + 1);
    enum err e = file_open(s->world, path, FILE_READ, &file);
    if (e == ERR_OK) {
        e = file_size(file, &f->size);
        if (e == ERR_OK)
            e = file_pread(file, block, STORE_BLOCK, 0, &got);
        file_close(file);
    }
    if (e == ERR_OK)
        e = log_file_header_get(slice_of(block, got), &h);
    if (e == ERR_OK && incarnation && h.incarnation != incarnation)
        e = ERR_CORRUPT;
    free(block);
    if (e != ERR_OK)
        return e;
    f->salt = h.salt;
    f->boot = h.boot;
    f->number = h.number;
    f->chain = h.chain;
    f->sync = h.sync;
    return ERR_OK;
}

struct last_file {
    const struct manifest_chain *chain;
    uint32_t number;
};

static void
note_file(void *arg, const char *name)
{
    struct last_file *last = arg;
    uint32_t boot, number;
    uint16_t chain;
    if (store_parse_log_name(name, &boot, &chain, &number) && boot == last->chain->boot &&
        chain == last->chain->chain && number > last->number)
        last->number = number;
}

static enum err
explain(struct walk *w, enum err e, const char *path, const char *what)
{
    snprintf(w->why, w->why_size, "%s: %s", path, what);
    return e;
}

enum err
chain_last_file(struct store *s, const struct manifest_chain *c, uint32_t *number)
{
    char dir[STORE_PATH_MAX];
    struct last_file last = {.chain = c};
    store_path(s, dir, "log");
    enum err e = dir_list(s->world, dir, note_file, &last);
    *number = last.number;
    return e;
}

static enum err
find_last_file(struct walk *w)
{
    char path[STORE_PATH_MAX];
    enum err e = chain_last_file(w->store, w->chain, &w->end->last_file);
    store_path(w->store, path, "log");
    if (e != ERR_OK)
        return explain(w, e, path, "cannot list the directory; check the disk and the permissions");
    if (w->end->last_file >= w->chain->low)
        return ERR_OK;
    store_log_path(w->store, path, w->chain->boot, w->chain->chain, w->chain->low);
    return explain(w, ERR_NOT_FOUND, path,
                   "the file is missing; put it back, or restore the data directory from a backup");
}

/* ---- reading ---- */

/* The bytes from `offset` on, `need` of them or what there is of them, in *bytes (more may follow there). */
static enum err
read_at(struct walk *w, uint64_t offset, uint64_t need, struct slice *bytes)
{
    uint64_t left = offset < w->at.size ? w->at.size - offset : 0;
    if (need > left)
        need = left;
    if (offset < w->start || offset + need > w->start + w->len) {
        size_t want = left < PIECE ? (size_t)left : PIECE;
        if (want < need)
            want = (size_t)need;
        if (want > w->capacity) {
            free(w->piece);
            w->piece = malloc(want);
            CHECK(w->piece);
            w->capacity = want;
        }
        w->start = offset;
        w->len = 0;
        enum err e = file_pread(w->file, w->piece, want, offset, &w->len);
        if (e != ERR_OK)
            return explain(w, e, w->at.path, "cannot be read; check the disk");
    }
    size_t skip = (size_t)(offset - w->start);
    *bytes = skip < w->len ? slice_of(w->piece + skip, w->len - skip) : slice_of(NULL, 0);
    return ERR_OK;
}

/* A batch at that place: *bytes has its records when it is valid. *is_like: it looks like the beginning of
 * one. */
static enum err
read_batch(struct walk *w, uint64_t offset, uint64_t salt, struct batch_header *h, struct slice *records,
           bool *is_valid, bool *is_like)
{
    struct slice bytes;
    enum err e = read_at(w, offset, STORE_BATCH_HEADER, &bytes);
    *is_valid = *is_like = e == ERR_OK && batch_peek(bytes, h, salt);
    if (!*is_like)
        return e;
    uint64_t size = STORE_BATCH_HEADER + (uint64_t)h->payload_size;
    *is_valid = size <= w->at.size - offset;
    if (*is_valid) {
        e = read_at(w, offset, size, &bytes);
        *is_valid = e == ERR_OK && batch_is_valid(bytes, salt);
    }
    if (*is_valid)
        *records = slice_of(bytes.data + STORE_BATCH_HEADER, h->payload_size);
    return e;
}

/* ---- what was found ---- */

static void
report(struct walk *w, const struct chain_file *f, uint64_t offset, bool is_tail, const char *what)
{
    if (!is_tail && !w->end->is_damaged) {
        w->end->is_damaged = true;
        w->end->damaged_file = f->number;
    }
    if (w->visitor->on_damage)
        w->visitor->on_damage(w->visitor->arg, f, offset, is_tail, what);
}

static void
note_broken(struct walk *w, const struct chain_file *f, uint64_t offset, bool is_like)
{
    if (w->is_broken)
        return;
    w->is_broken = true;
    w->is_torn = is_like;
    w->broken = *f;
    w->broken_offset = offset;
}

/* Between the last batch and this good one, `offset` in its file, there is nothing: batches were taken out,
 * or, at a file's beginning, the one before it is shorter than it was. */
static void
note_gap(struct walk *w, uint64_t offset)
{
    bool begins = offset == STORE_BLOCK && w->full.number > 0 && w->full.number + 1 == w->at.number;
    if (begins)
        note_broken(w, &w->full, w->full_offset, true);
    else
        note_broken(w, &w->at, offset, true);
}

/* A valid batch follows a broken place: harmless if it is the one that was expected, in its place. */
static void
settle_broken(struct walk *w, uint64_t offset, const struct batch_header *h)
{
    bool is_next = h->number == w->end->last_batch + 1, begins = offset == STORE_BLOCK;
    if (!w->is_broken)
        return;
    w->is_broken = false;
    if (is_next && begins && w->broken.number + 1 == w->at.number && !w->is_torn)
        return;
    report(w, &w->broken, w->broken_offset, false,
           is_next ? "what stands before the next batch is none"
                   : "a batch is damaged: valid ones with higher numbers follow");
}

static void
take_batch(struct walk *w, uint64_t offset, const struct batch_header *h, struct slice records)
{
    settle_broken(w, offset, h);
    w->end->batches++;
    w->end->last_batch = h->number;
    if (w->last.number != w->at.number)
        w->last = w->at;
    w->last_offset = offset;
    if (w->visitor->on_batch && !w->visitor->on_batch(w->visitor->arg, &w->at, offset, h, records))
        w->is_stopped = true;
}

/* The first batch of a chain whose beginning was given up has whatever number it has. */
static bool
is_acceptable(const struct walk *w, const struct batch_header *h)
{
    uint64_t expected = w->end->last_batch + 1;
    if (w->at.sync != STORE_SYNC_ALWAYS)
        return h->number == expected ||
               (w->end->batches == 0 && w->at.number == w->chain->low && w->chain->low > 1);
    return h->number >= expected;
}

/* Is a first batch with that number a gap? */
static bool
is_after_gap(const struct walk *w, const struct batch_header *h)
{
    return h->number != w->end->last_batch + 1 && (w->end->batches > 0 || w->chain->low == 1);
}

static enum err
walk_file(struct walk *w)
{
    enum err e = ERR_OK;
    uint64_t offset = STORE_BLOCK;
    while (e == ERR_OK && offset < w->at.size && !w->is_stopped) {
        struct batch_header h;
        struct slice records;
        bool is_valid, is_like;
        e = read_batch(w, offset, w->at.salt, &h, &records, &is_valid, &is_like);
        if (e != ERR_OK)
            break;
        if (is_valid && is_acceptable(w, &h)) {
            if (is_after_gap(w, &h))
                note_gap(w, offset);
            take_batch(w, offset, &h, records);
            offset += batch_footprint(h.payload_size);
            continue;
        }
        note_broken(w, &w->at, offset, is_like);
        if (w->at.sync != STORE_SYNC_ALWAYS)
            break; /* the next file may go on; anything else is the end */
        offset += STORE_BLOCK;
    }
    w->full = w->at;
    w->full_offset = offset;
    return e;
}

/* ---- a chain ---- */

/* The last file has no header. */
static enum err
judge_headless(struct walk *w)
{
    struct batch_header h;
    struct slice bytes, records;
    bool is_valid = false, is_like;
    enum err e = read_at(w, STORE_BLOCK, STORE_BATCH_HEADER, &bytes);
    if (e == ERR_OK && bytes.len >= STORE_BATCH_HEADER)
        e = read_batch(w, STORE_BLOCK, le64_get(bytes.data + SALT_AT), &h, &records, &is_valid, &is_like);
    if (e != ERR_OK)
        return e;
    if (is_valid && h.number > w->end->last_batch)
        report(w, &w->at, 0, false, "the header is damaged, but batches follow it");
    return ERR_OK;
}

static bool
is_in_place(const struct walk *w, uint32_t number)
{
    return w->at.number == number && w->at.boot == w->chain->boot && w->at.chain == w->chain->chain;
}

static enum err
open_number(struct walk *w, uint32_t number, bool *has_header)
{
    char path[STORE_PATH_MAX];
    store_log_path(w->store, path, w->chain->boot, w->chain->chain, number);
    enum err e = chain_file_open(w->store, path, w->store->incarnation, &w->at);
    *has_header = e == ERR_OK && is_in_place(w, number);
    w->is_headless = e == ERR_CORRUPT;
    w->at.number = number;
    if (e == ERR_NOT_FOUND)
        return explain(w, e, path,
                       "the file is missing; put it back, or restore the data directory from a backup");
    if (e == ERR_UNSUPPORTED)
        return explain(w, e, path, "was written by another version of this program; use that one");
    if (e != ERR_OK && e != ERR_CORRUPT)
        return explain(w, e, path, "cannot be read; check the disk and the permissions");
    if (!*has_header && number != w->end->last_file)
        return explain(w, ERR_CORRUPT, path,
                       number == w->chain->low /* the manifest wants it */
                           ? "has no header of a log file of this place; restore the data directory from a "
                             "backup"
                           : "has no header of a log file of this place; restore the data directory from a "
                             "backup, or move this file and all later ones of its chain aside");
    e = file_open(w->store->world, path, FILE_READ, &w->file);
    w->start = w->len = 0;
    return e == ERR_OK ? e : explain(w, e, path, "cannot be opened; check the permissions");
}

/* In other modes than `always` only a whole batch right at the beginning of the next file goes on. */
static void
stop_at_break(struct walk *w)
{
    if (w->is_broken && w->at.sync != STORE_SYNC_ALWAYS && (w->is_torn || w->broken.number != w->at.number))
        w->is_stopped = true;
}

static enum err
walk_files(struct walk *w)
{
    enum err e = ERR_OK;
    for (uint32_t number = w->chain->low; e == ERR_OK && number <= w->end->last_file && !w->is_stopped;
         number++) {
        bool has_header;
        e = open_number(w, number, &has_header);
        if (e != ERR_OK)
            break;
        if (has_header)
            e = walk_file(w);
        else if (w->is_headless)
            e = judge_headless(w);
        file_close(w->file);
        w->file = NULL;
        stop_at_break(w);
    }
    if (e == ERR_OK && w->is_broken && w->is_torn)
        report(w, &w->broken, w->broken_offset, true, "a batch is torn: it was being written at the end");
    return e;
}

/* The payload of the last valid batch, read once more. */
static enum err
fetch_last(struct walk *w)
{
    struct batch_header h;
    struct slice records;
    bool is_valid, is_like;
    if (w->end->batches == 0)
        return ERR_OK;
    w->at = w->last;
    w->start = w->len = 0;
    enum err e = file_open(w->store->world, w->at.path, FILE_READ, &w->file);
    if (e != ERR_OK)
        return explain(w, e, w->at.path, "cannot be opened; check the permissions");
    e = read_batch(w, w->last_offset, w->at.salt, &h, &records, &is_valid, &is_like);
    file_close(w->file);
    if (e != ERR_OK)
        return e;
    if (!is_valid)
        return explain(w, ERR_CORRUPT, w->at.path,
                       "has changed while it was read; is another process using it?");
    w->end->last_records = malloc(records.len);
    CHECK(w->end->last_records);
    memcpy(w->end->last_records, records.data, records.len);
    w->end->last_records_size = records.len;
    w->end->last_record_count = h.record_count;
    return ERR_OK;
}

enum err
chain_walk(struct store *s, const struct manifest_chain *c, const struct chain_visitor *v,
           struct chain_end *end, char *why, size_t why_size)
{
    struct walk *w = calloc(1, sizeof *w);
    CHECK(w);
    *w = (struct walk){.store = s, .chain = c, .visitor = v, .end = end, .why = why, .why_size = why_size};
    *end = (struct chain_end){0};
    enum err e = find_last_file(w);
    if (e == ERR_OK)
        e = walk_files(w);
    if (e == ERR_OK)
        e = fetch_last(w);
    free(w->piece);
    free(w);
    return e;
}

enum err
chain_quarantine(struct store *s, const struct chain_file *f)
{
    char to[STORE_PATH_MAX], dir[STORE_PATH_MAX];
    const char *slash = strrchr(f->path, '/');
    CHECK(slash);
    store_path(s, dir, "quarantine");
    store_path(s, to, "quarantine%s", slash);
    enum err e = file_rename(s->world, f->path, to);
    if (e == ERR_OK)
        e = dir_sync(s->world, dir);
    if (e == ERR_OK) {
        store_path(s, dir, "log");
        e = dir_sync(s->world, dir);
    }
    return e;
}
