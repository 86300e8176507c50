/* Inside keep: who waits for a batch. */
#ifndef LEVERET_DURABLE_KEEP_WAIT_H
#define LEVERET_DURABLE_KEEP_WAIT_H

#include "broker/effects.h"

#include <stdbool.h>
#include <stdint.h>

struct keep;

struct keep_wait {
    uint64_t batch;
    struct channel_ref to; /* confirm */
    uint64_t first, last;  /* confirm: of its publishes; limit: queue, and positions below */
    uint32_t times;        /* 0: a delivery limit */
};
/* A ring, oldest first. */
struct keep_waits {
    struct keep_wait *items;
    uint32_t head, count, capacity;
};

void keep_wait_confirm(struct keep *k, struct channel_ref to, uint64_t seq, uint32_t times);
void keep_wait_limit(struct keep *k, uint64_t queue_id, uint64_t below, uint64_t batch);
void keep_wait_durable(struct keep *k, uint64_t batch);
/* Deliveries are free. */
void keep_wait_limits_end(struct keep *k);
/* Nothing becomes durable any more: nacks, and deliveries are free. */
void keep_wait_failed(struct keep *k);
void keep_wait_free(struct keep *k);

#endif
