/*
 * Files and directories. Every call may block: not for a shard that serves clients (a thread of its own, or
 * start-up). In the simulation what was not synced can vanish, tear at 512 bytes or arrive without what was
 * written before it when the node crashes; a name is durable once its directory was synced.
 */
/* exports: dir_ disk_ */
#ifndef LEVERET_IO_FILE_H
#define LEVERET_IO_FILE_H

#include "base/err.h"
#include "io/disk.h"
#include "io/world.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct file;

enum {
    FILE_READ = 1,
    FILE_WRITE = 2,
    FILE_CREATE = 4,    /* if it does not exist, with mode 0640 */
    FILE_EXCLUSIVE = 8, /* with FILE_CREATE: ERR_EXISTS if it does */
    FILE_TRUNCATE = 16,
    FILE_PRIVATE = 32, /* created with mode 0600 */
};

ERR_USE enum err file_open(struct io_world *world, const char *path, unsigned flags, struct file **file);
void file_close(struct file *f);

/* Reads until `len` bytes or the end of the file; *got says how many. */
ERR_USE enum err file_pread(struct file *f, void *data, size_t len, uint64_t offset, size_t *got);
/* All of it, or an error and an unknown part of it. */
ERR_USE enum err file_pwrite(struct file *f, const void *data, size_t len, uint64_t offset);
ERR_USE enum err file_pwritev(struct file *f, const struct iovec *iov, int n, uint64_t offset);
/* Content and metadata; content and what is needed to read it. After an error nothing is known about earlier
 * writes. */
ERR_USE enum err file_sync(struct file *f);
ERR_USE enum err file_datasync(struct file *f);
/* Reserves blocks (the size grows): ERR_NO_SPACE now instead of in a write later. */
ERR_USE enum err file_allocate(struct file *f, uint64_t offset, uint64_t len);
ERR_USE enum err file_truncate(struct file *f, uint64_t size);
ERR_USE enum err file_size(struct file *f, uint64_t *size);
/* An exclusive lock until the file is closed or the process ends; ERR_REFUSED when another holds it. */
ERR_USE enum err file_lock(struct file *f);

struct file_stat {
    uint64_t size;
    uint64_t modified_ms; /* since 1970 */
    bool is_directory;
    bool is_readable_by_others;
};
ERR_USE enum err file_stat(struct io_world *world, const char *path, struct file_stat *st);
ERR_USE enum err file_rename(struct io_world *world, const char *from, const char *to);
ERR_USE enum err file_unlink(struct io_world *world, const char *path);

/* ERR_EXISTS if it does. Mode 0750. */
ERR_USE enum err dir_create(struct io_world *world, const char *path);
/* ERR_EXISTS if it is not empty. */
ERR_USE enum err dir_remove(struct io_world *world, const char *path);
/* Makes the creations, renames and removals in it durable. */
ERR_USE enum err dir_sync(struct io_world *world, const char *path);
/* Makes the name of `path` itself durable: syncs the directory that it stands in. */
ERR_USE enum err dir_sync_parent(struct io_world *world, const char *path);
/* Calls on_name for each entry but "." and "..", sorted by name: those that there were when it was called.
 * on_name may change the directory. */
ERR_USE enum err dir_list(struct io_world *world, const char *path,
                          void (*on_name)(void *arg, const char *name), void *arg);
/* Convenience for small files: the whole content, at most `max` bytes (else ERR_LIMIT), zero-terminated, to
 * be free()d. */
ERR_USE enum err file_read_all(struct io_world *world, const char *path, size_t max, char **data,
                               size_t *len);

#endif
