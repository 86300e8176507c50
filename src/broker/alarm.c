/*
 * Alarms. The state is a bit per source. Shard 0 keeps it in its own broker.alarms like every other shard,
 * and changes it only through the mail that it sends to all, itself included: so all shards see the same
 * changes in the same order.
 */
#include "broker/alarm.h"

#include "base/check.h"
#include "broker/courier_impl.h"
#include "broker/event.h"
#include "io/system.h"
#include "io/timer.h"
#include "wire/table.h"

static bool
alarm_is_due(enum alarm_source source, uint64_t bytes, uint64_t limit)
{
    CHECK(source == ALARM_MEMORY || source == ALARM_DISK);
    return source == ALARM_DISK ? bytes < limit : limit && bytes > limit;
}

static unsigned
alarm_set(unsigned raised, enum alarm_source source, bool is_raised)
{
    return is_raised ? raised | 1u << source : raised & ~(1u << source);
}

unsigned
alarm_feed(unsigned raised, enum alarm_source source, uint64_t bytes, uint64_t limit)
{
    return alarm_set(raised, source, alarm_is_due(source, bytes, limit));
}

const char *
alarm_reason(unsigned raised)
{
    CHECK(raised < 1u << ALARM_SOURCES);
    bool memory = raised & 1u << ALARM_MEMORY, disk = raised & (1u << ALARM_DISK | 1u << ALARM_STORE);
    if (raised & 1u << ALARM_FAILED)
        return "the disk has failed";
    if (memory && disk)
        return "low on memory & disk";
    return memory ? "low on memory" : disk ? "low on disk" : NULL;
}

unsigned
alarm_state(const struct broker *b)
{
    return b->alarms;
}

/* RabbitMQ knows two sources: what the store lacks is disk, too. */
static void
alarm_events(struct broker *b, unsigned changed, unsigned raised)
{
    static const char *const sources[ALARM_SOURCES] = {"memory", "disk", "disk", "disk"};
    struct event e;
    for (unsigned i = 0; i < ALARM_SOURCES; i++) {
        if (!(changed & 1u << i) || !event_begin(&e, b, raised & 1u << i ? "alarm.set" : "alarm.cleared"))
            continue;
        table_add_str(&e.headers, "node", slice_str(b->node->name));
        table_add_str(&e.headers, "source", slice_str(sources[i]));
        event_end(&e);
    }
}

/* What holds publishers back beside the news that the caller has just logged. */
static void
alarm_tell(struct broker *b, unsigned raised)
{
    unsigned gone = b->alarms_told & ~raised;
    alarm_events(b, b->alarms_told ^ raised, raised);
    b->alarms_told = raised;
    if (gone && raised)
        log_info(b->node->log, LOG_GLOBAL, "publishers stay blocked: %s", alarm_reason(raised));
    else if (gone)
        log_info(b->node->log, LOG_GLOBAL, "no resource alarm is left: publishers go on");
    for (unsigned to = 0; to < b->courier->count; to++)
        courier_post(b, to, &(struct mail){.type = MAIL_ALARM, .u32 = raised});
}

void
alarm_sample(struct broker *b, enum alarm_source source, uint64_t bytes, uint64_t limit)
{
    static const char *const names[][2] = {
        [ALARM_MEMORY] = {"memory", "used"},
        [ALARM_DISK] = {"disk space", "free"},
    };
    CHECK(b->index == 0);
    if (b->alarms_forced & 1u << source)
        return;
    unsigned raised = alarm_feed(b->alarms_told, source, bytes, limit);
    if (raised == b->alarms_told)
        return;
    if (raised & ~b->alarms_told)
        log_warning(b->node->log, LOG_GLOBAL,
                    "%s is short: %llu bytes %s, the limit is %llu; publishers are blocked until it is not",
                    names[source][0], (unsigned long long)bytes, names[source][1], (unsigned long long)limit);
    else
        log_info(b->node->log, LOG_GLOBAL, "%s is enough again: %llu bytes %s, the limit is %llu",
                 names[source][0], (unsigned long long)bytes, names[source][1], (unsigned long long)limit);
    alarm_tell(b, raised);
}

void
alarm_force(struct broker *b, enum alarm_source source, bool is_forced)
{
    CHECK(b->index == 0 && (source == ALARM_MEMORY || source == ALARM_DISK));
    unsigned raised = alarm_set(b->alarms_told, source, is_forced);
    bool was_forced = b->alarms_forced & 1u << source;
    b->alarms_forced = alarm_set(b->alarms_forced, source, is_forced);
    if (was_forced == is_forced || raised == b->alarms_told)
        return;
    log_warning(b->node->log, LOG_GLOBAL, "the %s alarm is %s by command",
                source == ALARM_MEMORY ? "memory" : "disk", is_forced ? "raised" : "cleared");
    alarm_tell(b, raised);
}

void
alarm_raise(struct broker *b, enum alarm_source source, bool is_raised)
{
    CHECK(source == ALARM_STORE || source == ALARM_FAILED);
    courier_post(b, 0, &(struct mail){.type = MAIL_CLAIM, .a = source, .u32 = is_raised});
}

void
alarm_on_claim(struct broker *b, enum alarm_source source, bool is_raised)
{
    unsigned *claims = &b->alarm_claims[source];
    CHECK(b->index == 0 && (is_raised || *claims > 0));
    *claims += is_raised ? 1u : -1u;
    unsigned raised = alarm_set(b->alarms_told, source, *claims > 0);
    if (raised == b->alarms_told)
        return;
    if (source == ALARM_FAILED)
        log_critical(
            b->node->log, LOG_GLOBAL,
            "the store has failed and writes nothing more: publishers are blocked; what was confirmed "
            "is kept; restart the node when the disk is well");
    else if (is_raised)
        log_warning(
            b->node->log, LOG_GLOBAL,
            "no room on the disk for what the store has to write; publishers are blocked until there is");
    else
        log_info(b->node->log, LOG_GLOBAL, "there is room for the store again");
    alarm_tell(b, raised);
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
    b->node->memory_watch = w;
    alarm_tick(w); /* the first sample now: the first publish must already meet an alarm */
}

void
alarm_watch_set(struct alarm_watch *w, uint64_t limit, double share)
{
    w->limit = limit;
    w->share = share;
    alarm_sample_memory(w->broker, limit);
}

void
alarm_watch_stop(struct alarm_watch *w)
{
    w->broker->node->memory_watch = NULL;
    timer_stop(&w->timer);
}
