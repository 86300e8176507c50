/*
 * The node's resource alarms: memory, disk, and what the store says of itself. While one is raised the
 * sessions stop reading from connections that publish (connection.blocked); consumers go on, which is what
 * makes it end.
 *
 * The machine is fed samples on shard 0, and claims from any shard; when the set of raised alarms changes
 * every shard hears of it by mail and calls effects.alarm().
 */
#ifndef LEVERET_BROKER_ALARM_H
#define LEVERET_BROKER_ALARM_H

#include "base/err.h"
#include "base/wheel.h"
#include "io/worker.h"

#include <stdbool.h>
#include <stdint.h>

struct broker;

enum alarm_source {
    ALARM_MEMORY, /* more is used than the limit (0: no limit) */
    ALARM_DISK,   /* less is free than the limit */
    ALARM_STORE,  /* the store has no room for what it has to write: the next file of its log, segments */
    ALARM_FAILED, /* the store has failed: it does not write any more, for good */
    ALARM_SOURCES
};

/* The state after a sample of ALARM_MEMORY or ALARM_DISK: `raised` has a bit per source. */
unsigned alarm_feed(unsigned raised, enum alarm_source source, uint64_t bytes, uint64_t limit);
/* RabbitMQ's words, "low on memory & disk"; NULL when nothing is raised. */
const char *alarm_reason(unsigned raised);

/* Shard 0: takes a sample into account and tells all shards when the state changes. */
void alarm_sample(struct broker *b, enum alarm_source source, uint64_t bytes, uint64_t limit);
/* Samples the process's memory now. `limit`: bytes, the configuration's share of what this process may use.
 */
void alarm_sample_memory(struct broker *b, uint64_t limit);
/*
 * On any shard: one more (true) or one less (false) holds up ALARM_STORE or ALARM_FAILED, so each true but
 * one for ever is followed by one false. It takes effect by mail.
 */
void alarm_raise(struct broker *b, enum alarm_source source, bool is_raised);

/*
 * Shard 0: ALARM_MEMORY or ALARM_DISK is up whatever the samples say, until it is not forced any more: an
 * operator or a test wants to see what happens.
 */
void alarm_force(struct broker *b, enum alarm_source source, bool is_forced);

/*
 * Samples the memory again and again. The caller keeps the watch; it ends with the shard or by
 * alarm_watch_stop(). node.memory_watch points to it meanwhile.
 */
struct alarm_watch {
    struct broker *broker;
    uint64_t limit;
    double share; /* of the memory there is, that `limit` is; 0: it was not said so */
    uint64_t period_ms;
    struct wheel_timer timer;
};
void alarm_watch_start(struct alarm_watch *w, struct broker *b, uint64_t limit, uint64_t period_ms);
void alarm_watch_stop(struct alarm_watch *w);
/* Shard 0, while it runs: another limit from now on. */
void alarm_watch_set(struct alarm_watch *w, uint64_t limit, double share);

/* The same for the disk, on a thread of its own: alarm_disk.c. node.disk_watch. */
struct alarm_disk {
    struct broker *broker;
    const char *dir;
    uint64_t limit;
    struct wheel_timer timer;
    struct worker *worker;
    struct worker_job job;
    bool is_asking; /* the job is the worker's, with the three below */
    enum err error; /* of the last answer */
    uint64_t free_bytes, total_bytes;
    uint64_t known_free_bytes; /* as of the last answer: shard 0's */
    uint64_t asked_ms;
    bool is_said; /* that there is no answer, or an error: the log has it */
    bool is_off;  /* its answers raise no alarm */
};
/*
 * Shard 0. `dir` and the watch stay until alarm_disk_stop(), which comes after shards_join() (harmless when
 * it never started). Blocks for the first sample: the first publish must already meet an alarm.
 */
void alarm_disk_start(struct alarm_disk *w, struct broker *b, const char *dir, uint64_t limit);
void alarm_disk_stop(struct alarm_disk *w);
/* Shard 0, while it runs: another limit; no alarm any more, or again. */
void alarm_disk_set(struct alarm_disk *w, uint64_t limit);
void alarm_disk_switch(struct alarm_disk *w, bool is_on);
/* Milliseconds to the next sample. */
uint64_t alarm_disk_pause_ms(uint64_t free_bytes, uint64_t limit);

/* What this shard was told last; alarm_reason() puts it in words. */
unsigned alarm_state(const struct broker *b);
/* The courier's mail. */
void alarm_on_mail(struct broker *b, unsigned raised);
void alarm_on_claim(struct broker *b, enum alarm_source source, bool is_raised);

#endif
