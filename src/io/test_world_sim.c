/* A simulation with one node. */
#include "base/check.h"
#include "io/sim.h"
#include "io/system.h"
#include "io/test_world.h"

struct io_world *
test_world_new(unsigned seed)
{
    return sim_node_new(sim_new(seed), "node");
}

unsigned
test_world_seeds(unsigned wanted)
{
    return wanted;
}

void
test_world_free(struct io_world *world)
{
    sim_free(sim_node_sim(world));
}

const char *
test_world_directory(struct io_world *world)
{
    return "/";
}

void
test_world_limit_descriptors(struct io_world *world, unsigned count)
{
    sim_node_set_descriptors(world, (unsigned)system_descriptors_used(world) + count);
}

void
test_world_unlimit_descriptors(struct io_world *world)
{
    sim_node_set_descriptors(world, 0);
}
