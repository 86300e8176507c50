/*
 * Log files: made, used again, made larger, deleted.
 *
 * A file is written through with zeros before it is used: a sync of a batch then finds blocks that exist and
 * are written, and has no metadata to wait for. It becomes the chain's next file when, in this order, its
 * content and header are synced and its directory is. A superfluous file becomes the next one by a rename and
 * a new header; its old batches stay where they are, and are none for the new salt. If the node dies between
 * the two, the file has the name of one number and the header of another: it is not there.
 */
#include "base/check.h"
#include "io/file.h"
#include "io/random.h"
#include "store/journal_inside.h"
#include "store/log_file.h"

#include <stdlib.h>

enum {
    PIECE = 1 << 20,      /* of zeros in one write */
    SYNC_EVERY = 8 << 20, /* so that the journal's syncs never find much of them waiting before their own */
};

static enum err
write_zeros(struct store *s, struct file *file, uint64_t from, uint64_t to)
{
    size_t piece = to - from < PIECE ? (size_t)(to - from) : PIECE;
    enum err e = file_allocate(file, from, to - from);
    uint8_t *zeros = calloc(1, piece);
    CHECK(zeros);
    for (uint64_t at = from; e == ERR_OK && at < to;) {
        size_t n = to - at < piece ? (size_t)(to - at) : piece;
        e = file_pwrite(file, zeros, n, at);
        at += n;
        if (e == ERR_OK && (at - from) % SYNC_EVERY == 0)
            e = file_datasync(file);
        if (e == ERR_OK)
            e = store_failure(s);
    }
    free(zeros);
    return e;
}

static enum err
write_header(struct store *s, uint16_t chain, struct journal_file *f)
{
    uint8_t *block = malloc(STORE_BLOCK);
    CHECK(block);
    random_bytes(s->world, &f->salt, sizeof f->salt);
    log_file_header_put(block, &(struct log_file_header){.incarnation = s->incarnation,
                                                         .salt = f->salt,
                                                         .boot = s->boot,
                                                         .number = f->number,
                                                         .chain = chain,
                                                         .sync = (uint8_t)s->config.sync});
    enum err e = file_pwrite(f->file, block, STORE_BLOCK, 0);
    free(block);
    if (e == ERR_OK)
        e = file_sync(f->file);
    return e;
}

/* The spare file under its new name, or no file and no error: it is of no use. */
static enum err
take_spare(struct store *s, uint16_t chain, uint32_t *spare, const char *path, struct journal_file *f)
{
    char old[STORE_PATH_MAX];
    uint64_t size;
    store_log_path(s, old, s->boot, chain, *spare);
    enum err e = file_open(s->world, old, FILE_WRITE, &f->file);
    if (e == ERR_NOT_FOUND)
        *spare = 0;
    if (e != ERR_OK)
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    e = file_size(f->file, &size);
    bool fits = e == ERR_OK && size == f->size && !store_is_pinned(s);
    if (fits)
        e = file_rename(s->world, old, path);
    else if (e == ERR_OK)
        e = store_unlink(s, old);
    if (e == ERR_OK)
        *spare = 0;
    if (e != ERR_OK || !fits) {
        file_close(f->file);
        f->file = NULL;
    }
    return e;
}

static enum err
fill_new(struct store *s, const char *path, struct journal_file *f)
{
    enum err e = file_open(s->world, path, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, &f->file);
    return e == ERR_OK ? write_zeros(s, f->file, 0, f->size) : e;
}

enum err
journal_file_make(struct store *s, uint16_t chain, uint32_t number, uint64_t size, uint32_t *spare,
                  struct journal_file *f)
{
    char path[STORE_PATH_MAX], dir[STORE_PATH_MAX];
    store_log_path(s, path, s->boot, chain, number);
    store_path(s, dir, "log");
    *f = (struct journal_file){.number = number, .size = size};
    enum err e = store_failure(s);
    if (e == ERR_OK && *spare)
        e = take_spare(s, chain, spare, path, f);
    if (e == ERR_OK && !f->file)
        e = fill_new(s, path, f);
    if (e == ERR_OK)
        e = write_header(s, chain, f);
    if (e == ERR_OK)
        e = dir_sync(s->world, dir);
    if (e == ERR_OK)
        return ERR_OK;
    if (f->file) {
        file_close(f->file);
        f->file = NULL;
        if (e == ERR_NO_SPACE) /* room for those who copy out of the full files */
            (void)!file_unlink(s->world, path);
    }
    if (e != ERR_NO_SPACE)
        store_fail(s, e, "prepare the log file", path);
    return e;
}

enum err
journal_file_grow(struct store *s, uint16_t chain, struct journal_file *f, uint64_t size)
{
    char path[STORE_PATH_MAX];
    enum err e = store_failure(s);
    if (e == ERR_OK)
        e = write_zeros(s, f->file, f->size, size);
    if (e == ERR_OK)
        e = file_sync(f->file);
    if (e == ERR_OK) {
        f->size = size;
        return ERR_OK;
    }
    if (e == ERR_NO_SPACE) {
        enum err shorter = file_truncate(f->file, f->size);
        e = shorter == ERR_OK || shorter == ERR_NO_SPACE ? e : shorter;
    }
    if (e != ERR_NO_SPACE) {
        store_log_path(s, path, s->boot, chain, f->number);
        store_fail(s, e, "enlarge the log file", path);
    }
    return e;
}

void
journal_file_delete(struct store *s, uint16_t chain, uint32_t number)
{
    char path[STORE_PATH_MAX];
    store_log_path(s, path, s->boot, chain, number);
    enum err e = store_unlink(s, path);
    if (e != ERR_OK && e != ERR_NOT_FOUND)
        log_warning(s->log, LOG_STORAGE, "cannot delete the log file %s: %s; the next start will try again",
                    path, err_text(e));
}
