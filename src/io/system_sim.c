/* A simulated machine: what the test says it has. */
#include "base/check.h"
#include "io/sim_inside.h"
#include "io/system.h"

#include <stdio.h>
#include <string.h>

enum {
    SIM_CPUS = 4,
    SIM_DESCRIPTORS = 65536,
};

uint64_t
system_memory_total(struct io_world *world)
{
    return world->memory_total;
}

uint64_t
system_memory_used(struct io_world *world)
{
    return world->memory_used;
}

unsigned
system_cpu_count(struct io_world *world)
{
    return SIM_CPUS;
}

uint64_t
system_descriptors_limit(struct io_world *world)
{
    return world->descriptors_max ? world->descriptors_max : SIM_DESCRIPTORS;
}

uint64_t
system_descriptors_raise(struct io_world *world)
{
    return system_descriptors_limit(world);
}

uint64_t
system_descriptors_used(struct io_world *world)
{
    return world->descriptors;
}

enum err
system_hostname(struct io_world *world, char *name, size_t size)
{
    CHECK(size > 0);
    if (strlen(world->name) >= size)
        return ERR_LIMIT;
    snprintf(name, size, "%s", world->name);
    return ERR_OK;
}

uint64_t
system_process_id(struct io_world *world)
{
    return world->index + 1;
}

size_t
system_command_line(struct io_world *world, char *out, size_t size)
{
    return 0;
}

void
system_environment(struct io_world *world, void (*fn)(void *arg, const char *variable), void *arg)
{
}
