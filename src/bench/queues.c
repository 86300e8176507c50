/* queues: declares many queues (pipelined in blocks), what each costs, and deletes them again. */
#include "bench/link.h"
#include "bench/process.h"
#include "bench/report.h"
#include "bench/scenarios.h"

#include <stdio.h>

enum { PIPELINE = 500 };

typedef void put_fn(struct link *l, const struct options *o, int64_t i);

static void
name_of(const struct options *o, int64_t i, char name[256])
{
    options_pattern(o->queue, i, name, 256);
}

static void
put_declare(struct link *l, const struct options *o, int64_t i)
{
    char name[256];
    name_of(o, i, name);
    link_put(l, AMQP_QUEUE_DECLARE,
             &(struct amqp_queue_declare){.queue = slice_str(name), .durable = o->durable});
}

static void
put_delete(struct link *l, const struct options *o, int64_t i)
{
    char name[256];
    name_of(o, i, name);
    link_put(l, AMQP_QUEUE_DELETE, &(struct amqp_queue_delete){.queue = slice_str(name)});
}

static double
pipelined(struct link *links, const struct options *o, put_fn *put, uint32_t answer)
{
    uint64_t start = process_now_ns();
    for (int64_t i = 0; i < o->count;) {
        int64_t filled[64] = {0}, lanes = o->parallel < 64 ? o->parallel : 64;
        for (int64_t c = 0; c < lanes; c++) {
            while (i < o->count && filled[c] < PIPELINE) {
                put(&links[c], o, i++);
                filled[c]++;
            }
            link_flush(&links[c]);
        }
        for (int64_t c = 0; c < lanes; c++)
            while (filled[c]-- > 0)
                link_expect(&links[c], answer, NULL);
    }
    return (double)(process_now_ns() - start) * 1e-9;
}

int
queues_run(const struct options *o)
{
    struct link links[64];
    int64_t lanes = o->parallel < 64 ? o->parallel : 64;
    for (int64_t c = 0; c < lanes; c++)
        link_open(&links[c], o);
    uint64_t rss = process_rss_bytes(o->pid);
    double cpu = process_cpu_s(o->pid);
    double declared_s = pipelined(links, o, put_declare, AMQP_QUEUE_DECLARE_OK);
    struct report r = {.scenario = "queues"};
    report_add(&r, "queues", (double)o->count, "");
    report_add(&r, "declared_per_s", (double)o->count / declared_s, "queues/s");
    if (o->pid) {
        double grown = (double)process_rss_bytes(o->pid) - (double)rss;
        report_add(&r, "broker_bytes_per_queue", grown / (double)o->count, "bytes");
        report_add(&r, "broker_cpu_us_per_declare", (process_cpu_s(o->pid) - cpu) * 1e6 / (double)o->count,
                   "us");
    }
    if (!o->keep) {
        double deleted_s = pipelined(links, o, put_delete, AMQP_QUEUE_DELETE_OK);
        report_add(&r, "deleted_per_s", (double)o->count / deleted_s, "queues/s");
    }
    for (int64_t c = 0; c < lanes; c++)
        link_close(&links[c]);
    report_print(&r, o->json);
    return 0;
}
