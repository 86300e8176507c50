/* One allocation per binding: | struct binding | routing key | arguments, sorted by field name |. */
#include "broker/binding.h"

#include "base/check.h"
#include "base/hash.h"
#include "wire/table.h"

#include <stdlib.h>

struct binding *
binding_new(struct exchange *source, void *destination, bool to_exchange, struct slice routing_key,
            struct slice arguments)
{
    struct binding *b = malloc(sizeof *b + routing_key.len + arguments.len);
    CHECK(b && routing_key.len <= UINT8_MAX && arguments.len <= UINT32_MAX);
    *b = (struct binding){.source = source,
                          .destination = destination,
                          .to_exchange = to_exchange,
                          .arguments_size = (uint32_t)arguments.len,
                          .routing_key_size = (uint8_t)routing_key.len};
    if (routing_key.len > 0)
        memcpy(b->bytes, routing_key.data, routing_key.len);
    if (arguments.len > 0)
        table_canonical(arguments, b->bytes + routing_key.len);
    return b;
}

uint64_t
binding_hash(uint64_t source_id, uint64_t destination_id, struct slice routing_key, struct slice arguments)
{
    uint64_t h = hash_combine(source_id, destination_id);
    h = hash_combine(h, hash_bytes(routing_key));
    return arguments.len > 0 ? hash_combine(h, table_hash(arguments)) : h;
}

bool
binding_is(const struct binding *b, const struct exchange *source, const void *destination,
           struct slice routing_key, struct slice arguments)
{
    return b->source == source && b->destination == destination &&
           slice_eq(binding_routing_key(b), routing_key) && table_eq(binding_arguments(b), arguments);
}
