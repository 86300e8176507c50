/*
 * A durable node that ends in every way, at any moment, several times, while clients are at work. crash_run.h
 * says what happens, crash_model.h what must hold. In every third seed messages move between queues
 * meanwhile: dead_run.h.
 */
#include "dead_run.h"

void
workload_crash(struct trial *t)
{
    struct crash_plan plan;
    struct crash_report report;
    crash_plan_init(&plan);
    plan.lives = 2 + (unsigned)(t->seed % 3);
    plan.is_sudden = t->seed % 2;
    if (t->seed % 3 == 2) {
        plan.down_at = t->seed % 2 ? 0 : 1 + t->seed * 7919 % 400;
        dead_run(t, &plan, &report);
        return;
    }
    crash_run(t, &plan, &report);
}
