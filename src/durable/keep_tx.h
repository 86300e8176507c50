/* Inside keep: transactions. `tx` is the broker's id. */
#ifndef LEVERET_DURABLE_KEEP_TX_H
#define LEVERET_DURABLE_KEEP_TX_H

#include <stdbool.h>
#include <stdint.h>

struct keep;
struct queue;
struct queue_entry;

/* Its name in the log. */
uint64_t keep_tx_name(const struct keep *k, uint64_t tx);
/* It has something in the open batch. */
void keep_tx_note(struct keep *k, uint64_t tx);
/* An ack of it was logged: the message leaves its queue now, and the store with the transaction's end. */
void keep_tx_settle(struct keep *k, struct queue *q, uint64_t position, const struct queue_entry *e,
                    uint64_t tx);
/* Its end stands in the open batch; false: it is not known here. */
bool keep_tx_end(struct keep *k, uint64_t tx);
/* After durable_batch has grown. */
void keep_tx_durable(struct keep *k);
/* What was acked and is in no segment yet is copied there. */
void keep_tx_store(struct keep *k);
/* Nothing becomes durable any more. */
void keep_tx_failed(struct keep *k);
/* The queue goes. */
void keep_tx_forget(struct keep *k, struct queue *q);
/* One that began in this file or an earlier one is open. */
bool keep_tx_is_open(const struct keep *k, uint32_t file);
void keep_tx_free(struct keep *k);

#endif
