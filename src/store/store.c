/*
 * Opening: the sub-directories are made, the manifest is read, what it names is looked for, and what it does
 * not name is deleted. A new store commits an empty manifest before anything else is written. So a directory
 * with files and without a manifest has lost it, and is not taken for a new one; and a first start that died
 * half-way has left a manifest that names nothing: the next one is a first start again.
 *
 * Bodies are not in the manifest: whoever recovers the queues knows which ones are still named.
 */
#include "store/store.h"

#include "base/check.h"
#include "io/file.h"
#include "io/random.h"
#include "store/manifest.h"
#include "store/store_pin.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_ROOM = 96 /* of the longest name inside, with sub-directory */ };

static const char *const subdirs[] = {"log", "segment", "body", "snapshot", "quarantine"};
enum { SUBDIRS = sizeof subdirs / sizeof *subdirs };

void
store_config_init(struct store_config *c)
{
    *c = (struct store_config){
        .sync = STORE_SYNC_ALWAYS,
        .sync_interval_ms = 1000,
        .log_file_bytes = 64 << 20,
        .log_files_max = 4,
        .segment_bytes = 64 << 20,
    };
}

/* ---- paths ---- */

void
store_path(const struct store *s, char *path, const char *format, ...)
{
    size_t dir = strlen(s->dir);
    CHECK(dir + NAME_ROOM < STORE_PATH_MAX); /* store_open() refuses longer ones */
    memcpy(path, s->dir, dir);
    path[dir] = '/';
    va_list args;
    va_start(args, format);
    int n = vsnprintf(path + dir + 1, STORE_PATH_MAX - dir - 1, format, args);
    va_end(args);
    CHECK(n >= 0 && dir + 1 + (size_t)n < STORE_PATH_MAX);
}

void
store_log_path(const struct store *s, char *path, uint32_t boot, uint16_t chain, uint32_t number)
{
    if (chain == STORE_CHAIN_META)
        store_path(s, path, "log/%" PRIu32 "-meta-%" PRIu32 ".log", boot, number);
    else
        store_path(s, path, "log/%" PRIu32 "-%u-%" PRIu32 ".log", boot, chain, number);
}

void
store_segment_path(const struct store *s, char *path, uint64_t id)
{
    store_path(s, path, "segment/%" PRIu64 ".segment", id);
}

void
store_acks_path(const struct store *s, char *path, uint64_t id, uint32_t generation)
{
    store_path(s, path, "segment/%" PRIu64 "-%" PRIu32 ".acks", id, generation);
}

void
store_body_path(const struct store *s, char *path, uint64_t id)
{
    store_path(s, path, "body/%" PRIu64 ".body", id);
}

void
store_snapshot_path(const struct store *s, char *path, uint64_t id)
{
    store_path(s, path, "snapshot/%" PRIu64 ".snapshot", id);
}

/* A decimal number at *p, as the functions above write it; *p moves behind it. */
static bool
take_number(const char **p, uint64_t most, uint64_t *value)
{
    const char *start = *p;
    uint64_t v = 0;
    for (; **p >= '0' && **p <= '9'; (*p)++) {
        unsigned digit = (unsigned)(**p - '0');
        if (v > (most - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *value = v;
    return *p > start && (*start != '0' || *p == start + 1);
}

static bool
take_text(const char **p, const char *text)
{
    size_t n = strlen(text);
    if (strncmp(*p, text, n) != 0)
        return false;
    *p += n;
    return true;
}

bool
store_parse_log_name(const char *name, uint32_t *boot, uint16_t *chain, uint32_t *number)
{
    uint64_t b, c = STORE_CHAIN_META, n;
    if (!take_number(&name, UINT32_MAX, &b) || !take_text(&name, "-") ||
        !(take_text(&name, "meta") || take_number(&name, STORE_CHAIN_META - 1, &c)) ||
        !take_text(&name, "-") || !take_number(&name, UINT32_MAX, &n) || strcmp(name, ".log") != 0)
        return false;
    *boot = (uint32_t)b;
    *chain = (uint16_t)c;
    *number = (uint32_t)n;
    return true;
}

bool
store_parse_id_name(const char *name, const char *suffix, uint64_t *id)
{
    return take_number(&name, UINT64_MAX, id) && strcmp(name, suffix) == 0;
}

bool
store_parse_acks_name(const char *name, uint64_t *id, uint32_t *generation)
{
    uint64_t g;
    if (!take_number(&name, UINT64_MAX, id) || !take_text(&name, "-") ||
        !take_number(&name, UINT32_MAX, &g) || strcmp(name, ".acks") != 0)
        return false;
    *generation = (uint32_t)g;
    return true;
}

/* ---- failing ---- */

enum err
store_mark(struct store *s)
{
    char path[STORE_PATH_MAX];
    struct file *f;
    store_path(s, path, STORE_MARK_NAME);
    pthread_mutex_lock(&s->mark_lock);
    s->has_marked = true;
    enum err e = file_open(s->world, path, FILE_WRITE | FILE_CREATE, &f);
    if (e == ERR_OK) {
        e = file_sync(f);
        file_close(f);
    }
    if (e == ERR_OK)
        e = dir_sync(s->world, s->dir);
    pthread_mutex_unlock(&s->mark_lock);
    return e;
}

static bool
has_mark(const struct store *s)
{
    char path[STORE_PATH_MAX];
    struct file_stat st;
    store_path(s, path, STORE_MARK_NAME);
    return file_stat(s->world, path, &st) != ERR_NOT_FOUND;
}

/* Where it stays, the next start is as careful as this one. */
void
store_forget_mark(struct store *s)
{
    char path[STORE_PATH_MAX];
    store_path(s, path, STORE_MARK_NAME);
    pthread_mutex_lock(&s->mark_lock);
    if (s->is_marked && !s->has_marked && store_failure(s) == ERR_OK && !store_is_pinned(s)) {
        (void)!file_unlink(s->world, path);
        (void)!dir_sync(s->world, s->dir);
    }
    pthread_mutex_unlock(&s->mark_lock);
}

void
store_fail(struct store *s, enum err e, const char *what, const char *path)
{
    int none = ERR_OK;
    CHECK(e != ERR_OK);
    if (!atomic_compare_exchange_strong_explicit(&s->failed, &none, (int)e, memory_order_acq_rel,
                                                 memory_order_acquire))
        return;
    log_critical(s->log, LOG_STORAGE,
                 "the store has failed: cannot %s %s: %s. From now on nothing is written or confirmed. Check "
                 "the disk, then restart the node: what was confirmed before is there",
                 what, path, err_text(e));
    (void)!store_mark(s);
}

/* ---- names in a directory ---- */

struct names {
    char **names;
    size_t count, capacity;
};

static void
add_name(void *arg, const char *name)
{
    struct names *n = arg;
    if (n->count == n->capacity) {
        n->capacity = n->capacity ? n->capacity * 2 : 64;
        n->names = realloc(n->names, n->capacity * sizeof *n->names);
        CHECK(n->names);
    }
    n->names[n->count] = strdup(name);
    CHECK(n->names[n->count]);
    n->count++;
}

static void
names_fini(struct names *n)
{
    for (size_t i = 0; i < n->count; i++)
        free(n->names[i]);
    free(n->names);
}

/* Of the store's sub-directory, or ("") of itself. To be names_fini()ed in any case. */
static enum err
list_names(struct store *s, const char *subdir, struct names *n, char *why, size_t why_size)
{
    char path[STORE_PATH_MAX];
    store_path(s, path, "%s", subdir);
    *n = (struct names){0};
    enum err e = dir_list(s->world, path, add_name, n);
    if (e != ERR_OK)
        snprintf(why, why_size, "cannot list the directory %s: %s; check the disk and the permissions", path,
                 err_text(e));
    return e;
}

/* ---- a new store ---- */

static enum err
make_dir(struct store *s, const char *path, char *why, size_t why_size)
{
    enum err e = dir_create(s->world, path);
    if (e == ERR_OK || e == ERR_EXISTS)
        return ERR_OK;
    snprintf(why, why_size,
             "cannot create the directory %s: %s; check that its parent exists and may be written", path,
             err_text(e));
    return e;
}

static enum err
sync_dir(struct store *s, const char *path, char *why, size_t why_size)
{
    enum err e = dir_sync(s->world, path);
    if (e != ERR_OK)
        snprintf(why, why_size, "cannot sync the directory %s: %s; check the disk", path, err_text(e));
    return e;
}

static enum err
make_dirs(struct store *s, const char *parent, char *why, size_t why_size)
{
    enum err e = make_dir(s, s->dir, why, why_size);
    for (unsigned i = 0; e == ERR_OK && i < SUBDIRS; i++) {
        char path[STORE_PATH_MAX];
        store_path(s, path, "%s", subdirs[i]);
        e = make_dir(s, path, why, why_size);
    }
    if (e == ERR_OK)
        e = sync_dir(s, s->dir, why, why_size);
    return e == ERR_OK ? sync_dir(s, parent, why, why_size) : e;
}

/* Without a manifest there may be no file but the one that was to become it. */
static enum err
check_is_empty(struct store *s, char *why, size_t why_size)
{
    for (unsigned i = 0; i < SUBDIRS; i++) {
        struct names n;
        enum err e = list_names(s, subdirs[i], &n, why, why_size);
        if (e == ERR_OK && n.count > 0) {
            snprintf(
                why, why_size,
                "%s/MANIFEST is missing, but %s/%s/%s is there: the manifest of this store is lost. Restore "
                "the data directory from a backup, or move %s aside to start empty",
                s->dir, s->dir, subdirs[i], n.names[0], s->dir);
            e = ERR_CORRUPT;
        }
        names_fini(&n);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

static enum err
begin_new(struct store *s, char *why, size_t why_size)
{
    enum err e = check_is_empty(s, why, why_size);
    if (e != ERR_OK)
        return e;
    do
        random_bytes(s->world, &s->incarnation, sizeof s->incarnation);
    while (s->incarnation == 0);
    s->boot = 1;
    e = manifest_commit(s->manifest);
    if (e != ERR_OK)
        snprintf(why, why_size, "cannot write %s/MANIFEST: %s; check the disk and the permissions", s->dir,
                 err_text(e));
    return e;
}

/* ---- what the manifest names is there ---- */

static enum err
find_file(struct store *s, const char *path, uint64_t size, char *why, size_t why_size)
{
    struct file_stat st;
    enum err e = file_stat(s->world, path, &st);
    if (e == ERR_OK && size && st.size != size) {
        snprintf(why, why_size,
                 "%s has %" PRIu64 " bytes, but %" PRIu64 " by the manifest: restore the data directory from "
                 "a backup",
                 path, st.size, size);
        return ERR_CORRUPT;
    }
    if (e == ERR_NOT_FOUND)
        snprintf(why, why_size,
                 "%s is missing, though the manifest names it: put it back, or restore the data directory "
                 "from a backup",
                 path);
    else if (e != ERR_OK)
        snprintf(why, why_size, "cannot look at %s: %s; check the disk and the permissions", path,
                 err_text(e));
    return e;
}

static enum err
find_named(struct store *s, const struct manifest_view *v, char *why, size_t why_size)
{
    char path[STORE_PATH_MAX];
    enum err e = ERR_OK;
    if (v->snapshot_id) {
        store_snapshot_path(s, path, v->snapshot_id);
        e = find_file(s, path, 0, why, why_size);
    }
    for (size_t i = 0; e == ERR_OK && i < v->chain_count; i++) {
        store_log_path(s, path, v->chains[i].boot, v->chains[i].chain, v->chains[i].low);
        e = find_file(s, path, 0, why, why_size);
    }
    for (size_t i = 0; e == ERR_OK && i < v->segment_count; i++) {
        const struct manifest_segment *g = &v->segments[i];
        store_segment_path(s, path, g->id);
        e = find_file(s, path, g->size, why, why_size);
        if (e == ERR_OK && g->acks_generation) {
            store_acks_path(s, path, g->id, g->acks_generation);
            e = find_file(s, path, 0, why, why_size);
        }
    }
    return e;
}

/* ---- left-overs ---- */

static bool
is_named_log(const struct manifest_view *v, const char *name, bool *is_ours)
{
    uint32_t boot, number;
    uint16_t chain;
    *is_ours = store_parse_log_name(name, &boot, &chain, &number);
    for (size_t i = 0; *is_ours && i < v->chain_count; i++)
        if (v->chains[i].boot == boot && v->chains[i].chain == chain)
            return number >= v->chains[i].low;
    return false;
}

static int
compare_id(const void *key, const void *segment)
{
    uint64_t a = *(const uint64_t *)key, b = ((const struct manifest_segment *)segment)->id;
    return a < b ? -1 : a > b;
}

static bool
is_named_segment(const struct manifest_view *v, const char *name, bool *is_ours)
{
    uint64_t id;
    uint32_t generation = 0;
    bool is_acks = store_parse_acks_name(name, &id, &generation);
    *is_ours = is_acks || store_parse_id_name(name, ".segment", &id);
    if (!*is_ours || v->segment_count == 0)
        return false;
    const struct manifest_segment *g =
        bsearch(&id, v->segments, v->segment_count, sizeof *v->segments, compare_id);
    return g && (!is_acks || g->acks_generation == generation);
}

static bool
is_named_snapshot(const struct manifest_view *v, const char *name, bool *is_ours)
{
    uint64_t id;
    *is_ours = store_parse_id_name(name, ".snapshot", &id);
    return *is_ours && id == v->snapshot_id;
}

static bool
is_named_top(const struct manifest_view *v, const char *name, bool *is_ours)
{
    *is_ours = strcmp(name, "MANIFEST.new") == 0;
    return false;
}

static const struct {
    const char *dir;
    bool (*is_named)(const struct manifest_view *v, const char *name, bool *is_ours);
} cleaned[] = {
    {"", is_named_top},
    {"log", is_named_log},
    {"segment", is_named_segment},
    {"snapshot", is_named_snapshot},
};

/* Deletes what has a name of ours and is not in the manifest. What somebody else has put there stays. */
static enum err
delete_left_overs(struct store *s, const struct manifest_view *v, char *why, size_t why_size)
{
    for (unsigned i = 0; i < sizeof cleaned / sizeof *cleaned; i++) {
        struct names n;
        enum err e = list_names(s, cleaned[i].dir, &n, why, why_size);
        for (size_t k = 0; e == ERR_OK && k < n.count; k++) {
            bool is_ours;
            char path[STORE_PATH_MAX];
            if (cleaned[i].is_named(v, n.names[k], &is_ours) || !is_ours)
                continue;
            store_path(s, path, "%s%s%s", cleaned[i].dir, *cleaned[i].dir ? "/" : "", n.names[k]);
            e = file_unlink(s->world, path);
            if (e != ERR_OK)
                snprintf(why, why_size, "cannot delete the left-over %s: %s; check the permissions", path,
                         err_text(e));
        }
        names_fini(&n);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

/* ---- opening and closing ---- */

static enum err
init(struct store *s, struct io_world *world, const char *dir, char *why, size_t why_size)
{
    *s = (struct store){.world = world};
    CHECK(pthread_mutex_init(&s->mark_lock, NULL) == 0);
    size_t len = strlen(dir) + sizeof "/store";
    if (len + NAME_ROOM >= STORE_PATH_MAX) {
        snprintf(why, why_size,
                 "the path of the data directory is too long (%zu bytes): choose a shorter one", strlen(dir));
        return ERR_LIMIT;
    }
    s->dir = malloc(len);
    CHECK(s->dir);
    snprintf(s->dir, len, "%s/store", dir);
    s->manifest = manifest_new(s);
    s->pins = store_pin_new();
    return ERR_OK;
}

static enum err
open_existing(struct store *s, char *why, size_t why_size)
{
    struct manifest_view view;
    manifest_view(s->manifest, &view);
    enum err e = find_named(s, &view, why, why_size);
    if (e == ERR_OK)
        e = delete_left_overs(s, &view, why, why_size);
    s->is_new = view.chain_count == 0 && view.segment_count == 0 && view.snapshot_id == 0;
    if (e == ERR_OK && view.boot == UINT32_MAX) {
        snprintf(why, why_size, "%s/MANIFEST: the boot numbers are used up: use another data directory",
                 s->dir);
        e = ERR_LIMIT;
    }
    s->boot = view.boot + 1;
    manifest_view_free(&view);
    return e;
}

enum err
store_open(struct store *s, struct io_world *world, const struct store_config *config, struct log *log,
           char *why, size_t why_size)
{
    enum err e = init(s, world, config->dir, why, why_size);
    s->config = *config;
    s->log = log;
    if (e == ERR_OK)
        e = make_dirs(s, config->dir, why, why_size);
    if (e == ERR_OK) {
        e = manifest_read(s->manifest, why, why_size);
        s->is_new = e == ERR_NOT_FOUND;
        s->is_marked = has_mark(s);
        if (s->is_new) {
            *why = 0; /* that there is no manifest is no news then */
            e = begin_new(s, why, why_size);
        } else if (e == ERR_OK) {
            e = open_existing(s, why, why_size);
        }
    }
    if (e != ERR_OK)
        store_close(s);
    return e;
}

enum err
store_open_offline(struct store *s, struct io_world *world, const char *dir, char *why, size_t why_size)
{
    enum err e = init(s, world, dir, why, why_size);
    store_config_init(&s->config);
    if (e == ERR_OK) {
        e = manifest_read(s->manifest, why, why_size);
        if (e == ERR_NOT_FOUND)
            snprintf(why, why_size, "%s/MANIFEST does not exist: %s is not the data directory of a node",
                     s->dir, dir);
    }
    if (e != ERR_OK)
        store_close(s);
    return e;
}

void
store_close(struct store *s)
{
    for (unsigned i = 0; i < STORE_SPARE_CHUNKS; i++)
        free(atomic_exchange(&s->spare_chunks[i], NULL));
    manifest_free(s->manifest);
    store_pin_free(s->pins);
    pthread_mutex_destroy(&s->mark_lock);
    free(s->dir);
    s->pins = NULL;
    s->manifest = NULL;
    s->dir = NULL;
}
