/*
 * What a turn does after polling, and how shards talk; the loops themselves are in shard_uv.c and
 * shard_sim.c.
 *
 * For every pair of shards there is a lane: a bounded data ring, and a reserved ring whose surplus waits in a
 * list on the producer's side. Posting writes a cell; at the end of the turn the producer publishes each
 * touched lane once and adds itself to the receiver's set `mail_in`. So:
 *
 *   - A receiver finds its mail by taking that set; with nothing in it, its rings are empty.
 *   - A receiver that is about to sleep says so first and looks at its sets afterwards; a sender adds to the
 *     set first and looks at `sleeping` afterwards: one of them sees the other (all seq_cst).
 *   - A producer that met a full ring exchanges `starved` to true and looks again; the consumer gives cells
 *     back and then exchanges it to false. Whoever comes second sees what the first did. The consumer adds
 *     itself to the producer's set `room_in`, which leads to on_room.
 *
 * A mail phase delivers what was visible when it began, so that mail that breeds mail cannot hold a turn.
 */
#include "io/shard.h"

#include "base/check.h"
#include "io/clock.h"
#include "io/random.h"
#include "io/shard_core.h"
#include "io/timer.h"

#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

static size_t
data_cells(unsigned count)
{
    size_t cells = SHARD_DATA_CELLS_MAX;
    while (cells > 512 && cells * count > 2 * SHARD_DATA_CELLS_MAX)
        cells /= 2;
    return cells;
}

static void
shard_init(struct shards *all, unsigned i)
{
    struct shard *s = &all->shards[i];
    s->all = all;
    s->index = i;
    random_bytes(all->world, s->random_state, sizeof s->random_state);
    s->random_state[0] |= 1; /* never all zero */
    pthread_mutex_init(&s->external_lock, NULL);
    list_init(&s->finished);
    wheel_init(&s->wheel, clock_now_ns(all->world) / 1000000);
    shard_backend_init(s);
}

struct shards *
shards_new(struct io_world *world, unsigned count, const struct shard_hooks *hooks, void *owner)
{
    CHECK(count > 0 && count <= SHARDS_COUNT_MAX);
    struct shards *all = calloc(1, sizeof *all);
    CHECK(all);
    all->count = count;
    all->hooks = *hooks;
    all->owner = owner;
    all->world = world;
    epoch_init(&all->epoch, count);
    size_t lanes = (size_t)count * count;
    all->lanes = aligned_alloc(64, lanes * sizeof *all->lanes);
    all->shards = aligned_alloc(64, count * sizeof *all->shards);
    CHECK(all->lanes && all->shards);
    memset(all->lanes, 0, lanes * sizeof *all->lanes);
    memset(all->shards, 0, count * sizeof *all->shards);
    for (size_t i = 0; i < lanes; i++) {
        ring_init(&all->lanes[i].data, sizeof(struct mail), data_cells(count));
        ring_init(&all->lanes[i].reserved, sizeof(struct mail), SHARD_RESERVED_CELLS);
    }
    for (unsigned i = 0; i < count; i++)
        shard_init(all, i);
    return all;
}

static void
discard(struct shards *all, const struct mail *m)
{
    if (all->hooks.on_discard)
        all->hooks.on_discard(all->owner, m);
}

static void
discard_ring(struct shards *all, struct ring *r)
{
    ring_publish(r);
    for (size_t n; (n = ring_readable(r)) > 0; ring_consume(r, n))
        for (size_t i = 0; i < n; i++)
            discard(all, ring_at(r, i));
    ring_fini(r);
}

void
shards_free(struct shards *all)
{
    if (!all)
        return;
    for (unsigned i = 0; i < all->count; i++)
        shard_backend_fini(&all->shards[i]);
    for (size_t i = 0; i < (size_t)all->count * all->count; i++) {
        struct lane *l = &all->lanes[i];
        discard_ring(all, &l->reserved);
        discard_ring(all, &l->data);
        for (size_t k = 0; k < l->overflow_count; k++)
            discard(all, &l->overflow[l->overflow_first + k]);
        free(l->overflow);
    }
    for (unsigned i = 0; i < all->count; i++) {
        struct shard *s = &all->shards[i];
        for (size_t k = 0; k < s->external_count; k++)
            discard(all, &s->external[k]);
        free(s->external);
        free(s->read_memory);
        free(s->scratch);
        pthread_mutex_destroy(&s->external_lock);
    }
    epoch_fini(&all->epoch);
    free(all->lanes);
    free(all->shards);
    free(all);
}

/* ---- what a shard is asked ---- */

void
shards_set_name(struct shards *all, const char *name)
{
    all->thread_name = name;
}

unsigned
shards_count(const struct shards *all)
{
    return all->count;
}

struct shard *
shards_get(struct shards *all, unsigned i)
{
    CHECK(i < all->count);
    return &all->shards[i];
}

struct io_world *
shards_world(const struct shards *all)
{
    return all->world;
}

struct epoch *
shards_epoch(struct shards *all)
{
    return &all->epoch;
}

struct shards *
shard_all(const struct shard *s)
{
    return s->all;
}

unsigned
shard_index(const struct shard *s)
{
    return s->index;
}

void
shard_set_data(struct shard *s, void *data)
{
    s->data = data;
}

void *
shard_data(const struct shard *s)
{
    return s->data;
}

uint64_t
shard_now_ns(struct shard *s)
{
    if (!s->now_ns)
        s->now_ns = clock_now_ns(s->all->world);
    return s->now_ns;
}

uint64_t
shard_now_ms(struct shard *s)
{
    return shard_now_ns(s) / 1000000;
}

uint64_t
shard_wall_ms(struct shard *s)
{
    if (!s->wall_ms)
        s->wall_ms = clock_wall_ms(s->all->world);
    return s->wall_ms;
}

/* xoroshiro128+ (Blackman and Vigna, public domain). */
uint64_t
shard_random(struct shard *s)
{
    uint64_t a = s->random_state[0], b = s->random_state[1], result = a + b;
    b ^= a;
    s->random_state[0] = (a << 24 | a >> 40) ^ b ^ (b << 16);
    s->random_state[1] = b << 37 | b >> 27;
    return result;
}

uint8_t *
shard_read_buffer(struct shard *s)
{
    if (!s->read_memory) {
        s->read_memory = malloc(SHARD_READ_HEADROOM + SHARD_READ_SIZE);
        CHECK(s->read_memory);
    }
    return s->read_memory + SHARD_READ_HEADROOM;
}

uint8_t *
shard_scratch(struct shard *s)
{
    if (!s->scratch) {
        s->scratch = malloc(SHARD_SCRATCH_SIZE);
        CHECK(s->scratch);
    }
    return s->scratch;
}

void
timer_start(struct shard *s, struct wheel_timer *t, uint64_t delay_ms, void (*fn)(void *arg), void *arg)
{
    uint64_t delay = delay_ms < WHEEL_DELAY_MAX ? delay_ms : WHEEL_DELAY_MAX;
    wheel_start(&s->wheel, t, shard_now_ms(s) + delay, fn, arg);
}

void
timer_stop(struct wheel_timer *t)
{
    wheel_stop(t);
}

bool
timer_is_active(const struct wheel_timer *t)
{
    return wheel_timer_is_active(t);
}

/* ---- sets and sleeping ---- */

static void
set_add(struct shard_set *set, unsigned i)
{
    atomic_fetch_or(&set->words[i / 64], (uint64_t)1 << i % 64);
}

static bool
set_is_empty(struct shard_set *set)
{
    for (int w = 0; w < SHARD_SET_WORDS; w++)
        if (atomic_load(&set->words[w]))
            return false;
    return true;
}

static bool
set_take(struct shard_set *set, uint64_t taken[SHARD_SET_WORDS])
{
    uint64_t any = 0;
    for (int w = 0; w < SHARD_SET_WORDS; w++) {
        taken[w] = 0;
        if (atomic_load_explicit(&set->words[w], memory_order_relaxed))
            taken[w] = atomic_exchange(&set->words[w], 0);
        any |= taken[w];
    }
    return any != 0;
}

/* The smallest member, removed; -1 when there is none. */
static int
bits_pop(uint64_t words[SHARD_SET_WORDS])
{
    for (int w = 0; w < SHARD_SET_WORDS; w++)
        if (words[w]) {
            int bit = __builtin_ctzll(words[w]);
            words[w] &= words[w] - 1;
            return w * 64 + bit;
        }
    return -1;
}

/* After something was added to one of its sets. */
static void
wake_if_sleeping(struct shard *s)
{
    if (atomic_load(&s->sleeping) && atomic_exchange(&s->sleeping, false))
        shard_backend_wake(s);
}

bool
shard_try_sleep(struct shard *s)
{
    atomic_store(&s->sleeping, true);
    if (set_is_empty(&s->mail_in) && set_is_empty(&s->room_in) && !atomic_load(&s->external_in) &&
        !atomic_load(&s->all->stopping)) {
        epoch_sleep(&s->all->epoch, s->index);
        return true;
    }
    atomic_store(&s->sleeping, false);
    return false;
}

void
shard_enter(struct shard *s)
{
    if (atomic_load_explicit(&s->sleeping, memory_order_relaxed))
        atomic_store(&s->sleeping, false);
    epoch_wake(&s->all->epoch, s->index);
}

void
shards_stop(struct shards *all)
{
    atomic_store(&all->stopping, true);
    for (unsigned i = 0; i < all->count; i++)
        wake_if_sleeping(&all->shards[i]);
}

/* ---- posting ---- */

static struct lane *
lane_of(struct shards *all, unsigned from, unsigned to)
{
    return &all->lanes[(size_t)from * all->count + to];
}

/* The producer has met a full ring: the consumer will add itself to room_in, unless there is room already. */
static void
ask_for_room(struct shard *from, struct lane *l, struct ring *r, unsigned to)
{
    atomic_exchange(&l->starved, true);
    if (ring_room(r) > 0)
        set_add(&from->room_in, to);
}

static void
overflow_push(struct lane *l, const struct mail *m)
{
    if (l->overflow_first + l->overflow_count == l->overflow_capacity) {
        if (l->overflow_first > l->overflow_capacity / 2) {
            memmove(l->overflow, l->overflow + l->overflow_first, l->overflow_count * sizeof *m);
        } else {
            size_t capacity = l->overflow_capacity ? l->overflow_capacity * 2 : 256;
            struct mail *larger = malloc(capacity * sizeof *larger);
            CHECK(larger);
            if (l->overflow_count > 0)
                memcpy(larger, l->overflow + l->overflow_first, l->overflow_count * sizeof *m);
            free(l->overflow);
            l->overflow = larger;
            l->overflow_capacity = capacity;
        }
        l->overflow_first = 0;
    }
    l->overflow[l->overflow_first + l->overflow_count++] = *m;
}

/* Moves the surplus of the reserved lane into its ring, as far as there is room. */
static void
overflow_flush(struct lane *l)
{
    while (l->overflow_count > 0) {
        struct mail *cell = ring_reserve(&l->reserved);
        if (!cell)
            return;
        *cell = l->overflow[l->overflow_first++];
        l->overflow_count--;
        ring_commit(&l->reserved);
    }
    /* A burst is over: its memory goes back. */
    free(l->overflow);
    l->overflow = NULL;
    l->overflow_first = l->overflow_capacity = 0;
}

bool
shard_post(struct shard *from, unsigned to, enum shard_lane lane, const struct mail *m)
{
    CHECK(to < from->all->count);
    struct lane *l = lane_of(from->all, from->index, to);
    struct mail *cell = NULL;
    from->dirty[to / 64] |= (uint64_t)1 << to % 64;
    if (lane == SHARD_LANE_DATA) {
        cell = ring_reserve(&l->data);
        if (!cell) {
            l->data_refused = true;
            return false;
        }
        *cell = *m;
        cell->from = (uint16_t)from->index;
        ring_commit(&l->data);
        return true;
    }
    if (l->overflow_count == 0)
        cell = ring_reserve(&l->reserved);
    if (!cell) {
        overflow_push(l, m);
        l->overflow[l->overflow_first + l->overflow_count - 1].from = (uint16_t)from->index;
        return true;
    }
    *cell = *m;
    cell->from = (uint16_t)from->index;
    ring_commit(&l->reserved);
    return true;
}

bool
shard_has_room(struct shard *from, unsigned to)
{
    CHECK(to < from->all->count);
    struct lane *l = lane_of(from->all, from->index, to);
    if (ring_reserve(&l->data))
        return true;
    l->data_refused = true;
    from->dirty[to / 64] |= (uint64_t)1 << to % 64;
    return false;
}

void
shards_post_external(struct shards *all, unsigned to, const struct mail *m)
{
    CHECK(to < all->count);
    struct shard *s = &all->shards[to];
    pthread_mutex_lock(&s->external_lock);
    if (s->external_count == s->external_capacity) {
        s->external_capacity = s->external_capacity ? s->external_capacity * 2 : 16;
        s->external = realloc(s->external, s->external_capacity * sizeof *s->external);
        CHECK(s->external);
    }
    s->external[s->external_count] = *m;
    s->external[s->external_count++].from = SHARD_FROM_OUTSIDE;
    pthread_mutex_unlock(&s->external_lock);
    atomic_store(&s->external_in, true);
    wake_if_sleeping(s);
}

void
shard_finish_job(struct shard *s, struct worker_job *job)
{
    pthread_mutex_lock(&s->external_lock);
    list_push_back(&s->finished, &job->link);
    pthread_mutex_unlock(&s->external_lock);
    atomic_store(&s->external_in, true);
    wake_if_sleeping(s);
}

/* ---- the phases of a turn ---- */

static void
deliver(struct shard *s, const struct mail *m)
{
    if (s->all->hooks.on_mail)
        s->all->hooks.on_mail(s, s->all->owner, m);
}

static void
deliver_ring(struct shard *s, struct ring *r)
{
    size_t n = ring_readable(r);
    for (size_t i = 0; i < n; i++)
        deliver(s, ring_at(r, i));
    if (n > 0)
        ring_consume(r, n);
}

/* The first finished job, off the list; the lock is not held while its `done` runs. */
static struct worker_job *
take_finished(struct shard *s)
{
    struct worker_job *job = NULL;
    pthread_mutex_lock(&s->external_lock);
    if (!list_is_empty(&s->finished)) {
        job = LIST_ENTRY(s->finished.next, struct worker_job, link);
        list_remove(&job->link);
    }
    pthread_mutex_unlock(&s->external_lock);
    return job;
}

static void
deliver_external(struct shard *s)
{
    if (!atomic_load_explicit(&s->external_in, memory_order_relaxed) ||
        !atomic_exchange(&s->external_in, false))
        return;
    pthread_mutex_lock(&s->external_lock);
    struct mail *mail = s->external;
    size_t n = s->external_count;
    s->external = NULL;
    s->external_count = s->external_capacity = 0;
    pthread_mutex_unlock(&s->external_lock);
    for (size_t i = 0; i < n; i++)
        deliver(s, &mail[i]);
    free(mail);
    for (struct worker_job *job; (job = take_finished(s));)
        job->done(job->arg);
}

static void
deliver_mail(struct shard *s)
{
    uint64_t senders[SHARD_SET_WORDS], again[SHARD_SET_WORDS];
    deliver_external(s);
    if (!set_take(&s->mail_in, senders))
        return;
    memcpy(again, senders, sizeof again);
    for (int from; (from = bits_pop(again)) >= 0;)
        deliver_ring(s, &lane_of(s->all, (unsigned)from, s->index)->reserved);
    for (int from; (from = bits_pop(senders)) >= 0;) {
        struct lane *l = lane_of(s->all, (unsigned)from, s->index);
        deliver_ring(s, &l->data);
        if (atomic_exchange(&l->starved, false)) {
            struct shard *producer = &s->all->shards[from];
            set_add(&producer->room_in, s->index);
            wake_if_sleeping(producer);
        }
    }
}

static void
tell_of_room(struct shard *s)
{
    uint64_t receivers[SHARD_SET_WORDS];
    if (!set_take(&s->room_in, receivers))
        return;
    for (int to; (to = bits_pop(receivers)) >= 0;) {
        struct lane *l = lane_of(s->all, s->index, (unsigned)to);
        s->dirty[to / 64] |= (uint64_t)1 << to % 64; /* the overflow, and asking again, are publish's */
        if (l->data_refused && ring_room(&l->data) > 0) {
            l->data_refused = false;
            if (s->all->hooks.on_room)
                s->all->hooks.on_room(s, s->all->owner, (unsigned)to);
        }
    }
}

static void
publish(struct shard *s)
{
    for (int to; (to = bits_pop(s->dirty)) >= 0;) {
        struct lane *l = lane_of(s->all, s->index, (unsigned)to);
        if (l->overflow_count > 0)
            overflow_flush(l);
        bool is_new = ring_publish(&l->reserved);
        is_new |= ring_publish(&l->data);
        if (is_new) {
            struct shard *receiver = &s->all->shards[to];
            set_add(&receiver->mail_in, s->index);
            wake_if_sleeping(receiver);
        }
        if (l->data_refused)
            ask_for_room(s, l, &l->data, (unsigned)to);
        if (l->overflow_count > 0)
            ask_for_room(s, l, &l->reserved, (unsigned)to);
    }
}

bool
shard_turn(struct shard *s)
{
    shard_enter(s);
    wheel_advance(&s->wheel, shard_now_ms(s));
    deliver_mail(s);
    tell_of_room(s);
    bool work_is_left = s->all->hooks.on_turn && s->all->hooks.on_turn(s, s->all->owner);
    publish(s);
    epoch_quiesce(&s->all->epoch, s->index);
    s->now_ns = s->wall_ms = 0;
    return work_is_left;
}

void
shard_run_start_hook(struct shard *s)
{
    shard_enter(s);
    if (s->all->hooks.on_start)
        s->all->hooks.on_start(s, s->all->owner);
    publish(s);
}

void
shard_run_stop_hook(struct shard *s)
{
    shard_enter(s);
    if (s->all->hooks.on_stop)
        s->all->hooks.on_stop(s, s->all->owner);
    publish(s);
    epoch_sleep(&s->all->epoch, s->index);
    s->is_stopped = true;
}
