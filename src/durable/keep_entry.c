/* Entries of a segment, on their way from the pager to the shard: a copy of each in one buffer. */
#include "durable/keep_impl.h"

struct entry_header {
    uint64_t sequence, body_file, body_size, expires_at;
    uint32_t exchange_size, routing_key_size, properties_size;
    uint8_t flags;
    bool is_transient;
};

void
keep_entry_add(struct buffer *b, uint64_t sequence, const struct record_message *m, bool is_transient)
{
    struct entry_header h = {.sequence = sequence,
                             .body_file = m->body_file,
                             .body_size = m->body_size,
                             .expires_at = m->expires_at,
                             .exchange_size = (uint32_t)m->exchange.len,
                             .routing_key_size = (uint32_t)m->routing_key.len,
                             .properties_size = (uint32_t)m->properties.len,
                             .flags = m->flags,
                             .is_transient = is_transient};
    buffer_add(b, &h, sizeof h);
    buffer_add_slice(b, m->exchange);
    buffer_add_slice(b, m->routing_key);
    buffer_add_slice(b, m->properties);
    buffer_add_slice(b, m->body);
}

static struct slice
take(struct slice *in, size_t n)
{
    struct slice s = slice_of(in->data, n);
    *in = slice_of(in->data + n, in->len - n);
    return s;
}

bool
keep_entry_next(struct slice *in, struct keep_entry *e)
{
    struct entry_header h;
    if (in->len == 0)
        return false;
    memcpy(&h, take(in, sizeof h).data, sizeof h);
    e->sequence = h.sequence;
    e->is_transient = h.is_transient;
    e->m = (struct record_message){
        .body_file = h.body_file, .body_size = h.body_size, .expires_at = h.expires_at, .flags = h.flags};
    e->m.exchange = take(in, h.exchange_size);
    e->m.routing_key = take(in, h.routing_key_size);
    e->m.properties = take(in, h.properties_size);
    e->m.body = take(in, h.body_file ? 0 : (size_t)h.body_size);
    return true;
}

struct message *
keep_entry_message(struct keep *k, const struct record_message *m)
{
    struct message *made =
        message_new(k->broker, m->exchange, m->routing_key, m->properties, (uint32_t)m->body_size);
    if (m->body.len > 0)
        memcpy(message_body_mut(made), m->body.data, m->body.len);
    return made;
}
