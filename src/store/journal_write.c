/*
 * The writer's thread: bodies that have files of their own, then the batch, then its sync. The order is what
 * recovery stands on: a batch is written only when everything that it refers to, and the batch before it, is
 * synced (mode `always`).
 *
 * A batch that does not fit into the current file goes to the next one, if there is one that is large enough.
 * Else it stays encoded, and waits: the job ends, and is submitted again with such a file.
 */
#include "base/check.h"
#include "io/file.h"
#include "store/body.h"
#include "store/journal_inside.h"

enum { BUFFER_KEPT = 8 << 20 /* of the encoder's, between batches */ };

static void
fail(struct journal_writer *w, enum err e, const char *what)
{
    char path[STORE_PATH_MAX];
    store_log_path(w->store, path, w->store->boot, w->chain, w->current.number);
    store_fail(w->store, e, what, path);
}

/* The body is the tail of the op's bytes. Neighbours that are one message have one file. */
static enum err
write_bodies(struct journal_writer *w)
{
    const struct journal_op *ops = w->ops->ops;
    for (; w->bodies_done < w->ops->count; w->bodies_done++) {
        uint32_t i = w->bodies_done;
        const struct journal_op *op = &ops[i];
        if (op->type != JOURNAL_PUBLISH || !op->body_file ||
            (i > 0 && journal_encode_is_same(&ops[i - 1], op)))
            continue;
        const uint8_t *body =
            op->bytes + op->exchange_size + op->routing_key_size + (size_t)op->properties_size;
        enum err e = body_write(w->store, op->body_file, slice_of(body, op->body_size));
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

bool
journal_write_sync(struct journal_writer *w)
{
    if (!w->is_unsynced)
        return true;
    if (store_failure(w->store) != ERR_OK)
        return false;
    enum err e = file_datasync(w->current.file);
    if (e != ERR_OK)
        fail(w, e, "sync the log file");
    w->is_unsynced = e != ERR_OK;
    return e == ERR_OK;
}

/* What is in the old one is synced before anything is in the new one, but in mode `never`. */
static bool
take_next(struct journal_writer *w)
{
    if (w->store->config.sync != STORE_SYNC_NEVER && !journal_write_sync(w))
        return false;
    file_close(w->current.file);
    w->current = w->next;
    w->next.file = NULL;
    w->offset = STORE_BLOCK;
    w->took_next = true;
    w->is_unsynced = false;
    return true;
}

/* Puts the encoded batch where it belongs. */
static bool
put_batch(struct journal_writer *w)
{
    struct journal_encoder *e = &w->encoder;
    struct batch_header h = {
        .payload_size = journal_encode_size(e), .record_count = e->records, .number = w->number + 1};
    batch_seal(e->bytes, &h, w->current.salt);
    enum err err = file_pwrite(w->current.file, e->bytes, (size_t)w->footprint, w->offset);
    if (err != ERR_OK) {
        fail(w, err, "write to the log file");
        return false;
    }
    w->is_unsynced = true;
    w->offset += w->footprint;
    w->number++;
    return true;
}

static enum journal_outcome
write_batch(struct journal_writer *w)
{
    if (store_failure(w->store) != ERR_OK)
        return JOURNAL_FAILED;
    enum err e = write_bodies(w);
    if (e != ERR_OK)
        return e == ERR_NO_SPACE ? JOURNAL_NO_SPACE : JOURNAL_FAILED;
    if (!w->is_encoded) {
        journal_encode(&w->encoder, w->ops->ops, w->ops->count);
        w->is_encoded = true;
        w->footprint = batch_footprint(journal_encode_size(&w->encoder));
    }
    if (w->footprint > w->current.size - w->offset) {
        if (!w->next.file || w->footprint > w->next.size - STORE_BLOCK)
            return JOURNAL_NEEDS_FILE;
        if (!take_next(w))
            return JOURNAL_FAILED;
    }
    if (!put_batch(w) || (w->store->config.sync == STORE_SYNC_ALWAYS && !journal_write_sync(w)))
        return JOURNAL_FAILED;
    return JOURNAL_WRITTEN;
}

void
journal_write(struct journal_writer *w)
{
    w->took_next = false;
    w->outcome = write_batch(w);
    if (w->outcome != JOURNAL_WRITTEN)
        return;
    w->payload = journal_encode_size(&w->encoder);
    w->records = w->encoder.records;
    w->elided = w->encoder.elided;
    w->is_encoded = false;
    w->bodies_done = 0;
    journal_encode_trim(&w->encoder, BUFFER_KEPT);
}

enum err
journal_write_raw(struct journal_writer *w, struct slice records, uint32_t count)
{
    journal_encode_raw(&w->encoder, records, count);
    w->footprint = batch_footprint(journal_encode_size(&w->encoder));
    CHECK(w->footprint <= w->current.size - w->offset);
    bool is_written = put_batch(w) && journal_write_sync(w);
    journal_encode_trim(&w->encoder, 0);
    return is_written ? ERR_OK : store_failure(w->store);
}
