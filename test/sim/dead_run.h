/*
 * Crashes while messages move between queues: a durable node whose queues dead-letter into each other, and
 * what must be true of every confirmed persistent message when all has come to rest after the last start:
 * it is in the queue that it was published to or in its dead-letter targets, in all of them; never in
 * neither. It may be there several times: a crash may find it in each station of its way.
 */
#ifndef LEVERET_TEST_SIM_DEAD_RUN_H
#define LEVERET_TEST_SIM_DEAD_RUN_H

#include "crash_run.h"

/* Of the plan: is_in_memory, end, acts, down_at, down_life, down_keeps, on_finding. Ends the world.
 */
void dead_run(struct trial *t, const struct crash_plan *plan, struct crash_report *report);

#endif
