/* Simulated random bytes come from the world's generator. */
#include "io/random.h"

#include "io/sim_inside.h"

void
random_bytes(struct io_world *world, void *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)data)[i] = (uint8_t)sim_random(world->sim, 256);
}
