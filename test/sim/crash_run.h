/*
 * One run of crashes: a durable node lives several lives on one disk. In each, clients do things until its
 * end comes; at the beginning of the next one it is looked at what is left, and in the last life at all of
 * it.
 *
 *   struct crash_plan plan;
 *   crash_plan_init(&plan);
 *   plan.end = CRASH_POWER;
 *   crash_run(t, &plan, &report);
 */
#ifndef LEVERET_TEST_SIM_CRASH_RUN_H
#define LEVERET_TEST_SIM_CRASH_RUN_H

#include "crash_admin.h"
#include "crash_client.h"
#include "crash_decl.h"

enum crash_end {
    CRASH_ANY,
    CRASH_POWER,  /* what was not synced is in doubt */
    CRASH_KILL,   /* the process dies, the disk has everything that was written */
    CRASH_STOP,   /* SIGTERM */
    CRASH_NO_END, /* it lives on: the look is at the same node */
};

struct crash_plan {
    bool is_in_memory; /* a node that cannot keep anything: does the checker see it? */
    unsigned lives;    /* at least 2; in the last one nothing new happens */
    unsigned acts;     /* of clients, in each life */
    enum crash_end end;
    unsigned shards;  /* 0: at random, others in each life */
    bool is_hasty;    /* in the second life one queue is looked at as soon as it serves; then the power goes,
                         before a slow disk has done more than it must */
    bool is_ruled;    /* the clients are mostly at the queues that have rules: crash_rules.h */
    bool is_calm;     /* what was asked is answered before the end comes */
    bool is_sudden;   /* the power may go at any operation, of a start, too */
    bool down_keeps;  /* below: the process is killed, the power stays */
    uint64_t down_at; /* the power goes at this disk operation, ... */
    unsigned down_life; /* ... counted from the beginning of this life, from 0; 0: at the end of its acts */
    struct sim_disk_faults faults; /* fail_at likewise, in life 0, and until its end */
    void (*on_finding)(void *arg, const char *text);
    void *arg;
};
void crash_plan_init(struct crash_plan *plan);

struct crash_report {
    uint64_t operations[2]; /* of the disk: in the first life to its end; while the second one started */
    uint64_t findings, confirms, nacks, commits, blocks, looked_at, known_gone, answers;
    unsigned refused_starts;
};

/* Ends the world, too. */
void crash_run(struct trial *t, const struct crash_plan *plan, struct crash_report *report);

#endif
