/*
 * Topic: which bindings of the trie (topic_trie.h) match a key.
 *
 * A node with no `#` above it can be alive at one place of the key only. So the first half of a match walks
 * the key once and keeps the nodes that are alive after each word. Below a `#` a node can be alive at many
 * places. The second half takes the places as a set of bits and goes down from each `#` that was reached: a
 * `#` sets all bits behind the first, `*` moves the set by one, a plain word takes those places that have it
 * next. Either half passes a node once at most: a match costs no more than the trie has nodes, whatever the
 * bindings and the key are.
 */
#include "base/check.h"
#include "broker/topic_trie.h"

#include <stdlib.h>

enum {
    TOPIC_LANES_MAX = TOPIC_WORDS_MAX / 64 + 1, /* before the first word, and behind each */
    TOPIC_DIRECTORY_SIZE = TOPIC_WORDS_MAX * 2,
};

struct topic_nodes {
    const struct topic_node **items;
    uint32_t count, capacity;
};

/* Places of a key: bit i is the one behind i words. */
struct topic_places {
    uint64_t lane[TOPIC_LANES_MAX];
};

/* A node below a `#`, or the `#` itself, and where in the key it is alive. */
struct topic_visit {
    const struct topic_node *node;
    struct topic_places at;
};

struct topic_scratch {
    struct topic_nodes now, next; /* first half: nodes alive before and after the present word */
    struct topic_visit *visits;   /* second half: nodes whose children are to be looked at */
    uint32_t visit_count, visit_capacity;
    unsigned lanes; /* that the places of this key take */
    /* The different words of the key, and before which of them each stands. A directory entry is a word's
     * number plus one, at its hash or behind. */
    unsigned different_count, directory_mask;
    uint16_t directory[TOPIC_DIRECTORY_SIZE];
    const struct topic_word *different[TOPIC_WORDS_MAX];
    struct topic_places places[TOPIC_WORDS_MAX];
    struct topic_places all; /* of any word */
    unsigned word_count;
    struct topic_word words[TOPIC_WORDS_MAX];
};

static bool
reads_words(const struct topic_node *n)
{
    return topic_star(n) || topic_first_word(n);
}

/* ---- sets of places ---- */

static bool
places_has(const struct topic_places *p, unsigned place)
{
    return p->lane[place / 64] >> place % 64 & 1;
}

static void
places_add(struct topic_places *p, unsigned place)
{
    p->lane[place / 64] |= (uint64_t)1 << place % 64;
}

/* All from `first` to the key's end. */
static struct topic_places
places_from(const struct topic_scratch *s, unsigned first)
{
    struct topic_places p;
    for (unsigned i = 0; i < s->lanes; i++)
        p.lane[i] = i < first / 64 ? 0 : i > first / 64 ? UINT64_MAX : UINT64_MAX << first % 64;
    p.lane[s->lanes - 1] &= UINT64_MAX >> (63 - s->word_count % 64);
    return p;
}

/* The lowest one; `p` is not empty. */
static unsigned
places_first(const struct topic_places *p)
{
    unsigned i = 0;
    while (p->lane[i] == 0)
        i++;
    return i * 64 + (unsigned)__builtin_ctzll(p->lane[i]);
}

/* The places behind the next word of those that are in both sets. False: there are none. */
static bool
places_step(const struct topic_scratch *s, const struct topic_places *a, const struct topic_places *b,
            struct topic_places *next)
{
    uint64_t carry = 0, any = 0;
    for (unsigned i = 0; i < s->lanes; i++) {
        uint64_t lane = a->lane[i] & b->lane[i];
        next->lane[i] = lane << 1 | carry;
        carry = lane >> 63;
        any |= next->lane[i];
    }
    return any != 0;
}

/* ---- the first half: no `#` above ---- */

static void
nodes_push(struct topic_nodes *l, const struct topic_node *n)
{
    if (__builtin_expect(l->count == l->capacity, 0)) {
        l->capacity = l->capacity ? l->capacity * 2 : 64;
        l->items = realloc(l->items, l->capacity * sizeof *l->items);
        CHECK(l->items);
    }
    l->items[l->count++] = n;
}

static void
visit_push(struct topic_scratch *s, const struct topic_node *n, struct topic_places at)
{
    if (__builtin_expect(s->visit_count == s->visit_capacity, 0)) {
        s->visit_capacity = s->visit_capacity ? s->visit_capacity * 2 : 64;
        s->visits = realloc(s->visits, s->visit_capacity * sizeof *s->visits);
        CHECK(s->visits);
    }
    s->visits[s->visit_count++] = (struct topic_visit){n, at};
}

/* The `#` node is alive from place `first` on: its own bindings match. */
static void
reach_hash(struct topic_scratch *s, struct router_scratch *out, const struct topic_node *hash, unsigned first)
{
    bindset_collect(&hash->bindings, out);
    if (reads_words(hash))
        visit_push(s, hash, places_from(s, first));
}

/* Node `n` is alive after `done` words of the key. */
static void
reach(struct topic_scratch *s, struct router_scratch *out, const struct topic_node *n, unsigned done)
{
    const struct topic_node *hash = topic_hash(n);
    if (hash)
        reach_hash(s, out, hash, done);
    if (done == s->word_count)
        bindset_collect(&n->bindings, out);
    else if (reads_words(n))
        nodes_push(&s->next, n);
}

/* Word number `done` is read at node `n`. */
static void
step(const struct topic_trie *t, struct topic_scratch *s, struct router_scratch *out,
     const struct topic_node *n, unsigned done)
{
    const struct topic_node *star = topic_star(n);
    if (star)
        reach(s, out, star, done + 1);
    if (!topic_first_word(n))
        return;
    const struct topic_node *child = topic_trie_find(t, n, &s->words[done]);
    if (child)
        reach(s, out, child, done + 1);
}

static void
match_words(const struct topic_trie *t, struct topic_scratch *s, struct router_scratch *out)
{
    reach(s, out, t->root, 0);
    for (unsigned done = 0; done < s->word_count && s->next.count > 0; done++) {
        struct topic_nodes swap = s->now;
        s->now = s->next;
        s->next = swap;
        s->next.count = 0;
        out->work += s->now.count;
        for (uint32_t i = 0; i < s->now.count; i++)
            step(t, s, out, s->now.items[i], done);
    }
}

/* ---- the second half: below a `#` ---- */

static bool
same_word(const struct topic_word *a, const struct topic_word *b)
{
    return a->prefix == b->prefix && slice_eq(a->text, b->text);
}

/* Tells the key's different words apart. */
static void
directory_build(struct topic_scratch *s)
{
    unsigned size = 2;
    while (size < s->word_count * 2)
        size *= 2;
    s->directory_mask = size - 1;
    memset(s->directory, 0, size * sizeof s->directory[0]);
    s->different_count = 0;
    s->all = (struct topic_places){0};
    for (unsigned i = 0; i < s->word_count; i++) {
        const struct topic_word *w = &s->words[i];
        unsigned at = (unsigned)w->hash & s->directory_mask;
        while (s->directory[at] && !same_word(s->different[s->directory[at] - 1], w))
            at = (at + 1) & s->directory_mask;
        if (!s->directory[at]) {
            s->different[s->different_count] = w;
            s->places[s->different_count] = (struct topic_places){0};
            s->directory[at] = (uint16_t)++s->different_count;
        }
        places_add(&s->places[s->directory[at] - 1], i);
        places_add(&s->all, i);
    }
}

/* The places before the word that plain node `n` stands for, or NULL: the key does not have it. */
static const struct topic_places *
directory_find(const struct topic_scratch *s, const struct topic_node *n)
{
    for (unsigned at = (unsigned)topic_node_hash(n) & s->directory_mask; s->directory[at];
         at = (at + 1) & s->directory_mask)
        if (topic_node_is(n, s->different[s->directory[at] - 1]))
            return &s->places[s->directory[at] - 1];
    return NULL;
}

/* Node `n`, below a `#`, is alive at these places, at least one. */
static void
reach_below(struct topic_scratch *s, struct router_scratch *out, const struct topic_node *n,
            const struct topic_places *at)
{
    const struct topic_node *hash = topic_hash(n);
    if (hash)
        reach_hash(s, out, hash, places_first(at));
    if (places_has(at, s->word_count))
        bindset_collect(&n->bindings, out);
    if (reads_words(n))
        visit_push(s, n, *at);
}

/* A word is read at a node that is alive at these places. Of the node's children and the key's words the
 * fewer are gone through. */
static void
step_below(const struct topic_trie *t, struct topic_scratch *s, struct router_scratch *out,
           const struct topic_visit *v)
{
    struct topic_places next;
    const struct topic_node *n = v->node, *star = topic_star(n), *child;
    if (star && places_step(s, &v->at, &s->all, &next))
        reach_below(s, out, star, &next);
    uint32_t children = atomic_load_explicit(&n->word_count, memory_order_relaxed);
    if (children <= s->different_count) {
        out->work += children;
        for (child = topic_first_word(n); child; child = topic_next_word(child)) {
            const struct topic_places *places = directory_find(s, child);
            if (places && places_step(s, &v->at, places, &next))
                reach_below(s, out, child, &next);
        }
        return;
    }
    out->work += s->different_count;
    for (unsigned i = 0; i < s->different_count; i++) {
        if (!places_step(s, &v->at, &s->places[i], &next))
            continue;
        child = topic_trie_find(t, n, s->different[i]);
        if (child)
            reach_below(s, out, child, &next);
    }
}

static void
match_below(const struct topic_trie *t, struct topic_scratch *s, struct router_scratch *out)
{
    if (s->visit_count == 0)
        return;
    directory_build(s);
    while (s->visit_count > 0) {
        struct topic_visit v = s->visits[--s->visit_count];
        out->work++;
        step_below(t, s, out, &v);
    }
}

static void
match(const struct topic_trie *t, struct topic_scratch *s, struct router_scratch *out, struct slice key)
{
    s->word_count = topic_trie_split(key, s->words);
    s->lanes = s->word_count / 64 + 1;
    s->now.count = s->next.count = s->visit_count = 0;
    match_words(t, s, out);
    match_below(t, s, out);
}

static void
topic_route(const void *router, const struct router_query *query, struct router_scratch *out)
{
    if (!out->topic) {
        out->topic = calloc(1, sizeof *out->topic);
        CHECK(out->topic);
    }
    for (unsigned i = 0; i < query->key_count; i++)
        match(router, out->topic, out, query->keys[i]);
}

void
exchange_topic_scratch_free(struct topic_scratch *s)
{
    if (!s)
        return;
    free(s->now.items);
    free(s->next.items);
    free(s->visits);
    free(s);
}

static void *
topic_create(struct epoch *epoch, struct slice arguments)
{
    struct topic_trie *t = malloc(sizeof *t);
    CHECK(t);
    topic_trie_init(t, epoch);
    return t;
}

static void
topic_destroy(void *router)
{
    topic_trie_fini(router);
    free(router);
}

static void
topic_add(void *router, struct binding *b)
{
    topic_trie_add(router, b);
}

static void
topic_remove(void *router, struct binding *b)
{
    topic_trie_remove(router, b);
}

const struct router_ops exchange_topic_ops = {
    .create = topic_create,
    .destroy = topic_destroy,
    .add = topic_add,
    .remove = topic_remove,
    .route = topic_route,
};
