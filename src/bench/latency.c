/*
 * latency: each publisher sends at a fixed rate whatever the broker does, and a message's age counts from the
 * moment when it was due, so that a stall is seen by all that had to wait for it (no coordinated omission).
 */
#include "bench/load.h"
#include "bench/process.h"
#include "bench/report.h"
#include "bench/scenarios.h"

#include <stdio.h>
#include <sys/prctl.h>

enum { LATENCY_RATE = 2000 };

static void
run_for(struct load *l, double seconds)
{
    uint64_t until = process_now_ns() + (uint64_t)(seconds * 1e9);
    while (process_now_ns() < until)
        load_turn(l, 1000000u);
}

int
latency_run(const struct options *given)
{
    struct options o = *given;
    if (o.rate == 0)
        o.rate = LATENCY_RATE;
    if (o.size < 16)
        o.size = 16;
    if (o.relay || o.consumers == 0) {
        fprintf(stderr, "leveret-bench: latency needs a broker and a consumer\n");
        return 2;
    }
    prctl(PR_SET_TIMERSLACK, 1);
    struct load l;
    load_open(&l, &o, true);
    run_for(&l, o.duration * o.warmup);
    l.recording = true;
    double cpu = process_cpu_s(o.pid);
    run_for(&l, o.duration * (1 - o.warmup));
    cpu = process_cpu_s(o.pid) - cpu;
    l.recording = false;
    bool whole = load_drain(&l);

    struct report r = {.scenario = "latency"};
    report_add(&r, "rate", (double)(o.rate * o.publishers), "msg/s");
    report_add(&r, "samples", (double)histogram_count(l.delivery_ns), "messages");
    report_add_latency(&r, "delivery", l.delivery_ns);
    if (o.confirms)
        report_add_latency(&r, "confirm", l.confirm_ns);
    if (o.pid)
        report_add(&r, "broker_cpu_percent", 100 * cpu / (o.duration * (1 - o.warmup)), "%");
    report_print(&r, o.json);
    load_close(&l);
    if (!whole)
        fprintf(stderr, "leveret-bench: not all that was published arrived\n");
    return whole ? 0 : 1;
}
