/*
 * How many messages a second one core routes through a topic exchange: over 1,000 and 100,000 bindings
 * without the cache, and with it. Keys have four words of a vocabulary; of the bindings 70 % are plain, 20 %
 * have a `*`, 10 % a `#`.
 *
 *     topic [SECONDS]      of each measurement; default 1
 */
#include "base/epoch.h"
#include "broker/meta.h"
#include "broker/route.h"
#include "broker/router.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { KEYS = 8192, WORDS = 4, BATCH = 1024 };

struct bench {
    struct epoch epoch;
    struct node node;
    struct broker broker;
    struct router_scratch scratch;
    char keys[KEYS][64];
    uint64_t random;
    double seconds;
};

static uint64_t
next_random(struct bench *b)
{
    b->random = b->random * 6364136223846793005u + 1442695040888963407u;
    return b->random >> 33;
}

/* Of this process: others use the machine too. */
static double
cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* w3.w12.*.w190 */
static void
make_pattern(struct bench *b, char out[64], unsigned vocabulary)
{
    int len = snprintf(out, 64, "w%u", (unsigned)(next_random(b) % 16));
    uint64_t wild = next_random(b) % 100, at = 1 + next_random(b) % (WORDS - 1);
    for (uint64_t i = 1; i < WORDS; i++) {
        if (i == at && wild < 30)
            len += snprintf(out + len, 64 - (size_t)len, wild < 20 ? ".*" : ".#");
        else
            len += snprintf(out + len, 64 - (size_t)len, ".w%u", (unsigned)(next_random(b) % vocabulary));
    }
}

/* The pattern with a word for each wildcard. */
static void
make_key(struct bench *b, const char *pattern, unsigned vocabulary, char out[64])
{
    size_t len = 0;
    for (; *pattern && len < 50; pattern++) {
        if (*pattern == '*' || *pattern == '#')
            len += (size_t)snprintf(out + len, 64 - len, "w%u", (unsigned)(next_random(b) % vocabulary));
        else
            out[len++] = *pattern;
    }
    out[len] = 0;
}

static void
apply(struct bench *b, struct meta_command c)
{
    struct meta_result r;
    c.vhost = slice_str("/");
    meta_apply(b->node.meta, &c, &r);
    if (r.code != 0) {
        fprintf(stderr, "topic: %s\n", r.text);
        exit(1);
    }
}

static void
fill(struct bench *b, unsigned bindings, unsigned queues, unsigned vocabulary)
{
    char name[16], key[64];
    for (unsigned i = 0; i < queues; i++) {
        snprintf(name, sizeof name, "q%u", i);
        apply(b, (struct meta_command){.kind = META_QUEUE_DECLARE, .name = slice_str(name)});
    }
    for (unsigned i = 0; i < bindings; i++) {
        snprintf(name, sizeof name, "q%u", (unsigned)(next_random(b) % queues));
        make_pattern(b, key, vocabulary);
        apply(b, (struct meta_command){.kind = META_QUEUE_BIND,
                                       .source = slice_str("amq.topic"),
                                       .name = slice_str(name),
                                       .routing_key = slice_str(key)});
        /* A reservoir: each binding has the same chance to give a key. */
        uint64_t place = i < KEYS ? i : next_random(b) % (i + 1);
        for (; place < KEYS; place += bindings)
            make_key(b, key, vocabulary, b->keys[place]);
    }
}

/* Rate of `once`, which gives the number of bindings or queues found. */
static void
measure(struct bench *b, const char *what, unsigned keys,
        uint64_t (*once)(struct bench *b, const struct exchange *x, struct slice key))
{
    const struct vhost *v = vhost_find(b->node.meta, slice_str("/"));
    const struct exchange *x = exchange_find(v, slice_str("amq.topic"));
    struct slice slices[KEYS];
    for (unsigned i = 0; i < keys; i++)
        slices[i] = slice_str(b->keys[i]);
    uint64_t found = 0, done = 0;
    double start = cpu_seconds(), took = 0;
    while (took < b->seconds) {
        for (unsigned i = 0; i < BATCH; i++, done++)
            found += once(b, x, slices[done % keys]);
        route_cache_turn(b->broker.routes);
        took = cpu_seconds() - start;
    }
    printf("%-44s %7.2f M/s   %.2f found each\n", what, (double)done / took / 1e6,
           (double)found / (double)done);
}

static uint64_t
match_once(struct bench *b, const struct exchange *x, struct slice key)
{
    struct router_query query = {.keys = &key, .key_count = 1};
    b->scratch.found_count = 0;
    exchange_topic_ops.route(x->router, &query, &b->scratch);
    return b->scratch.found_count;
}

static uint64_t
route_once(struct bench *b, const struct exchange *x, struct slice key)
{
    return route_find(&b->broker, x, key, slice_of(NULL, 0))->count;
}

static void
run(unsigned bindings, unsigned queues, unsigned vocabulary, double seconds)
{
    struct bench *b = calloc(1, sizeof *b);
    struct meta_result r;
    char what[64];
    b->random = 1;
    b->seconds = seconds;
    epoch_init(&b->epoch, 1);
    b->node.epoch = &b->epoch;
    b->node.meta = meta_new(&b->node);
    b->broker.node = &b->node;
    b->broker.routes = route_cache_new(4096);
    meta_apply(b->node.meta, &(struct meta_command){.kind = META_VHOST_ADD, .name = slice_str("/")}, &r);
    fill(b, bindings, queues, vocabulary);
    snprintf(what, sizeof what, "%u bindings, matching", bindings);
    measure(b, what, KEYS, match_once);
    snprintf(what, sizeof what, "%u bindings, routing, %d keys in turn", bindings, KEYS);
    measure(b, what, KEYS, route_once);
    snprintf(what, sizeof what, "%u bindings, routing, 1024 keys, cached", bindings);
    measure(b, what, 1024, route_once);
    route_cache_free(b->broker.routes);
    router_scratch_fini(&b->scratch);
    meta_free(b->node.meta);
    epoch_fini(&b->epoch);
    free(b);
}

int
main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;
    run(1000, 100, 20, seconds);
    run(100000, 1000, 100, seconds);
    return 0;
}
