/*
 * For tests: a node with one shard, a store and one journal on the simulated disk, a workload that publishes
 * numbered messages, and what the disk has of them afterwards.
 */
/* exports: rig_ message_ */
#ifndef LEVERET_STORE_JOURNAL_FIXTURE_H
#define LEVERET_STORE_JOURNAL_FIXTURE_H

#include "io/shard.h"
#include "io/sim.h"
#include "io/worker.h"
#include "store/chain.h"
#include "store/journal.h"
#include "store/manifest.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { RIG_QUEUE = 7, RIG_BATCHES_MAX = 4096 };

struct rig {
    struct sim *sim;
    struct io_world *node;
    struct store_config config;
    struct store store;
    struct shards *shards;
    struct worker *writer, *keeper;
    struct journal *journal;
    bool is_open;
    char why[512];

    /* Called in every turn before journal_turn(); NULL: nothing. */
    void (*on_turn)(struct rig *r);
    bool releases_files; /* on_full: the file is superfluous at once (the manifest says so first) */
    size_t body_size;    /* of the messages of rig_publish() */
    bool has_bodies_in_files;
    struct slice replayed; /* for journal_open() */
    uint32_t replayed_records;

    /* What has happened. */
    uint64_t published;                      /* sequences 1..published were appended */
    uint64_t last_of_batch[RIG_BATCHES_MAX]; /* the last sequence appended when it was frozen */
    uint32_t file_of_batch[RIG_BATCHES_MAX]; /* as told: it stands there or in a later one */
    uint64_t frozen, durable;                /* batches */
    uint64_t confirmed;                      /* sequences 1..confirmed were told to be durable */
    unsigned held, released, full_events, space_events, failures;
    bool is_short;
    unsigned holds; /* told by on_held, with the end */
    uint32_t held_file;
    uint64_t held_offset;
    enum err failed_with;
};

/* A world of its own. Defaults: files of 64 KiB, two full ones may wait. */
void rig_init(struct rig *r, uint64_t seed);
void rig_fini(struct rig *r);
/* Opens everything; `why` is filled unless it is ERR_OK, and nothing is left open. */
ERR_USE enum err rig_open(struct rig *r);
void rig_must_open(struct rig *r);
/* A clean end, or what can be done after a crash. Nothing may be held any more. */
void rig_close(struct rig *r);

/* Appends a message of its own; its body can be checked. Returns the op's index. */
uint32_t rig_publish(struct rig *r);
/* From now on in every turn, until it sets r->on_turn to NULL; and one turn comes for certain. */
void rig_set_turn(struct rig *r, void (*workload)(struct rig *r));
/* Runs until the workload has ended and everything published is confirmed, the journal has failed or the node
 * is down, or asserts. */
void rig_settle(struct rig *r);
void rig_run(struct rig *r, void (*workload)(struct rig *r)); /* both */

/* ---- what is on the disk ---- */

struct rig_found {
    uint64_t first, last, count; /* sequences: contiguous, ascending, each with its right content */
    unsigned files, damages, tails;
    uint32_t low; /* of the last chain */
    uint64_t batches, records;
    uint32_t damaged_file;
    uint64_t damage_offset;
};
/* Walks all chains that the manifest names, of a store that is opened for it. Asserts what must always hold.
 */
struct rig_found rig_read(struct rig *r);
/* What was confirmed, and is in no file that was given up, is there. */
void rig_check_confirmed(const struct rig *r, const struct rig_found *found);

#endif
