/*
 * The file of one large body, little-endian:
 *
 *   magic u64 | version u32 | zero u32 | id u64 | size u64 | XXH3 u64 of the body
 *   | zeros | XXH3 u64 of the 56 bytes before | body
 *
 * It is written in pieces from the memory where it lies, and read in pieces into the memory where it will: it
 * is never held twice.
 */
#include "store/body.h"

#include "base/byteorder.h"
#include "base/check.h"
#include "io/file.h"

#include <xxhash.h>

#define MAGIC UINT64_C(0x3159444f42455250) /* "PREBODY1" */

enum { HEADER = 64, SEALED = 56, PIECE = 1 << 20 };

/* ---- writing ---- */

static void
put_header(uint8_t *out, uint64_t id, struct slice body)
{
    memset(out, 0, HEADER);
    le64_put(out, MAGIC);
    le32_put(out + 8, STORE_FORMAT_VERSION);
    le64_put(out + 16, id);
    le64_put(out + 24, body.len);
    le64_put(out + 32, XXH3_64bits(body.data, body.len));
    le64_put(out + SEALED, XXH3_64bits(out, SEALED));
}

static enum err
write_file(struct file *f, uint64_t id, struct slice body)
{
    uint8_t header[HEADER];
    put_header(header, id, body);
    enum err e = file_pwrite(f, header, sizeof header, 0);
    for (size_t at = 0; e == ERR_OK && at < body.len; at += PIECE) {
        size_t len = body.len - at < PIECE ? body.len - at : PIECE;
        e = file_pwrite(f, body.data + at, len, HEADER + at);
    }
    return e == ERR_OK ? file_sync(f) : e;
}

enum err
body_write(struct store *s, uint64_t id, struct slice body)
{
    char path[STORE_PATH_MAX];
    struct file *f;
    enum err e = store_failure(s);
    if (e != ERR_OK)
        return e;
    store_body_path(s, path, id);
    e = file_open(s->world, path, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, &f);
    if (e == ERR_OK) {
        e = write_file(f, id, body);
        file_close(f);
    }
    if (e == ERR_NO_SPACE) { /* nobody was told anything: it is tried again */
        (void)!file_unlink(s->world, path);
        return e;
    }
    if (e == ERR_OK) {
        store_path(s, path, "body");
        e = dir_sync(s->world, path);
    }
    if (e != ERR_OK)
        store_fail(s, e, "write and sync", path);
    return e;
}

/* ---- reading ---- */

static enum err
check_header(const uint8_t *p, uint64_t id, uint64_t size)
{
    if (le64_get(p) != MAGIC || le64_get(p + SEALED) != XXH3_64bits(p, SEALED))
        return ERR_CORRUPT;
    if (le32_get(p + 8) > STORE_FORMAT_VERSION)
        return ERR_UNSUPPORTED;
    bool fits = le32_get(p + 8) == STORE_FORMAT_VERSION && le64_get(p + 16) == id && le64_get(p + 24) == size;
    return fits ? ERR_OK : ERR_CORRUPT;
}

static enum err
read_exactly(struct file *f, uint8_t *data, size_t len, uint64_t offset)
{
    size_t got;
    enum err e = file_pread(f, data, len, offset, &got);
    return e == ERR_OK && got != len ? ERR_CORRUPT : e;
}

/* Header, body, and nothing behind it. */
static enum err
read_file(struct file *f, uint64_t id, uint8_t *body, uint64_t size)
{
    uint8_t header[HEADER];
    uint64_t file_bytes;
    enum err e = file_size(f, &file_bytes);
    if (e == ERR_OK)
        e = read_exactly(f, header, sizeof header, 0);
    if (e == ERR_OK)
        e = check_header(header, id, size);
    if (e == ERR_OK && file_bytes != HEADER + size)
        e = ERR_CORRUPT;
    for (uint64_t at = 0; e == ERR_OK && at < size; at += PIECE) {
        size_t len = size - at < PIECE ? (size_t)(size - at) : PIECE;
        e = read_exactly(f, body + at, len, HEADER + at);
    }
    return e == ERR_OK && le64_get(header + 32) != XXH3_64bits(body, (size_t)size) ? ERR_CORRUPT : e;
}

enum err
body_read(struct store *s, uint64_t id, uint8_t *body, uint64_t size)
{
    char path[STORE_PATH_MAX];
    struct file *f;
    store_body_path(s, path, id);
    enum err e = file_open(s->world, path, FILE_READ, &f);
    if (e == ERR_OK) {
        e = read_file(f, id, body, size);
        file_close(f);
    }
    if (e == ERR_CORRUPT)
        log_error(
            s->log, LOG_STORAGE,
            "%s is damaged: the body of this message cannot be read. `leveret store check` tells what else "
            "is wrong",
            path);
    else if (e != ERR_OK)
        log_error(s->log, LOG_STORAGE, "cannot read %s: %s", path, err_text(e));
    return e;
}

/* ---- names ---- */

void
body_delete(struct store *s, uint64_t id)
{
    char path[STORE_PATH_MAX];
    store_body_path(s, path, id);
    enum err e = store_unlink(s, path);
    if (e != ERR_OK && e != ERR_NOT_FOUND && store_failure(s) == ERR_OK)
        log_warning(s->log, LOG_STORAGE, "cannot delete %s: %s; the next start tries again", path,
                    err_text(e));
}

struct lister {
    void (*fn)(void *arg, uint64_t id);
    void *arg;
};

static void
on_name(void *arg, const char *name)
{
    const struct lister *l = arg;
    uint64_t id;
    if (store_parse_id_name(name, ".body", &id))
        l->fn(l->arg, id);
}

enum err
body_list(struct store *s, void (*fn)(void *arg, uint64_t id), void *arg)
{
    char path[STORE_PATH_MAX];
    struct lister l = {fn, arg};
    store_path(s, path, "body");
    return dir_list(s->world, path, on_name, &l);
}
