/*
 * Topic: keys are words with dots between them; in a binding `*` stands for one word and `#` for any number
 * of them, none included. The empty key has no words (as in RabbitMQ); "a." has two, the second one empty.
 *
 * The bindings stand in a trie by words. A node has one child for `*`, one for `#`, and children for plain
 * words, which are found in one table of the whole exchange by (parent, word). In a run of wildcards the `*`s
 * are put first and one `#` stands for all of them, which means the same: no `#` follows a `#`.
 *
 * Matching walks the key once and keeps the nodes that are alive after each word. A plain node is reached by
 * one path only, so at most once for one place in the key. A `#` node, once reached, stays alive to the end:
 * it is reached at most once, which a mark in the reader's memory sees to, and its bindings match from then
 * on. So a match costs at most words times nodes, whatever the bindings are.
 */
#include "base/check.h"
#include "base/cmap.h"
#include "base/epoch.h"
#include "base/hash.h"
#include "broker/bindset.h"

#include <stdlib.h>

enum {
    TOPIC_WORDS_MAX = 256, /* of a key of 255 bytes */
    TOPIC_HASH_INDEX_MIN = 64,
};

enum topic_kind { TOPIC_ROOT, TOPIC_WORD, TOPIC_STAR, TOPIC_HASH };

struct topic_node {
    struct topic_node *parent;
    uint64_t id; /* of the trie, for the table of edges: with addresses, no two runs would be the same */
    struct topic_node *_Atomic star, *_Atomic hash;
    struct bindset bindings;
    _Atomic uint32_t words; /* children for plain words */
    uint32_t hash_index;    /* of a `#` node: its place among the marks */
    uint64_t prefix;        /* of the word: topic_word */
    uint8_t kind;
    uint8_t word_size;
    uint8_t word[];
};

struct topic {
    struct topic_node *root;
    struct cmap edges;
    uint64_t id_last;
    struct epoch *epoch;
    uint32_t *free_indices; /* of `#` nodes that are gone */
    uint32_t free_count, free_capacity, index_count;
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

struct topic_scratch {
    struct topic_nodes now, next; /* plain nodes alive before and after the present word */
    struct topic_nodes hashes;    /* `#` nodes alive that have children */
    uint32_t *marks;              /* by hash_index: the serial of the match that reached it */
    uint32_t mark_count;
    uint32_t serial;
    unsigned word_count;
    struct topic_word words[TOPIC_WORDS_MAX];
};

/* ---- words ---- */

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
    w.hash = text.len <= sizeof w.prefix ? hash_combine(text.len, w.prefix) : hash_bytes(text);
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
edge_hash_of(const void *item)
{
    const struct topic_node *n = item;
    return edge_hash(n->parent, word_of(slice_of(n->word, n->word_size), n->word_size).hash);
}

static bool
edge_eq(const void *item, const void *key)
{
    const struct topic_node *n = item;
    const struct edge_key *k = key;
    size_t size = k->word->text.len;
    return n->parent == k->parent && n->word_size == size && n->prefix == k->word->prefix &&
           (size <= sizeof n->prefix || memcmp(n->word, k->word->text.data, size) == 0);
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

static uint32_t
hash_index_take(struct topic *t)
{
    return t->free_count > 0 ? t->free_indices[--t->free_count] : t->index_count++;
}

static void
hash_index_give(struct topic *t, uint32_t index)
{
    if (t->free_count == t->free_capacity) {
        t->free_capacity = t->free_capacity ? t->free_capacity * 2 : TOPIC_HASH_INDEX_MIN;
        t->free_indices = realloc(t->free_indices, t->free_capacity * sizeof *t->free_indices);
        CHECK(t->free_indices);
    }
    t->free_indices[t->free_count++] = index;
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
    if (kind == TOPIC_HASH)
        child->hash_index = hash_index_take(t);
    if (kind == TOPIC_WORD) {
        cmap_insert(&t->edges, edge_hash(n, word->hash), child);
        atomic_fetch_add_explicit(&n->words, 1, memory_order_release);
    } else {
        atomic_store_explicit(wildcard_place(n, kind), child, memory_order_release);
    }
    return child;
}

static bool
node_is_leaf(const struct topic_node *n)
{
    return atomic_load_explicit(&n->words, memory_order_relaxed) == 0 &&
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
            atomic_fetch_sub_explicit(&parent->words, 1, memory_order_release);
        } else {
            atomic_store_explicit(wildcard_place(parent, n->kind), NULL, memory_order_release);
        }
        if (n->kind == TOPIC_HASH)
            hash_index_give(t, n->hash_index);
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
    free(t->free_indices);
    free(t);
}

/* ---- matching, any shard ---- */

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

/* True the first time that this match comes to the `#` node with this index. */
static bool
mark_hash(struct topic_scratch *s, uint32_t index)
{
    if (index >= s->mark_count) {
        uint32_t count = s->mark_count ? s->mark_count : TOPIC_HASH_INDEX_MIN;
        while (count <= index)
            count *= 2;
        s->marks = realloc(s->marks, count * sizeof *s->marks);
        CHECK(s->marks);
        memset(s->marks + s->mark_count, 0, (count - s->mark_count) * sizeof *s->marks);
        s->mark_count = count;
    }
    if (s->marks[index] == s->serial)
        return false;
    s->marks[index] = s->serial;
    return true;
}

/* Node `n` is alive after `done` words of the key. */
static void
reach(struct topic_scratch *s, struct router_scratch *out, const struct topic_node *n, unsigned done)
{
    const struct topic_node *star = atomic_load_explicit(&n->star, memory_order_acquire);
    const struct topic_node *hash = atomic_load_explicit(&n->hash, memory_order_acquire);
    if (hash && mark_hash(s, hash->hash_index)) {
        bindset_collect(&hash->bindings, out);
        if (atomic_load_explicit(&hash->star, memory_order_acquire) ||
            atomic_load_explicit(&hash->words, memory_order_acquire) > 0)
            nodes_push(&s->hashes, hash);
    }
    if (done == s->word_count)
        bindset_collect(&n->bindings, out);
    else if (star || atomic_load_explicit(&n->words, memory_order_acquire) > 0)
        nodes_push(&s->next, n);
}

/* Word number `done` is read at node `n`. */
static void
step(const struct topic *t, struct topic_scratch *s, struct router_scratch *out, const struct topic_node *n,
     unsigned done)
{
    const struct topic_node *star = atomic_load_explicit(&n->star, memory_order_acquire);
    if (star)
        reach(s, out, star, done + 1);
    if (atomic_load_explicit(&n->words, memory_order_acquire) == 0)
        return;
    const struct topic_node *child = find_word(t, n, &s->words[done]);
    if (child)
        reach(s, out, child, done + 1);
}

static void
match_begin(struct topic_scratch *s, struct slice key)
{
    s->word_count = split_words(key, s->words);
    s->now.count = s->next.count = s->hashes.count = 0;
    if (++s->serial == 0) {
        memset(s->marks, 0, s->mark_count * sizeof *s->marks);
        s->serial = 1;
    }
}

static void
match(const struct topic *t, struct topic_scratch *s, struct router_scratch *out, struct slice key)
{
    match_begin(s, key);
    reach(s, out, t->root, 0);
    for (unsigned done = 0; done < s->word_count && (s->next.count > 0 || s->hashes.count > 0); done++) {
        struct topic_nodes swap = s->now;
        s->now = s->next;
        s->next = swap;
        s->next.count = 0;
        uint32_t hash_count = s->hashes.count; /* those reached by this word begin with the next one */
        out->work += s->now.count + hash_count;
        for (uint32_t i = 0; i < s->now.count; i++)
            step(t, s, out, s->now.items[i], done);
        for (uint32_t i = 0; i < hash_count; i++)
            step(t, s, out, s->hashes.items[i], done);
    }
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
    free(s->hashes.items);
    free(s->marks);
    free(s);
}

const struct router_ops exchange_topic_ops = {
    .create = topic_create,
    .destroy = topic_destroy,
    .add = topic_add,
    .remove = topic_remove,
    .route = topic_route,
};
