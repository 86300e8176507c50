/*
 * What the broker publishes by itself, for whoever wants to watch: the firehose, events. Nobody waits for the
 * outcome. Such a message is taken into the shard's line and published at the end of the turn; when the line
 * is full it is dropped, and counted.
 */
#ifndef LEVERET_BROKER_INSIDE_H
#define LEVERET_BROKER_INSIDE_H

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct broker;
struct exchange;
struct message;
struct vhost;

/* Would anybody get it? Ask before a message is made. */
bool inside_is_wanted(struct broker *b, const struct exchange *x, struct slice routing_key);

/*
 * Publishes the message to the exchange that it names, of that vhost. Takes the hold; *m becomes NULL. May be
 * called from within anything, an effect or a command that is being applied: no queue changes before the
 * turn ends.
 */
void inside_publish(struct broker *b, const struct vhost *v, struct message **m);

/* How many were dropped since the start. */
uint64_t inside_dropped(const struct broker *b);

/* ---- the broker's ---- */

struct inside *inside_new(void);
/* After the shards have ended. */
void inside_free(struct broker *b);
/* Once in a turn: publishes what is in the line. True: there is more, and nothing that it would have to wait
 * for. */
bool inside_turn(struct broker *b);
bool inside_is_idle(const struct broker *b);

#endif
