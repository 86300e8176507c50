/*
 * The engine of the throughput and latency scenarios: publishers and consumers on one thread around one
 * epoll.
 *
 * A publisher writes whole blocks (block.h) as far as its windows allow: publishes not yet confirmed,
 * messages not yet consumed, rate. A consumer counts messages with stream.h and acknowledges cumulatively.
 */
#ifndef LEVERET_BENCH_LOAD_H
#define LEVERET_BENCH_LOAD_H

#include "base/histogram.h"
#include "bench/block.h"
#include "bench/link.h"
#include "bench/stream.h"

#define MIN(a, b) ((a) < (b) ? (a) : (b))

struct load;

struct publisher {
    struct load *load;
    struct link link;
    struct block block;
    struct stream stream;
    uint32_t index;
    uint32_t want; /* epoll events */
    uint64_t sent; /* messages handed to the socket whole or begun */
    uint64_t confirmed, nacked, returned;
    uint64_t confirmed_upto;   /* all up to this tag are confirmed */
    uint8_t *confirmed_beyond; /* bit ring for tags above it */
    uint64_t *sent_at_ns;      /* latency: ring by tag */
    uint64_t ring_mask;
    uint64_t next_due_ns;           /* with a rate */
    uint32_t run_offset, run_bytes; /* of the block: what is being written */
    struct consumer_end *peer;      /* whose count the window looks at */
};

struct consumer_end {
    struct load *load;
    struct link link;
    struct stream stream;
    uint32_t index;
    uint32_t want;
    uint64_t received, acked;
    uint64_t next_sequence; /* verify */
    uint64_t disorder;
};

struct load {
    const struct options *o;
    int epoll_fd;
    struct publisher *publishers;
    struct consumer_end *consumers;
    bool is_latency; /* bodies carry the time they were due */
    bool stopping;   /* publishers send no more */
    uint64_t published, confirmed, received, measured_from_ns;
    struct histogram *delivery_ns, *confirm_ns; /* latency; recorded while `recording` */
    bool recording;
    uint8_t *buffer; /* what a socket gave, until it has been looked at */
};

void load_open(struct load *l, const struct options *o, bool is_latency);
/* One turn: waits at most `wait_ns`, moves what can be moved. */
void load_turn(struct load *l, uint64_t wait_ns);
/* Until all that was published has been consumed (and confirmed), or nothing moves for some seconds. */
bool load_drain(struct load *l);
void load_close(struct load *l);

#endif
