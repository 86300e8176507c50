/*
 * What the clients of the features workload do, one operation after the other. Each begins when nothing is
 * due, waits until everything has come to rest, and tells the model:
 *
 *     feature_ops_begin(f)        time passes until nothing can be due meanwhile
 *     ... something is done ...
 *     feature_ops_end(f, act)     what that does to a world; then what was seen must fit
 */
#ifndef LEVERET_TEST_SIM_FEATURE_OPS_H
#define LEVERET_TEST_SIM_FEATURE_OPS_H

#include "feature_client.h"
#include "feature_model.h"

enum {
    FEATURE_CLIENTS = 2,
    FEATURE_POLICIES = 3,
    FEATURE_WAIT_MS = 10000,
    FEATURE_BURST = 4, /* messages of one publish */
};

struct features {
    struct trial *t;
    struct feature_client clients[FEATURE_CLIENTS];
    struct feature_model model;
    struct feature_settings arguments[FEATURE_QUEUES], policies[FEATURE_POLICIES];
    uint32_t numbers, consumers; /* so many were published, and have come */
    uint64_t from;               /* this operation began then */
    unsigned policy_answers;
    bool is_time, has_log;
    bool has_at_least_once; /* in this run; else there is reject-publish-dlx: each try with a letter that is
                               stuck would send another one on */
    unsigned starts;        /* over */
};

void feature_ops_begin(struct features *f);
void feature_ops_end(struct features *f, feature_act *act, void *arg, const char *what);
void feature_ops_end_in(struct features *f, feature_act *act, void *arg, const char *what, unsigned *way,
                        unsigned ways);
/* What has come to consumers is what they were given. */
void feature_ops_keep_sights(struct features *f, const char *what);
void feature_ops_pass_time(struct features *f, uint64_t ms);
/* Dead letters have arrived, or are stuck. */
void feature_ops_come_to_rest(struct features *f);
bool feature_ops_exists(const struct features *f, uint8_t queue);

#endif
