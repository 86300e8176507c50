/*
 * Who gets the next message of a queue, in the features workload. Consumers stand in levels, the highest
 * first; which one of a level gets a message is the broker's choice, so it is given to the level, and known
 * when it was seen. With a single active consumer nobody else gets anything.
 *
 *   copy.lent   0             ready, or held by who got it
 *               slot + 1      lent to that consumer
 *               level + ...   given to that level in this operation: by whom it is seen tells
 */
#ifndef LEVERET_TEST_SIM_FEATURE_TAKE_H
#define LEVERET_TEST_SIM_FEATURE_TAKE_H

#include "feature_world.h"

enum { FEATURE_LEVELS = 3, FEATURE_LENT_LEVEL = 16 };
#define FEATURE_UNTAGGED UINT32_MAX

/* The consumers take what they can, `most` at most. What they get is FEATURE_UNTAGGED until
 * feature_take_seen(). */
void feature_take_deliver(struct feature_world *w, const struct feature_rules *r, uint8_t queue,
                          unsigned most);
/* Somebody can take what is ready. */
bool feature_take_can(const struct feature_world *w, const struct feature_rules *r, uint8_t queue);
/* That consumer may get what its level is given. */
bool feature_take_may(const struct feature_rules *r, uint8_t queue, uint8_t slot);
/* It has come to this consumer; false: which has no room for it. */
bool feature_take_seen(struct feature_world *w, const struct feature_rules *r, uint8_t queue, uint8_t slot,
                       const struct feature_letter *l, uint32_t tag);
/* A consumer is gone. Then somebody else may be the active one. */
void feature_take_left(struct feature_rules *r, uint8_t queue, uint8_t slot);
void feature_take_joined(struct feature_rules *r, uint8_t queue, uint8_t slot);
/* What was lent to it is held all the same. */
void feature_take_keep(struct feature_queue *q, uint8_t slot);

#endif
