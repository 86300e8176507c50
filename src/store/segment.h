/*
 * Segments: messages that outlived their log file or were paged out, in runs by queue. One is written by one
 * shard, front to back, through its pager; once finished it never changes, and what is settled in it is a
 * bitmap beside it.
 *
 *   entry: | length u32, of all of it | checksum u32 | sequence u64 | flags u8 | message flags u8
 *          | exchange size u8 | routing key size u16 | properties size u32 | body size u64
 *          | (SEGMENT_BODY_FILE: id u64) | exchange | routing key | properties | body unless in a file
 *          | (SEGMENT_EXPIRES: when u64, milliseconds since 1970) |
 *
 *   or, SEGMENT_SAME, the message of the entry that starts so many bytes before:
 *          | length | checksum | sequence | flags | distance u64 | (SEGMENT_EXPIRES: when u64) |
 *
 * A run covers the sequences first..last of one queue and epoch; each of them has a bit, whether or not it
 * has an entry. `bit` is the first one's place in the segment's bitmap. A gap of more than SEGMENT_GAP_MAX
 * sequences, or another queue, starts a new run.
 */
#ifndef LEVERET_STORE_SEGMENT_H
#define LEVERET_STORE_SEGMENT_H

#include "base/err.h"
#include "base/slice.h"
#include "store/record.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    SEGMENT_GAP_MAX = 512,   /* bits of a longer gap cost more than another run */
    SEGMENT_CHUNK = 1 << 18, /* bytes gathered before the pager writes them */
};

struct segment_run {
    uint64_t queue_id, first, last;
    uint64_t offset, length; /* its entries' bytes in the file */
    uint32_t epoch;
    uint32_t count; /* entries */
    uint32_t bit;
};

struct segment;
struct segment_acks;
struct worker;

/* ---- writing: on the shard, but for what says otherwise ---- */

struct segment *segment_new(struct store *s, struct worker *pager);
/*
 * Appends one message of a queue; sequences of a queue ascend within a run. `is_transient`: not there after a
 * restart. `same_as`: offset of an earlier entry of this segment that was appended with 0 and has the same
 * message, or 0. The bytes are copied into the chunk being filled, which goes to the pager when it is full.
 * Returns the entry's offset.
 */
uint64_t segment_append(struct segment *g, struct record_target at, const struct record_message *m,
                        bool is_transient, uint64_t same_as);
/* The next entry starts a new run. */
void segment_break(struct segment *g);
/* Bytes so far, and those the pager has not written yet. */
uint64_t segment_size(const struct segment *g);
uint64_t segment_bytes_waiting(const struct segment *g);
/* The disk was full when the pager last tried. */
bool segment_is_short(const struct segment *g);
/*
 * What was appended goes to the pager now: before a job that reads it. After the disk was full, sealed or
 * not: the pager tries again. Harmless when there is nothing.
 */
void segment_flush(struct segment *g);
/* No more appends: the rest, footer and trailer go to the pager. */
void segment_seal(struct segment *g);
/* On a keeper, after the pager has had everything (submit the job to the pager first, then from there to the
 * keeper): syncs file and directory. ERR_NO_SPACE: the disk is full and not everything is written; the store
 * has not failed, and segment_flush() tries again. */
ERR_USE enum err segment_sync(struct segment *g);

/* ---- an existing one, at start ---- */

/* Reads header, trailer, runs and bitmap (with the ack file, if generation > 0). ERR_CORRUPT with `why`.
 * Blocks. */
ERR_USE enum err segment_load(struct store *s, uint64_t id, uint32_t acks_generation, struct segment **g,
                              char *why, size_t why_size);
/* Closes; does not delete. The pager has nothing of it under way: freed on the shard in the `done` of a job
 * that was submitted behind the last one, or when the pager has ended. */
void segment_free(struct segment *g);

/* ---- both ---- */

uint64_t segment_id(const struct segment *g);
/* Valid until the next append; copies stay good for every call below, also when the run has grown since. */
const struct segment_run *segment_runs(const struct segment *g, uint32_t *count);
/* Entries that are not settled. */
uint64_t segment_live_count(const struct segment *g);
uint64_t segment_entry_count(const struct segment *g);
/* Entries that are there after a restart unless they are settled. 0: the file needs no sync and no manifest.
 */
uint64_t segment_durable_count(const struct segment *g);
/* Is this sequence of the run there and not settled? */
bool segment_is_live(const struct segment *g, const struct segment_run *run, uint64_t sequence);
/* The first live sequence of the run at or behind `from`; false: none. */
bool segment_next_live(const struct segment *g, const struct segment_run *run, uint64_t from,
                       uint64_t *sequence);
/* Settles first..last of the run; returns how many were live. */
uint64_t segment_settle(struct segment *g, const struct segment_run *run, uint64_t first, uint64_t last);
/* The same for one that cannot be read: it counts as settled until the node ends, and no ack file says so.
 * For the next start may be on a disk that reads again. */
uint64_t segment_lose(struct segment *g, const struct segment_run *run, uint64_t sequence);
uint64_t segment_run_live(const struct segment *g, const struct segment_run *run);
/* The body file of an entry, or 0. It stays known when the entry is settled. */
uint64_t segment_body_of(const struct segment *g, const struct segment_run *run, uint64_t sequence);
bool segment_has_bodies(const struct segment *g);
/* Some entry may expire. */
bool segment_may_expire(const struct segment *g);
/* Calls fn for each entry with a body file, settled or not; several may have the same. */
void segment_bodies(const struct segment *g,
                    void (*fn)(void *arg, const struct segment_run *run, uint64_t sequence, uint64_t body_id),
                    void *arg);

/* Something that is there after a restart was settled since the bitmap was last taken. */
bool segment_is_dirty(const struct segment *g);
/* A copy of what an ack file of the next generation would hold; marks it clean. On the shard, of a sealed
 * segment. free(). */
struct segment_acks *segment_acks_take(struct segment *g, uint32_t *generation);
/* On a keeper: writes and syncs the file (not its directory). ERR_NO_SPACE: nothing is left of it and the
 * store has not failed; the same can be written again. */
ERR_USE enum err segment_acks_write(struct store *s, const struct segment_acks *a);

/* ---- reading: on the pager ---- */

/* Where reading goes on; starts at the run's offset. Read-ahead keeps one per queue. */
struct segment_cursor {
    uint64_t offset;
    uint64_t next; /* the entry there has this sequence or a higher one */
};
void segment_cursor_start(const struct segment_run *run, struct segment_cursor *c);

/*
 * Reads entries of the run from the cursor on until about `bytes` of them are there or the run ends, and
 * gives each with sequence >= from to on_entry (slices are valid during the call; it decides itself what is
 * still wanted). Advances the cursor. *done: the run has ended; a copy of it that has grown since is read on
 * with the same cursor. `run` is the caller's copy, and what it covers was flushed before.
 *
 * ERR_CORRUPT: a checksum or a length is wrong; logged with file and offset, the cursor stays there, and
 * nothing behind it in this run can be read. ERR_NOT_FOUND: the file was deleted. ERR_NO_SPACE: not written
 * yet. Touches nothing that the shard changes, but the file; several threads may read a loaded segment.
 */
ERR_USE enum err segment_read(struct segment *g, const struct segment_run *run, struct segment_cursor *c,
                              uint64_t from, size_t bytes,
                              void (*on_entry)(void *arg, uint64_t sequence, const struct record_message *m,
                                               bool is_transient),
                              void *arg, bool *done);

#endif
