/*
 * Lines that bind ("+a.*.#"), unbind ("-a.*.#") and ask ("?a.b") a topic exchange. Every answer must be that
 * of the plain matcher, each binding at most once, and what was unbound must leave nothing behind.
 */
#include "base/epoch.h"
#include "broker/naive_match.h"
#include "broker/router.h"
#include "fuzz.h"

enum { BINDINGS_MAX = 64 };

struct state {
    struct epoch epoch;
    void *router;
    struct router_scratch scratch;
    struct binding *bound[BINDINGS_MAX];
    unsigned count;
};

static void
bind_key(struct state *s, struct slice key)
{
    if (s->count == BINDINGS_MAX)
        return;
    struct binding *b = binding_new(NULL, s, false, key, slice_of(NULL, 0));
    s->bound[s->count++] = b;
    exchange_topic_ops.add(s->router, b);
}

static void
unbind(struct state *s, unsigned i)
{
    exchange_topic_ops.remove(s->router, s->bound[i]);
    free(s->bound[i]);
    s->bound[i] = s->bound[--s->count];
    epoch_collect(&s->epoch);
}

static void
unbind_key(struct state *s, struct slice key)
{
    for (unsigned i = 0; i < s->count; i++) {
        if (slice_eq(binding_routing_key(s->bound[i]), key)) {
            unbind(s, i);
            return;
        }
    }
}

static void
ask(struct state *s, struct slice key)
{
    struct router_query query = {.keys = &key, .key_count = 1};
    s->scratch.found_count = 0;
    exchange_topic_ops.route(s->router, &query, &s->scratch);
    uint32_t expected = 0;
    for (unsigned i = 0; i < s->count; i++) {
        unsigned times = 0;
        for (uint32_t j = 0; j < s->scratch.found_count; j++)
            times += s->scratch.found[j] == s->bound[i];
        bool matches = naive_topic_match(binding_routing_key(s->bound[i]), key);
        CHECK(times == matches);
        expected += matches;
    }
    CHECK(expected == s->scratch.found_count);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct state s = {0};
    epoch_init(&s.epoch, 1);
    s.router = exchange_topic_ops.create(&s.epoch, slice_of(NULL, 0));
    const uint8_t *at = data, *end = data + len;
    while (at < end) {
        const uint8_t *line_end = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)((line_end ? line_end : end) - at);
        struct slice key = slice_of(at + 1, n == 0 ? 0 : n - 1 > 255 ? 255 : n - 1);
        if (n > 0 && at[0] == '+')
            bind_key(&s, key);
        else if (n > 0 && at[0] == '-')
            unbind_key(&s, key);
        else if (n > 0)
            ask(&s, key);
        at += n + 1;
    }
    while (s.count > 0)
        unbind(&s, s.count - 1);
    exchange_topic_ops.destroy(s.router);
    router_scratch_fini(&s.scratch);
    epoch_fini(&s.epoch);
    return 0;
}
