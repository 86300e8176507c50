/*
 * Memory comes from the system in arenas of 1 MiB, aligned to their size. An arena is cut in spans: 16 narrow
 * ones of 64 KiB, or 4 wide ones of 256 KiB for classes that would waste too much of a narrow one. A span
 * serves one size class: a header, then objects of one size. What lies behind `untouched` never was an
 * object, so that its pages cost nothing yet; objects given back are on the span's list. An object's span is
 * found by masking its address, with the mask that its size tells.
 *
 * - current[class] is on partial[class], or is `no_span`, which has nothing to give and is never written.
 * - A span with nothing to give is `is_full` and on no list. A release puts it at the back of the list:
 * allocation goes on from the front, so that spans at the back have time to run empty.
 * - A span without live objects goes back to its arena, unless it is the current one; an arena without spans
 * is unmapped, but for a few spares (POOL_SPARES). So a drained backlog leaves these and a span a class
 * behind, and pages in free spans of arenas that are still in use: pool_trim takes all of them.
 *
 * Above the last class an object is malloc'd behind a small header that links it, so that pool_free_all finds
 * it; glibc maps and remaps the big ones on its own.
 */
#include "base/pool.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ARENA_SIZE  ((size_t)1 << 20)
#define SPAN_SIZE   ((size_t)1 << 16)
#define ARENA_SPANS (ARENA_SIZE / SPAN_SIZE)
#define WIDE_SPANS  4 /* narrow ones in a wide one */
#define CLASS64     (POOL_STEP16_MAX / 16)
#define CLASS_LOOSE (CLASS64 + (POOL_STEP64_MAX - POOL_STEP16_MAX) / 64 + 1)
#define CLASS_WIDE  (CLASS_LOOSE + 6)
/* Objects that one refill takes from the untouched part: few enough to stay in the cache. */
#define REFILL_BYTES 2048

struct pool_arena {
    struct list link; /* in pool.arenas or pool.full_arenas */
    char *base;
    uint32_t free_spans;  /* a bit per narrow span, or per wide one */
    uint32_t dirty_spans; /* of these, the ones that hold pages */
    bool is_wide;
};

struct large {
    _Alignas(16) struct list link; /* in pool.large */
};

/* Above 2 KiB: steps of about one eighth, each chosen so that the objects fill their span. */
static const uint16_t loose_sizes[] = {
    2336,  2608,  2976,  3264,  3632,  4080,  /* narrow */
    4592,  5232,  5952,  6720,  7696,  8736,  /* wide */
    9696,  10912, 12480, 13792, 15408, 17472, /* */
    20160, 21840, 23824, 26208, 29120, POOL_CLASS_MAX,
};
_Static_assert(CLASS_LOOSE + sizeof loose_sizes / sizeof *loose_sizes == POOL_CLASSES, "classes");
_Static_assert(sizeof(struct pool_span) % 16 == 0, "objects behind the header are aligned");

static struct pool_span *
no_span(void)
{
    static const struct pool_span span;
    return (struct pool_span *)&span;
}

static uint32_t
class_size(unsigned class)
{
    if (class <= CLASS64)
        return class * 16;
    if (class < CLASS_LOOSE)
        return POOL_STEP16_MAX + (class - CLASS64) * 64;
    return loose_sizes[class - CLASS_LOOSE];
}

/* The class of a size above POOL_STEP64_MAX. */
static unsigned
class_of_loose(size_t size)
{
    unsigned class = size >= POOL_WIDE_MIN ? CLASS_WIDE : CLASS_LOOSE;
    while (loose_sizes[class - CLASS_LOOSE] < size)
        class ++;
    return class;
}

static unsigned
class_of(size_t size)
{
    if (size <= POOL_STEP16_MAX)
        return (unsigned)(size + 15) / 16;
    if (size <= POOL_STEP64_MAX)
        return CLASS64 + (unsigned)(size - POOL_STEP16_MAX + 63) / 64;
    return class_of_loose(size);
}

struct pool *
pool_new(void)
{
    struct pool *p = calloc(1, sizeof *p);
    CHECK(p);
    for (unsigned c = 0; c < POOL_CLASSES; c++) {
        p->current[c] = no_span();
        list_init(&p->partial[c]);
    }
    list_init(&p->arenas[false]);
    list_init(&p->arenas[true]);
    list_init(&p->full_arenas);
    list_init(&p->large);
    return p;
}

/* 1 MiB at a multiple of 1 MiB: maps two and cuts off both ends. */
static char *
map_aligned(void)
{
    size_t mapped = 2 * ARENA_SIZE;
    char *at = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED);
    size_t front = -(uintptr_t)at & (ARENA_SIZE - 1);
    if (front > 0)
        munmap(at, front);
    munmap(at + front + ARENA_SIZE, mapped - front - ARENA_SIZE);
    return at + front;
}

static uint32_t
all_spans(bool is_wide)
{
    return ((uint32_t)1 << (is_wide ? ARENA_SPANS / WIDE_SPANS : ARENA_SPANS)) - 1;
}

static struct pool_arena *
arena_take(struct pool *p, bool is_wide)
{
    struct pool_arena *a;
    if (p->spare_count > 0) {
        a = p->spares[--p->spare_count];
    } else {
        a = calloc(1, sizeof *a);
        CHECK(a);
        a->base = map_aligned();
        p->mapped += ARENA_SIZE;
    }
    a->is_wide = is_wide;
    a->free_spans = all_spans(is_wide);
    a->dirty_spans = a->free_spans; /* a spare was used before; a fresh one does not mind */
    list_push_front(&p->arenas[is_wide], &a->link);
    return a;
}

static void
arena_unmap(struct pool *p, struct pool_arena *a)
{
    munmap(a->base, ARENA_SIZE);
    p->mapped -= ARENA_SIZE;
    free(a);
}

static struct pool_span *
span_new(struct pool *p, unsigned class)
{
    bool is_wide = class >= CLASS_WIDE;
    struct list *arenas = &p->arenas[is_wide];
    struct pool_arena *a =
        list_is_empty(arenas) ? arena_take(p, is_wide) : LIST_ENTRY(arenas->next, struct pool_arena, link);
    size_t size = is_wide ? WIDE_SPANS * SPAN_SIZE : SPAN_SIZE;
    int n = __builtin_ctz(a->free_spans);
    a->free_spans &= a->free_spans - 1;
    a->dirty_spans &= a->free_spans;
    if (a->free_spans == 0) {
        list_remove(&a->link);
        list_push_back(&p->full_arenas, &a->link);
    }
    struct pool_span *s = (struct pool_span *)(a->base + (size_t)n * size);
    *s = (struct pool_span){.size = class_size(class), .class = (uint8_t) class, .arena = a};
    s->untouched = sizeof *s;
    s->end = (uint32_t)(sizeof *s + (size - sizeof *s) / s->size * s->size);
    list_push_front(&p->partial[class], &s->link);
    return s;
}

static void
span_return(struct pool *p, struct pool_span *s)
{
    struct pool_arena *a = s->arena;
    uint32_t before = a->free_spans;
    size_t size = a->is_wide ? WIDE_SPANS * SPAN_SIZE : SPAN_SIZE;
    uint32_t bit = (uint32_t)1 << ((size_t)((char *)s - a->base) / size);
    list_remove(&s->link);
    a->free_spans |= bit;
    a->dirty_spans |= bit;
    if (a->free_spans == all_spans(a->is_wide)) {
        list_remove(&a->link);
        if (p->spare_count == POOL_SPARES)
            arena_unmap(p, a);
        else
            p->spares[p->spare_count++] = a;
    } else if (before == 0) {
        list_remove(&a->link);
        list_push_back(&p->arenas[a->is_wide], &a->link);
    }
}

/* Turns a little of the untouched part into free objects, lowest first. False when all was touched. */
static bool
span_refill(struct pool_span *s)
{
    if (s->untouched == s->end)
        return false;
    uint32_t stop = s->untouched + (s->size < REFILL_BYTES ? REFILL_BYTES / s->size * s->size : s->size);
    if (stop > s->end)
        stop = s->end;
    void *next = NULL;
    for (uint32_t at = stop; at > s->untouched;) {
        at -= s->size;
        void **object = (void **)((char *)s + at);
        *object = next;
        next = object;
    }
    s->free = next;
    s->untouched = stop;
    return true;
}

/* The current span has no free object at hand: finds one, there or in another span. */
void *
pool_alloc_class_slow(struct pool *p, unsigned class)
{
    struct list *partial = &p->partial[class];
    struct pool_span *s = p->current[class];
    if (!s->free && !span_refill(s)) {
        if (s != no_span()) {
            s->is_full = true;
            list_remove(&s->link);
        }
        s = list_is_empty(partial) ? span_new(p, class) : LIST_ENTRY(partial->next, struct pool_span, link);
        p->current[class] = s;
        if (!s->free)
            CHECK(span_refill(s));
    }
    void **object = s->free;
    s->free = *object;
    s->live++;
    p->used += s->size;
    return object;
}

static void *
large_alloc(struct pool *p, size_t size)
{
    CHECK(size <= SIZE_MAX / 2);
    struct large *l = malloc(sizeof *l + size);
    CHECK(l);
    list_init(&l->link);
    list_push_back(&p->large, &l->link);
    p->used += size;
    p->mapped += size;
    return l + 1;
}

void *
pool_alloc_slow(struct pool *p, size_t size)
{
    CHECK(size > 0);
    if (size > POOL_SMALL_MAX)
        return large_alloc(p, size);
    unsigned class = class_of(size);
    struct pool_span *s = p->current[class];
    void **object = s->free;
    if (!object)
        return pool_alloc_class_slow(p, class);
    s->free = *object;
    s->live++;
    p->used += s->size;
    return object;
}

/* After a release: the span has no live object left, or it had nothing to give and now has. */
void
pool_span_turned(struct pool *p, struct pool_span *s)
{
    if (s->is_full) {
        s->is_full = false;
        list_push_back(&p->partial[s->class], &s->link);
    }
    if (s->live == 0 && s != p->current[s->class])
        span_return(p, s);
}

void
pool_release_slow(struct pool *p, void *object, size_t size)
{
    if (size > POOL_SMALL_MAX) {
        struct large *l = (struct large *)object - 1;
        list_remove(&l->link);
        p->used -= size;
        p->mapped -= size;
        free(l);
        return;
    }
    struct pool_span *s = (struct pool_span *)((uintptr_t)object & ~(uintptr_t)(WIDE_SPANS * SPAN_SIZE - 1));
    *(void **)object = s->free;
    s->free = object;
    p->used -= s->size;
    if (--s->live == 0 || s->is_full)
        pool_span_turned(p, s);
}

static void *
large_resize(struct pool *p, void *object, size_t old, size_t size)
{
    struct large *l = (struct large *)object - 1;
    list_remove(&l->link);
    l = realloc(l, sizeof *l + size);
    CHECK(l);
    list_init(&l->link);
    list_push_back(&p->large, &l->link);
    p->used += size - old;
    p->mapped += size - old;
    return l + 1;
}

void *
pool_resize(struct pool *p, void *object, size_t old, size_t size)
{
    CHECK(size > 0 && size <= SIZE_MAX / 2);
    if (!object)
        return pool_alloc(p, size);
    if (old > POOL_SMALL_MAX && size > POOL_SMALL_MAX)
        return large_resize(p, object, old, size);
    if (old <= POOL_SMALL_MAX && size <= POOL_SMALL_MAX && class_of(old) == class_of(size))
        return object;
    void *moved = pool_alloc(p, size);
    memcpy(moved, object, old < size ? old : size);
    pool_release(p, object, old);
    return moved;
}

/* Keeps the addresses of the free spans and gives back their pages, of `*spans_left` spans at most. */
static void
arenas_trim(struct list *arenas, unsigned *spans_left)
{
    LIST_FOREACH (node, arenas) {
        struct pool_arena *a = LIST_ENTRY(node, struct pool_arena, link);
        size_t size = a->is_wide ? WIDE_SPANS * SPAN_SIZE : SPAN_SIZE;
        for (; a->dirty_spans; a->dirty_spans &= a->dirty_spans - 1) {
            if (*spans_left == 0)
                return;
            (*spans_left)--;
            madvise(a->base + (size_t)__builtin_ctz(a->dirty_spans) * size, size, MADV_DONTNEED);
        }
    }
}

bool
pool_trim(struct pool *p)
{
    unsigned spans_left = POOL_TRIM_SPANS;
    for (unsigned c = 0; c < POOL_CLASSES; c++) {
        struct pool_span *s = p->current[c];
        if (s == no_span() || s->live > 0)
            continue;
        p->current[c] = no_span();
        span_return(p, s);
    }
    while (p->spare_count > 0)
        arena_unmap(p, p->spares[--p->spare_count]);
    arenas_trim(&p->arenas[false], &spans_left);
    arenas_trim(&p->arenas[true], &spans_left);
    return spans_left == 0;
}

static void
arenas_unmap(struct pool *p, struct list *arenas)
{
    LIST_FOREACH_SAFE (node, tmp, arenas)
        arena_unmap(p, LIST_ENTRY(node, struct pool_arena, link));
}

void
pool_free_all(struct pool *p)
{
    if (!p)
        return;
    LIST_FOREACH_SAFE (node, tmp, &p->large)
        free(LIST_ENTRY(node, struct large, link));
    arenas_unmap(p, &p->arenas[false]);
    arenas_unmap(p, &p->arenas[true]);
    arenas_unmap(p, &p->full_arenas);
    while (p->spare_count > 0)
        arena_unmap(p, p->spares[--p->spare_count]);
    free(p);
}
