/*
 * The disk's free space, sampled again and again. Asking may block (a disk that hangs, a network's file
 * system), so a worker asks and shard 0 only hears the answer; it is asked again when the pause after the
 * answer is over, and never twice at a time.
 *
 * The pause is RabbitMQ's, but for a faster disk: ten seconds, or the time in which a disk filled at 1 GB/s
 * would reach the limit (RabbitMQ: 125 MB/s), at least a tenth of a second. During an alarm ten seconds, so
 * that it does not flutter.
 *
 * No answer for ten seconds, or an error, changes no alarm: the log says so, once until it is over.
 */
#include "broker/broker.h"
#include "io/disk.h"
#include "io/timer.h"

enum {
    ALARM_DISK_PAUSE_LEAST_MS = 100,
    ALARM_DISK_PAUSE_MOST_MS = 10000,
    ALARM_DISK_FAST = 1000000, /* bytes a millisecond */
};

uint64_t
alarm_disk_pause_ms(uint64_t free_bytes, uint64_t limit)
{
    if (free_bytes < limit)
        return ALARM_DISK_PAUSE_MOST_MS;
    uint64_t ms = (free_bytes - limit) / ALARM_DISK_FAST;
    if (ms < ALARM_DISK_PAUSE_LEAST_MS)
        return ALARM_DISK_PAUSE_LEAST_MS;
    return ms > ALARM_DISK_PAUSE_MOST_MS ? ALARM_DISK_PAUSE_MOST_MS : ms;
}

/* The worker's, and once at the start. */
static void
ask(void *arg)
{
    struct alarm_disk *w = arg;
    w->error = disk_space(shards_world(w->broker->node->shards), w->dir, &w->free_bytes, &w->total_bytes);
}

static void alarm_disk_tick(void *arg);

/* On shard 0. */
static void
answered(void *arg)
{
    struct alarm_disk *w = arg;
    struct log *log = w->broker->node->log;
    uint64_t pause_ms = ALARM_DISK_PAUSE_MOST_MS;
    w->is_asking = false;
    if (w->error && !w->is_said)
        log_warning(log, LOG_GLOBAL, "cannot ask for the free space of %s: %s; asked again every %u s",
                    w->dir, err_text(w->error), ALARM_DISK_PAUSE_MOST_MS / 1000);
    else if (!w->error && w->is_said)
        log_info(log, LOG_GLOBAL, "the disk of %s answers again: %llu bytes free", w->dir,
                 (unsigned long long)w->free_bytes);
    w->is_said = w->error != ERR_OK;
    if (!w->error) {
        w->known_free_bytes = w->free_bytes;
        alarm_sample(w->broker, ALARM_DISK, w->free_bytes, w->is_off ? 0 : w->limit);
        pause_ms = alarm_disk_pause_ms(w->free_bytes, w->limit);
    }
    timer_start(w->broker->shard, &w->timer, pause_ms, alarm_disk_tick, w);
}

static void
alarm_disk_tick(void *arg)
{
    struct alarm_disk *w = arg;
    struct shard *s = w->broker->shard;
    if (w->is_asking && !w->is_said) {
        w->is_said = true;
        log_warning(w->broker->node->log, LOG_GLOBAL, "the disk of %s has not answered for %llu ms", w->dir,
                    (unsigned long long)(shard_now_ms(s) - w->asked_ms));
    }
    timer_start(s, &w->timer, ALARM_DISK_PAUSE_MOST_MS, alarm_disk_tick, w);
    if (w->is_asking)
        return;
    w->is_asking = true;
    w->asked_ms = shard_now_ms(s);
    w->job = (struct worker_job){.run = ask, .done = answered, .arg = w, .shard = s};
    worker_submit(w->worker, &w->job);
}

void
alarm_disk_start(struct alarm_disk *w, struct broker *b, const char *dir, uint64_t limit)
{
    *w = (struct alarm_disk){.broker = b, .dir = dir, .limit = limit};
    b->node->disk_watch = w;
    w->worker = worker_new(shards_world(b->node->shards), "disk-space");
    ask(w);
    answered(w);
}

void
alarm_disk_set(struct alarm_disk *w, uint64_t limit)
{
    w->limit = limit;
    alarm_sample(w->broker, ALARM_DISK, w->known_free_bytes, w->is_off ? 0 : limit);
}

void
alarm_disk_switch(struct alarm_disk *w, bool is_on)
{
    w->is_off = !is_on;
    alarm_disk_set(w, w->limit);
}

void
alarm_disk_stop(struct alarm_disk *w)
{
    if (w->broker)
        w->broker->node->disk_watch = NULL;
    worker_free(w->worker);
    w->worker = NULL;
}
