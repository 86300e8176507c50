/* The writer's half of the trie, and how keys and bindings fall into words. */
#include "broker/topic_trie.h"

#include "base/check.h"
#include "base/epoch.h"

#include <stdlib.h>

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
    w.hash = topic_word_hash(text, w.prefix);
    return w;
}

unsigned
topic_trie_split(struct slice key, struct topic_word words[TOPIC_WORDS_MAX])
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
    unsigned n = topic_trie_split(key, words), out = 0;
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

/* ---- edges ---- */

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
    return edge_hash(n->parent, topic_node_hash(n));
}

static bool
edge_eq(const void *item, const void *key)
{
    const struct topic_node *n = item;
    const struct edge_key *k = key;
    return n->parent == k->parent && topic_node_is(n, k->word);
}

struct topic_node *
topic_trie_find(const struct topic_trie *t, const struct topic_node *parent, const struct topic_word *word)
{
    struct edge_key key = {parent, word};
    return cmap_find(&t->edges, edge_hash(parent, word->hash), edge_eq, &key);
}

/* ---- nodes, for the writer ---- */

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
child_find(const struct topic_trie *t, struct topic_node *n, const struct topic_word *word)
{
    enum topic_kind kind = word_kind(word->text);
    if (kind == TOPIC_WORD)
        return topic_trie_find(t, n, word);
    return atomic_load_explicit(wildcard_place(n, kind), memory_order_relaxed);
}

static struct topic_node *
child_add(struct topic_trie *t, struct topic_node *n, const struct topic_word *word)
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
node_prune(struct topic_trie *t, struct topic_node *n)
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

void
topic_trie_add(struct topic_trie *t, struct binding *b)
{
    struct topic_word words[TOPIC_WORDS_MAX];
    unsigned count = split_pattern(binding_routing_key(b), words);
    struct topic_node *n = t->root;
    for (unsigned i = 0; i < count; i++) {
        struct topic_node *child = child_find(t, n, &words[i]);
        n = child ? child : child_add(t, n, &words[i]);
    }
    bindset_add(&n->bindings, b, t->epoch);
}

void
topic_trie_remove(struct topic_trie *t, struct binding *b)
{
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

void
topic_trie_init(struct topic_trie *t, struct epoch *epoch)
{
    *t = (struct topic_trie){.root = node_new(NULL, TOPIC_ROOT, NULL), .epoch = epoch};
    cmap_init(&t->edges, edge_hash_of, epoch_retire, epoch);
}

void
topic_trie_fini(struct topic_trie *t)
{
    CHECK(node_is_leaf(t->root));
    bindset_fini(&t->root->bindings);
    free(t->root);
    cmap_fini(&t->edges);
}
