/*
 * Deadlines. In memory they are of the shard's monotonic clock, which begins anew with each boot of the
 * machine; on disk they are times of day. They are turned into one another with both clocks of the moment: so
 * a step of the time of day moves only what is on disk.
 */
#include "broker/queue_rules.h"
#include "durable/keep_impl.h"
#include "io/shard.h"

uint64_t
keep_expiry_at(const struct keep *k, uint64_t deadline)
{
    struct shard *s = k->broker->shard;
    if (deadline == QUEUE_DEADLINE_NONE)
        return 0;
    uint64_t wall = shard_wall_ms(s), now = shard_now_ms(s);
    if (deadline == QUEUE_DEADLINE_AT_ONCE || wall + deadline <= now)
        return wall ? wall : 1;
    return wall + deadline - now;
}

uint64_t
keep_expiry_deadline(const struct keep *k, uint64_t expires_at)
{
    struct shard *s = k->broker->shard;
    if (expires_at == 0)
        return QUEUE_DEADLINE_NONE;
    uint64_t wall = shard_wall_ms(s), now = shard_now_ms(s);
    if (expires_at + now < wall + QUEUE_DEADLINE_FIRST)
        return QUEUE_DEADLINE_FIRST;
    return expires_at + now - wall;
}
