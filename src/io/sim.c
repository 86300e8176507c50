/*
 * The world's heart: a heap of events ordered by time and, within a nanosecond, by when they were scheduled.
 * Whatever is random comes from one generator; whatever happens is mixed into one trace. So a run is a
 * function of the seed and of what the test does, and two runs can be compared by one number.
 */
#include "io/sim_inside.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { START_NS = 1000000000 };

struct partition {
    struct list link;
    struct io_world *a, *b; /* NULL: everything else */
};

struct call_at {
    struct list link;
    struct sim *sim;
    struct sim_event event;
    void (*fn)(void *arg);
    void *arg;
};

/* ---- the heap ---- */

static bool
is_before(const struct sim_event *a, const struct sim_event *b)
{
    return a->time != b->time ? a->time < b->time : a->seq < b->seq;
}

static void
put(struct sim *sim, size_t place, struct sim_event *e)
{
    sim->heap[place] = e;
    e->place = place;
}

static void
sift_up(struct sim *sim, struct sim_event *e, size_t place)
{
    for (; place > 1 && is_before(e, sim->heap[place / 2]); place /= 2)
        put(sim, place, sim->heap[place / 2]);
    put(sim, place, e);
}

static void
sift_down(struct sim *sim, struct sim_event *e, size_t place)
{
    for (size_t child; (child = place * 2) <= sim->heap_count; place = child) {
        if (child < sim->heap_count && is_before(sim->heap[child + 1], sim->heap[child]))
            child++;
        if (!is_before(sim->heap[child], e))
            break;
        put(sim, place, sim->heap[child]);
    }
    put(sim, place, e);
}

void
sim_cancel(struct sim *sim, struct sim_event *e)
{
    size_t place = e->place;
    if (!place)
        return;
    e->place = 0;
    struct sim_event *last = sim->heap[sim->heap_count--];
    if (last == e)
        return;
    if (place > 1 && is_before(last, sim->heap[place / 2]))
        sift_up(sim, last, place);
    else
        sift_down(sim, last, place);
}

void
sim_schedule(struct sim *sim, struct sim_event *e, uint64_t time)
{
    sim_cancel(sim, e);
    e->time = time > sim->now_ns ? time : sim->now_ns;
    e->seq = sim->seq++;
    if (sim->heap_count + 2 > sim->heap_capacity) {
        sim->heap_capacity = sim->heap_capacity ? sim->heap_capacity * 2 : 256;
        sim->heap = realloc(sim->heap, sim->heap_capacity * sizeof *sim->heap);
        CHECK(sim->heap);
    }
    sift_up(sim, e, ++sim->heap_count);
}

void
sim_schedule_by(struct sim *sim, struct sim_event *e, uint64_t time)
{
    if (!e->place || e->time > time)
        sim_schedule(sim, e, time);
}

/* ---- randomness and the trace ---- */

/* splitmix64 (Vigna, public domain). */
static uint64_t
mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

uint64_t
sim_random(struct sim *sim, uint64_t bound)
{
    CHECK(bound > 0);
    sim->random_state += 0x9e3779b97f4a7c15u;
    return mix(sim->random_state) % bound;
}

uint64_t
sim_random_between(struct sim *sim, uint64_t least, uint64_t most)
{
    return most > least ? least + sim_random(sim, most - least + 1) : least;
}

void
sim_note(struct sim *sim, const char *what, uint64_t a, uint64_t b)
{
    uint64_t h = sim->trace;
    for (const char *p = what; *p; p++)
        h = h * 31 + (uint8_t)*p;
    sim->trace = mix(mix(mix(h ^ sim->now_ns) ^ a) ^ b);
    if (sim->is_verbose)
        fprintf(stderr, "%12.6f ms  %-12s %llu %llu\n", (double)(sim->now_ns - START_NS) / 1e6, what,
                (unsigned long long)a, (unsigned long long)b);
}

uint64_t
sim_trace(const struct sim *sim)
{
    return sim->trace;
}

void
sim_set_verbose(struct sim *sim, bool verbose)
{
    sim->is_verbose = verbose;
}

/* ---- life and time ---- */

struct sim *
sim_new(uint64_t seed)
{
    struct sim *sim = calloc(1, sizeof *sim);
    CHECK(sim);
    sim->now_ns = START_NS;
    sim->random_state = mix(seed + 1);
    sim->net = (struct sim_net){
        .latency_min_ns = 20000, .latency_max_ns = 200000, .buffer_bytes = 65536, .chunk_max = 4096};
    list_init(&sim->nodes);
    list_init(&sim->links);
    list_init(&sim->partitions);
    list_init(&sim->calls_at);
    return sim;
}

void
sim_free(struct sim *sim)
{
    sim_heal(sim);
    LIST_FOREACH_SAFE (node, tmp, &sim->calls_at)
        free(LIST_ENTRY(node, struct call_at, link));
    LIST_FOREACH_SAFE (node, tmp, &sim->nodes) {
        struct io_world *w = LIST_ENTRY(node, struct io_world, in_sim);
        CHECK(list_is_empty(&w->backends));
        sim_disk_free(w->disk);
        free(w->name);
        free(w);
    }
    CHECK(list_is_empty(&sim->links)); /* clients are freed before */
    free(sim->heap);
    free(sim);
}

void
sim_set_net(struct sim *sim, const struct sim_net *net)
{
    sim->net = *net;
}

struct sim_net
sim_net(const struct sim *sim)
{
    return sim->net;
}

uint64_t
sim_latency(struct sim *sim)
{
    return sim_random_between(sim, sim->net.latency_min_ns, sim->net.latency_max_ns);
}

uint64_t
sim_now_ns(const struct sim *sim)
{
    return sim->now_ns;
}

uint64_t
sim_now_ms(const struct sim *sim)
{
    return sim->now_ns / 1000000;
}

bool
sim_step(struct sim *sim)
{
    if (sim->heap_count == 0)
        return false;
    struct sim_event *e = sim->heap[1];
    sim_cancel(sim, e);
    sim->now_ns = e->time;
    sim_note(sim, e->name, e->seq, 0);
    e->fn(e->arg);
    return true;
}

bool
sim_run_until(struct sim *sim, bool (*done)(void *arg), void *arg, uint64_t timeout_ms)
{
    uint64_t deadline = sim->now_ns + timeout_ms * 1000000;
    while (!done(arg)) {
        if (sim->heap_count == 0 || sim->heap[1]->time > deadline) {
            sim->now_ns = deadline;
            return done(arg);
        }
        sim_step(sim);
    }
    return true;
}

static bool
never(void *arg)
{
    return false;
}

void
sim_run_for(struct sim *sim, uint64_t ms)
{
    (void)sim_run_until(sim, never, NULL, ms);
}

static void
run_call_at(void *arg)
{
    struct call_at *c = arg;
    list_remove(&c->link);
    c->fn(c->arg);
    free(c);
}

void
sim_at(struct sim *sim, uint64_t delay_ms, void (*fn)(void *arg), void *arg)
{
    struct call_at *c = calloc(1, sizeof *c);
    CHECK(c);
    *c = (struct call_at){.sim = sim, .fn = fn, .arg = arg};
    c->event = (struct sim_event){.name = "at", .fn = run_call_at, .arg = c};
    list_push_back(&sim->calls_at, &c->link);
    sim_schedule(sim, &c->event, sim->now_ns + delay_ms * 1000000);
}

/* ---- nodes ---- */

struct io_world *
sim_node_named(struct sim *sim, const char *name)
{
    LIST_FOREACH (node, &sim->nodes) {
        struct io_world *w = LIST_ENTRY(node, struct io_world, in_sim);
        if (strcmp(w->name, name) == 0)
            return w;
    }
    return NULL;
}

/* What crash_at of a disk began. */
static void
go_down(void *arg)
{
    sim_node_crash(arg);
}

struct io_world *
sim_node_new(struct sim *sim, const char *name)
{
    CHECK(!sim_node_named(sim, name));
    struct io_world *w = calloc(1, sizeof *w);
    CHECK(w);
    w->sim = sim;
    w->index = sim->node_count++;
    w->name = strdup(name);
    CHECK(w->name);
    w->memory_used = 64u << 20;
    w->memory_total = (uint64_t)8 << 30;
    list_init(&w->backends);
    list_init(&w->listeners);
    list_init(&w->workers);
    list_push_back(&sim->nodes, &w->in_sim);
    w->disk = sim_disk_new(w);
    w->down = (struct sim_event){.name = "down", .fn = go_down, .arg = w};
    return w;
}

struct sim *
sim_node_sim(struct io_world *node)
{
    return node->sim;
}

void
sim_node_set_memory(struct io_world *node, uint64_t used, uint64_t total)
{
    node->memory_used = used;
    node->memory_total = total;
}

void
sim_node_set_descriptors(struct io_world *node, unsigned limit)
{
    node->descriptors_max = limit;
}

/* ---- partitions ---- */

static bool
is_side(const struct io_world *side, const struct io_world *x, const struct io_world *other)
{
    return side ? side == x : x != other;
}

/* Within a node nothing is ever cut. */
bool
sim_is_cut(const struct sim *sim, const struct io_world *a, const struct io_world *b)
{
    LIST_FOREACH (node, &sim->partitions) {
        const struct partition *p = LIST_ENTRY(node, struct partition, link);
        if (a == b && a)
            continue;
        if ((is_side(p->a, a, p->b) && is_side(p->b, b, p->a)) ||
            (is_side(p->a, b, p->b) && is_side(p->b, a, p->a)))
            return true;
    }
    return false;
}

void
sim_partition(struct sim *sim, struct io_world *a, struct io_world *b)
{
    struct partition *p = calloc(1, sizeof *p);
    CHECK(p && (a || b));
    p->a = a;
    p->b = b;
    list_push_back(&sim->partitions, &p->link);
    sim_note(sim, "partition", a ? a->index : 999, b ? b->index : 999);
}

void
sim_heal(struct sim *sim)
{
    LIST_FOREACH_SAFE (node, tmp, &sim->partitions) {
        list_remove(node);
        free(LIST_ENTRY(node, struct partition, link));
    }
    sim_links_resume(sim);
}
