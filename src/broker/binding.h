/*
 * A binding: messages of one exchange whose routing key (or headers) match go to one queue or exchange.
 *
 * Its identity is (source, destination, routing key, arguments), arguments compared as sets of fields
 * (RabbitMQ sorts them by name). Made and freed by the writer (meta_binding.c); the routers' readers see it
 * until it is freed through the epoch, and read only what never changes. The implicit bindings of the default
 * exchange are not stored anywhere.
 */
#ifndef LEVERET_BROKER_BINDING_H
#define LEVERET_BROKER_BINDING_H

#include "base/list.h"
#include "base/slice.h"

struct exchange;
struct queue_def;

struct binding {
    struct exchange *source;
    void *destination;     /* struct exchange if to_exchange, else struct queue_def */
    struct list from_node; /* writer only: source->bindings_from */
    struct list to_node;   /* writer only: the destination's list */
    uint32_t slot;         /* writer only: bindset.h */
    uint32_t arguments_size;
    bool to_exchange;
    uint8_t routing_key_size;
    uint8_t bytes[]; /* routing key, arguments in canonical order */
};

/* Copies key and arguments (sorted by name). On no list yet. */
struct binding *binding_new(struct exchange *source, void *destination, bool to_exchange,
                            struct slice routing_key, struct slice arguments);

/* Of the identity; the arguments may be in any order. */
uint64_t binding_hash(uint64_t source_id, uint64_t destination_id, struct slice routing_key,
                      struct slice arguments);
bool binding_is(const struct binding *b, const struct exchange *source, const void *destination,
                struct slice routing_key, struct slice arguments);

static inline struct slice
binding_routing_key(const struct binding *b)
{
    return slice_of(b->bytes, b->routing_key_size);
}
static inline struct slice
binding_arguments(const struct binding *b)
{
    return slice_of(b->bytes + b->routing_key_size, b->arguments_size);
}

#endif
