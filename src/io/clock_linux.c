/* The machine's clocks. */
#include "base/check.h"
#include "io/clock.h"

#include <time.h>

static uint64_t
read_ns(clockid_t id)
{
    struct timespec t;
    CHECK(clock_gettime(id, &t) == 0);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t
clock_now_ns(struct io_world *world)
{
    CHECK(!world);
    return read_ns(CLOCK_MONOTONIC);
}

uint64_t
clock_wall_ms(struct io_world *world)
{
    CHECK(!world);
    return read_ns(CLOCK_REALTIME) / 1000000;
}
