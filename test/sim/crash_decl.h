/*
 * A client that declares, binds, unbinds and deletes, many at once on one channel. What was answered must
 * hold after a crash; of what was not, a first part in the order of sending.
 */
#ifndef LEVERET_TEST_SIM_CRASH_DECL_H
#define LEVERET_TEST_SIM_CRASH_DECL_H

#include "trial.h"

enum {
    DECL_QUEUES = 6,
    DECL_EXCHANGES = 3,
    DECL_PENDING_MAX = 24,
    DECL_WHAT_SIZE = 160,
    DECL_QUEUES_DURABLE = 4,    /* the first so many; the next is not, the last is exclusive */
    DECL_EXCHANGES_DURABLE = 2, /* likewise */
};

struct decl_state {
    bool queues[DECL_QUEUES], exchanges[DECL_EXCHANGES], bindings[DECL_EXCHANGES][DECL_QUEUES];
};
struct decl_op {
    uint32_t method;
    int exchange, queue;
};

struct crash_decl {
    struct trial *t;
    unsigned index;    /* in the names */
    bool *is_tolerant; /* set: the connection may end */
    struct sim_session *session;
    bool is_open, is_over;
    struct decl_state answered, sent;
    struct decl_op pending[DECL_PENDING_MAX];
    unsigned pending_count;
    bool is_opened;
    uint64_t answers;
};

void crash_decl_init(struct crash_decl *d, struct trial *t, unsigned index, bool *is_tolerant);
void crash_decl_connect(struct crash_decl *d);
void crash_decl_act(struct crash_decl *d);
void crash_decl_leave(struct crash_decl *d);
bool crash_decl_is_answered(const struct crash_decl *d);
/* The node has started again; dump: sim_broker_dump(). False, and what is wrong. From then on what is there
 * counts as answered. */
bool crash_decl_check(struct crash_decl *d, const char *dump, char what[DECL_WHAT_SIZE]);

#endif
