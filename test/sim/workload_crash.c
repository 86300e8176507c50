/*
 * A durable node that ends in every way, at any moment, several times, while clients are at work. crash_run.h
 * says what happens, crash_model.h what must hold.
 */
#include "crash_run.h"

void
workload_crash(struct trial *t)
{
    struct crash_plan plan;
    struct crash_report report;
    crash_plan_init(&plan);
    plan.lives = 2 + (unsigned)(t->seed % 3);
    plan.is_sudden = t->seed % 2;
    crash_run(t, &plan, &report);
}
