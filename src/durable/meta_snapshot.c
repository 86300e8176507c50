/* The bytes of a snapshot, both ways, and its file. See meta_snapshot.h for what they look like. */
#include "durable/meta_snapshot.h"

#include "base/byteorder.h"
#include "base/check.h"
#include "durable/meta_codec.h"
#include "io/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#define MAGIC          UINT64_C(0x31504e534154454d) /* "METASNP1" */
#define FILE_BYTES_MAX ((size_t)1 << 36)

enum { HEADER = 48, CHECKSUM = 8, VERSION = 1, LENGTH_BYTES = 4 };

/* ---- writing ---- */

struct writer {
    struct buffer *out;
    uint64_t items;
};

static void
add_item(void *arg, const struct meta_command *cmd)
{
    struct writer *w = arg;
    size_t at = w->out->len;
    buffer_reserve(w->out, LENGTH_BYTES);
    w->out->len += LENGTH_BYTES;
    meta_codec_put(w->out, cmd);
    le32_put(w->out->data + at, (uint32_t)(w->out->len - at - LENGTH_BYTES));
    w->items++;
}

void
meta_snapshot_format(const struct meta *m, uint64_t term, uint64_t index, struct buffer *out)
{
    struct writer w = {.out = out};
    size_t start = out->len;
    buffer_reserve(out, HEADER);
    out->len += HEADER;
    meta_walk(m, add_item, &w);
    buffer_reserve(out, CHECKSUM);
    uint8_t *p = out->data + start;
    le64_put(p, MAGIC);
    le32_put(p + 8, VERSION);
    le32_put(p + 12, 0);
    le64_put(p + 16, term);
    le64_put(p + 24, index);
    le64_put(p + 32, meta_id_last(m));
    le64_put(p + 40, w.items);
    size_t size = out->len - start;
    le64_put(p + size, XXH3_64bits(p, size));
    out->len += CHECKSUM;
}

enum err
meta_snapshot_write(struct store *s, uint64_t id, struct slice file, const char **what)
{
    char path[STORE_PATH_MAX];
    struct file *f;
    store_snapshot_path(s, path, id);
    *what = "create";
    enum err e = file_open(s->world, path, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, &f);
    if (e != ERR_OK)
        return e;
    *what = "write";
    e = file_pwrite(f, file.data, file.len, 0);
    if (e == ERR_OK) {
        *what = "sync";
        e = file_sync(f);
    }
    file_close(f);
    if (e != ERR_OK)
        return e;
    *what = "sync the directory of";
    store_path(s, path, "snapshot");
    return dir_sync(s->world, path);
}

/* ---- reading ---- */

/* meta_walk()'s commands, and nothing else. */
static bool
is_item(const struct meta_command *cmd, uint64_t id_last)
{
    switch (cmd->kind) {
    case META_VHOST_ADD:
    case META_USER_PUT:
    case META_EXCHANGE_DECLARE:
    case META_QUEUE_DECLARE: return cmd->forced_id > 0 && cmd->forced_id <= id_last;
    case META_PERMISSION_SET:
    case META_TOPIC_PERMISSION_SET:
    case META_PARAMETER_SET:
    case META_POLICY_SET:
    case META_EXCHANGE_BIND:
    case META_QUEUE_BIND: return cmd->forced_id == 0;
    default: return false;
    }
}

static enum err
take_item(struct slice *in, struct meta *m, uint64_t id_last)
{
    if (in->len < LENGTH_BYTES)
        return ERR_CORRUPT;
    uint32_t len = le32_get(in->data);
    if (len > in->len - LENGTH_BYTES)
        return ERR_CORRUPT;
    struct meta_command cmd;
    struct meta_result r;
    enum err e = meta_codec_get(slice_of(in->data + LENGTH_BYTES, len), &cmd);
    if (e != ERR_OK)
        return e;
    *in = slice_of(in->data + LENGTH_BYTES + len, in->len - LENGTH_BYTES - len);
    if (!is_item(&cmd, id_last))
        return ERR_CORRUPT;
    meta_apply(m, &cmd, &r);
    return r.code || r.existed ? ERR_CORRUPT : ERR_OK;
}

enum err
meta_snapshot_parse(struct slice file, struct meta *m, struct meta_snapshot *s)
{
    const uint8_t *p = file.data;
    if (file.len < 16 + CHECKSUM || le64_get(p) != MAGIC ||
        le64_get(p + file.len - CHECKSUM) != XXH3_64bits(p, file.len - CHECKSUM))
        return ERR_CORRUPT;
    if (le32_get(p + 8) > VERSION)
        return ERR_UNSUPPORTED;
    if (le32_get(p + 8) != VERSION || file.len < HEADER + CHECKSUM)
        return ERR_CORRUPT;
    *s = (struct meta_snapshot){
        .term = le64_get(p + 16), .index = le64_get(p + 24), .items = le64_get(p + 40)};
    uint64_t id_last = le64_get(p + 32);
    struct slice items = slice_of(p + HEADER, file.len - HEADER - CHECKSUM);
    for (uint64_t i = 0; i < s->items; i++) {
        enum err e = take_item(&items, m, id_last);
        if (e != ERR_OK)
            return e;
    }
    if (items.len > 0 || meta_id_last(m) > id_last)
        return ERR_CORRUPT;
    meta_set_id_last(m, id_last);
    return ERR_OK;
}

static void
explain(enum err e, const char *path, char *why, size_t why_size)
{
    if (e == ERR_UNSUPPORTED)
        snprintf(why, why_size,
                 "%s was written by a newer version of Leveret: start that version, or use another data "
                 "directory",
                 path);
    else if (e == ERR_CORRUPT)
        snprintf(
            why, why_size,
            "%s, the snapshot of the declared things, is damaged (checksum or structure does not match): "
            "restore the data directory from a backup, or move it aside to start empty",
            path);
    else
        snprintf(why, why_size, "cannot read %s: %s; check the disk and the permissions", path, err_text(e));
}

enum err
meta_snapshot_read(struct store *s, uint64_t id, struct meta *m, struct meta_snapshot *info, char *why,
                   size_t why_size)
{
    char path[STORE_PATH_MAX], *data;
    size_t len;
    store_snapshot_path(s, path, id);
    enum err e = file_read_all(s->world, path, FILE_BYTES_MAX, &data, &len);
    if (e == ERR_OK) {
        e = meta_snapshot_parse(slice_of(data, len), m, info);
        free(data);
    }
    if (e != ERR_OK)
        explain(e, path, why, why_size);
    return e;
}
