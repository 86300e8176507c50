/*
 * In memory the manifest is a view with sorted arrays, behind `lock`. `committing` is held during a commit
 * and taken before `lock`, so that commits of several threads follow one another; one that finds its changes
 * in a commit that has ended meanwhile has nothing to do.
 *
 * The file, little-endian:
 *
 *   magic u64 | version u32 | boot u32 | incarnation u64 | next id u64
 *   | snapshot: id u64, term u64, index u64 | chains u32 | segments u32
 *   | chains x (boot u32, low u32, chain u32)
 *   | segments x (id u64, size u64, ack generation u32)
 *   | XXH3 u64 over all before it
 *
 * Every later version keeps magic, version and the checksum in the last 8 bytes. Chains are sorted by (boot,
 * chain) and segments by id, each there once; no id reaches `next id`.
 *
 * Ids below `next id` may have been given out: a commit reserves MANIFEST_ID_BLOCK of them when less than
 * half of that is left, and those count when it has ended. So manifest_next_id() seldom has to commit itself.
 */
#include "store/manifest.h"

#include "base/buffer.h"
#include "base/byteorder.h"
#include "base/check.h"
#include "io/file.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#define MAGIC UINT64_C(0x3154534546494e4d) /* "MNIFEST1" */

enum {
    HEADER = 64,
    CHAIN_BYTES = 12,
    SEGMENT_BYTES = 20,
    CHECKSUM = 8,
    FILE_BYTES_MAX = 1 << 28,
};

struct manifest {
    struct store *store;
    pthread_mutex_t committing;
    uint64_t committed; /* the value of `changes` that is on disk */
    pthread_mutex_t lock;
    uint64_t changes;
    struct manifest_view now; /* next_id: the next to give out; boot and incarnation are the store's */
    uint64_t id_end;          /* ids below it are reserved on disk */
    size_t chain_capacity, segment_capacity;
};

struct manifest *
manifest_new(struct store *s)
{
    struct manifest *m = calloc(1, sizeof *m);
    CHECK(m);
    m->store = s;
    m->changes = 1;
    m->now.next_id = m->id_end = 1;
    CHECK(pthread_mutex_init(&m->committing, NULL) == 0);
    CHECK(pthread_mutex_init(&m->lock, NULL) == 0);
    return m;
}

void
manifest_free(struct manifest *m)
{
    if (!m)
        return;
    manifest_view_free(&m->now);
    pthread_mutex_destroy(&m->committing);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

/* ---- sorted arrays ---- */

static uint64_t
chain_key(uint32_t boot, uint16_t chain)
{
    return (uint64_t)boot << 16 | chain;
}

/* The first that is not below the key. */
static size_t
find_chain(const struct manifest_view *v, uint64_t key)
{
    size_t low = 0, high = v->chain_count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (chain_key(v->chains[mid].boot, v->chains[mid].chain) < key)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static size_t
find_segment(const struct manifest_view *v, uint64_t id)
{
    size_t low = 0, high = v->segment_count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (v->segments[mid].id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static bool
is_chain_at(const struct manifest_view *v, size_t i, uint64_t key)
{
    return i < v->chain_count && chain_key(v->chains[i].boot, v->chains[i].chain) == key;
}

static bool
is_segment_at(const struct manifest_view *v, size_t i, uint64_t id)
{
    return i < v->segment_count && v->segments[i].id == id;
}

/* Opens a gap at place i of an array of `count` things; the array may move. */
static void *
make_gap(void *array, size_t *capacity, size_t count, size_t i, size_t size)
{
    if (count == *capacity) {
        *capacity = count ? count * 2 : 16;
        array = realloc(array, *capacity * size);
        CHECK(array);
    }
    uint8_t *at = (uint8_t *)array + i * size;
    memmove(at + size, at, (count - i) * size);
    return array;
}

static void
close_gap(void *array, size_t count, size_t i, size_t size)
{
    uint8_t *at = (uint8_t *)array + i * size;
    memmove(at, at + size, (count - i - 1) * size);
}

/* ---- changes ---- */

void
manifest_set_chain(struct manifest *m, const struct manifest_chain *c)
{
    uint64_t key = chain_key(c->boot, c->chain);
    pthread_mutex_lock(&m->lock);
    struct manifest_view *v = &m->now;
    size_t i = find_chain(v, key);
    if (!is_chain_at(v, i, key)) {
        v->chains = make_gap(v->chains, &m->chain_capacity, v->chain_count, i, sizeof *v->chains);
        v->chain_count++;
    }
    v->chains[i] = *c;
    m->changes++;
    pthread_mutex_unlock(&m->lock);
}

void
manifest_drop_chain(struct manifest *m, uint32_t boot, uint16_t chain)
{
    uint64_t key = chain_key(boot, chain);
    pthread_mutex_lock(&m->lock);
    struct manifest_view *v = &m->now;
    size_t i = find_chain(v, key);
    if (is_chain_at(v, i, key)) {
        close_gap(v->chains, v->chain_count--, i, sizeof *v->chains);
        m->changes++;
    }
    pthread_mutex_unlock(&m->lock);
}

void
manifest_set_segment(struct manifest *m, const struct manifest_segment *s)
{
    pthread_mutex_lock(&m->lock);
    struct manifest_view *v = &m->now;
    CHECK(s->id > 0 && s->id < v->next_id);
    size_t i = find_segment(v, s->id);
    if (!is_segment_at(v, i, s->id)) {
        v->segments = make_gap(v->segments, &m->segment_capacity, v->segment_count, i, sizeof *v->segments);
        v->segment_count++;
    }
    v->segments[i] = *s;
    m->changes++;
    pthread_mutex_unlock(&m->lock);
}

void
manifest_drop_segment(struct manifest *m, uint64_t id)
{
    pthread_mutex_lock(&m->lock);
    struct manifest_view *v = &m->now;
    size_t i = find_segment(v, id);
    if (is_segment_at(v, i, id)) {
        close_gap(v->segments, v->segment_count--, i, sizeof *v->segments);
        m->changes++;
    }
    pthread_mutex_unlock(&m->lock);
}

void
manifest_set_snapshot(struct manifest *m, uint64_t id, uint64_t term, uint64_t index)
{
    pthread_mutex_lock(&m->lock);
    CHECK(id < m->now.next_id);
    m->now.snapshot_id = id;
    m->now.snapshot_term = term;
    m->now.snapshot_index = index;
    m->changes++;
    pthread_mutex_unlock(&m->lock);
}

uint64_t
manifest_next_id(struct manifest *m)
{
    for (;;) {
        pthread_mutex_lock(&m->lock);
        bool is_reserved = m->now.next_id < m->id_end;
        if (!is_reserved)
            m->changes++; /* so that the commit is not found superfluous */
        uint64_t id = m->now.next_id;
        /* Of a store that has failed nothing more reaches the disk, so any id that is new to memory does. */
        if (is_reserved || store_failure(m->store) != ERR_OK) {
            m->now.next_id++;
            pthread_mutex_unlock(&m->lock);
            return id;
        }
        pthread_mutex_unlock(&m->lock);
        enum err e = manifest_commit(m);
        if (e == ERR_NO_SPACE) /* nothing can go on without */
            store_fail(m->store, e, "reserve ids in the manifest of", m->store->dir);
    }
}

/* ---- views ---- */

static void *
copy_array(const void *array, size_t count, size_t size)
{
    if (count == 0)
        return NULL;
    void *copy = malloc(count * size);
    CHECK(copy);
    memcpy(copy, array, count * size);
    return copy;
}

void
manifest_view(struct manifest *m, struct manifest_view *view)
{
    pthread_mutex_lock(&m->lock);
    *view = m->now;
    view->boot = m->store->boot;
    view->incarnation = m->store->incarnation;
    view->chains = copy_array(view->chains, view->chain_count, sizeof *view->chains);
    view->segments = copy_array(view->segments, view->segment_count, sizeof *view->segments);
    pthread_mutex_unlock(&m->lock);
}

void
manifest_view_free(struct manifest_view *view)
{
    free(view->chains);
    free(view->segments);
    *view = (struct manifest_view){0};
}

/* ---- bytes ---- */

void
manifest_format(const struct manifest_view *view, struct buffer *out)
{
    size_t size = HEADER + view->chain_count * CHAIN_BYTES + view->segment_count * SEGMENT_BYTES;
    uint8_t *start = buffer_reserve(out, size + CHECKSUM), *p = start;
    le64_put(p, MAGIC);
    le32_put(p + 8, STORE_FORMAT_VERSION);
    le32_put(p + 12, view->boot);
    le64_put(p + 16, view->incarnation);
    le64_put(p + 24, view->next_id);
    le64_put(p + 32, view->snapshot_id);
    le64_put(p + 40, view->snapshot_term);
    le64_put(p + 48, view->snapshot_index);
    le32_put(p + 56, (uint32_t)view->chain_count);
    le32_put(p + 60, (uint32_t)view->segment_count);
    p += HEADER;
    for (size_t i = 0; i < view->chain_count; i++, p += CHAIN_BYTES) {
        le32_put(p, view->chains[i].boot);
        le32_put(p + 4, view->chains[i].low);
        le32_put(p + 8, view->chains[i].chain);
    }
    for (size_t i = 0; i < view->segment_count; i++, p += SEGMENT_BYTES) {
        le64_put(p, view->segments[i].id);
        le64_put(p + 8, view->segments[i].size);
        le32_put(p + 16, view->segments[i].acks_generation);
    }
    le64_put(p, XXH3_64bits(start, size));
    out->len += size + CHECKSUM;
}

static bool
parse_chains(const uint8_t *p, struct manifest_view *view)
{
    uint64_t before = 0;
    for (size_t i = 0; i < view->chain_count; i++, p += CHAIN_BYTES) {
        uint32_t chain = le32_get(p + 8);
        view->chains[i] =
            (struct manifest_chain){.boot = le32_get(p), .low = le32_get(p + 4), .chain = (uint16_t)chain};
        uint64_t key = chain_key(view->chains[i].boot, (uint16_t)chain);
        if (chain > UINT16_MAX || view->chains[i].low == 0 || view->chains[i].boot == 0 || key <= before ||
            view->chains[i].boot > view->boot)
            return false;
        before = key;
    }
    return true;
}

static bool
parse_segments(const uint8_t *p, struct manifest_view *view)
{
    uint64_t before = 0;
    for (size_t i = 0; i < view->segment_count; i++, p += SEGMENT_BYTES) {
        view->segments[i] = (struct manifest_segment){
            .id = le64_get(p), .size = le64_get(p + 8), .acks_generation = le32_get(p + 16)};
        if (view->segments[i].id <= before || view->segments[i].id >= view->next_id)
            return false;
        before = view->segments[i].id;
    }
    return true;
}

enum err
manifest_parse(struct slice file, struct manifest_view *view)
{
    *view = (struct manifest_view){0};
    const uint8_t *p = file.data;
    if (file.len < 16 + CHECKSUM || le64_get(p) != MAGIC ||
        le64_get(p + file.len - CHECKSUM) != XXH3_64bits(p, file.len - CHECKSUM))
        return ERR_CORRUPT;
    if (le32_get(p + 8) > STORE_FORMAT_VERSION)
        return ERR_UNSUPPORTED;
    if (le32_get(p + 8) != STORE_FORMAT_VERSION || file.len < HEADER + CHECKSUM)
        return ERR_CORRUPT;
    uint64_t chains = le32_get(p + 56), segments = le32_get(p + 60);
    if (file.len != HEADER + chains * CHAIN_BYTES + segments * SEGMENT_BYTES + CHECKSUM)
        return ERR_CORRUPT;
    *view = (struct manifest_view){
        .boot = le32_get(p + 12),
        .incarnation = le64_get(p + 16),
        .next_id = le64_get(p + 24),
        .snapshot_id = le64_get(p + 32),
        .snapshot_term = le64_get(p + 40),
        .snapshot_index = le64_get(p + 48),
        .chains = chains ? calloc(chains, sizeof *view->chains) : NULL,
        .chain_count = chains,
        .segments = segments ? calloc(segments, sizeof *view->segments) : NULL,
        .segment_count = segments,
    };
    CHECK((view->chains || !chains) && (view->segments || !segments));
    if (view->boot == 0 || view->next_id == 0 || view->snapshot_id >= view->next_id ||
        !parse_chains(p + HEADER, view) || !parse_segments(p + HEADER + chains * CHAIN_BYTES, view)) {
        manifest_view_free(view);
        return ERR_CORRUPT;
    }
    return ERR_OK;
}

/* ---- reading and committing ---- */

static void
explain(enum err e, const char *path, char *why, size_t why_size)
{
    if (e == ERR_UNSUPPORTED)
        snprintf(why, why_size,
                 "%s was written by a newer version of Leveret (this one reads formats up to %d): start that "
                 "version, or use another data directory",
                 path, STORE_FORMAT_VERSION);
    else if (e == ERR_CORRUPT || e == ERR_LIMIT)
        snprintf(why, why_size,
                 "%s is damaged (checksum or structure does not match): restore the data directory from a "
                 "backup, or move it aside to start empty",
                 path);
    else
        snprintf(why, why_size, "cannot read %s: %s; check the disk and the permissions", path, err_text(e));
}

enum err
manifest_read(struct manifest *m, char *why, size_t why_size)
{
    char path[STORE_PATH_MAX], *data;
    size_t len;
    struct manifest_view view;
    store_path(m->store, path, "MANIFEST");
    enum err e = file_read_all(m->store->world, path, FILE_BYTES_MAX, &data, &len);
    if (e == ERR_OK) {
        e = manifest_parse(slice_of(data, len), &view);
        free(data);
    }
    if (e != ERR_OK) {
        explain(e, path, why, why_size);
        return e == ERR_LIMIT ? ERR_CORRUPT : e;
    }
    manifest_view_free(&m->now);
    m->now = view;
    m->id_end = view.next_id;
    m->chain_capacity = view.chain_count;
    m->segment_capacity = view.segment_count;
    m->store->boot = view.boot;
    m->store->incarnation = view.incarnation;
    return ERR_OK;
}

static enum err
write_fresh(struct store *s, const struct buffer *bytes, const char *path)
{
    struct file *f;
    enum err e = file_open(s->world, path, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, &f);
    if (e != ERR_OK)
        return e;
    e = file_pwrite(f, bytes->data, bytes->len, 0);
    if (e == ERR_OK)
        e = file_sync(f);
    file_close(f);
    return e;
}

/* The whole, synced, beside the one that counts; then it takes its place. A full disk is no failure before
 * that: the next attempt begins with a new file. */
static enum err
replace_file(struct store *s, const struct buffer *bytes)
{
    char fresh[STORE_PATH_MAX], path[STORE_PATH_MAX];
    store_path(s, fresh, "MANIFEST.new");
    store_path(s, path, "MANIFEST");
    enum err e = write_fresh(s, bytes, fresh);
    if (e == ERR_OK)
        e = file_rename(s->world, fresh, path);
    if (e == ERR_NO_SPACE) {
        (void)!file_unlink(s->world, fresh);
        return e;
    }
    if (e == ERR_OK)
        e = dir_sync(s->world, s->dir);
    if (e != ERR_OK)
        store_fail(s, e, "write and sync", fresh);
    return e;
}

/* With `committing` held. */
static enum err
commit_now(struct manifest *m)
{
    struct buffer bytes;
    buffer_init(&bytes);
    pthread_mutex_lock(&m->lock);
    struct manifest_view view = m->now;
    uint64_t changes = m->changes;
    view.boot = m->store->boot;
    view.incarnation = m->store->incarnation;
    view.next_id =
        m->id_end < view.next_id + MANIFEST_ID_BLOCK / 2 ? view.next_id + MANIFEST_ID_BLOCK : m->id_end;
    manifest_format(&view, &bytes);
    pthread_mutex_unlock(&m->lock);

    enum err e = replace_file(m->store, &bytes);
    buffer_fini(&bytes);
    if (e != ERR_OK)
        return e;
    m->committed = changes;
    pthread_mutex_lock(&m->lock);
    m->id_end = view.next_id;
    pthread_mutex_unlock(&m->lock);
    return ERR_OK;
}

enum err
manifest_commit(struct manifest *m)
{
    pthread_mutex_lock(&m->lock);
    uint64_t wanted = m->changes;
    pthread_mutex_unlock(&m->lock);
    pthread_mutex_lock(&m->committing);
    enum err e = store_failure(m->store);
    if (e == ERR_OK && m->committed < wanted)
        e = commit_now(m);
    pthread_mutex_unlock(&m->committing);
    return e;
}
