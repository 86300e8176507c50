/*
 * An operator who sets and clears what is neither queue nor exchange, many commands at once: policies,
 * operator policies, parameters, limits of a vhost and of a user, topic permissions. What was answered must
 * hold after a crash, and act; of what was not, a first part in the order of submission, each command wholly
 * or not at all. He works in a vhost of his own.
 */
#ifndef LEVERET_TEST_SIM_CRASH_ADMIN_H
#define LEVERET_TEST_SIM_CRASH_ADMIN_H

#include "trial.h"

enum crash_admin_thing {
    ADMIN_VHOST, /* the first three are made before all else; with the first two goes what is theirs */
    ADMIN_USER,
    ADMIN_PERMISSION,
    ADMIN_POLICY,
    ADMIN_OPERATOR_POLICY,
    ADMIN_PARAMETER,
    ADMIN_GLOBAL_PARAMETER,
    ADMIN_VHOST_LIMIT,
    ADMIN_USER_LIMIT,
    ADMIN_TOPIC_PERMISSION,
    ADMIN_THINGS
};
enum { ADMIN_VARIANTS = 3, ADMIN_PENDING_MAX = 24, ADMIN_WHAT_SIZE = 200 };

/* Which variant there is of each, from 1; 0: none. */
struct crash_admin_state {
    uint8_t variants[ADMIN_THINGS];
};
struct crash_admin_op {
    enum crash_admin_thing thing;
    uint8_t variant;
};

struct crash_admin {
    struct trial *t;
    bool *is_tolerant; /* set: commands may be refused */
    bool is_over;      /* one was */
    struct crash_admin_state answered, sent;
    struct crash_admin_op pending[ADMIN_PENDING_MAX];
    unsigned pending_count;
    uint64_t answers;
};

void crash_admin_init(struct crash_admin *a, struct trial *t, bool *is_tolerant);
/* Submits some commands. */
void crash_admin_act(struct crash_admin *a);
bool crash_admin_is_answered(const struct crash_admin *a);
/* The node has started again; dump: sim_broker_dump(). False, and what is wrong. From then on what is there
 * counts as answered. */
bool crash_admin_check(struct crash_admin *a, const char *dump, char what[ADMIN_WHAT_SIZE]);
/* What is there does what it should; nothing waits for an answer. Ends the trial otherwise. */
void crash_admin_try(struct crash_admin *a);

#endif
