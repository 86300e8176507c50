/*
 * Which machine a call means. NULL is the real one (io_real accepts only NULL); in the simulation it is a
 * node of it: see sim.h. A world is handed to whatever is opened without a shard: shards, files, clocks.
 */
#ifndef LEVERET_IO_WORLD_H
#define LEVERET_IO_WORLD_H

struct io_world;

#endif
