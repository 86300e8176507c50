/*
 * Dead letters of the features workload. At most once: what has a target moves there, and is gone whatever
 * becomes of it. At least once: it is stuck until each of its targets has it once; while there is none, or
 * one refuses it, it is tried again. fx.history remembers it once.
 */
#ifndef LEVERET_TEST_SIM_FEATURE_DEAD_H
#define LEVERET_TEST_SIM_FEATURE_DEAD_H

#include "feature_world.h"

/* Sends a copy that is out of its queue to where it goes next, if anywhere. */
void feature_dead_leave(struct feature_world *w, const struct feature_rules *r, uint8_t queue,
                        const struct feature_letter *l, enum feature_reason reason);
/* Of a move that is_stuck. */
void feature_dead_answered(struct feature_world *w, const struct feature_rules *r,
                           const struct feature_move *m, bool is_taken);
void feature_dead_try(struct feature_world *w, const struct feature_rules *r, unsigned index);
/* After anything has happened: would another try change something? */
void feature_dead_look(struct feature_world *w, const struct feature_rules *r);
/* Those of a queue, and their bytes. They count against its limits. */
uint32_t feature_dead_stuck(const struct feature_world *w, uint8_t queue, uint64_t *bytes);
/* The queue is gone, and they with it. */
void feature_dead_forget(struct feature_world *w, uint8_t queue);

#endif
