/*
 * A whole node in a simulated world: server and broker as the program puts them together, listening on one
 * port, with the default vhost and the user guest/guest. Several of them may stand in one world.
 *
 *   struct sim_broker_options options;
 *   sim_broker_options_init(&options);
 *   options.shards = 3;
 *   struct sim_broker *b = sim_broker_new(sim, &options);
 *   ... clients come and go ...
 *   sim_broker_free(b);
 */
#ifndef LEVERET_SIM_SIM_BROKER_H
#define LEVERET_SIM_SIM_BROKER_H

#include "broker/alarm.h"
#include "broker/broker.h"
#include "io/sim.h"
#include "server/server.h"

struct buffer;
struct durable;
struct durable_config;

enum { SIM_BROKER_PORT = 5672 };

struct sim_broker_options {
    const char *name;       /* the machine's, unique in the world */
    struct io_world *world; /* or the machine of one that was freed or buried: with what is on its disk */
    const struct durable_config *durable; /* NULL: everything in memory. `store.dir` must be its default */
    unsigned shards;                      /* 1 .. SHARDS_COUNT_MAX */
    struct server_config server;          /* the hooks in it are set by sim_broker_new() */
    struct broker_limits limits;
    uint64_t disk_free_limit;  /* bytes free below which the alarm rises; 0: none */
    uint64_t memory_watermark; /* bytes used at which the alarm rises; sim_node_set_memory() says how many
                                  are. 0: none */
    struct log *log;           /* NULL: silent */
};
/* The program's defaults, with one shard. */
void sim_broker_options_init(struct sim_broker_options *options);
/* The same for `durable`: sizes so small that a few hundred messages meet every way through the store. */
void sim_broker_durable_init(struct durable_config *config);

struct sim_broker {
    struct sim *sim;
    struct io_world *world;
    struct node node;
    struct server *server;
    struct durable *durable; /* NULL: in memory */
    unsigned crashes;        /* of the machine before this start */
    struct alarm_watch memory;
    struct alarm_disk disk;
    uint64_t memory_watermark, disk_free_limit;
};

/* Listens when it returns. */
struct sim_broker *sim_broker_new(struct sim *sim, const struct sim_broker_options *options);
/* The same on a machine whose disk may fail: NULL, with the reason; what was made in memory is gone again. */
struct sim_broker *sim_broker_try(struct sim *sim, const struct sim_broker_options *options, char *why,
                                  size_t why_size);
/* Stops it politely, as SIGTERM does, and frees everything; time goes on meanwhile. It may crash in that. */
void sim_broker_free(struct sim_broker *b);
/* Frees it after sim_node_crash() or sim_node_kill(), and leaves the disk alone; its world can start another
 * one. */
void sim_broker_bury(struct sim_broker *b);

/* broker_check() on every shard. */
void sim_broker_check(const struct sim_broker *b);
/* Bytes of message blobs, all shards. */
size_t sim_broker_pool_bytes(const struct sim_broker *b);
uint64_t sim_broker_connections(const struct sim_broker *b);
/*
 * What a node without clients and with empty queues only has to look like: NULL, or what is still there, in
 * words (static text). Deletions and confirmations between shards may be under way for a moment: see
 * sim_run_until().
 */
const char *sim_broker_residue(const struct sim_broker *b);
/* What the store has failed with, for good; ERR_OK: it works, or there is none. */
enum err sim_broker_failure(const struct sim_broker *b);
/* Everything declared, as text: meta_dump(). */
void sim_broker_dump(const struct sim_broker *b, struct buffer *out);

#endif
