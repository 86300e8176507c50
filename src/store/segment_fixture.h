/*
 * For tests of segments: messages made from (queue, sequence), a segment filled with them at random, and what
 * must come out of it. The oracle is a plain array.
 */
#ifndef LEVERET_STORE_SEGMENT_FIXTURE_H
#define LEVERET_STORE_SEGMENT_FIXTURE_H

#include "io/sim.h"
#include "io/worker.h"
#include "store/segment.h"
#include "store/store.h"

#define SEGMENT_FIXTURE_DIR "/data"

enum { FIXTURE_BYTES_MAX = 70000 };

/* A message whose bytes follow from its seed; `bytes` holds them. */
struct fixture_message {
    struct record_message m;
    uint8_t bytes[FIXTURE_BYTES_MAX];
};
void fixture_message_make(struct fixture_message *f, uint64_t seed, size_t body_size);
bool fixture_message_is(const struct record_message *m, uint64_t seed, size_t body_size);

struct fixture_entry {
    struct record_target at;
    uint64_t seed, offset, body_file;
    size_t body_size;
    bool is_transient, is_settled;
};

struct segment_fixture {
    struct sim *sim;
    struct io_world *node;
    struct store store;
    struct worker *pager;
    struct segment *segment;
    struct fixture_entry *entries;
    size_t count, capacity;
};

/* A machine with a store. */
void segment_fixture_init(struct segment_fixture *x, uint64_t seed);
/* The pager ends, everything is freed. */
void segment_fixture_fini(struct segment_fixture *x);
/* The power goes; the store is opened again on what is left. The segment is gone, the oracle stays. */
void segment_fixture_crash(struct segment_fixture *x);
void segment_fixture_open(struct segment_fixture *x);

/* Appends one entry to segment and oracle. `same`: index of the entry whose message it has, or -1. */
void segment_fixture_append(struct segment_fixture *x, struct record_target at, size_t body_size,
                            bool is_transient, long same);
/* A few hundred entries of a few queues, in runs, with gaps, some transient, some the same, some with a body
 * file. */
void segment_fixture_fill(struct segment_fixture *x, unsigned entries, size_t body_max);
/* Runs the pager until it has nothing left. */
void segment_fixture_drain(struct segment_fixture *x);
void segment_fixture_settle_some(struct segment_fixture *x);

/* Every entry that must be there is, with its message, and nothing else. `is_restarted`: transient ones and
 * those settled are not alive. Reads in steps of `bytes`. */
void segment_fixture_judge(struct segment_fixture *x, struct segment *g, bool is_restarted, size_t bytes);

#endif
