/* For tests that run on both sides: the world that this program was linked with. */
#ifndef LEVERET_IO_TEST_WORLD_H
#define LEVERET_IO_TEST_WORLD_H

#include "io/world.h"

#include <stdbool.h>

/* NULL on the machine; else a node of a fresh simulation from `seed`. */
struct io_world *test_world_new(unsigned seed);
void test_world_free(struct io_world *world);
/* How many seeds a test should try: 1 on the machine. */
unsigned test_world_seeds(unsigned wanted);
/* From now on the process (the node) can open only `count` more connections. */
void test_world_limit_descriptors(struct io_world *world, unsigned count);
void test_world_unlimit_descriptors(struct io_world *world);
/* A directory for this test's files, removed (with what is in it) by test_world_free(). */
const char *test_world_directory(struct io_world *world);

#endif
