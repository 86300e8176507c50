/* connections: opens many idle connections with one channel each; how fast, and what each costs the broker in
 * memory. */
#include "bench/link.h"
#include "bench/process.h"
#include "bench/report.h"
#include "bench/scenarios.h"

#include <stdlib.h>
#include <sys/resource.h>

static void
raise_descriptors(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
        r.rlim_cur = r.rlim_max;
        setrlimit(RLIMIT_NOFILE, &r);
    }
}

int
connections_run(const struct options *o)
{
    raise_descriptors();
    struct link *links = calloc((size_t)o->count, sizeof *links);
    if (!links)
        link_die("out of memory");
    struct link first;
    link_open(&first, o); /* what the broker allocates once does not count */
    uint64_t rss = process_rss_bytes(o->pid), start = process_now_ns();
    double cpu = process_cpu_s(o->pid);
    for (int64_t i = 0; i < o->count; i++) {
        link_open(&links[i], o);
        buffer_fini(&links[i].in);
        links[i].parsed = 0;
        buffer_fini(&links[i].out);
    }
    double opened_s = (double)(process_now_ns() - start) * 1e-9;
    struct report r = {.scenario = "connections"};
    report_add(&r, "connections", (double)o->count, "");
    report_add(&r, "opened_per_s", (double)o->count / opened_s, "conn/s");
    if (o->pid) {
        double grown = (double)process_rss_bytes(o->pid) - (double)rss;
        report_add(&r, "broker_bytes_per_connection", grown / (double)o->count, "bytes");
        report_add(&r, "broker_cpu_us_per_connection", (process_cpu_s(o->pid) - cpu) * 1e6 / (double)o->count,
                   "us");
    }
    start = process_now_ns();
    for (int64_t i = 0; i < o->count; i++)
        link_close(&links[i]);
    report_add(&r, "closed_per_s", (double)o->count / ((double)(process_now_ns() - start) * 1e-9), "conn/s");
    link_close(&first);
    free(links);
    report_print(&r, o->json);
    return 0;
}
