/* What the machine and the process have: memory, descriptors, cores, names. */
#ifndef LEVERET_IO_SYSTEM_H
#define LEVERET_IO_SYSTEM_H

#include "base/err.h"
#include "io/world.h"

#include <stddef.h>
#include <stdint.h>

/* Bytes that this process may use: the machine's memory, or less where a cgroup (v1 or v2) says so. */
uint64_t system_memory_total(struct io_world *world);
/* Resident bytes of this process. The simulation's value is set with sim_node_set_memory(). */
uint64_t system_memory_used(struct io_world *world);
/* Cores that this process may run on (affinity and cgroup quota, rounded up); at least 1. */
unsigned system_cpu_count(struct io_world *world);
/* Raises the soft limit of open descriptors to the hard one; returns the limit then in force. */
uint64_t system_descriptors_raise(struct io_world *world);
uint64_t system_descriptors_limit(struct io_world *world);
/* Open now; counted, so not for every turn. */
uint64_t system_descriptors_used(struct io_world *world);
/* The host's name without a domain, as RabbitMQ's node names have it. */
ERR_USE enum err system_hostname(struct io_world *world, char *name, size_t size);
uint64_t system_process_id(struct io_world *world);
/* The arguments that the process was started with, a zero behind each; returns how many bytes, at most
 * `size`. */
size_t system_command_line(struct io_world *world, char *out, size_t size);
/* fn for each variable of the environment, "NAME=value". */
void system_environment(struct io_world *world, void (*fn)(void *arg, const char *variable), void *arg);

#endif
