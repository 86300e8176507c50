/* Inside the simulated world: events, nodes, and the byte pipes between them. */
#ifndef LEVERET_IO_SIM_INSIDE_H
#define LEVERET_IO_SIM_INSIDE_H

#include "base/list.h"
#include "io/net.h"
#include "io/shard_core.h"
#include "io/sim.h"

/* ---- events (sim.c) ---- */

struct sim_event {
    uint64_t time, seq; /* equal times: in order of scheduling */
    size_t place;       /* in the heap, from 1; 0: not scheduled */
    const char *name;   /* for the trace */
    void (*fn)(void *arg);
    void *arg;
};

struct sim {
    uint64_t now_ns, seq, random_state, trace;
    struct sim_event **heap;
    size_t heap_count, heap_capacity;
    struct sim_net net;
    struct list nodes;      /* io_world.in_sim */
    struct list links;      /* sim_link.in_sim */
    struct list partitions; /* struct partition (sim.c) */
    struct list calls_at;   /* struct call_at (sim.c) */
    unsigned node_count, client_count;
    bool is_verbose;
};

/* At `time` or, if that has passed, next; moves a scheduled one. */
void sim_schedule(struct sim *sim, struct sim_event *e, uint64_t time);
/* The same, unless it is scheduled for an earlier time. */
void sim_schedule_by(struct sim *sim, struct sim_event *e, uint64_t time);
void sim_cancel(struct sim *sim, struct sim_event *e);
/* Adds to the trace. */
void sim_note(struct sim *sim, const char *what, uint64_t a, uint64_t b);
uint64_t sim_random_between(struct sim *sim, uint64_t least, uint64_t most);
bool sim_is_cut(const struct sim *sim, const struct io_world *a, const struct io_world *b);

/* ---- nodes ---- */

struct sim_disk;

struct io_world {
    struct sim *sim;
    struct list in_sim;
    unsigned index;
    char *name;
    struct list backends;  /* shard_backend.in_node */
    struct list listeners; /* net_listener.in_node */
    struct list workers;   /* struct worker.in_node */
    struct signal_watch *watch;
    uint64_t paused_until, memory_used, memory_total;
    unsigned descriptors, descriptors_max; /* open connections and listeners; 0: no bound */
    struct sim_disk *disk;
    struct sim_event down; /* the rest of a crash that began inside of a disk operation */
    unsigned crashes;
};

struct shard_backend {
    struct shard *shard;
    struct io_world *node;
    struct list in_node;
    struct sim_event turn;
    struct list conns;       /* net_conn.in_shard */
    struct list ready;       /* net_conn.in_ready: what they wanted has come */
    struct list calls;       /* sim_call.link */
    struct list listeners;   /* net_listener.in_shard */
    struct list connectings; /* net_connecting.in_shard */
    struct signal_watch *watch;
    bool is_started, is_dead;
};

/* Something to run in a shard's next turn, where its sockets' callbacks run. */
struct sim_call {
    struct list link;
    void (*fn)(void *arg);
    void *arg;
};

void sim_shard_call(struct shard *s, struct sim_call *call);
/* There is something to do on this shard. */
void sim_shard_stir(struct shard *s);
/* net_sim.c: callbacks of ready connections; ends everything that the shard has open. */
void sim_net_poll(struct shard_backend *b);
void sim_net_end_all(struct shard_backend *b, bool is_crash);
void sim_net_free_all(struct shard_backend *b);
void sim_signal_end(struct shard_backend *b);
void sim_workers_crash(struct io_world *node);
/* A process that ended by a crash has shards that were not freed yet. */
bool sim_node_has_dead(const struct io_world *node);

/* ---- byte pipes (link_sim.c) ---- */

struct sim_link;

/* One end of a connection. An application owns it while `holder` is set; *holder is cleared if it is lost. */
struct sim_end {
    struct sim_link *link;
    struct sim_end *peer;
    struct io_world *node; /* NULL: a client outside */
    struct net_addr addr;
    struct sim_end **holder;
    void (*on_change)(void *arg); /* it may be readable or writable now */
    void *arg;
    struct list arriving; /* segments on their way here, in order */
    struct sim_event arrival;
    uint64_t last_arrival;
    uint8_t *received;
    size_t start, len, capacity; /* of what has arrived and was not read */
    size_t outstanding;          /* bytes sent from here that the peer's application has not read */
    bool is_ended, is_reset;     /* by the peer */
    bool is_shut;                /* by us */
    uint64_t linger_until; /* of a closed end: until then input is thrown away, not answered by a reset */
};

/* Ends are owned by nobody yet; ends[0] connects. */
struct sim_link *sim_link_new(struct sim *sim, struct io_world *from, struct io_world *to, uint16_t port);
struct sim_end *sim_link_end(struct sim_link *l, unsigned i);
void sim_end_own(struct sim_end *e, struct sim_end **holder, void (*on_change)(void *arg), void *arg);
ssize_t sim_end_read(struct sim_end *e, const struct iovec *iov, int n);
ssize_t sim_end_write(struct sim_end *e, const struct iovec *iov, int n);
unsigned sim_end_ready(const struct sim_end *e);
void sim_end_shutdown(struct sim_end *e);
/* Gives the end up: with the end of the stream, or with a reset. */
void sim_end_close(struct sim_end *e);
void sim_end_abort(struct sim_end *e);
/* Every end of a node is lost; peers learn of it now or when they next send. */
void sim_links_crash(struct io_world *node);
/* A partition is over: what waited goes on. */
void sim_links_resume(struct sim *sim);
uint64_t sim_latency(struct sim *sim);
/* The listener's side of a connection attempt. False: nobody listens there. */
bool sim_net_offer(struct io_world *node, uint16_t port, struct sim_end *end);
struct io_world *sim_node_named(struct sim *sim, const char *name);

/* ---- disks, workers, signals ---- */

struct sim_disk *sim_disk_new(struct io_world *node);
void sim_disk_free(struct sim_disk *d);
/* Open files die. With `power`, what was not synced is lost or torn. */
void sim_disk_crash(struct sim_disk *d, bool power);
uint64_t sim_disk_latency(struct sim_disk *d);

#endif
