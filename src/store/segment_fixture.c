#include "store/segment_fixture.h"

#include "base/check.h"
#include "io/file.h"
#include "store/manifest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- messages ---- */

static uint8_t
byte_of(uint64_t seed, size_t i)
{
    return (uint8_t)((seed * 31 + i) * 0x9e3779b97f4a7c15u >> 56);
}

void
fixture_message_make(struct fixture_message *f, uint64_t seed, size_t body_size)
{
    size_t exchange = seed % 7, key = seed % 300, properties = seed % 40, at = 0;
    CHECK(exchange + key + properties + body_size <= FIXTURE_BYTES_MAX);
    for (size_t i = 0; i < exchange + key + properties + body_size; i++)
        f->bytes[i] = byte_of(seed, i);
    f->m = (struct record_message){.flags = (uint8_t)seed, .body_size = body_size};
    f->m.exchange = slice_of(f->bytes, exchange);
    f->m.routing_key = slice_of(f->bytes + (at += exchange), key);
    f->m.properties = slice_of(f->bytes + (at += key), properties);
    f->m.body = slice_of(f->bytes + at + properties, body_size);
}

bool
fixture_message_is(const struct record_message *m, uint64_t seed, size_t body_size)
{
    struct fixture_message *f = malloc(sizeof *f);
    CHECK(f);
    fixture_message_make(f, seed, body_size);
    bool same = m->flags == f->m.flags && slice_eq(m->exchange, f->m.exchange) &&
                slice_eq(m->routing_key, f->m.routing_key) && slice_eq(m->properties, f->m.properties) &&
                m->body_size == body_size && (m->body_file ? m->body.len == 0 : slice_eq(m->body, f->m.body));
    free(f);
    return same;
}

/* ---- the machine ---- */

void
segment_fixture_open(struct segment_fixture *x)
{
    char why[512];
    struct store_config c;
    store_config_init(&c);
    c.dir = SEGMENT_FIXTURE_DIR;
    if (store_open(&x->store, x->node, &c, NULL, why, sizeof why) != ERR_OK)
        fail_msg("%s", why);
    x->pager = worker_new(x->node, "pager");
}

void
segment_fixture_init(struct segment_fixture *x, uint64_t seed)
{
    *x = (struct segment_fixture){.sim = sim_new(seed)};
    x->node = sim_node_new(x->sim, "n");
    assert_int_equal(dir_create(x->node, SEGMENT_FIXTURE_DIR), ERR_OK);
    assert_int_equal(dir_sync(x->node, "/"), ERR_OK);
    segment_fixture_open(x);
}

static void
close_all(struct segment_fixture *x)
{
    worker_free(x->pager);
    segment_free(x->segment);
    store_close(&x->store);
    x->pager = NULL;
    x->segment = NULL;
}

void
segment_fixture_fini(struct segment_fixture *x)
{
    close_all(x);
    free(x->entries);
    sim_free(x->sim);
}

void
segment_fixture_crash(struct segment_fixture *x)
{
    sim_node_crash(x->node);
    close_all(x);
    segment_fixture_open(x);
}

void
segment_fixture_drain(struct segment_fixture *x)
{
    while (sim_step(x->sim))
        ;
}

/* ---- filling ---- */

/* Some have one, whether or not their message stands there already. */
static uint64_t
expires_at(struct record_target at)
{
    return (at.queue_id + at.sequence) % 3 == 0 ? at.sequence << 20 : 0;
}

void
segment_fixture_append(struct segment_fixture *x, struct record_target at, size_t body_size,
                       bool is_transient, long same)
{
    struct fixture_message *f = malloc(sizeof *f);
    CHECK(f);
    if (x->count == x->capacity) {
        x->capacity = x->capacity ? x->capacity * 2 : 64;
        x->entries = realloc(x->entries, x->capacity * sizeof *x->entries);
        CHECK(x->entries);
    }
    struct fixture_entry *e = &x->entries[x->count];
    *e = (struct fixture_entry){.seed = sim_random(x->sim, 1 << 30), .body_size = body_size};
    if (same >= 0)
        *e = x->entries[same];
    else if (sim_random(x->sim, 10) == 0)
        e->body_file = 1000000 + x->count;
    e->at = at;
    e->is_transient = is_transient;
    e->is_settled = false;
    fixture_message_make(f, e->seed, e->body_size);
    f->m.body_file = e->body_file;
    f->m.expires_at = expires_at(at);
    if (e->body_file)
        f->m.body = slice_of(NULL, 0);
    uint64_t offset =
        segment_append(x->segment, at, &f->m, is_transient, same >= 0 ? x->entries[same].offset : 0);
    if (same < 0)
        e->offset = offset; /* of the whole one, for those that are the same */
    x->count++;
    free(f);
}

void
segment_fixture_fill(struct segment_fixture *x, unsigned entries, size_t body_max)
{
    uint64_t next[4] = {1, 1000, 1, 5};
    for (unsigned n = 0; n < entries;) {
        unsigned q = (unsigned)sim_random(x->sim, 4), run = 1 + (unsigned)sim_random(x->sim, 60);
        for (unsigned i = 0; i < run && n < entries; i++, n++) {
            struct record_target at = {
                .queue_id = q / 2 + 1, .sequence = next[q], .epoch = STORE_EPOCH_ALONE + q % 2};
            uint64_t kind = sim_random(x->sim, 20);
            next[q] += kind == 0 ? 2 + sim_random(x->sim, 2 * SEGMENT_GAP_MAX) : kind == 1 ? 3 : 1;
            long same = x->count > 0 && sim_random(x->sim, 4) == 0
                            ? (long)(x->count - 1 - sim_random(x->sim, x->count < 200 ? x->count : 200))
                            : -1;
            segment_fixture_append(x, at, (size_t)sim_random(x->sim, body_max + 1),
                                   sim_random(x->sim, 3) == 0, same);
        }
    }
}

/* ---- judging ---- */

static const struct segment_run *
run_of(const struct segment *g, struct record_target at)
{
    uint32_t count;
    const struct segment_run *runs = segment_runs(g, &count);
    for (uint32_t i = 0; i < count; i++)
        if (runs[i].queue_id == at.queue_id && runs[i].epoch == at.epoch && at.sequence >= runs[i].first &&
            at.sequence <= runs[i].last)
            return &runs[i];
    return NULL;
}

void
segment_fixture_settle_some(struct segment_fixture *x)
{
    for (size_t i = 0; i < x->count; i++) {
        if (sim_random(x->sim, 3))
            continue;
        struct segment_run run = *run_of(x->segment, x->entries[i].at);
        uint64_t s = x->entries[i].at.sequence;
        assert_int_equal(segment_settle(x->segment, &run, s, s), !x->entries[i].is_settled);
        x->entries[i].is_settled = true;
    }
}

struct judge {
    struct segment_fixture *x;
    const struct segment_run *run;
    size_t next; /* in the oracle */
};

static bool
is_in_run(const struct fixture_entry *e, const struct segment_run *run)
{
    return e->at.queue_id == run->queue_id && e->at.epoch == run->epoch && e->at.sequence >= run->first &&
           e->at.sequence <= run->last;
}

static void
on_entry(void *arg, uint64_t sequence, const struct record_message *m, bool is_transient)
{
    struct judge *j = arg;
    assert_true(j->next < j->x->count);
    const struct fixture_entry *e = &j->x->entries[j->next++];
    assert_true(is_in_run(e, j->run));
    assert_int_equal(e->at.sequence, sequence);
    assert_int_equal(e->is_transient, is_transient);
    assert_int_equal(e->body_file, m->body_file);
    assert_int_equal(m->expires_at, expires_at(e->at));
    assert_true(fixture_message_is(m, e->seed, e->body_size));
}

static bool
is_alive(const struct fixture_entry *e, bool is_restarted)
{
    return !e->is_settled && !(is_restarted && e->is_transient);
}

/* Bits and counts of one run, whose entries are first..last-1 of the oracle. */
static void
judge_bits(struct segment_fixture *x, struct segment *g, const struct segment_run *run, size_t first,
           size_t last, bool is_restarted)
{
    uint64_t live = 0, next, from = run->first;
    for (size_t i = first; i < last; i++) {
        const struct fixture_entry *e = &x->entries[i];
        bool alive = is_alive(e, is_restarted);
        assert_int_equal(segment_is_live(g, run, e->at.sequence), alive);
        assert_int_equal(segment_body_of(g, run, e->at.sequence), e->body_file);
        if (!alive)
            continue;
        live++;
        assert_true(segment_next_live(g, run, from, &next));
        assert_int_equal(next, e->at.sequence);
        from = next + 1;
    }
    assert_false(segment_next_live(g, run, from, &next));
    assert_int_equal(segment_run_live(g, run), live);
    assert_int_equal(run->count, last - first);
}

void
segment_fixture_judge(struct segment_fixture *x, struct segment *g, bool is_restarted, size_t bytes)
{
    uint32_t count;
    const struct segment_run *runs = segment_runs(g, &count);
    struct judge j = {.x = x};
    uint64_t live = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct segment_cursor c;
        bool done = false;
        size_t first = j.next;
        j.run = &runs[i];
        segment_cursor_start(&runs[i], &c);
        while (!done)
            assert_int_equal(segment_read(g, &runs[i], &c, 0, bytes, on_entry, &j, &done), ERR_OK);
        judge_bits(x, g, &runs[i], first, j.next, is_restarted);
        live += segment_run_live(g, &runs[i]);
    }
    assert_int_equal(j.next, x->count);
    assert_int_equal(segment_entry_count(g), x->count);
    assert_int_equal(segment_live_count(g), live);
}
