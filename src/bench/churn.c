/*
 * churn: things that come and go, one after the other on each of `parallel` threads with a connection of its
 * own: a connection with a channel, a channel, a queue, a binding. Latency is that of one whole coming and
 * going.
 */
#include "bench/link.h"
#include "bench/process.h"
#include "bench/report.h"
#include "bench/scenarios.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lane;
typedef void churn_fn(struct lane *lane);

struct lane {
    const struct options *o;
    churn_fn *cycle;
    pthread_t thread;
    struct link link;
    char name[64];
    uint64_t until_ns;
    struct histogram *cycles;
};

static void
cycle_connection(struct lane *lane)
{
    struct link fresh;
    link_open(&fresh, lane->o);
    link_close(&fresh);
}

static void
cycle_channel(struct lane *lane)
{
    struct amqp_channel_close close_method = {.reply_code = 200};
    link_call(&lane->link, AMQP_CHANNEL_CLOSE, &close_method, AMQP_CHANNEL_CLOSE_OK, NULL);
    link_call(&lane->link, AMQP_CHANNEL_OPEN, &(struct amqp_channel_open){0}, AMQP_CHANNEL_OPEN_OK, NULL);
}

static void
cycle_queue(struct lane *lane)
{
    link_queue_declare(&lane->link, lane->name, lane->o->durable);
    link_queue_delete(&lane->link, lane->name);
}

static void
cycle_bind(struct lane *lane)
{
    link_queue_bind(&lane->link, lane->name, "amq.topic", "bench.*.key");
    struct amqp_queue_unbind unbind = {.queue = slice_str(lane->name),
                                       .exchange = slice_str("amq.topic"),
                                       .routing_key = slice_str("bench.*.key")};
    link_call(&lane->link, AMQP_QUEUE_UNBIND, &unbind, AMQP_QUEUE_UNBIND_OK, NULL);
}

static const struct {
    const char *name;
    churn_fn *cycle;
} kinds[] = {{"connection", cycle_connection},
             {"channel", cycle_channel},
             {"queue", cycle_queue},
             {"bind", cycle_bind}};

static void *
lane_run(void *arg)
{
    struct lane *lane = arg;
    if (lane->cycle == cycle_bind)
        link_queue_declare(&lane->link, lane->name, false);
    for (uint64_t now = process_now_ns(), after; now < lane->until_ns; now = after) {
        lane->cycle(lane);
        after = process_now_ns();
        histogram_record(lane->cycles, after - now);
    }
    if (lane->cycle == cycle_bind)
        link_queue_delete(&lane->link, lane->name);
    link_close(&lane->link);
    return NULL;
}

int
churn_run(const struct options *o)
{
    churn_fn *cycle = NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, o->kind) == 0)
            cycle = kinds[i].cycle;
    if (!cycle) {
        fprintf(stderr, "leveret-bench: --kind is connection, channel, queue or bind\n");
        return 2;
    }
    struct lane *lanes = calloc((size_t)o->parallel, sizeof *lanes);
    struct histogram *all = calloc(1 + (size_t)o->parallel, sizeof *all);
    if (!lanes || !all)
        link_die("out of memory");
    double cpu = process_cpu_s(o->pid);
    for (int64_t i = 0; i < o->parallel; i++) {
        lanes[i] = (struct lane){.o = o, .cycle = cycle, .cycles = &all[1 + i]};
        histogram_init(lanes[i].cycles);
        snprintf(lanes[i].name, sizeof lanes[i].name, "bench-churn-%lld", (long long)i);
        link_open(&lanes[i].link, o);
    }
    uint64_t start = process_now_ns();
    for (int64_t i = 0; i < o->parallel; i++) {
        lanes[i].until_ns = start + (uint64_t)(o->duration * 1e9);
        if (pthread_create(&lanes[i].thread, NULL, lane_run, &lanes[i]))
            link_die("cannot start a thread");
    }
    histogram_init(&all[0]);
    for (int64_t i = 0; i < o->parallel; i++) {
        pthread_join(lanes[i].thread, NULL);
        histogram_merge(&all[0], lanes[i].cycles);
    }
    double seconds = (double)(process_now_ns() - start) * 1e-9, done = (double)histogram_count(&all[0]);
    struct report r = {.scenario = "churn"};
    report_add(&r, "cycles_per_s", done / seconds, "cycles/s");
    report_add_latency(&r, "cycle", &all[0]);
    if (o->pid)
        report_add(&r, "broker_cpu_us_per_cycle", (process_cpu_s(o->pid) - cpu) * 1e6 / done, "us");
    report_print(&r, o->json);
    free(all);
    free(lanes);
    return 0;
}
