/*
 * The simulated world: nodes (each with shards, a clock, a disk and a name) and clients, in one thread, a
 * pure function of a seed. Time jumps from event to event. Only in io_sim.
 *
 *   struct sim *sim = sim_new(7);
 *   struct io_world *node = sim_node_new(sim, "a");
 *   struct shards *shards = shards_new(node, 3, &hooks, owner);  shards_start(shards);
 *   struct sim_client *c = sim_client_open(sim, node, 5672);
 *   sim_client_send(c, "AMQP\0\0\11\1", 8);
 *   sim_run_until(sim, has_answer, c, 5000);
 */
#ifndef LEVERET_IO_SIM_H
#define LEVERET_IO_SIM_H

#include "base/slice.h"
#include "io/signal.h"
#include "io/world.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct net_addr;
struct sim;
struct sim_client;

/* ---- the world ---- */

struct sim *sim_new(uint64_t seed);
/* After every node's shards were freed. */
void sim_free(struct sim *sim);

/* The network from now on; the defaults in brackets. */
struct sim_net {
    uint64_t latency_min_ns; /* [20 us] one way */
    uint64_t latency_max_ns; /* [200 us] */
    size_t buffer_bytes;     /* [65536] of a connection in each direction, sent and not yet read */
    size_t chunk_max;        /* [4096] a segment has 1..chunk_max bytes; 0: as long as it fits */
};
void sim_set_net(struct sim *sim, const struct sim_net *net);
struct sim_net sim_net(const struct sim *sim);

uint64_t sim_now_ms(const struct sim *sim);
uint64_t sim_now_ns(const struct sim *sim);
/* From the seed, for the test's own choices: below `bound` (> 0). */
uint64_t sim_random(struct sim *sim, uint64_t bound);
/* A hash over everything that has happened: equal for equal seeds and scripts. */
uint64_t sim_trace(const struct sim *sim);
/* Prints every event to standard error. */
void sim_set_verbose(struct sim *sim, bool verbose);

/* Runs the next event; false when there is none (everything waits for something outside). */
bool sim_step(struct sim *sim);
/* Steps until done(arg) or until `timeout_ms` of simulated time have passed; returns the last done(arg). */
bool sim_run_until(struct sim *sim, bool (*done)(void *arg), void *arg, uint64_t timeout_ms);
void sim_run_for(struct sim *sim, uint64_t ms);
/* fn(arg) at that time from now. */
void sim_at(struct sim *sim, uint64_t delay_ms, void (*fn)(void *arg), void *arg);

/* ---- nodes ---- */

/* A machine; `name` is its host name for net_connect() (unique, copied). Lives until sim_free(). */
struct io_world *sim_node_new(struct sim *sim, const char *name);
struct sim *sim_node_sim(struct io_world *node);
/*
 * The power goes: no hook runs any more on the node's shards, its connections are lost (the peers see a reset
 * when they next send, or at once), its disk keeps what was synced and a random part of the rest. Open files
 * of it are dead (every call: ERR_IO) and still have to be closed, and as long as shards of it that had been
 * made before the crash exist, every call about a path gives ERR_IO too: what tidies up after the dead
 * process changes nothing. Free its shards, then start anew on it.
 */
void sim_node_crash(struct io_world *node);
/* The process dies, the machine does not: as sim_node_crash, but the disk keeps everything. */
void sim_node_kill(struct io_world *node);
/* No byte passes between the two (either may be NULL: everything else, clients included) until healed. */
void sim_partition(struct sim *sim, struct io_world *a, struct io_world *b);
void sim_heal(struct sim *sim);
/* Delivered to the node's signal_watch. */
void sim_node_signal(struct io_world *node, enum signal_kind kind);
void sim_node_set_memory(struct io_world *node, uint64_t used, uint64_t total);
/* The node's descriptors (connections and listeners): accepting more runs out. 0: no limit. */
void sim_node_set_descriptors(struct io_world *node, unsigned limit);
/* The node's shards do not run for so long (as if the process were stopped). */
void sim_node_pause(struct io_world *node, uint64_t ms);

/* ---- disks ---- */

struct sim_disk_faults {
    uint64_t fail_at;        /* the Nth operation from now (1 = the next) that can fail does; 0: none */
    enum err fail_with;      /* ERR_IO or ERR_NO_SPACE */
    bool fail_on;            /* and every later one too */
    uint64_t latency_min_ns; /* of writes and syncs on a worker */
    uint64_t latency_max_ns;
    uint64_t capacity_bytes; /* 0: without a bound */
    /* The node goes down at the Nth operation from now, before its effect: as by sim_node_crash() or, with
     * crash_keeps, sim_node_kill(). This call and every later one give ERR_IO; the node's shards run no more
     * once the current event is over (code outside of events: sim_node_crash() or a step ends it). */
    uint64_t crash_at;
    bool crash_keeps;
};
void sim_disk_set_faults(struct io_world *node, const struct sim_disk_faults *faults);
/* How often the node has gone down so far, one way or the other. */
unsigned sim_node_crashes(const struct io_world *node);
/* Operations so far that could have failed: the bound for a loop over fail_at. */
uint64_t sim_disk_operations(const struct io_world *node);

/* ---- clients: plain end points in the hands of the test ---- */

/* Connects to a node's port; refused connections show as sim_client_is_reset(). */
struct sim_client *sim_client_open(struct sim *sim, struct io_world *node, uint16_t port);
/* The same from another address: the default one is 127.0.0.1 with a port of its own. */
struct sim_client *sim_client_open_from(struct sim *sim, struct io_world *node, uint16_t port,
                                        const struct net_addr *from);
void sim_client_free(struct sim_client *c);
/* Copied; goes out as buffers allow. */
void sim_client_send(struct sim_client *c, const void *data, size_t len);
/* Given to sim_client_send() and not yet taken by the connection's buffer. */
size_t sim_client_unsent(const struct sim_client *c);
/* What has arrived and was not consumed; valid until the next step or consume. */
struct slice sim_client_received(const struct sim_client *c);
void sim_client_consume(struct sim_client *c, size_t n);
/* A client that does not read: its buffer fills up, then the node's. */
void sim_client_set_reading(struct sim_client *c, bool reading);
/* Ends its side after what was sent; the whole connection; by a reset. */
void sim_client_shutdown(struct sim_client *c);
void sim_client_close(struct sim_client *c);
void sim_client_abort(struct sim_client *c);
bool sim_client_is_connected(const struct sim_client *c); /* accepted, and not ended by either side */
bool sim_client_is_ended(const struct sim_client *c); /* the node ended its side, everything has arrived */
bool sim_client_is_reset(const struct sim_client *c);

#endif
