/*
 * Delivery counts. A quorum queue's entries are wide from the start:
 *
 *   | message | consumer | flags, op | deadline | count |
 *
 * The count is of returns: by requeue, or because a channel or consumer went; not of deliveries that never
 * reached the client. It lives in memory. What a start finds perhaps given out has been returned once at
 * least, so it begins at 1.
 */
#include "broker/queue_count.h"

#include "base/buffer.h"
#include "base/check.h"
#include "broker/queue_impl.h"
#include "broker/queue_rules.h"
#include "wire/properties.h"
#include "wire/table.h"

#define COUNT_HEADER "x-delivery-count"

struct counted_entry {
    struct queue_entry entry;
    uint64_t deadline; /* queue_expiry.c */
    uint64_t count;
};

size_t
queue_count_entry_size(void)
{
    return sizeof(struct counted_entry);
}

void
queue_count_begin(struct queue_entry *e)
{
    ((struct counted_entry *)e)->count = e->is_redelivered;
}

bool
queue_count_returned(const struct queue *q, struct queue_entry *e)
{
    int64_t limit = q->rules->settings.delivery_limit;
    uint64_t count = ++((struct counted_entry *)e)->count;
    return limit == QUEUE_SETTING_NONE || count <= (uint64_t)limit;
}

uint32_t
queue_count_of(const struct queue_entry *e)
{
    uint64_t count = ((const struct counted_entry *)e)->count;
    return count < UINT32_MAX ? (uint32_t)count : UINT32_MAX;
}

static struct message *
copy_with_count(struct broker *b, const struct message *m, struct properties *p, uint64_t count)
{
    struct buffer headers = {0}, properties = {0};
    table_add_all_but(&headers, p->headers, slice_str(COUNT_HEADER));
    table_add_int64(&headers, COUNT_HEADER, (int64_t)count);
    p->flags |= PROPERTY_FLAG(PROPERTY_HEADERS);
    p->headers = buffer_slice(&headers);
    properties.len = properties_encode(buffer_reserve(&properties, properties_size(p)), p);
    struct message *copy = message_copy_with(b, m, message_exchange(m), message_routing_key(m),
                                             buffer_slice(&properties), message_facts_of(p));
    buffer_fini(&headers);
    buffer_fini(&properties);
    return copy;
}

struct message *
queue_count_tell(const struct queue *q, const struct queue_entry *e)
{
    struct properties p;
    uint64_t count = ((const struct counted_entry *)e)->count;
    if (count == 0 || properties_decode(message_properties(e->message), &p) != ERR_OK)
        return NULL;
    return copy_with_count(q->broker, e->message, &p, count);
}
