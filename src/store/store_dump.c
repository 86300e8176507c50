/*
 * Walks the manifest, then each chain's batches and records, the segments with their runs and entries, the
 * bodies. What is damaged becomes a line like everything else, and the walk goes on behind it.
 *
 * Text of clients is quoted: printable ASCII as it is, all other bytes as \xNN.
 */
#include "store/store_dump.h"

#include "io/file.h"
#include "store/body.h"
#include "store/chain.h"
#include "store/segment.h"

#include <inttypes.h>
#include <stdlib.h>

enum { WHY_SIZE = 512 };

struct dump {
    struct store *store;
    const struct store_dump *how;
    struct buffer line;
    bool is_damaged;
    /* the entry that is being read */
    const struct segment *segment;
    const struct segment_run *run;
};

static void
end_line(struct dump *d)
{
    buffer_add_u8(&d->line, '\n');
    d->how->on_line(d->how->arg, buffer_slice(&d->line));
    buffer_clear(&d->line);
}

void
store_dump_quoted(struct buffer *line, const char *field, struct slice text)
{
    buffer_add_fmt(line, " %s=\"", field);
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
            buffer_add_fmt(line, "\\x%02x", c);
        else
            buffer_add_u8(line, c);
    }
    buffer_add_u8(line, '"');
}

/* Paths are shown as in doc/storage.md, from the store's directory on. */
static const char *
short_path(const struct dump *d, const char *path)
{
    size_t dir = strlen(d->store->dir);
    return strncmp(path, d->store->dir, dir) == 0 && path[dir] == '/' ? path + dir + 1 : path;
}

static void
add_damage(struct dump *d, const char *kind, const char *path, uint64_t offset, const char *what)
{
    buffer_add_fmt(&d->line, "%s file=%s offset=%" PRIu64, kind, short_path(d, path), offset);
    store_dump_quoted(&d->line, "what", slice_str(what));
    end_line(d);
}

static void
damage(struct dump *d, const char *path, uint64_t offset, const char *what)
{
    d->is_damaged = true;
    add_damage(d, "damage", path, offset, what);
}

/* ---- the log ---- */

static void
add_message(struct dump *d, const struct record_message *m)
{
    store_dump_quoted(&d->line, "exchange", m->exchange);
    store_dump_quoted(&d->line, "routing-key", m->routing_key);
    buffer_add_fmt(&d->line, " flags=%u properties=%zu body=%" PRIu64, m->flags, m->properties.len,
                   m->body_size);
    if (m->body_file)
        buffer_add_fmt(&d->line, " body-file=%" PRIu64, m->body_file);
    if (m->expires_at)
        buffer_add_fmt(&d->line, " expires-at=%" PRIu64, m->expires_at);
}

static void
add_text(struct dump *d, const struct record_message *m)
{
    if (d->how->with_bodies && !m->body_file)
        store_dump_quoted(&d->line, "text", m->body);
}

static void
dump_publish(struct dump *d, const struct record *r)
{
    for (unsigned i = 0; i < r->target_count; i++) {
        struct record_target t = record_target_at(r, i);
        buffer_add_fmt(&d->line, "publish queue=%" PRIu64 " sequence=%" PRIu64 " epoch=%" PRIu32, t.queue_id,
                       t.sequence, t.epoch);
        add_message(d, &r->message);
        if (r->flags & RECORD_IN_TX)
            buffer_add_fmt(&d->line, " tx=%" PRIu64, r->tx);
        add_text(d, &r->message);
        end_line(d);
    }
}

static void
dump_record(struct dump *d, const struct record *r)
{
    switch (r->type) {
    case RECORD_PUBLISH: dump_publish(d, r); return;
    case RECORD_SETTLE:
        buffer_add_fmt(&d->line,
                       "settle queue=%" PRIu64 " first=%" PRIu64 " count=%" PRIu32 " epoch=%" PRIu32,
                       r->queue_id, r->first, r->count, r->epoch);
        if (r->flags & RECORD_IN_TX)
            buffer_add_fmt(&d->line, " tx=%" PRIu64, r->tx);
        break;
    case RECORD_DELIVERED:
        buffer_add_fmt(&d->line, "delivered queue=%" PRIu64 " below=%" PRIu64 " epoch=%" PRIu32, r->queue_id,
                       r->first, r->epoch);
        break;
    case RECORD_TX_END: buffer_add_fmt(&d->line, "tx-end tx=%" PRIu64, r->tx); break;
    case RECORD_META:
        buffer_add_fmt(&d->line, "meta term=%" PRIu64 " index=%" PRIu64 " bytes=%zu", r->term, r->index,
                       r->command.len);
        if (d->how->on_meta)
            d->how->on_meta(d->how->arg, r->command, &d->line);
        break;
    case RECORD_TYPES: return;
    }
    end_line(d);
}

static bool
on_batch(void *arg, const struct chain_file *f, uint64_t offset, const struct batch_header *h,
         struct slice records)
{
    struct dump *d = arg;
    buffer_add_fmt(&d->line,
                   "batch number=%" PRIu64 " file=%s offset=%" PRIu64 " records=%" PRIu32 " bytes=%zu",
                   h->number, short_path(d, f->path), offset, h->record_count, records.len);
    end_line(d);
    while (records.len > 0) {
        struct record r;
        if (record_parse(&records, &r) != ERR_OK) {
            damage(d, f->path, offset, "a record of this batch cannot be read");
            break;
        }
        dump_record(d, &r);
    }
    return true;
}

static void
on_damage(void *arg, const struct chain_file *f, uint64_t offset, bool is_tail, const char *what)
{
    struct dump *d = arg;
    if (is_tail)
        add_damage(d, "tail", f->path, offset, what);
    else
        damage(d, f->path, offset, what);
}

/* The chain's files as they stand, from its first one on. */
static void
dump_files(struct dump *d, const struct manifest_chain *c)
{
    static const char *const syncs[] = {"always", "interval", "never"};
    char path[STORE_PATH_MAX];
    struct file_stat st;
    for (uint32_t number = c->low; number; number++) {
        struct chain_file f;
        store_log_path(d->store, path, c->boot, c->chain, number);
        if (file_stat(d->store->world, path, &st) == ERR_NOT_FOUND)
            break;
        if (chain_file_open(d->store, path, d->store->incarnation, &f) != ERR_OK)
            continue; /* the walk says what that means */
        buffer_add_fmt(&d->line,
                       "log file=%s boot=%" PRIu32 " chain=%u number=%" PRIu32 " sync=%s size=%" PRIu64,
                       short_path(d, path), f.boot, f.chain, f.number,
                       f.sync <= STORE_SYNC_NEVER ? syncs[f.sync] : "unknown", f.size);
        end_line(d);
    }
}

static void
dump_chain(struct dump *d, const struct manifest_chain *c)
{
    char why[WHY_SIZE] = "", path[STORE_PATH_MAX];
    struct chain_visitor visitor = {.on_batch = on_batch, .on_damage = on_damage, .arg = d};
    struct chain_end end = {0};
    dump_files(d, c);
    if (chain_walk(d->store, c, &visitor, &end, why, sizeof why) != ERR_OK) {
        store_log_path(d->store, path, c->boot, c->chain, c->low);
        damage(d, path, 0, why);
    }
    free(end.last_records);
}

/* ---- segments ---- */

static void
on_entry(void *arg, uint64_t sequence, const struct record_message *m, bool is_transient)
{
    struct dump *d = arg;
    bool is_live = segment_is_live(d->segment, d->run, sequence);
    buffer_add_fmt(&d->line, "entry segment=%" PRIu64 " queue=%" PRIu64 " sequence=%" PRIu64 " live=%s",
                   segment_id(d->segment), d->run->queue_id, sequence, is_live ? "yes" : "no");
    add_message(d, m);
    if (is_transient)
        buffer_add_str(&d->line, " transient=yes");
    add_text(d, m);
    end_line(d);
}

static void
dump_run(struct dump *d, struct segment *g, const struct segment_run *run, const char *path)
{
    struct segment_cursor cursor;
    buffer_add_fmt(&d->line,
                   "run segment=%" PRIu64 " queue=%" PRIu64 " epoch=%" PRIu32 " first=%" PRIu64
                   " last=%" PRIu64 " entries=%" PRIu32 " live=%" PRIu64 " offset=%" PRIu64
                   " length=%" PRIu64,
                   segment_id(g), run->queue_id, run->epoch, run->first, run->last, run->count,
                   segment_run_live(g, run), run->offset, run->length);
    end_line(d);
    d->segment = g;
    d->run = run;
    segment_cursor_start(run, &cursor);
    for (bool done = false; !done;)
        if (segment_read(g, run, &cursor, run->first, SEGMENT_CHUNK, on_entry, d, &done) != ERR_OK) {
            damage(d, path, cursor.offset, "an entry cannot be read");
            return;
        }
}

static void
dump_segment(struct dump *d, const struct manifest_segment *row)
{
    char why[WHY_SIZE] = "", path[STORE_PATH_MAX];
    struct segment *g;
    store_segment_path(d->store, path, row->id);
    if (segment_load(d->store, row->id, row->acks_generation, &g, why, sizeof why) != ERR_OK) {
        damage(d, path, 0, why);
        return;
    }
    buffer_add_fmt(&d->line,
                   "segment id=%" PRIu64 " size=%" PRIu64 " acks=%" PRIu32 " entries=%" PRIu64
                   " live=%" PRIu64,
                   row->id, row->size, row->acks_generation, segment_entry_count(g), segment_live_count(g));
    end_line(d);
    uint32_t count;
    const struct segment_run *runs = segment_runs(g, &count);
    for (uint32_t i = 0; i < count; i++)
        dump_run(d, g, &runs[i], path);
    segment_free(g);
}

/* ---- the rest ---- */

static void
on_body(void *arg, uint64_t id)
{
    struct dump *d = arg;
    char path[STORE_PATH_MAX];
    struct file_stat st = {0};
    store_body_path(d->store, path, id);
    if (file_stat(d->store->world, path, &st) != ERR_OK)
        damage(d, path, 0, "it cannot be read");
    buffer_add_fmt(&d->line, "body id=%" PRIu64 " size=%" PRIu64, id, st.size);
    end_line(d);
}

static void
dump_manifest(struct dump *d, const struct manifest_view *v)
{
    buffer_add_fmt(&d->line, "manifest incarnation=%" PRIu64 " boot=%" PRIu32 " next-id=%" PRIu64,
                   v->incarnation, v->boot, v->next_id);
    end_line(d);
    if (!v->snapshot_id)
        return;
    char path[STORE_PATH_MAX];
    struct file_stat st = {0};
    store_snapshot_path(d->store, path, v->snapshot_id);
    if (file_stat(d->store->world, path, &st) != ERR_OK)
        damage(d, path, 0, "it cannot be read");
    buffer_add_fmt(&d->line, "snapshot id=%" PRIu64 " term=%" PRIu64 " index=%" PRIu64 " size=%" PRIu64,
                   v->snapshot_id, v->snapshot_term, v->snapshot_index, st.size);
    end_line(d);
}

bool
store_dump(struct store *s, const struct store_dump *how)
{
    struct dump d = {.store = s, .how = how};
    struct manifest_view v;
    manifest_view(s->manifest, &v);
    dump_manifest(&d, &v);
    for (size_t i = 0; i < v.chain_count; i++)
        dump_chain(&d, &v.chains[i]);
    for (size_t i = 0; i < v.segment_count; i++)
        dump_segment(&d, &v.segments[i]);
    enum err e = body_list(s, on_body, &d);
    if (e != ERR_OK)
        damage(&d, "body", 0, err_text(e));
    manifest_view_free(&v);
    buffer_fini(&d.line);
    return !d.is_damaged;
}
