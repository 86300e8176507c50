/*
 * The store of a node: its directory, its manifest, and how its parts fail. One per node; shards and their
 * workers share it. What changes after store_open() is the manifest alone, behind its own lock.
 *
 * A store that had an error in a write or a sync is *failed*, for good (design: a failed sync latches): it
 * writes nothing more, and says so once. Running out of space while preparing a file is no failure but a
 * state that ends.
 */
#ifndef LEVERET_STORE_STORE_H
#define LEVERET_STORE_STORE_H

#include "base/err.h"
#include "base/log.h"
#include "io/world.h"
#include "store/format.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct manifest;
struct store_pins;

struct store_config {
    const char *dir; /* of the node's data; the store makes its own inside */
    enum store_sync sync;
    uint32_t sync_interval_ms;
    uint64_t log_file_bytes; /* of a log file, a multiple of STORE_BLOCK */
    unsigned log_files_max;  /* full ones that may wait before the oldest is checkpointed */
    uint64_t segment_bytes;  /* at which a segment is finished */
};
void store_config_init(struct store_config *c);

enum { STORE_SPARE_CHUNKS = 4 };

struct store {
    struct io_world *world;
    struct store_config config;
    struct log *log;
    struct manifest *manifest;
    struct store_pins *pins;
    char *dir;            /* DIR/store */
    uint64_t incarnation; /* random, made with the store */
    uint32_t boot;        /* this boot's number, from 1 */
    bool is_new;          /* the manifest named nothing: no boot has come so far */
    bool is_marked;       /* an earlier boot left store_mark()'s mark */
    bool has_marked;      /* this one made it, or tried to: behind mark_lock, as the file itself */
    pthread_mutex_t mark_lock;
    _Atomic int failed;                               /* enum err of the first failure, or ERR_OK */
    _Atomic(void *) spare_chunks[STORE_SPARE_CHUNKS]; /* segment_write.c: memory that is used again */
};

/*
 * Makes what is missing, reads the manifest, deletes left-overs, takes the next boot number (not yet written:
 * the first manifest_commit() does; a new store commits an empty manifest). Not for a directory that another
 * process uses: the caller has locked it. ERR_CORRUPT, ERR_UNSUPPORTED (a newer version), ERR_NOT_FOUND (the
 * manifest names a file that is not there), ...: `why` says what and where, and what to do.
 */
ERR_USE enum err store_open(struct store *s, struct io_world *world, const struct store_config *config,
                            struct log *log, char *why, size_t why_size);
/* Opens for reading only: nothing is made, deleted or counted. For check, dump and backup. */
ERR_USE enum err store_open_offline(struct store *s, struct io_world *world, const char *dir, char *why,
                                    size_t why_size);
void store_close(struct store *s);

/* Any thread. The first failure is logged with what and why; later ones are silent. */
void store_fail(struct store *s, enum err e, const char *what, const char *path);
/*
 * Any thread that may block. From now on more may be delivered than the log knows, because it fails or has no
 * room: an empty file says so to the next start, if the disk lets it. store_fail() does it by itself.
 */
enum err store_mark(struct store *s);
#define STORE_MARK_NAME "UNMARKED"
/* The mark of an earlier boot has been taken care of: it goes, unless this boot has set it again, or a backup
 * may still want it. */
void store_forget_mark(struct store *s);
static inline enum err
store_failure(const struct store *s)
{
    return (enum err)atomic_load_explicit(&s->failed, memory_order_acquire);
}

/*
 * Any thread: files stay as they are while somebody copies them. Whoever deletes a file that the manifest
 * does not name any more does it with store_unlink(): it goes now, or when the last pin has gone. A file that
 * is to be written anew under another name is only taken while store_is_pinned() says no. What a
 * manifest_view() names that is taken while the store is pinned is there until it is not pinned.
 */
void store_pin(struct store *s);
/* Deletes what has waited for it: blocks. */
void store_unpin(struct store *s);
bool store_is_pinned(struct store *s);
ERR_USE enum err store_unlink(struct store *s, const char *path);

/* "DIR/store/" and the formatted rest; `path` has STORE_PATH_MAX bytes. */
enum { STORE_PATH_MAX = 4096 };
void store_path(const struct store *s, char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The paths of each kind of file; all need STORE_PATH_MAX bytes. */
void store_log_path(const struct store *s, char *path, uint32_t boot, uint16_t chain, uint32_t number);
void store_segment_path(const struct store *s, char *path, uint64_t id);
void store_acks_path(const struct store *s, char *path, uint64_t id, uint32_t generation);
void store_body_path(const struct store *s, char *path, uint64_t id);
void store_snapshot_path(const struct store *s, char *path, uint64_t id);

/* The other way round; false when it is no name of that kind. `suffix`: ".segment", ".body", ".snapshot". */
bool store_parse_log_name(const char *name, uint32_t *boot, uint16_t *chain, uint32_t *number);
bool store_parse_acks_name(const char *name, uint64_t *id, uint32_t *generation);
bool store_parse_id_name(const char *name, const char *suffix, uint64_t *id);

#endif
