/*
 * Files are read in pieces and written beside; each is synced when it is whole, then the directories, and the
 * manifest at last, so that a copy that was cut off is never taken for one.
 *
 * What differs from the original: the incarnation in the manifest and in the headers of the log files, and
 * the length of a file in which a cut's end lies. Salts stay, so batches are as good as they were. Bodies are
 * not in the manifest: those with ids that the cut's manifest had not given out are younger and left out; one
 * too many does no harm, the node that starts on the copy deletes it.
 */
#include "store/store_copy.h"

#include "base/check.h"
#include "base/text.h"
#include "io/file.h"
#include "io/random.h"
#include "store/chain.h"
#include "store/log_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 1 << 20 };

struct copying {
    struct store_copy *how;
    const struct store_cut *cut;
    struct store from, to; /* only for their paths */
    uint64_t incarnation, done, total;
    uint8_t *piece;
    char *why;
    size_t why_size;
    uint64_t *bodies;
    size_t body_count;
};

/* ---- cuts ---- */

void
store_cut_whole(struct store *s, struct store_cut *cut)
{
    *cut = (struct store_cut){0};
    manifest_view(s->manifest, &cut->manifest);
}

void
store_cut_fini(struct store_cut *cut)
{
    manifest_view_free(&cut->manifest);
    free(cut->ends);
    *cut = (struct store_cut){0};
}

/* | manifest file in hexadecimal | boot-chain-file-offset | ... */
void
store_cut_format(const struct store_cut *cut, struct buffer *line)
{
    struct buffer file = {0};
    manifest_format(&cut->manifest, &file);
    for (size_t i = 0; i < file.len; i++)
        buffer_add_fmt(line, "%02x", file.data[i]);
    buffer_fini(&file);
    for (size_t i = 0; i < cut->end_count; i++) {
        const struct store_cut_end *e = &cut->ends[i];
        buffer_add_fmt(line, " %" PRIu32 "-%u-%" PRIu32 "-%" PRIu64, e->boot, e->chain, e->file, e->offset);
    }
}

static struct slice
take_until(struct slice *rest, uint8_t end)
{
    const uint8_t *at = rest->len ? memchr(rest->data, end, rest->len) : NULL;
    size_t n = at ? (size_t)(at - rest->data) : rest->len;
    struct slice taken = slice_of(rest->data, n);
    *rest = slice_of(rest->data + n + (at != NULL), rest->len - n - (at != NULL));
    return taken;
}

static int
hex_digit(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum err
parse_manifest(struct slice hex, struct manifest_view *view)
{
    struct buffer file = {0};
    enum err e = hex.len % 2 ? ERR_CORRUPT : ERR_OK;
    for (size_t i = 0; e == ERR_OK && i < hex.len; i += 2) {
        int high = hex_digit(hex.data[i]), low = hex_digit(hex.data[i + 1]);
        if (high < 0 || low < 0)
            e = ERR_CORRUPT;
        else
            buffer_add_u8(&file, (uint8_t)(high * 16 + low));
    }
    if (e == ERR_OK)
        e = manifest_parse(buffer_slice(&file), view);
    buffer_fini(&file);
    return e;
}

static bool
parse_end(struct slice text, struct store_cut_end *end)
{
    uint64_t boot, chain, file;
    bool good = text_to_u64_within(take_until(&text, '-'), 0, UINT32_MAX, &boot) == ERR_OK &&
                text_to_u64_within(take_until(&text, '-'), 0, UINT16_MAX, &chain) == ERR_OK &&
                text_to_u64_within(take_until(&text, '-'), 0, UINT32_MAX, &file) == ERR_OK &&
                text_to_u64(text, &end->offset) == ERR_OK;
    if (good) {
        end->boot = (uint32_t)boot;
        end->chain = (uint16_t)chain;
        end->file = (uint32_t)file;
    }
    return good;
}

enum err
store_cut_parse(struct slice line, struct store_cut *cut)
{
    *cut = (struct store_cut){0};
    enum err e = parse_manifest(take_until(&line, ' '), &cut->manifest);
    if (e != ERR_OK)
        return e;
    while (line.len > 0) {
        cut->ends = realloc(cut->ends, (cut->end_count + 1) * sizeof *cut->ends);
        CHECK(cut->ends);
        if (!parse_end(take_until(&line, ' '), &cut->ends[cut->end_count])) {
            store_cut_fini(cut);
            return ERR_CORRUPT;
        }
        cut->end_count++;
    }
    return ERR_OK;
}

static const struct store_cut_end *
end_of(const struct store_cut *cut, const struct manifest_chain *chain)
{
    for (size_t i = 0; i < cut->end_count; i++)
        if (cut->ends[i].boot == chain->boot && cut->ends[i].chain == chain->chain)
            return &cut->ends[i];
    return NULL;
}

/* ---- one file ---- */

static enum err
failed(struct copying *c, enum err e, const char *what, const char *path)
{
    snprintf(c->why, c->why_size, "cannot %s %s: %s", what, path, err_text(e));
    return e;
}

enum kind { PLAIN, LOG, LAST_LOG };

/* A chain's last file may have no header yet: the node was killed while it was being prepared. It stays what
 * it is. */
static enum err
patch_header(struct copying *c, size_t got, const char *path, enum kind kind)
{
    struct log_file_header h;
    enum err e = got < STORE_BLOCK ? ERR_CORRUPT : log_file_header_get(slice_of(c->piece, STORE_BLOCK), &h);
    if (e == ERR_OK && h.incarnation != c->cut->manifest.incarnation)
        e = ERR_CORRUPT;
    if (e == ERR_CORRUPT && kind == LAST_LOG)
        return ERR_OK;
    if (e != ERR_OK)
        return failed(c, e, "use the header of", path);
    h.incarnation = c->incarnation;
    log_file_header_put(c->piece, &h);
    return ERR_OK;
}

static enum err
copy_bytes(struct copying *c, struct file *in, struct file *out, const char *from, const char *to,
           uint64_t most, enum kind kind)
{
    for (uint64_t at = 0; at < most;) {
        size_t got, wanted = most - at < PIECE ? (size_t)(most - at) : PIECE;
        enum err e = file_pread(in, c->piece, wanted, at, &got);
        if (e != ERR_OK)
            return failed(c, e, "read", from);
        if (got == 0)
            break;
        if (kind != PLAIN && at == 0 && (e = patch_header(c, got, from, kind)) != ERR_OK)
            return e;
        if ((e = file_pwrite(out, c->piece, got, at)) != ERR_OK)
            return failed(c, e, "write", to);
        at += got;
        c->done += got;
        if (c->how->on_progress)
            c->how->on_progress(c->how->arg, c->done < c->total ? c->done : c->total, c->total);
    }
    enum err e = file_sync(out);
    return e == ERR_OK ? e : failed(c, e, "sync", to);
}

/* At most `most` bytes of it. */
static enum err
copy_file(struct copying *c, const char *from, const char *to, uint64_t most, enum kind kind)
{
    struct file *in, *out;
    enum err e = file_open(c->how->world, from, FILE_READ, &in);
    if (e != ERR_OK)
        return e == ERR_NOT_FOUND ? e : failed(c, e, "open", from);
    e = file_open(c->how->world, to, FILE_WRITE | FILE_CREATE | FILE_EXCLUSIVE, &out);
    if (e != ERR_OK) {
        file_close(in);
        return failed(c, e, "create", to);
    }
    e = copy_bytes(c, in, out, from, to, most, kind);
    file_close(in);
    file_close(out);
    return e;
}

/* One that the manifest names. */
static enum err
copy_named(struct copying *c, const char *from, const char *to)
{
    enum err e = copy_file(c, from, to, UINT64_MAX, PLAIN);
    if (e != ERR_NOT_FOUND)
        return e;
    (void)failed(c, e, "open", from);
    return ERR_CORRUPT;
}

/* ---- kinds of files ---- */

static uint64_t
size_of(const struct copying *c, const char *path)
{
    struct file_stat st;
    return file_stat(c->how->world, path, &st) == ERR_OK ? st.size : 0;
}

/* The files of a chain from its first to its last, or to the cut's end: none of them may be missing. */
static enum err
copy_chain(struct copying *c, const struct manifest_chain *chain)
{
    char from[STORE_PATH_MAX], to[STORE_PATH_MAX];
    const struct store_cut_end *end = end_of(c->cut, chain);
    uint32_t last = 0;
    enum err e = end ? ERR_OK : chain_last_file(&c->from, chain, &last);
    store_path(&c->from, from, "log");
    if (e != ERR_OK)
        return failed(c, e, "list", from);
    if (end || last < chain->low) /* the first one is named, whether it is there or not */
        last = end ? end->file : chain->low;
    for (uint32_t number = chain->low; e == ERR_OK && number <= last; number++) {
        store_log_path(&c->from, from, chain->boot, chain->chain, number);
        store_log_path(&c->to, to, chain->boot, chain->chain, number);
        uint64_t most = end && number == last ? end->offset : UINT64_MAX;
        e = copy_file(c, from, to, most, !end && number == last ? LAST_LOG : LOG);
        if (e == ERR_NOT_FOUND) {
            (void)failed(c, e, "open", from);
            e = ERR_CORRUPT;
        }
    }
    return e;
}

static enum err
copy_segment(struct copying *c, const struct manifest_segment *g)
{
    char from[STORE_PATH_MAX], to[STORE_PATH_MAX];
    store_segment_path(&c->from, from, g->id);
    store_segment_path(&c->to, to, g->id);
    enum err e = copy_named(c, from, to);
    if (e != ERR_OK || !g->acks_generation)
        return e;
    store_acks_path(&c->from, from, g->id, g->acks_generation);
    store_acks_path(&c->to, to, g->id, g->acks_generation);
    return copy_named(c, from, to);
}

/* Names are gathered first: while a directory is listed nothing may change. */
static void
note_body(void *arg, const char *name)
{
    struct copying *c = arg;
    uint64_t id;
    if (!store_parse_id_name(name, ".body", &id) || id >= c->cut->manifest.next_id)
        return;
    if (c->body_count % 64 == 0) {
        c->bodies = realloc(c->bodies, (c->body_count + 64) * sizeof *c->bodies);
        CHECK(c->bodies);
    }
    c->bodies[c->body_count++] = id;
}

static enum err
list_bodies(struct copying *c)
{
    char path[STORE_PATH_MAX];
    store_path(&c->from, path, "body");
    enum err e = dir_list(c->how->world, path, note_body, c);
    if (e != ERR_OK)
        return failed(c, e, "list", path);
    for (size_t i = 0; i < c->body_count; i++) {
        store_body_path(&c->from, path, c->bodies[i]);
        c->total += size_of(c, path);
    }
    return ERR_OK;
}

static enum err
copy_bodies(struct copying *c)
{
    char from[STORE_PATH_MAX], to[STORE_PATH_MAX];
    for (size_t i = 0; i < c->body_count; i++) {
        store_body_path(&c->from, from, c->bodies[i]);
        store_body_path(&c->to, to, c->bodies[i]);
        enum err e = copy_file(c, from, to, UINT64_MAX, PLAIN);
        if (e != ERR_OK && e != ERR_NOT_FOUND) /* one that a failed write has taken back since */
            return e;
    }
    return ERR_OK;
}

/* store_mark()'s: the node that starts on the copy has to be as careful as one on the original. */
static enum err
copy_mark(struct copying *c)
{
    char from[STORE_PATH_MAX], to[STORE_PATH_MAX];
    store_path(&c->from, from, STORE_MARK_NAME);
    store_path(&c->to, to, STORE_MARK_NAME);
    enum err e = copy_file(c, from, to, UINT64_MAX, PLAIN);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err
measure(struct copying *c)
{
    const struct manifest_view *v = &c->cut->manifest;
    char path[STORE_PATH_MAX];
    for (size_t i = 0; i < v->chain_count; i++) {
        const struct store_cut_end *end = end_of(c->cut, &v->chains[i]);
        for (uint32_t number = v->chains[i].low; number && (!end || number <= end->file); number++) {
            store_log_path(&c->from, path, v->chains[i].boot, v->chains[i].chain, number);
            uint64_t size = size_of(c, path);
            if (!size)
                break;
            c->total += end && number == end->file && end->offset < size ? end->offset : size;
        }
    }
    for (size_t i = 0; i < v->segment_count; i++)
        c->total += v->segments[i].size;
    return list_bodies(c);
}

/* ---- the target ---- */

static void
note_name(void *arg, const char *name)
{
    snprintf(arg, 256, "%s", name);
}

static enum err
make_target(struct copying *c)
{
    static const char *const subdirs[] = {"log", "segment", "body", "snapshot", "quarantine"};
    const char *target = c->how->target;
    char path[STORE_PATH_MAX], found[256] = "";
    enum err e = dir_create(c->how->world, target);
    if (e == ERR_EXISTS)
        e = dir_list(c->how->world, target, note_name, found);
    if (e != ERR_OK)
        return failed(c, e, "create the directory", target);
    if (*found) {
        snprintf(c->why, c->why_size, "%s is not empty: %s is there; name a directory that does not exist",
                 target, found);
        return ERR_EXISTS;
    }
    e = dir_create(c->how->world, c->to.dir);
    if (e != ERR_OK)
        return failed(c, e, "create the directory", c->to.dir);
    for (unsigned i = 0; i < sizeof subdirs / sizeof *subdirs; i++) {
        store_path(&c->to, path, "%s", subdirs[i]);
        if ((e = dir_create(c->how->world, path)) != ERR_OK)
            return failed(c, e, "create the directory", path);
    }
    return ERR_OK;
}

static enum err
sync_dirs(struct copying *c)
{
    static const char *const subdirs[] = {"/log", "/segment", "/body", "/snapshot", ""};
    char path[STORE_PATH_MAX];
    for (unsigned i = 0; i < sizeof subdirs / sizeof *subdirs; i++) {
        snprintf(path, sizeof path, "%s%s", c->to.dir, subdirs[i]);
        enum err e = dir_sync(c->how->world, path);
        if (e != ERR_OK)
            return failed(c, e, "sync the directory", path);
    }
    enum err e = dir_sync(c->how->world, c->how->target);
    if (e != ERR_OK)
        return failed(c, e, "sync the directory", c->how->target);
    e = dir_sync_parent(c->how->world, c->how->target);
    return e == ERR_OK ? e : failed(c, e, "sync the directory above", c->how->target);
}

static enum err
write_manifest(struct copying *c)
{
    char path[STORE_PATH_MAX];
    struct manifest_view view = c->cut->manifest;
    struct buffer bytes = {0};
    struct file *f = NULL;
    view.incarnation = c->incarnation;
    manifest_format(&view, &bytes);
    store_path(&c->to, path, "MANIFEST");
    enum err e = file_open(c->how->world, path, FILE_WRITE | FILE_CREATE | FILE_EXCLUSIVE, &f);
    if (e == ERR_OK)
        e = file_pwrite(f, bytes.data, bytes.len, 0);
    if (e == ERR_OK)
        e = file_sync(f);
    file_close(f);
    buffer_fini(&bytes);
    return e == ERR_OK ? e : failed(c, e, "write", path);
}

static enum err
copy_all(struct copying *c)
{
    const struct manifest_view *v = &c->cut->manifest;
    char from[STORE_PATH_MAX], to[STORE_PATH_MAX];
    enum err e = measure(c);
    if (e == ERR_OK)
        e = make_target(c);
    if (e == ERR_OK && v->snapshot_id) {
        store_snapshot_path(&c->from, from, v->snapshot_id);
        store_snapshot_path(&c->to, to, v->snapshot_id);
        e = copy_named(c, from, to);
    }
    for (size_t i = 0; e == ERR_OK && i < v->chain_count; i++)
        e = copy_chain(c, &v->chains[i]);
    for (size_t i = 0; e == ERR_OK && i < v->segment_count; i++)
        e = copy_segment(c, &v->segments[i]);
    if (e == ERR_OK)
        e = copy_bodies(c);
    if (e == ERR_OK)
        e = copy_mark(c);
    if (e == ERR_OK)
        e = sync_dirs(c);
    if (e != ERR_OK) /* the target may be somebody's store: nothing of it is touched */
        return e;
    e = write_manifest(c);
    if (e == ERR_OK)
        e = sync_dirs(c);
    if (e != ERR_OK) {
        store_path(&c->to, to, "MANIFEST");
        (void)!file_unlink(c->how->world, to);
    }
    return e;
}

static enum err
set_dir(struct store *s, struct io_world *world, const char *dir)
{
    enum { ROOM = 128 };
    size_t len = strlen(dir) + sizeof "/store";
    if (len + ROOM > STORE_PATH_MAX)
        return ERR_LIMIT;
    s->world = world;
    s->dir = malloc(len);
    CHECK(s->dir);
    snprintf(s->dir, len, "%s/store", dir);
    return ERR_OK;
}

enum err
store_copy(struct store_copy *how, const struct store_cut *cut, char *why, size_t why_size)
{
    struct copying c = {.how = how, .cut = cut, .why = why, .why_size = why_size};
    if (set_dir(&c.from, how->world, how->dir) != ERR_OK ||
        set_dir(&c.to, how->world, how->target) != ERR_OK) {
        free(c.from.dir);
        snprintf(why, why_size, "the path of a directory is too long");
        return ERR_LIMIT;
    }
    do
        random_bytes(how->world, &c.incarnation, sizeof c.incarnation);
    while (c.incarnation == 0 || c.incarnation == cut->manifest.incarnation);
    c.piece = malloc(PIECE);
    CHECK(c.piece);
    enum err e = copy_all(&c);
    how->bytes = c.done;
    free(c.piece);
    free(c.bodies);
    free(c.from.dir);
    free(c.to.dir);
    return e;
}
