/* The node's directory: made if it is not there, locked while the node runs, with the cookie in it. */
#ifndef LEVERET_APP_DATA_DIR_H
#define LEVERET_APP_DATA_DIR_H

#include "io/file.h"

#define DATA_DIR_COOKIE ".erlang.cookie"
enum { DATA_DIR_COOKIE_SIZE = 256 }; /* the longest, with the terminator */

struct data_dir {
    struct file *lock;
};

/*
 * Creates `path` (and what is missing above it), takes DIR/lock, and creates DIR/.erlang.cookie with mode
 * 0400 if it is absent. False: `why` names the file and the reason (another process has the directory; it
 * holds RabbitMQ's own data).
 */
bool data_dir_open(struct data_dir *d, const char *path, char *why, size_t why_size);
/* The same of a directory that has a store in it, for reading: nothing but a missing lock is created. */
bool data_dir_open_existing(struct data_dir *d, const char *path, char *why, size_t why_size);
/* The cookie of the directory, as text. False: `why`. */
bool data_dir_cookie(const char *path, char cookie[DATA_DIR_COOKIE_SIZE], char *why, size_t why_size);
/*
 * Of a directory that is open and whose store is not: everything that a node has kept goes, the cookie and
 * the lock stay. Once it has begun a crash does not leave half of it.
 */
bool data_dir_reset(const char *path, char *why, size_t why_size);
void data_dir_close(struct data_dir *d);

#endif
