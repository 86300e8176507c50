/*
 * `leveret store ...`: what an operator does with a data directory while no node runs on it (check, dump),
 * and a copy of one while a node does (backup).
 */
#ifndef LEVERET_APP_STORE_COMMAND_H
#define LEVERET_APP_STORE_COMMAND_H

#include "base/buffer.h"

enum store_command_exit {
    STORE_COMMAND_GOOD,
    STORE_COMMAND_DAMAGED,    /* something in the store is */
    STORE_COMMAND_USAGE,      /* wrong command line */
    STORE_COMMAND_UNREADABLE, /* no such directory, in use, or it cannot be read or written */
};

/* argv[0] is the word behind "store". Returns the process's exit code. */
int store_command_run(int argc, char **argv);
/* Its part of `leveret --help`. */
void store_command_help(struct buffer *out);

#endif
