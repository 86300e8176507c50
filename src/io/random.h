/* Strong random bytes: nonces, salts, names that must not be guessed. In the simulation a function of the
 * seed. */
#ifndef LEVERET_IO_RANDOM_H
#define LEVERET_IO_RANDOM_H

#include "io/world.h"

#include <stddef.h>

void random_bytes(struct io_world *world, void *data, size_t len);

#endif
