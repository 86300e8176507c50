/* The simulated clocks: monotonic time is the world's, the wall clock starts on a fixed day. */
#include "io/clock.h"

#include "io/sim_inside.h"

#define DAY_ONE_MS 1700000000000u /* 2023-11-14 22:13:20 UTC */

uint64_t
clock_now_ns(struct io_world *world)
{
    return world->sim->now_ns;
}

uint64_t
clock_wall_ms(struct io_world *world)
{
    return DAY_ONE_MS + world->sim->now_ns / 1000000;
}
