/*
 * Pieces of (what to do: u8, length: u8, table): binds with the table as arguments, unbinds the binding of
 * that number, or sends a message with the table as headers. Every answer must be that of the plain matcher.
 */
#include "base/epoch.h"
#include "broker/naive_match.h"
#include "broker/router.h"
#include "fuzz.h"

enum { BINDINGS_MAX = 32 };

struct state {
    struct epoch epoch;
    void *router;
    struct router_scratch scratch;
    struct binding *bound[BINDINGS_MAX];
    unsigned count;
};

static void
bind_arguments(struct state *s, struct slice arguments)
{
    char text[256];
    const struct router_binding binding = {.arguments = arguments};
    if (s->count == BINDINGS_MAX || exchange_headers_ops.check(&binding, text) != 0)
        return;
    struct binding *b = binding_new(NULL, s, false, slice_of(NULL, 0), arguments);
    s->bound[s->count++] = b;
    exchange_headers_ops.add(s->router, b);
}

static void
unbind(struct state *s, unsigned i)
{
    if (i >= s->count)
        return;
    exchange_headers_ops.remove(s->router, s->bound[i]);
    free(s->bound[i]);
    s->bound[i] = s->bound[--s->count];
    epoch_collect(&s->epoch);
}

static void
ask(struct state *s, struct slice headers)
{
    struct buffer run = {0};
    struct router_query query = {.properties = naive_headers_run(headers, &run)};
    s->scratch.found_count = 0;
    exchange_headers_ops.route(s->router, &query, &s->scratch);
    for (unsigned i = 0; i < s->count; i++) {
        bool found = false;
        for (uint32_t j = 0; j < s->scratch.found_count; j++)
            found |= s->scratch.found[j] == s->bound[i];
        CHECK(found == naive_headers_match(binding_arguments(s->bound[i]), headers));
    }
    buffer_fini(&run);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct state s = {0};
    epoch_init(&s.epoch, 1);
    s.router = exchange_headers_ops.create(&s.epoch, slice_of(NULL, 0));
    for (size_t at = 0; at + 2 <= len;) {
        size_t n = data[at + 1] < len - at - 2 ? data[at + 1] : len - at - 2;
        struct slice table = slice_of(data + at + 2, n);
        bool valid = table_validate(table) == ERR_OK;
        if (data[at] % 3 == 0 && valid)
            bind_arguments(&s, table);
        else if (data[at] % 3 == 1 && valid)
            ask(&s, table);
        else if (data[at] % 3 == 2)
            unbind(&s, data[at + 1] % BINDINGS_MAX);
        at += 2 + n;
    }
    while (s.count > 0)
        unbind(&s, s.count - 1);
    exchange_headers_ops.destroy(s.router);
    router_scratch_fini(&s.scratch);
    epoch_fini(&s.epoch);
    return 0;
}
