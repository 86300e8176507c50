/*
 * Writing a segment. The shard copies entries into a chunk; a full one goes to the pager as a job, and with
 * the job the ownership: the pager writes it and gives up its bytes at once. The chunk itself, which holds
 * the job, is freed when the pager runs a later one, or with the segment.
 *
 * A full disk is no failure: chunks stay in the order of their offsets, and the next job (of segment_flush())
 * tries again from the first that is not written. Any other error fails the store; then bytes are dropped.
 */
#include "base/check.h"
#include "io/file.h"
#include "store/manifest.h"
#include "store/segment.h"
#include "store/segment_impl.h"

#include <stdlib.h>
#include <string.h>

/* ---- memory of chunks: any thread ---- */

/* A megabyte or so is kept for the next chunks: fresh pages for each cost more than filling them. */
static uint8_t *
bytes_take(struct store *s, size_t capacity)
{
    uint8_t *data = NULL;
    for (unsigned i = 0; capacity == SEGMENT_CHUNK && !data && i < STORE_SPARE_CHUNKS; i++)
        data = atomic_exchange(&s->spare_chunks[i], NULL);
    if (!data)
        data = malloc(capacity);
    CHECK(data);
    return data;
}

static void
bytes_give(struct store *s, uint8_t *data, size_t capacity)
{
    for (unsigned i = 0; capacity == SEGMENT_CHUNK && data && i < STORE_SPARE_CHUNKS; i++) {
        void *none = NULL;
        if (atomic_compare_exchange_strong(&s->spare_chunks[i], &none, data))
            data = NULL;
    }
    free(data);
}

/* ---- on the pager ---- */

/* False: no room for it now. */
static bool
write_chunk(struct segment *g, struct segment_chunk *c)
{
    char path[STORE_PATH_MAX];
    const char *what = "write";
    enum err e = store_failure(g->store);
    bool has_failed = e != ERR_OK;
    store_segment_path(g->store, path, g->id);
    if (e == ERR_OK && !g->file) {
        what = "create";
        e = file_open(g->store->world, path, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, &g->file);
    }
    if (e == ERR_OK) {
        what = "write";
        e = file_pwrite(g->file, c->data, c->size, c->offset);
    }
    if (e == ERR_NO_SPACE && !has_failed) {
        if (g->file) /* a part of it would leave no room for the manifest, without which nothing is deleted */
            (void)!file_truncate(g->file, c->offset);
        if (!atomic_exchange(&g->is_short, true))
            log_warning(g->store->log, LOG_STORAGE,
                        "no space on the disk to write %s: make room; it is tried again", path);
        return false;
    }
    atomic_store(&g->is_short, false);
    if (e == ERR_OK)
        g->written = c->offset + c->size;
    else if (!has_failed)
        store_fail(g->store, e, what, path);
    bytes_give(g->store, c->data, c->capacity);
    c->data = NULL;
    atomic_fetch_sub(&g->waiting, c->size);
    return true;
}

static void
run_chunk(void *arg)
{
    struct segment_chunk *own = arg, *c;
    struct segment *g = own->segment;
    while ((c = g->head)) {
        if (c->data && !write_chunk(g, c))
            return;
        if (c == own)
            return; /* the worker still has its job */
        g->head = c->next;
        free(c);
    }
}

/* ---- on the shard: chunks ---- */

static struct segment_chunk *
chunk_new(struct segment *g, size_t capacity)
{
    struct segment_chunk *c = calloc(1, sizeof *c);
    CHECK(c);
    c->segment = g;
    c->job.run = run_chunk;
    c->job.arg = c;
    c->capacity = capacity;
    if (capacity > 0)
        c->data = bytes_take(g->store, capacity);
    return c;
}

static void
submit(struct segment *g, struct segment_chunk *c)
{
    if (g->last)
        g->last->next = c;
    else
        g->head = c;
    g->last = c;
    atomic_fetch_add(&g->waiting, c->size);
    worker_submit(g->pager, &c->job);
}

bool
segment_is_short(const struct segment *g)
{
    return atomic_load(&g->is_short);
}

void
segment_flush(struct segment *g)
{
    struct segment_chunk *c = g->filling;
    g->filling = NULL;
    if (c)
        submit(g, c);
    else if (atomic_load(&g->is_short))
        submit(g, chunk_new(g, 0));
}

/* Room for `size` bytes behind what is there. */
static uint8_t *
reserve(struct segment *g, size_t size)
{
    if (g->filling && size > g->filling->capacity - g->filling->size)
        segment_flush(g);
    if (!g->filling) {
        g->filling = chunk_new(g, size > SEGMENT_CHUNK ? size : SEGMENT_CHUNK);
        g->filling->offset = g->size;
    }
    return g->filling->data + g->filling->size;
}

static void
commit(struct segment *g, size_t size)
{
    g->filling->size += size;
    g->size += size;
}

struct segment *
segment_new(struct store *s, struct worker *pager)
{
    struct segment *g = calloc(1, sizeof *g);
    CHECK(g);
    g->store = s;
    g->pager = pager;
    g->id = manifest_next_id(s->manifest);
    segment_header_put(reserve(g, SEGMENT_HEADER), g->id);
    commit(g, SEGMENT_HEADER);
    return g;
}

/* ---- on the shard: runs and bits ---- */

static uint64_t *
grow_words(uint64_t *words, uint32_t before, uint32_t after)
{
    words = realloc(words, after * sizeof *words);
    CHECK(words);
    memset(words + before, 0, (after - before) * sizeof *words);
    return words;
}

/* `n` more bits, clear. */
static void
add_bits(struct segment *g, uint64_t n)
{
    struct segment_index *ix = &g->ix;
    CHECK(n <= UINT32_MAX - 1 - ix->bits);
    size_t words = segment_words(ix->bits + n);
    if (words > ix->words) {
        uint32_t before = ix->words;
        ix->words = (uint32_t)(words > before * 2u ? words : before * 2u);
        ix->dead = grow_words(ix->dead, before, ix->words);
        g->absent = grow_words(g->absent, before, ix->words);
        if (g->lost)
            g->lost = grow_words(g->lost, before, ix->words);
    }
    ix->bits += (uint32_t)n;
}

static struct segment_run *
add_run(struct segment *g, struct record_target at)
{
    struct segment_index *ix = &g->ix;
    if (ix->run_count == ix->run_capacity) {
        ix->run_capacity = ix->run_capacity ? ix->run_capacity * 2 : 16;
        ix->runs = realloc(ix->runs, ix->run_capacity * sizeof *ix->runs);
        ix->live = realloc(ix->live, ix->run_capacity * sizeof *ix->live);
        CHECK(ix->runs && ix->live);
    }
    ix->live[ix->run_count] = 0;
    struct segment_run *run = &ix->runs[ix->run_count++];
    *run = (struct segment_run){.queue_id = at.queue_id,
                                .epoch = at.epoch,
                                .first = at.sequence,
                                .last = at.sequence,
                                .offset = g->size,
                                .bit = ix->bits};
    add_bits(g, 1);
    return run;
}

void
segment_break(struct segment *g)
{
    g->is_broken = true;
}

/* The last run, if it can take the sequence, with bits as far as that; else a new one. */
static struct segment_run *
run_for(struct segment *g, struct record_target at)
{
    struct segment_index *ix = &g->ix;
    struct segment_run *run = ix->run_count && !g->is_broken ? &ix->runs[ix->run_count - 1] : NULL;
    g->is_broken = false;
    if (!run || run->queue_id != at.queue_id || run->epoch != at.epoch || at.sequence <= run->last ||
        at.sequence - run->last - 1 > SEGMENT_GAP_MAX)
        return add_run(g, at);
    uint64_t gap = at.sequence - run->last - 1, bit = ix->bits;
    add_bits(g, gap + 1);
    segment_bits_set(ix->dead, bit, gap);
    segment_bits_set(g->absent, bit, gap);
    run->last = at.sequence;
    return run;
}

static void
add_body(struct segment_index *ix, uint64_t id)
{
    if (ix->body_count == ix->body_capacity) {
        ix->body_capacity = ix->body_capacity ? ix->body_capacity * 2 : 16;
        ix->bodies = realloc(ix->bodies, ix->body_capacity * sizeof *ix->bodies);
        CHECK(ix->bodies);
    }
    ix->bodies[ix->body_count++] = (struct segment_body){.id = id, .bit = ix->bits - 1};
}

/* Its bit is the last one. */
static void
note_entry(struct segment *g, struct record_target at, size_t size, uint64_t body_file, bool is_transient)
{
    struct segment_index *ix = &g->ix;
    struct segment_run *run = run_for(g, at);
    run->length += size;
    run->count++;
    ix->live[ix->run_count - 1]++;
    ix->live_count++;
    ix->entry_count++;
    if (body_file)
        add_body(ix, body_file);
    if (is_transient) {
        segment_bits_set(g->absent, ix->bits - 1, 1);
        g->has_transient = true;
    } else {
        g->durable_count++;
    }
}

uint64_t
segment_append(struct segment *g, struct record_target at, const struct record_message *m, bool is_transient,
               uint64_t same_as)
{
    CHECK(!g->is_sealed && same_as < g->size);
    uint64_t offset = g->size;
    size_t size = segment_entry_size(m, same_as != 0);
    segment_entry_put(reserve(g, size), size, g->id, at.sequence, m, is_transient,
                      same_as ? offset - same_as : 0);
    note_entry(g, at, size, m->body_file, is_transient);
    g->ix.may_expire |= m->expires_at != 0;
    commit(g, size);
    return offset;
}

uint64_t
segment_bytes_waiting(const struct segment *g)
{
    return atomic_load(&g->waiting) + (g->filling ? g->filling->size : 0);
}

void
segment_seal(struct segment *g)
{
    CHECK(!g->is_sealed);
    struct buffer footer;
    buffer_init(&footer);
    segment_footer_put(&g->ix, g->absent, g->id, g->size, &footer);
    memcpy(reserve(g, footer.len), footer.data, footer.len);
    commit(g, footer.len);
    buffer_fini(&footer);
    segment_flush(g);
    g->is_sealed = true;
    if (!g->has_transient) { /* gaps are never settled */
        free(g->absent);
        g->absent = NULL;
    }
}

/* ---- on the keeper ---- */

enum err
segment_sync(struct segment *g)
{
    char path[STORE_PATH_MAX];
    enum err e = store_failure(g->store);
    CHECK(g->is_sealed);
    if (e != ERR_OK)
        return e;
    /* First this: while something waits the pager may be trying it again, and the file is its own. */
    if (atomic_load(&g->waiting) > 0)
        return ERR_NO_SPACE;
    if (!g->file) /* synced before, or never made */
        return store_failure(g->store);
    store_segment_path(g->store, path, g->id);
    e = file_sync(g->file);
    if (e == ERR_OK) {
        store_path(g->store, path, "segment");
        e = dir_sync(g->store->world, path);
    }
    if (e != ERR_OK) {
        store_fail(g->store, e, "sync", path);
        return e;
    }
    file_close(g->file);
    g->file = NULL;
    return ERR_OK;
}
