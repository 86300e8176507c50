/*
 * x-recent-history: what an exchange of that type keeps of its latest messages, for queues and exchanges that
 * are bound to it later.
 */
#ifndef LEVERET_BROKER_RECENT_HISTORY_H
#define LEVERET_BROKER_RECENT_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

struct binding;
struct broker;
struct exchange;
struct message;
struct recent_histories;
struct route;

enum {
    RECENT_HISTORY_LENGTH = 20,             /* kept when the exchange does not say how many */
    RECENT_HISTORY_LENGTH_MAX = 10000,      /* whatever it says */
    RECENT_HISTORY_BYTES_MAX = 64 << 20,    /* of one exchange */
    RECENT_HISTORIES_BYTES_MAX = 256 << 20, /* of all */
};

/* Any shard: the route has led through such exchanges; each of them keeps the message, unless its header
 * x-recent-history-no-store is true. Borrowed. */
void recent_history_keep(struct broker *b, const struct route *route, struct message *m);

/* ---- the writer's, as meta.h has it ---- */

struct recent_histories *recent_history_all_new(void);
void recent_history_all_free(struct recent_histories *all);
/* An exchange of the type was made, or is gone. `b`: shard 0's; NULL: none runs. */
void recent_history_open(struct recent_histories *all, const struct exchange *x);
void recent_history_close(struct recent_histories *all, struct broker *b, const struct exchange *x);
/* Takes the hold. An exchange that is gone keeps nothing. */
void recent_history_store(struct recent_histories *all, struct broker *b, uint64_t exchange_id,
                          struct message **m);
/* Its source has a new binding: the destination gets what is kept, oldest first. False: nothing is. */
bool recent_history_bound(struct recent_histories *all, struct broker *b, const struct binding *binding);
uint32_t recent_history_count(const struct recent_histories *all, uint64_t exchange_id);

#endif
