/*
 * Read-ahead: the pager reads entries of one run into a buffer, the shard makes messages of them and gives
 * them to the queue. A body in a file of its own ends the reading: the shard makes the message, the pager
 * reads the body into it, so that it is in memory once.
 *
 * What can't be read is lost until the next start, which tries again, and that is said; the queue goes on
 * behind it. Neither its segment nor its body is deleted meanwhile.
 */
#include "base/buffer.h"
#include "base/check.h"
#include "durable/keep_impl.h"
#include "io/timer.h"
#include "store/body.h"

#include <inttypes.h>
#include <stdlib.h>

enum { READ_REST_MS = 1000 };

struct keep_read {
    struct list node; /* in keep.reads */
    struct worker_job job;
    struct wheel_timer retry;
    struct keep *keep;
    struct keep_segment *segment;
    struct segment_run run;
    struct segment_cursor cursor;
    uint64_t queue_id, from, last;
    uint32_t index;
    size_t bytes;
    struct buffer entries;
    bool has_large; /* the last one, and nothing behind it was taken */
    enum err result;
    /* The large one, being read. */
    struct message *message;
    uint64_t large, body_file, expires_at;
    bool is_transient;
};

/* ---- on the pager ---- */

static void
take_entry(void *arg, uint64_t sequence, const struct record_message *m, bool is_transient)
{
    struct keep_read *r = arg;
    if (r->has_large || sequence > r->last)
        return;
    keep_entry_add(&r->entries, sequence, m, is_transient);
    r->has_large = m->body_file != 0;
}

static void
run_read(void *arg)
{
    struct keep_read *r = arg;
    bool is_done;
    r->result =
        segment_read(r->segment->segment, &r->run, &r->cursor, r->from, r->bytes, take_entry, r, &is_done);
}

static void
run_body(void *arg)
{
    struct keep_read *r = arg;
    r->result = body_read(r->keep->store, r->body_file, message_body_mut(r->message), r->message->body_size);
}

/* ---- on the shard ---- */

/* Nothing was read for a moment: memory for the next read is not kept any longer. */
static void
on_read_rest(void *arg)
{
    struct keep *k = arg;
    if (k->reads_begun == k->reads_at_rest)
        buffer_fini(&k->spare_entries);
    else
        timer_start(k->broker->shard, &k->read_rest, READ_REST_MS, on_read_rest, k);
    k->reads_at_rest = k->reads_begun;
}

static void
read_free(struct keep_read *r)
{
    struct keep *k = r->keep;
    timer_stop(&r->retry);
    list_remove(&r->node);
    r->segment->pins--;
    if (k->spare_entries.data || r->entries.cap > 2 * r->bytes) {
        buffer_fini(&r->entries);
    } else {
        k->spare_entries = r->entries;
        buffer_clear(&k->spare_entries);
    }
    free(r);
}

static void
read_end(struct keep_read *r)
{
    struct keep *k = r->keep;
    struct queue *q = queue_find(k->broker, r->queue_id);
    struct keep_segment *s = r->segment;
    read_free(r);
    keep_segment_check(k, s);
    if (q)
        queue_paging_done(q);
}

/* Nothing of from..last in this run can be read. What is in memory of it stays as it is; what was moved to
 * another segment meanwhile, too. */
static uint64_t
lose(struct keep_read *r, struct queue *q, uint64_t from, uint64_t last)
{
    uint64_t lost = 0, position = from;
    for (; segment_next_live(r->segment->segment, &r->run, position, &position) && position <= last;
         position++) {
        struct keep_run *run = keep_run_find(q->kept, position);
        if (!run || run->segment != r->segment || run->index != r->index || queue_has_entry(q, position))
            continue;
        lost += segment_lose(r->segment->segment, &r->run, position);
    }
    return lost;
}

static void
read_lost(struct keep_read *r, uint64_t from, uint64_t last)
{
    struct keep *k = r->keep;
    struct queue *q = queue_find(k->broker, r->queue_id);
    r->segment->is_unreadable = true;
    uint64_t lost = q && q->kept ? lose(r, q, from, last) : 0;
    if (lost == 0)
        return;
    queue_paged_lost(q, lost);
    log_error(k->broker->node->log, LOG_STORAGE,
              "%" PRIu64 ".segment: %" PRIu64 " messages of queue %" PRIu64 " (sequences %" PRIu64
              " to %" PRIu64 ") cannot be read (%s) and are left out; the file is kept, and the next start "
              "tries again",
              segment_id(r->segment->segment), lost, r->queue_id, from, last, err_text(r->result));
    keep_run_sweep(q->kept);
}

static bool
is_wanted(struct keep_read *r, const struct queue *q, uint64_t sequence)
{
    return q && q->messages && segment_is_live(r->segment->segment, &r->run, sequence) &&
           sequence >= q->cursor && !queue_has_entry(q, sequence);
}

/* Gives the queue what was read; true: the last one's body is still to be read. */
static bool
give_entries(struct keep_read *r, struct queue *q)
{
    struct slice in = slice_of(r->entries.data, r->entries.len);
    for (struct keep_entry e; keep_entry_next(&in, &e);) {
        if (!is_wanted(r, q, e.sequence))
            continue;
        struct message *m = keep_entry_message(r->keep, &e.m);
        if (e.m.body_file) {
            r->message = m;
            r->large = e.sequence;
            r->body_file = e.m.body_file;
            r->expires_at = e.m.expires_at;
            r->is_transient = e.is_transient;
            return true;
        }
        queue_paged_in(q, e.sequence, &m, !e.is_transient, keep_expiry_deadline(r->keep, e.m.expires_at));
    }
    return false;
}

static void
on_body_done(void *arg)
{
    struct keep_read *r = arg;
    struct keep *k = r->keep;
    struct queue *q = queue_find(k->broker, r->queue_id);
    if (r->result != ERR_OK || !is_wanted(r, q, r->large)) {
        message_drop(k->broker, &r->message);
        if (r->result != ERR_OK)
            read_lost(r, r->large, r->large);
    } else {
        keep_body_enter(k, r->body_file, r->message);
        queue_paged_in(q, r->large, &r->message, !r->is_transient, keep_expiry_deadline(k, r->expires_at));
    }
    read_end(r);
}

static void
remember_cursor(struct keep_read *r, struct queue *q)
{
    if (!q || !q->kept || r->has_large)
        return;
    q->kept->cursor = r->cursor;
    q->kept->cursor_segment = r->segment;
    q->kept->cursor_index = r->index;
}

/* The segment was not written yet: it waits for the disk to have room. */
static void
on_retry(void *arg)
{
    struct keep_read *r = arg;
    segment_flush(r->segment->segment);
    worker_submit(r->keep->pager, &r->job);
}

static void
on_read_done(void *arg)
{
    struct keep_read *r = arg;
    struct queue *q = queue_find(r->keep->broker, r->queue_id);
    if (q)
        queue_paging_begin(q);
    remember_cursor(r, q);
    if (give_entries(r, q)) {
        r->job.run = run_body;
        r->job.done = on_body_done;
        worker_submit(r->keep->pager, &r->job);
        return;
    }
    bool waits = r->result == ERR_NO_SPACE && store_failure(r->keep->store) == ERR_OK;
    if (waits && r->entries.len == 0 && q) {
        timer_start(r->keep->broker->shard, &r->retry, KEEP_RETRY_MS, on_retry, r);
        return;
    }
    if (r->result != ERR_OK && !waits) /* a store that has failed with it waits for nothing */
        read_lost(r, r->cursor.next > r->from ? r->cursor.next : r->from, r->last);
    read_end(r);
}

void
keep_read_start(struct keep *k, struct queue *q, uint64_t from, size_t bytes)
{
    struct queue_kept *kept = keep_queue(k, q);
    struct keep_read *r = calloc(1, sizeof *r);
    uint64_t position;
    CHECK(r && keep_run_next_live(kept, from, &r->index, &position));
    struct keep_run *run = &kept->runs[r->index];
    r->keep = k;
    r->segment = run->segment;
    r->run = *keep_run_in_segment(run);
    r->index = run->index;
    r->queue_id = q->id;
    r->from = position;
    r->last = run->last;
    r->bytes = bytes;
    r->entries = k->spare_entries;
    buffer_init(&k->spare_entries);
    buffer_reserve(&r->entries, bytes + bytes / 4); /* they are a little larger than in the file */
    k->reads_begun++;
    if (!timer_is_active(&k->read_rest))
        timer_start(k->broker->shard, &k->read_rest, READ_REST_MS, on_read_rest, k);
    if (kept->cursor_segment == r->segment && kept->cursor_index == r->index && kept->cursor.next <= position)
        r->cursor = kept->cursor;
    else
        segment_cursor_start(&r->run, &r->cursor);
    r->segment->pins++;
    list_push_back(&k->reads, &r->node);
    segment_flush(r->segment->segment);
    r->job = (struct worker_job){.run = run_read, .done = on_read_done, .arg = r, .shard = k->broker->shard};
    worker_submit(k->pager, &r->job);
}

void
keep_read_free(struct keep *k)
{
    while (!list_is_empty(&k->reads)) {
        struct keep_read *r = LIST_ENTRY(k->reads.next, struct keep_read, node);
        read_free(r); /* its message goes with the pool */
    }
    timer_stop(&k->read_rest);
    buffer_fini(&k->spare_entries);
}
