/*
 * Alarms. The state is a bit per source. Shard 0 keeps it in its own broker.alarms like every other shard,
 * and changes it only through the mail that it sends to all, itself included: so all shards see the same
 * changes in the same order.
 */
#include "broker/alarm.h"

#include "base/check.h"
#include "broker/courier_impl.h"
#include "io/system.h"
#include "io/timer.h"

unsigned
alarm_feed(unsigned raised, enum alarm_source source, uint64_t used, uint64_t limit)
{
    unsigned bit = 1u << source;
    return limit && used > limit ? raised | bit : raised & ~bit;
}

const char *
alarm_reason(unsigned raised)
{
    static const char *const reasons[1 << ALARM_SOURCES] = {
        NULL,
        "low on memory",
        "low on disk",
        "low on memory & disk",
    };
    CHECK(raised < 1 << ALARM_SOURCES);
    return reasons[raised];
}

unsigned
alarm_state(const struct broker *b)
{
    return b->alarms;
}

void
alarm_sample(struct broker *b, enum alarm_source source, uint64_t used, uint64_t limit)
{
    CHECK(b->index == 0);
    unsigned raised = alarm_feed(b->alarms_told, source, used, limit);
    if (raised == b->alarms_told)
        return;
    b->alarms_told = raised;
    if (raised & ~b->alarms)
        log_warning(b->node->log, LOG_GLOBAL,
                    "%s: %llu bytes used, the limit is %llu; publishers are blocked until it falls",
                    alarm_reason(raised), (unsigned long long)used, (unsigned long long)limit);
    else
        log_info(b->node->log, LOG_GLOBAL, "resource alarm cleared: %llu bytes used, the limit is %llu%s%s",
                 (unsigned long long)used, (unsigned long long)limit, raised ? "; still " : "",
                 raised ? alarm_reason(raised) : "");
    for (unsigned to = 0; to < b->courier->count; to++)
        courier_post(b, to, &(struct mail){.type = MAIL_ALARM, .u32 = raised});
}

void
alarm_on_mail(struct broker *b, unsigned raised)
{
    b->alarms = raised;
    b->effects->alarm(b->server, alarm_reason(raised));
}

void
alarm_sample_memory(struct broker *b, uint64_t limit)
{
    alarm_sample(b, ALARM_MEMORY, system_memory_used(shards_world(b->node->shards)), limit);
}

static void
alarm_tick(void *arg)
{
    struct alarm_watch *w = arg;
    alarm_sample_memory(w->broker, w->limit);
    timer_start(w->broker->shard, &w->timer, w->period_ms, alarm_tick, w);
}

void
alarm_watch_start(struct alarm_watch *w, struct broker *b, uint64_t limit, uint64_t period_ms)
{
    *w = (struct alarm_watch){.broker = b, .limit = limit, .period_ms = period_ms};
    alarm_tick(w); /* the first sample now: the first publish must already meet an alarm */
}

void
alarm_watch_stop(struct alarm_watch *w)
{
    timer_stop(&w->timer);
}
