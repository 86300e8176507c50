/*
 * Reading a segment: its index at start, and the entries of a run.
 *
 * Entries are read through a window of the file, in big steps; what a SEGMENT_SAME refers to, through a
 * second one, since such entries mostly refer to neighbours. A file is opened for each call: thousands of
 * segments that wait to be read hold no descriptor, and nothing is shared with whoever writes.
 *
 * What the disk had no room for yet is read from the chunk that waits: so consumers go on while it is full.
 * Entries do not cross chunks.
 */
#include "base/check.h"
#include "io/file.h"
#include "store/segment.h"
#include "store/segment_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    READ_STEP = 1 << 16, /* what is copied from the file is still in the cache when it is looked at */
    TAIL = 1 << 16,      /* read at once at the end of a file: trailer and, mostly, the whole footer */
    ACKS_MAX = 1 << 30,
};

/* ---- at start ---- */

static void
explain(enum err e, const char *path, char *why, size_t why_size)
{
    if (e == ERR_UNSUPPORTED)
        snprintf(why, why_size,
                 "%s was written by a newer version of Leveret (this one reads formats up to %d): start that "
                 "version",
                 path, STORE_MESSAGE_VERSION);
    else if (e == ERR_CORRUPT)
        snprintf(why, why_size,
                 "%s is damaged (checksum or structure does not match): restore the data directory from a "
                 "backup",
                 path);
    else if (e == ERR_NOT_FOUND)
        snprintf(why, why_size, "%s is missing: put it back, or restore the data directory from a backup",
                 path);
    else
        snprintf(why, why_size, "cannot read %s: %s; check the disk and the permissions", path, err_text(e));
}

/* All of it, or ERR_CORRUPT. */
static enum err
read_exactly(struct file *f, uint8_t *data, size_t len, uint64_t offset)
{
    size_t got;
    enum err e = file_pread(f, data, len, offset, &got);
    return e == ERR_OK && got != len ? ERR_CORRUPT : e;
}

/* The footer, of which the file's last bytes may be there already (`tail`, with the trailer). */
static enum err
read_footer(struct file *f, const struct segment_trailer *t, struct slice tail, struct segment_index *ix)
{
    uint64_t size = segment_footer_size(t), with_trailer = size + SEGMENT_TRAILER;
    if (with_trailer <= tail.len)
        return segment_footer_parse(slice_of(tail.data + tail.len - with_trailer, (size_t)size), t, ix);
    uint8_t *footer = malloc((size_t)size);
    CHECK(footer);
    enum err e = read_exactly(f, footer, (size_t)size, t->file_size - with_trailer);
    if (e == ERR_OK)
        e = segment_footer_parse(slice_of(footer, (size_t)size), t, ix);
    free(footer);
    return e;
}

static enum err
read_index(struct file *f, uint64_t id, uint64_t size, struct segment_index *ix)
{
    uint8_t header[SEGMENT_HEADER];
    struct segment_trailer t;
    if (size < SEGMENT_HEADER + SEGMENT_TRAILER)
        return ERR_CORRUPT;
    enum err e = read_exactly(f, header, sizeof header, 0);
    if (e == ERR_OK)
        e = segment_header_parse(header, id);
    if (e != ERR_OK)
        return e;
    size_t len = size < TAIL ? (size_t)size : TAIL;
    uint8_t *tail = malloc(len);
    CHECK(tail);
    e = read_exactly(f, tail, len, size - len);
    if (e == ERR_OK)
        e = segment_trailer_parse(tail + len - SEGMENT_TRAILER, id, size, &t);
    if (e == ERR_OK)
        e = read_footer(f, &t, slice_of(tail, len), ix);
    free(tail);
    return e;
}

static enum err
load_index(struct store *s, const char *path, struct segment *g)
{
    struct file *f;
    enum err e = file_open(s->world, path, FILE_READ, &f);
    if (e != ERR_OK)
        return e;
    e = file_size(f, &g->size);
    if (e == ERR_OK)
        e = read_index(f, g->id, g->size, &g->ix);
    file_close(f);
    g->written = g->size;
    g->durable_count = g->ix.live_count;
    return e;
}

static enum err
load_acks(struct store *s, const char *path, struct segment *g)
{
    char *data;
    size_t len;
    enum err e = file_read_all(s->world, path, ACKS_MAX, &data, &len);
    if (e != ERR_OK)
        return e == ERR_LIMIT ? ERR_CORRUPT : e;
    e = segment_acks_merge(slice_of(data, len), g->id, g->acks_generation, &g->ix);
    free(data);
    return e == ERR_OK && !segment_index_count(&g->ix) ? ERR_CORRUPT : e;
}

enum err
segment_load(struct store *s, uint64_t id, uint32_t acks_generation, struct segment **segment, char *why,
             size_t why_size)
{
    char path[STORE_PATH_MAX];
    struct segment *g = calloc(1, sizeof *g);
    CHECK(g);
    g->store = s;
    g->id = id;
    g->acks_generation = acks_generation;
    g->is_sealed = true;
    store_segment_path(s, path, id);
    enum err e = load_index(s, path, g);
    if (e == ERR_OK && acks_generation > 0) {
        store_acks_path(s, path, id, acks_generation);
        e = load_acks(s, path, g);
    }
    if (e != ERR_OK) {
        explain(e, path, why, why_size);
        segment_free(g);
        return e;
    }
    *segment = g;
    return ERR_OK;
}

/* ---- the entries of a run ---- */

/* A part of the file in memory. */
struct window {
    uint8_t *data;
    size_t capacity, size;
    uint64_t at;
};

struct reader {
    struct segment *segment;
    struct file *file;
    const struct segment_chunk *chunk; /* instead of the file, for what is not written */
    uint64_t end;                      /* of what can be read of the run in one go */
    struct window here, before;
};

/* What the window has of the bytes from `offset` on. */
static struct slice
window_slice(const struct window *w, uint64_t offset)
{
    if (offset < w->at || offset - w->at >= w->size)
        return slice_of(NULL, 0);
    return slice_of(w->data + (offset - w->at), w->size - (size_t)(offset - w->at));
}

/* Moves the window to `offset`: `need` bytes, and more if there are before `end`. */
static enum err
window_move(struct reader *r, struct window *w, uint64_t offset, size_t need, uint64_t end)
{
    uint64_t len = need > READ_STEP ? need : READ_STEP;
    if (len > end - offset)
        len = end - offset;
    if (len > w->capacity) {
        free(w->data);
        w->data = malloc((size_t)len);
        CHECK(w->data);
        w->capacity = (size_t)len;
    }
    w->at = offset;
    if (r->chunk) {
        memcpy(w->data, r->chunk->data + (offset - r->chunk->offset), (size_t)len);
        w->size = (size_t)len;
        return len < need ? ERR_CORRUPT : ERR_OK;
    }
    enum err e = file_pread(r->file, w->data, (size_t)len, offset, &w->size);
    return e == ERR_OK && w->size < need ? ERR_CORRUPT : e;
}

/* The entry at `offset`, which ends at `end` or before; its slices are the window's. */
static enum err
entry_at(struct reader *r, struct window *w, uint64_t offset, uint64_t end, struct segment_entry *entry)
{
    enum err e;
    while ((e = segment_entry_parse(window_slice(w, offset), end - offset, r->segment->id, entry)) ==
           ERR_TRUNCATED) {
        e = window_move(r, w, offset, entry->length, end);
        if (e != ERR_OK)
            return e;
    }
    return e;
}

/* The message of an entry: its own, or that of the one before that it refers to. */
static enum err
message_of(struct reader *r, uint64_t offset, const struct segment_entry *entry, struct record_message *m)
{
    *m = entry->m;
    if (!(entry->flags & SEGMENT_SAME))
        return ERR_OK;
    if (entry->distance > offset - SEGMENT_HEADER)
        return ERR_CORRUPT;
    if (r->chunk && offset - entry->distance < r->chunk->offset)
        return ERR_NO_SPACE; /* when this chunk is written, too */
    struct segment_entry target;
    uint64_t at = offset - entry->distance;
    struct window *w = at >= r->here.at ? &r->here : &r->before;
    enum err e = entry_at(r, w, at, offset, &target);
    if (e != ERR_OK)
        return e;
    *m = target.m;
    m->expires_at = entry->m.expires_at;
    return target.flags & SEGMENT_SAME ? ERR_CORRUPT : ERR_OK;
}

static enum err
read_entries(struct reader *r, const struct segment_run *run, struct segment_cursor *c, uint64_t from,
             size_t bytes,
             void (*on_entry)(void *arg, uint64_t sequence, const struct record_message *m,
                              bool is_transient),
             void *arg)
{
    for (size_t taken = 0; c->offset < r->end && taken < bytes;) {
        struct segment_entry entry;
        struct record_message m;
        enum err e = entry_at(r, &r->here, c->offset, r->end, &entry);
        if (e == ERR_OK && (entry.sequence < c->next || entry.sequence > run->last))
            e = ERR_CORRUPT;
        if (e == ERR_OK && entry.sequence >= from) {
            e = message_of(r, c->offset, &entry, &m);
            if (e == ERR_OK)
                on_entry(arg, entry.sequence, &m, entry.flags & SEGMENT_TRANSIENT);
            taken += entry.length + (entry.flags & SEGMENT_SAME ? m.body.len : 0);
        }
        if (e != ERR_OK)
            return e;
        c->offset += entry.length;
        c->next = entry.sequence + 1;
    }
    return ERR_OK;
}

void
segment_cursor_start(const struct segment_run *run, struct segment_cursor *c)
{
    *c = (struct segment_cursor){.offset = run->offset, .next = run->first};
}

/* Chunks up to the one meant were handed over before this job, so their links are settled. */
static enum err
find_chunk(struct reader *r, uint64_t offset)
{
    const struct segment_chunk *c = r->segment->head;
    while (c && offset >= c->offset + c->size)
        c = c->next;
    if (!c || offset < c->offset || !c->data) /* dropped when the store failed */
        return store_failure(r->segment->store) != ERR_OK ? store_failure(r->segment->store) : ERR_NO_SPACE;
    r->chunk = c;
    if (r->end > c->offset + c->size)
        r->end = c->offset + c->size;
    return ERR_OK;
}

enum err
segment_read(struct segment *g, const struct segment_run *run, struct segment_cursor *c, uint64_t from,
             size_t bytes,
             void (*on_entry)(void *arg, uint64_t sequence, const struct record_message *m,
                              bool is_transient),
             void *arg, bool *done)
{
    char path[STORE_PATH_MAX];
    const uint64_t run_end = run->offset + run->length;
    struct reader r = {.segment = g, .end = run_end};
    *done = c->offset >= run_end;
    if (*done)
        return ERR_OK;
    enum err e = ERR_OK;
    store_segment_path(g->store, path, g->id);
    if (c->offset >= g->written)
        e = find_chunk(&r, c->offset);
    else if (r.end > g->written)
        r.end = g->written;
    if (e == ERR_OK && !r.chunk)
        e = file_open(g->store->world, path, FILE_READ, &r.file);
    if (e == ERR_OK)
        e = read_entries(&r, run, c, from, bytes, on_entry, arg);
    if (r.file)
        file_close(r.file);
    free(r.here.data);
    free(r.before.data);
    if (e == ERR_CORRUPT)
        log_error(g->store->log, LOG_STORAGE,
                  "%s is damaged at offset %" PRIu64
                  ": what stands there cannot be read. `leveret store check` tells what else is wrong",
                  path, c->offset);
    else if (e != ERR_OK && e != ERR_NOT_FOUND && e != ERR_NO_SPACE && e != store_failure(g->store))
        log_error(g->store->log, LOG_STORAGE, "cannot read %s: %s", path, err_text(e));
    *done = e == ERR_OK && c->offset >= run_end;
    return e;
}
