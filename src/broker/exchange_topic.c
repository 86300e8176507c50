/*
 * Topic: keys are words with dots between them; in a binding `*` stands for one word and `#` for any number
 * of them, none included. The empty key has no words (as in RabbitMQ); "a." has two, the second one empty.
 *
 * The bindings stand in a trie by words. A node has one child for `*`, one for `#`, and children for plain
 * words, which are found in one table of the whole exchange by (parent, word). In a run of wildcards the `*`s
 * are put first and one `#` stands for all of them, which means the same: no `#` follows a `#`.
 *
 * A node with no `#` above it can be alive at one place of the key only. So the first half of a match walks
 * the key once and keeps the nodes that are alive after each word. Below a `#` a node can be alive at many
 * places. The second half takes the places as a set of bits and goes down from each `#` that was reached: a
 * `#` sets all bits behind the first, `*` moves the set by one, a plain word takes those places that have it
 * next. Either half passes a node once at most: a match costs no more than the trie has nodes, whatever the
 * bindings and the key are.
 */
#include "base/check.h"
#include "base/cmap.h"
#include "base/epoch.h"
#include "base/hash.h"
#include "broker/bindset.h"

#include <stdlib.h>

enum {
    TOPIC_WORDS_MAX = 256,                      /* of a key of 255 bytes */
    TOPIC_LANES_MAX = TOPIC_WORDS_MAX / 64 + 1, /* before the first word, and behind each */
    TOPIC_DIRECTORY_SIZE = TOPIC_WORDS_MAX * 2,
};

enum topic_kind { TOPIC_ROOT, TOPIC_WORD, TOPIC_STAR, TOPIC_HASH };

struct topic_node {
    struct topic_node *parent;
    uint64_t id; /* of the trie, for the table of edges: with addresses, no two runs would be the same */
    struct topic_node *_Atomic star, *_Atomic hash;
    struct topic_node *_Atomic words;           /* children for plain words: the first of a list */
    struct topic_node *_Atomic next, *previous; /* on the parent's list; `previous` is the writer's */
    struct bindset bindings;
    _Atomic uint32_t word_count; /* children for plain words */
    uint8_t kind;
    uint8_t word_size;
    uint64_t prefix; /* of the word: topic_word */
    uint8_t word[];
};

struct topic {
    struct topic_node *root;
    struct cmap edges;
    uint64_t id_last;
    struct epoch *epoch;
};

/* A word with its first eight bytes as a number (shorter ones end in zeros), by which most are told apart,
 * and its hash. */
struct topic_word {
    struct slice text;
    uint64_t prefix;
    uint64_t hash;
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

/* ---- words ---- */

static uint64_t
word_hash(struct slice text, uint64_t prefix)
{
    return text.len <= sizeof prefix ? hash_combine(text.len, prefix) : hash_bytes(text);
}

/* `readable` bytes may be looked at, from the word's first on. */
static struct topic_word
word_of(struct slice text, size_t readable)
{
    struct topic_word w = {.text = text};
    if (text.len >= sizeof w.prefix) {
        memcpy(&w.prefix, text.data, sizeof w.prefix);
    } else if (readable >= sizeof w.prefix) {
        memcpy(&w.prefix, text.data, sizeof w.prefix);
        w.prefix &=
            ((uint64_t)1 << (text.len * 8)) - 1; /* little-endian, like all machines that it is built for */
    } else {
        for (size_t i = 0; i < text.len; i++)
            w.prefix |= (uint64_t)text.data[i] << (i * 8);
    }
    w.hash = word_hash(text, w.prefix);
    return w;
}

static unsigned
split_words(struct slice key, struct topic_word words[TOPIC_WORDS_MAX])
{
    if (key.len == 0)
        return 0;
    unsigned n = 0;
    const uint8_t *at = key.data, *end = key.data + key.len;
    for (;;) {
        const uint8_t *dot = memchr(at, '.', (size_t)(end - at));
        CHECK(n < TOPIC_WORDS_MAX);
        words[n++] = word_of(slice_of(at, (size_t)((dot ? dot : end) - at)), (size_t)(end - at));
        if (!dot)
            return n;
        at = dot + 1;
    }
}

static enum topic_kind
word_kind(struct slice word)
{
    if (word.len != 1)
        return TOPIC_WORD;
    return word.data[0] == '*' ? TOPIC_STAR : word.data[0] == '#' ? TOPIC_HASH : TOPIC_WORD;
}

/* A binding's words with each run of wildcards as `*`s and then one `#` at most. */
static unsigned
split_pattern(struct slice key, struct topic_word words[TOPIC_WORDS_MAX])
{
    unsigned n = split_words(key, words), out = 0;
    struct topic_word hash = {0};
    bool pending = false;
    for (unsigned i = 0; i < n; i++) {
        enum topic_kind kind = word_kind(words[i].text);
        if (kind == TOPIC_HASH) {
            pending = true;
            hash = words[i];
            continue;
        }
        struct topic_word w = words[i];
        if (kind == TOPIC_WORD && pending) {
            words[out++] = hash;
            pending = false;
        }
        words[out++] = w;
    }
    if (pending)
        words[out++] = hash;
    return out;
}

/* ---- the trie, writer's side ---- */

struct edge_key {
    const struct topic_node *parent;
    const struct topic_word *word;
};

static uint64_t
edge_hash(const struct topic_node *parent, uint64_t word_hash)
{
    return hash_u64(word_hash ^ (parent->id * 0x9e3779b97f4a7c15u));
}

static uint64_t
word_hash_of(const struct topic_node *n)
{
    return word_hash(slice_of(n->word, n->word_size), n->prefix);
}

static uint64_t
edge_hash_of(const void *item)
{
    const struct topic_node *n = item;
    return edge_hash(n->parent, word_hash_of(n));
}

static bool
word_is(const struct topic_node *n, const struct topic_word *word)
{
    size_t size = word->text.len;
    return n->word_size == size && n->prefix == word->prefix &&
           (size <= sizeof n->prefix || memcmp(n->word, word->text.data, size) == 0);
}

static bool
edge_eq(const void *item, const void *key)
{
    const struct topic_node *n = item;
    const struct edge_key *k = key;
    return n->parent == k->parent && word_is(n, k->word);
}

static struct topic_node *
find_word(const struct topic *t, const struct topic_node *parent, const struct topic_word *word)
{
    struct edge_key key = {parent, word};
    return cmap_find(&t->edges, edge_hash(parent, word->hash), edge_eq, &key);
}

static struct topic_node *
node_new(struct topic_node *parent, enum topic_kind kind, const struct topic_word *word)
{
    size_t size = kind == TOPIC_WORD ? word->text.len : 0;
    struct topic_node *n = calloc(1, sizeof *n + size);
    CHECK(n);
    n->parent = parent;
    n->kind = (uint8_t)kind;
    if (kind == TOPIC_WORD) {
        n->word_size = (uint8_t)size;
        n->prefix = word->prefix;
        memcpy(n->word, word->text.data, size);
    }
    return n;
}

/* The list of a node's children for plain words. A reader that stands on one that is taken off goes on from
 * there: what it carries stays. */
static void
words_push(struct topic_node *parent, struct topic_node *child)
{
    struct topic_node *first = atomic_load_explicit(&parent->words, memory_order_relaxed);
    atomic_store_explicit(&child->next, first, memory_order_relaxed);
    if (first)
        first->previous = child;
    atomic_store_explicit(&parent->words, child, memory_order_release);
    atomic_fetch_add_explicit(&parent->word_count, 1, memory_order_relaxed);
}

static void
words_take(struct topic_node *parent, struct topic_node *child)
{
    struct topic_node *next = atomic_load_explicit(&child->next, memory_order_relaxed);
    if (next)
        next->previous = child->previous;
    atomic_store_explicit(child->previous ? &child->previous->next : &parent->words, next,
                          memory_order_release);
    atomic_fetch_sub_explicit(&parent->word_count, 1, memory_order_relaxed);
}

/* Where the child for a wildcard hangs. */
static struct topic_node *_Atomic *
wildcard_place(struct topic_node *n, enum topic_kind kind)
{
    return kind == TOPIC_STAR ? &n->star : &n->hash;
}

static struct topic_node *
child_find(const struct topic *t, struct topic_node *n, const struct topic_word *word)
{
    enum topic_kind kind = word_kind(word->text);
    if (kind == TOPIC_WORD)
        return find_word(t, n, word);
    return atomic_load_explicit(wildcard_place(n, kind), memory_order_relaxed);
}

static struct topic_node *
child_add(struct topic *t, struct topic_node *n, const struct topic_word *word)
{
    enum topic_kind kind = word_kind(word->text);
    struct topic_node *child = node_new(n, kind, word);
    child->id = ++t->id_last;
    if (kind == TOPIC_WORD) {
        cmap_insert(&t->edges, edge_hash(n, word->hash), child);
        words_push(n, child);
    } else {
        atomic_store_explicit(wildcard_place(n, kind), child, memory_order_release);
    }
    return child;
}

static bool
node_is_leaf(const struct topic_node *n)
{
    return !atomic_load_explicit(&n->words, memory_order_relaxed) &&
           !atomic_load_explicit(&n->star, memory_order_relaxed) &&
           !atomic_load_explicit(&n->hash, memory_order_relaxed);
}

/* Takes away a node that carries nothing any more, and then its parent, and so on. */
static void
node_prune(struct topic *t, struct topic_node *n)
{
    while (n->kind != TOPIC_ROOT && node_is_leaf(n) && bindset_is_empty(&n->bindings)) {
        struct topic_node *parent = n->parent;
        if (n->kind == TOPIC_WORD) {
            CHECK(cmap_remove(&t->edges, edge_hash_of(n), n));
            words_take(parent, n);
        } else {
            atomic_store_explicit(wildcard_place(parent, n->kind), NULL, memory_order_release);
        }
        epoch_defer(t->epoch, free, n);
        n = parent;
    }
}

static void
topic_add(void *router, struct binding *b)
{
    struct topic *t = router;
    struct topic_word words[TOPIC_WORDS_MAX];
    unsigned count = split_pattern(binding_routing_key(b), words);
    struct topic_node *n = t->root;
    for (unsigned i = 0; i < count; i++) {
        struct topic_node *child = child_find(t, n, &words[i]);
        n = child ? child : child_add(t, n, &words[i]);
    }
    bindset_add(&n->bindings, b, t->epoch);
}

static void
topic_remove(void *router, struct binding *b)
{
    struct topic *t = router;
    struct topic_word words[TOPIC_WORDS_MAX];
    unsigned count = split_pattern(binding_routing_key(b), words);
    struct topic_node *n = t->root;
    for (unsigned i = 0; i < count; i++) {
        n = child_find(t, n, &words[i]);
        CHECK(n);
    }
    CHECK(bindset_remove(&n->bindings, b, t->epoch));
    node_prune(t, n);
}

static void *
topic_create(struct epoch *epoch, struct slice arguments)
{
    struct topic *t = calloc(1, sizeof *t);
    CHECK(t);
    t->epoch = epoch;
    t->root = node_new(NULL, TOPIC_ROOT, NULL);
    cmap_init(&t->edges, edge_hash_of, epoch_retire, epoch);
    return t;
}

static void
topic_destroy(void *router)
{
    struct topic *t = router;
    CHECK(node_is_leaf(t->root));
    bindset_fini(&t->root->bindings);
    free(t->root);
    cmap_fini(&t->edges);
    free(t);
}

/* ---- matching, any shard ---- */

static const struct topic_node *
star_of(const struct topic_node *n)
{
    return atomic_load_explicit(&n->star, memory_order_acquire);
}

static const struct topic_node *
hash_of(const struct topic_node *n)
{
    return atomic_load_explicit(&n->hash, memory_order_acquire);
}

static const struct topic_node *
first_word_of(const struct topic_node *n)
{
    return atomic_load_explicit(&n->words, memory_order_acquire);
}

static bool
reads_words(const struct topic_node *n)
{
    return star_of(n) || first_word_of(n);
}

/* -- sets of places -- */

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

/* -- the first half: no `#` above -- */

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
    const struct topic_node *hash = hash_of(n);
    if (hash)
        reach_hash(s, out, hash, done);
    if (done == s->word_count)
        bindset_collect(&n->bindings, out);
    else if (reads_words(n))
        nodes_push(&s->next, n);
}

/* Word number `done` is read at node `n`. */
static void
step(const struct topic *t, struct topic_scratch *s, struct router_scratch *out, const struct topic_node *n,
     unsigned done)
{
    const struct topic_node *star = star_of(n);
    if (star)
        reach(s, out, star, done + 1);
    if (!first_word_of(n))
        return;
    const struct topic_node *child = find_word(t, n, &s->words[done]);
    if (child)
        reach(s, out, child, done + 1);
}

static void
match_words(const struct topic *t, struct topic_scratch *s, struct router_scratch *out)
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

/* -- the second half: below a `#` -- */

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
    for (unsigned at = (unsigned)word_hash_of(n) & s->directory_mask; s->directory[at];
         at = (at + 1) & s->directory_mask)
        if (word_is(n, s->different[s->directory[at] - 1]))
            return &s->places[s->directory[at] - 1];
    return NULL;
}

/* Node `n`, below a `#`, is alive at these places, at least one. */
static void
reach_below(struct topic_scratch *s, struct router_scratch *out, const struct topic_node *n,
            const struct topic_places *at)
{
    const struct topic_node *hash = hash_of(n);
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
step_below(const struct topic *t, struct topic_scratch *s, struct router_scratch *out,
           const struct topic_visit *v)
{
    struct topic_places next;
    const struct topic_node *n = v->node, *star = star_of(n), *child;
    if (star && places_step(s, &v->at, &s->all, &next))
        reach_below(s, out, star, &next);
    uint32_t children = atomic_load_explicit(&n->word_count, memory_order_relaxed);
    if (children <= s->different_count) {
        out->work += children;
        for (child = first_word_of(n); child;
             child = atomic_load_explicit(&child->next, memory_order_acquire)) {
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
        child = find_word(t, n, s->different[i]);
        if (child)
            reach_below(s, out, child, &next);
    }
}

static void
match_below(const struct topic *t, struct topic_scratch *s, struct router_scratch *out)
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
match(const struct topic *t, struct topic_scratch *s, struct router_scratch *out, struct slice key)
{
    s->word_count = split_words(key, s->words);
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

const struct router_ops exchange_topic_ops = {
    .create = topic_create,
    .destroy = topic_destroy,
    .add = topic_add,
    .remove = topic_remove,
    .route = topic_route,
};
