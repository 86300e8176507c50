/*
 * The node's resource alarms: memory, and disk when there is one. While one is raised the sessions stop
 * reading from connections that publish (connection.blocked); consumers go on, which is what makes it end.
 *
 * The machine is fed samples on shard 0; when the set of raised alarms changes every shard hears of it by
 * mail and calls effects.alarm().
 */
#ifndef LEVERET_BROKER_ALARM_H
#define LEVERET_BROKER_ALARM_H

#include "base/wheel.h"

#include <stdbool.h>
#include <stdint.h>

struct broker;

enum alarm_source { ALARM_MEMORY, ALARM_DISK, ALARM_SOURCES };

/* The state after a sample of one source: raised while more is used than the limit (0: no limit). `raised`
 * has a bit per source. */
unsigned alarm_feed(unsigned raised, enum alarm_source source, uint64_t used, uint64_t limit);
/* RabbitMQ's words, "low on memory & disk"; NULL when nothing is raised. */
const char *alarm_reason(unsigned raised);

/* Shard 0: takes a sample into account and tells all shards when the state changes. */
void alarm_sample(struct broker *b, enum alarm_source source, uint64_t used, uint64_t limit);
/* Samples the process's memory now. `limit`: bytes, the configuration's share of what this process may use.
 */
void alarm_sample_memory(struct broker *b, uint64_t limit);

/* Samples the memory again and again. The caller keeps the watch; it ends with the shard or by
 * alarm_watch_stop(). */
struct alarm_watch {
    struct broker *broker;
    uint64_t limit;
    uint64_t period_ms;
    struct wheel_timer timer;
};
void alarm_watch_start(struct alarm_watch *w, struct broker *b, uint64_t limit, uint64_t period_ms);
void alarm_watch_stop(struct alarm_watch *w);

/* What this shard was told last; alarm_reason() puts it in words. */
unsigned alarm_state(const struct broker *b);
/* The courier's mail. */
void alarm_on_mail(struct broker *b, unsigned raised);

#endif
