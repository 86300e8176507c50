/*
 * What the queues of the features workload may look like: a set of worlds (feature_world.h), one while
 * nothing is in doubt. An act of the client changes each of them, then everything that may happen by itself
 * is tried in every order that RabbitMQ would allow; what the client saw throws out the worlds that it
 * contradicts. When none is left the broker has done what nobody allowed.
 *
 *     feature_model_pass(m, now)                   what was due until now
 *     feature_model_act(m, from, to, act, arg)     the client did something between these two
 *     feature_model_keep(m, fits, arg, what)       and saw this
 *
 * Two limits keep the set small: FEATURE_TRIED_MAX states tried for one act, FEATURE_WORLDS_MAX worlds left.
 * Beyond them nothing more can be said: is_vague, until feature_model_reset(). How often that may be is the
 * workload's to check.
 */
#ifndef LEVERET_TEST_SIM_FEATURE_MODEL_H
#define LEVERET_TEST_SIM_FEATURE_MODEL_H

#include "feature_world.h"
#include "trial.h"

enum { FEATURE_TRIED_MAX = 12288, FEATURE_WORLDS_MAX = 256, FEATURE_SEEN_SIZE = 4 * FEATURE_TRIED_MAX };

struct feature_model {
    struct trial *t;
    struct feature_rules rules;
    struct feature_world **worlds, **next;
    uint64_t hashes[FEATURE_WORLDS_MAX]; /* of next's */
    unsigned count, next_count;
    unsigned tried;
    uint64_t *seen; /* hashes of the states that were tried, 0: free */
    bool is_vague;
    unsigned count_most; /* worlds at once, over the run */
};

void feature_model_init(struct feature_model *m, struct trial *t);
void feature_model_fini(struct feature_model *m);
/* The queues of this mask exist, and all are empty. */
void feature_model_reset(struct feature_model *m, uint32_t queues);

/* False: the world cannot be, and is dropped. */
typedef bool feature_act(struct feature_world *w, const struct feature_rules *r, void *arg);
void feature_model_act(struct feature_model *m, uint64_t from, uint64_t to, feature_act *act, void *arg,
                       const char *what);
/* The same where the broker has a choice that nobody sees: `act` is tried for each *way below `ways`. */
void feature_model_act_in(struct feature_model *m, uint64_t from, uint64_t to, feature_act *act, void *arg,
                          const char *what, unsigned *way, unsigned ways);
void feature_model_keep(struct feature_model *m, feature_act *fits, void *arg, const char *what);
void feature_model_pass(struct feature_model *m, uint64_t now);
/* 0: nothing that is due could happen between `from` and `to`, so that an act can. Else when it is over. */
uint64_t feature_model_busy_until(const struct feature_model *m, uint64_t from, uint64_t to);
/* The most messages that any queue holds, and all together, in any world. */
uint32_t feature_model_depth(const struct feature_model *m, uint32_t *all);
/* Tells the first world, when the run is verbose or `always`. */
void feature_model_say(const struct feature_model *m, bool always);

#endif
