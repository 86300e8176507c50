/* How much room a disk has. May block, as everything about files: file.h. */
#ifndef LEVERET_IO_DISK_H
#define LEVERET_IO_DISK_H

#include "base/err.h"
#include "io/world.h"

#include <stdint.h>

/* Of the file system that holds `path`, as an unprivileged user may use it. */
ERR_USE enum err disk_space(struct io_world *world, const char *path, uint64_t *free_bytes,
                            uint64_t *total_bytes);

#endif
