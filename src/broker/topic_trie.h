/*
 * The bindings of a topic exchange as a trie by words: keys are words with dots between them; in a binding
 * `*` stands for one word and `#` for any number of them, none included. The empty key has no words (as in
 * RabbitMQ); "a." has two, the second one empty.
 *
 * A node has one child for `*`, one for `#`, and children for plain words, which are found in one table of
 * the whole exchange by (parent, word) and stand on a list of their parent. In a run of wildcards the `*`s
 * are put first and one `#` stands for all of them, which means the same: no `#` follows a `#`.
 *
 * One writer and any number of readers that never wait (exchange_topic.c): what a reader may stand on goes
 * through the epoch.
 */
#ifndef LEVERET_BROKER_TOPIC_TRIE_H
#define LEVERET_BROKER_TOPIC_TRIE_H

#include "base/cmap.h"
#include "base/hash.h"
#include "broker/bindset.h"

#include <string.h>

enum { TOPIC_WORDS_MAX = 256 }; /* of a key of 255 bytes */

/* A word with its first eight bytes as a number (shorter ones end in zeros), by which most are told apart,
 * and its hash. */
struct topic_word {
    struct slice text;
    uint64_t prefix;
    uint64_t hash;
};

enum topic_kind { TOPIC_ROOT, TOPIC_WORD, TOPIC_STAR, TOPIC_HASH };

struct topic_node {
    struct topic_node *parent;
    uint64_t id; /* of the trie, for the table of edges: with addresses, no two runs would be the same */
    struct topic_node *_Atomic star, *_Atomic hash;
    struct topic_node *_Atomic words;           /* children for plain words: the first of a list */
    struct topic_node *_Atomic next, *previous; /* on the parent's list; `previous` is the writer's */
    struct bindset bindings;
    uint64_t prefix;             /* of the word: topic_word */
    _Atomic uint32_t word_count; /* children for plain words */
    uint8_t kind;
    uint8_t word_size;
    uint8_t word[];
};

struct topic_trie {
    struct topic_node *root;
    struct cmap edges;
    uint64_t id_last;
    struct epoch *epoch;
};

/* Writer. */
void topic_trie_init(struct topic_trie *t, struct epoch *epoch);
/* No reader is left, and no binding. */
void topic_trie_fini(struct topic_trie *t);
void topic_trie_add(struct topic_trie *t, struct binding *b);
/* It is there. */
void topic_trie_remove(struct topic_trie *t, struct binding *b);

/* Any reader. The words of a key, in whose bytes they lie; how many there are. */
unsigned topic_trie_split(struct slice key, struct topic_word words[TOPIC_WORDS_MAX]);

static inline const struct topic_node *
topic_star(const struct topic_node *n)
{
    return atomic_load_explicit(&n->star, memory_order_acquire);
}
static inline const struct topic_node *
topic_hash(const struct topic_node *n)
{
    return atomic_load_explicit(&n->hash, memory_order_acquire);
}
static inline const struct topic_node *
topic_first_word(const struct topic_node *n)
{
    return atomic_load_explicit(&n->words, memory_order_acquire);
}
static inline const struct topic_node *
topic_next_word(const struct topic_node *child)
{
    return atomic_load_explicit(&child->next, memory_order_acquire);
}

/* Of a word with these first eight bytes. */
static inline uint64_t
topic_word_hash(struct slice text, uint64_t prefix)
{
    return text.len <= sizeof prefix ? hash_combine(text.len, prefix) : hash_bytes(text);
}
/* Of the word that a plain node stands for. */
static inline uint64_t
topic_node_hash(const struct topic_node *n)
{
    return topic_word_hash(slice_of(n->word, n->word_size), n->prefix);
}
/* Does a plain node stand for this word? */
static inline bool
topic_node_is(const struct topic_node *n, const struct topic_word *word)
{
    size_t size = word->text.len;
    return n->word_size == size && n->prefix == word->prefix &&
           (size <= sizeof n->prefix || memcmp(n->word, word->text.data, size) == 0);
}

/* The child of `parent` for a plain word, or NULL. */
struct topic_node *topic_trie_find(const struct topic_trie *t, const struct topic_node *parent,
                                   const struct topic_word *word);

#endif
