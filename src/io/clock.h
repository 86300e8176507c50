/* Clocks for what runs outside a shard (start-up, other threads); on a shard use shard_now_ms() and its kin.
 */
#ifndef LEVERET_IO_CLOCK_H
#define LEVERET_IO_CLOCK_H

#include "io/world.h"

#include <stdint.h>

uint64_t clock_now_ns(struct io_world *world);
/* Milliseconds since 1970; may jump. */
uint64_t clock_wall_ms(struct io_world *world);

#endif
