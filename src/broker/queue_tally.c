/*
 * Counts of a queue that nobody needs to deliver its messages.
 *
 * Always true: unacked_bytes is the sum over the unacked entries, leaving_bytes over those that are
 * is_leaving. persistent and its bytes are over all logged messages, in memory or paged out. paged_bytes is
 * over what is paged out, as far as it is known: a message's size is when it leaves memory, but not after a
 * restart, when a run of a segment says only how long it is as a whole. So subtractions stop at zero.
 */
/* exports: queue_figures */
#include "broker/queue_tally.h"

#include "broker/message.h"
#include "broker/queue_impl.h"
#include "broker/queue_rank.h"
#include "wire/properties.h"

static uint64_t
at_most(uint64_t n, uint64_t limit)
{
    return n < limit ? n : limit;
}

void
queue_tally_count(struct queue *q)
{
    struct queue_tally *t = &q->tally;
    uint64_t position;
    queue_tally_clear(t);
    struct queue_entry *e = q->messages ? seqdeque_first(&q->messages->entries, &position) : NULL;
    for (; e; e = seqdeque_next(&q->messages->entries, &position)) {
        uint32_t size = e->message->body_size;
        t->unacked_bytes += e->is_unacked ? size : 0;
        t->leaving_bytes += e->is_leaving ? size : 0;
        t->persistent += e->is_logged;
        t->persistent_bytes += e->is_logged ? size : 0;
    }
}

void
queue_tally_clear(struct queue_tally *t)
{
    *t = (struct queue_tally){.disk_reads = t->disk_reads, .disk_writes = t->disk_writes};
}

void
queue_tally_page_out(struct queue *q, uint32_t body_size)
{
    q->tally.paged_bytes += body_size;
}

void
queue_tally_page_in(struct queue *q, uint32_t body_size)
{
    struct queue_tally *t = &q->tally;
    t->paged_bytes -= q->paged == 1 ? t->paged_bytes : at_most(body_size, t->paged_bytes);
    t->disk_reads++;
}

void
queue_tally_lose(struct queue *q, uint64_t count)
{
    struct queue_tally *t = &q->tally;
    uint64_t bytes = q->paged ? t->paged_bytes / q->paged * count : 0;
    t->paged_bytes -= at_most(bytes, t->paged_bytes);
    t->persistent_bytes -= at_most(bytes, t->persistent_bytes);
    t->persistent -= at_most(count, t->persistent);
}

/* ---- showing ---- */

static void
add_messages(const struct queue *q, struct queue_figures *f)
{
    const struct queue_messages *ms = q->messages;
    uint64_t entries = seqdeque_count(&ms->entries);
    uint64_t in_memory = ms->bytes - entries * QUEUE_MESSAGE_COST;
    uint32_t ready = queue_ready(q);
    f->ready += ready;
    f->ready_in_memory += ready - at_most(q->paged, ready);
    f->memory_bytes += in_memory;
    f->ready_bytes += in_memory - at_most(q->tally.unacked_bytes + q->tally.leaving_bytes, in_memory) +
                      q->tally.paged_bytes;
    f->memory +=
        sizeof *ms + ms->bytes + entries * ms->entries.entry_size + ms->returned_cap * sizeof *ms->returned;
}

/* Of the queue, or of one of its ranks. */
static void
add_rank(const struct queue *q, struct queue_figures *f)
{
    f->unacked += q->unacked;
    f->unacked_bytes += q->tally.unacked_bytes;
    f->persistent += q->tally.persistent;
    f->persistent_bytes += q->tally.persistent_bytes;
    f->disk_reads += q->tally.disk_reads;
    f->disk_writes += q->tally.disk_writes;
    f->memory += sizeof *q;
    if (q->messages)
        add_messages(q, f);
}

static void
figures_of_head(const struct queue *q, struct queue_figures *f)
{
    const struct queue_messages *ms = q->messages;
    uint64_t position = ms->returned_count ? ms->returned[0] : q->cursor;
    const struct queue_entry *e = seqdeque_get(&ms->entries, position);
    struct slice value;
    if (!e || !properties_find(message_properties(e->message), PROPERTY_TIMESTAMP, &value))
        return;
    f->has_head_timestamp = true;
    f->head_timestamp = be64_get(value.data);
}

/* It is the only consumer. */
static const struct subscription *
exclusive_of(const struct queue *q)
{
    if (!q->has_exclusive_consumer || list_is_empty(&q->levels))
        return NULL;
    const struct consumer_level *level = LIST_ENTRY(q->levels.next, struct consumer_level, node);
    const struct list *of = list_is_empty(&level->round) ? &level->resting : &level->round;
    return LIST_ENTRY(of->next, struct consumer, node)->subscription;
}

void
queue_tally_figures(const struct queue *q, struct queue_figures *out)
{
    *out = (struct queue_figures){
        .memory = q->consumer_count * sizeof(struct consumer),
        .consumers = q->consumer_count,
        .exclusive = exclusive_of(q),
        .is_taken_at_once = q->round_count > 0,
    };
    unsigned at = 0;
    for (const struct queue *rank; (rank = queue_rank_each(q, &at));)
        add_rank(rank, out);
    if (out->ready)
        figures_of_head(queue_rank_first(q->front), out);
}
