/*
 * A cut through a running node: declared things and the messages of all shards as of one moment, with their
 * files pinned until the copy is made. doc/storage.md has the steps; store/store_copy.h makes the copy.
 */
#ifndef LEVERET_DURABLE_BACKUP_H
#define LEVERET_DURABLE_BACKUP_H

#include "broker/broker.h"
#include "store/journal.h"
#include "store/store_copy.h"

struct backup;
struct meta_log;
struct worker;

struct backup_config {
    struct node *node;
    struct store *store;
    struct meta_log *meta; /* NULL: none */
    /* The journal of a shard's messages; called on that shard. */
    struct journal *(*journal_of)(void *arg, struct broker *b);
    void *arg;
    struct worker *keeper; /* deletes what has waited; ends before backup_free() */
};

struct backup *backup_new(const struct backup_config *config);
/* After shards_join() and the end of the keeper. */
void backup_free(struct backup *k);

/*
 * Shard 0. on_cut(arg, ERR_OK, cut, NULL) follows, later, on shard 0: from then on the files are pinned until
 * backup_end(); the cut is valid during the call. Or on_cut(arg, error, NULL, why): nothing is pinned. One at
 * a time: ERR_REFUSED. A cut that takes longer than BACKUP_PATIENCE_MS is given up (ERR_TIMEOUT): confirms
 * wait for it.
 */
typedef void backup_on_cut(void *arg, enum err e, const struct store_cut *cut, const char *why);
enum { BACKUP_PATIENCE_MS = 5000 };
void backup_begin(struct backup *k, backup_on_cut *on_cut, void *arg);
/*
 * Shard 0, after on_cut or instead of waiting for it: it is not called any more. on_ended(arg) follows when
 * the next one may begin, unless the shard stops before; NULL: nobody waits.
 */
void backup_end(struct backup *k, void (*on_ended)(void *arg), void *arg);

/* durability.mail() */
void backup_on_mail(struct backup *k, struct broker *b, const struct mail *m);
/* journal_events.on_held of that shard's journal. */
void backup_on_held(struct backup *k, struct broker *b, uint32_t file, uint64_t offset);

#endif
