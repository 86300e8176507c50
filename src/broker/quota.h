/*
 * What RabbitMQ calls the limits of a virtual host and of a user, as an operator gives them: a JSON object
 * such as
 * {"max-connections":10,"max-queues":-1}; a negative number is no limit.
 */
#ifndef LEVERET_BROKER_QUOTA_H
#define LEVERET_BROKER_QUOTA_H

#include "base/buffer.h"
#include "base/slice.h"

#include <stdatomic.h>

enum { QUOTA_TEXT_MAX = 4096, QUOTA_NONE = -1 }; /* bytes of JSON */

/* One limit by its name. */
struct quota {
    const char *name;
    int64_t *value;
};

/*
 * Sets those of `quotas` (ended by a row without name) that the object has; text of "" sets none. False, with
 * RabbitMQ's text, if it is no such object: then none is set. `what`: how the text calls it ("limits");
 * `heading`: what stands before its lines.
 */
bool quota_parse(struct slice json, const struct quota *quotas, const char *what, const char *heading,
                 char text[256]);
/* The object of those that are set: "{}" if none is. */
void quota_add(struct buffer *out, const struct quota *quotas);

/* One more of what is counted, unless that would be more than `max` (QUOTA_NONE: no limit). Any thread. */
static inline bool
quota_take(_Atomic uint32_t *count, int64_t max)
{
    uint32_t now = atomic_load_explicit(count, memory_order_relaxed);
    do {
        if (max >= 0 && now >= max)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(count, &now, now + 1, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

static inline void
quota_give(_Atomic uint32_t *count)
{
    atomic_fetch_sub_explicit(count, 1, memory_order_relaxed);
}

#endif
