/* The table of exchange types, and the readers' memory. */
#include "broker/router.h"

#include "base/check.h"
#include "wire/table.h"

#include <stdlib.h>

const struct router_ops *
router_ops_of(enum exchange_type type)
{
    switch (type) {
    case EXCHANGE_DIRECT: return &exchange_direct_ops;
    case EXCHANGE_FANOUT: return &exchange_fanout_ops;
    case EXCHANGE_TOPIC: return &exchange_topic_ops;
    case EXCHANGE_HEADERS: return &exchange_headers_ops;
    case EXCHANGE_CONSISTENT_HASH: return &exchange_consistent_hash_ops;
    case EXCHANGE_MODULUS_HASH: return &exchange_modulus_hash_ops;
    case EXCHANGE_RANDOM: return &exchange_random_ops;
    case EXCHANGE_LOCAL_RANDOM: return &exchange_local_random_ops;
    case EXCHANGE_RECENT_HISTORY: return &exchange_recent_history_ops;
    case EXCHANGE_TYPES: break;
    }
    CHECK_UNREACHABLE("no such exchange type");
}

bool
router_is_by_message(enum exchange_type type, struct slice arguments)
{
    struct table_value v;
    switch (type) {
    case EXCHANGE_HEADERS:
    case EXCHANGE_RANDOM:
    case EXCHANGE_LOCAL_RANDOM:
    case EXCHANGE_RECENT_HISTORY: return true;
    case EXCHANGE_CONSISTENT_HASH:
        return table_find_str(arguments, "hash-header", &v) || table_find_str(arguments, "hash-property", &v);
    default: return false;
    }
}

void
router_scratch_grow(struct router_scratch *s)
{
    s->found_capacity = s->found_capacity ? s->found_capacity * 2 : 64;
    s->found = realloc(s->found, s->found_capacity * sizeof *s->found);
    CHECK(s->found);
}

void
router_scratch_fini(struct router_scratch *s)
{
    free(s->found);
    exchange_topic_scratch_free(s->topic);
    exchange_headers_scratch_free(s->headers);
    *s = (struct router_scratch){0};
}
