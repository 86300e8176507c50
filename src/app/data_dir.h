/* The node's directory: made if it is not there, locked while the node runs. */
#ifndef LEVERET_APP_DATA_DIR_H
#define LEVERET_APP_DATA_DIR_H

#include "io/file.h"

struct data_dir {
    struct file *lock;
};

/*
 * Creates `path` (and what is missing above it) and takes DIR/lock. False: `why` names the file and the
 * reason (another process has the directory; it holds RabbitMQ's own data).
 */
bool data_dir_open(struct data_dir *d, const char *path, char *why, size_t why_size);
/* The same of a directory that has a store in it, for reading: nothing but a missing lock is created. */
bool data_dir_open_existing(struct data_dir *d, const char *path, char *why, size_t why_size);
/*
 * Of a directory that is open and whose store is not: everything that a node has kept goes, the cookie and
 * the lock stay. Once it has begun a crash does not leave half of it.
 */
bool data_dir_reset(const char *path, char *why, size_t why_size);
void data_dir_close(struct data_dir *d);

#endif
