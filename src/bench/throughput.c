/*
 * throughput: publishers and consumers as fast as the windows allow (or at a rate), for a time or a count.
 * The first part of the run is not measured; neither is the draining at its end.
 */
#include "bench/load.h"
#include "bench/process.h"
#include "bench/report.h"
#include "bench/scenarios.h"

#include <stdio.h>

struct mark {
    uint64_t ns, published, confirmed, received;
    double broker_cpu, own_cpu;
};

static struct mark
mark_now(const struct load *l)
{
    return (struct mark){.ns = process_now_ns(),
                         .published = l->published,
                         .confirmed = l->confirmed,
                         .received = l->received,
                         .broker_cpu = process_cpu_s(l->o->pid),
                         .own_cpu = process_own_cpu_s()};
}

static void
show_progress(const struct load *l, struct mark *last)
{
    if (!l->o->progress || process_now_ns() - last->ns < 1000000000u)
        return;
    struct mark now = mark_now(l);
    double s = (double)(now.ns - last->ns) * 1e-9;
    fprintf(stderr, "  published %.0f/s  confirmed %.0f/s  received %.0f/s\n",
            (double)(now.published - last->published) / s, (double)(now.confirmed - last->confirmed) / s,
            (double)(now.received - last->received) / s);
    *last = now;
}

/* Without publishers it is what is in the queues already. */
static uint64_t
total_of(const struct options *o)
{
    return (uint64_t)o->messages * (uint64_t)(o->publishers > 0 ? o->publishers : 1);
}

/* Which count tells how far the run is: consumed, else confirmed, else published. */
static uint64_t
progress_of(const struct load *l)
{
    if (l->o->consumers)
        return l->received;
    return l->o->confirms ? l->confirmed : l->published;
}

/* Runs for `share` of the duration; with --messages until the share `upto` of them all. */
static void
run_for(struct load *l, double share, double upto, struct mark *progress)
{
    const struct options *o = l->o;
    uint64_t until = process_now_ns() + (uint64_t)(o->duration * share * 1e9);
    uint64_t goal = upto < 1 ? (uint64_t)((double)total_of(o) * upto) : total_of(o);
    uint64_t moved = 0, quiet_since = process_now_ns();
    while (o->messages ? progress_of(l) < goal : process_now_ns() < until) {
        load_turn(l, 10000000u);
        show_progress(l, progress);
        if (progress_of(l) != moved) {
            moved = progress_of(l);
            quiet_since = process_now_ns();
        } else if (process_now_ns() - quiet_since > 30000000000u) {
            link_die("nothing moved for 30 s (published %lu, confirmed %lu, received %lu)",
                     (unsigned long)l->published, (unsigned long)l->confirmed, (unsigned long)l->received);
        }
    }
}

static void
report_rates(struct report *r, const struct load *l, const struct mark *a, const struct mark *b)
{
    double s = (double)(b->ns - a->ns) * 1e-9;
    double published = (double)(b->published - a->published), received = (double)(b->received - a->received);
    double confirmed = (double)(b->confirmed - a->confirmed);
    double done = l->o->consumers ? received : l->o->confirms ? confirmed : published;
    report_add(r, "published_per_s", published / s, "msg/s");
    if (l->o->confirms)
        report_add(r, "confirmed_per_s", confirmed / s, "msg/s");
    report_add(r, "received_per_s", received / s, "msg/s");
    report_add(r, "measured_s", s, "s");
    if (l->o->pid) {
        report_add(r, "broker_cpu_us_per_msg", (b->broker_cpu - a->broker_cpu) * 1e6 / done, "us");
        report_add(r, "broker_cpu_percent", 100 * (b->broker_cpu - a->broker_cpu) / s, "%");
        report_add(r, "broker_rss_bytes", (double)process_rss_bytes(l->o->pid), "bytes");
    }
    report_add(r, "load_cpu_percent", 100 * (b->own_cpu - a->own_cpu) / s, "%");
}

int
throughput_run(const struct options *o)
{
    struct load l;
    load_open(&l, o, false);
    struct mark progress = mark_now(&l);
    run_for(&l, o->warmup, o->warmup, &progress);
    struct mark a = mark_now(&l);
    run_for(&l, 1 - o->warmup, 1, &progress);
    struct mark b = mark_now(&l);
    bool whole = load_drain(&l);

    struct report r = {.scenario = "throughput"};
    report_rates(&r, &l, &a, &b);
    uint64_t nacked = 0, returned = 0, disorder = 0;
    for (int64_t i = 0; i < o->publishers; i++) {
        nacked += l.publishers[i].nacked;
        returned += l.publishers[i].returned;
    }
    for (int64_t i = 0; i < o->consumers; i++)
        disorder += l.consumers[i].disorder;
    report_add(&r, "published", (double)l.published, "messages");
    report_add(&r, "received", (double)l.received, "messages");
    report_add(&r, "nacked", (double)nacked, "messages");
    report_add(&r, "returned", (double)returned, "messages");
    if (o->verify)
        report_add(&r, "out_of_order", (double)disorder, "messages");
    report_print(&r, o->json);
    load_close(&l);
    if (!whole)
        fprintf(stderr, "leveret-bench: not all that was published arrived\n");
    return !whole || disorder ? 1 : 0;
}
