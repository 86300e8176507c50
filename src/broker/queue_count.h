/*
 * Inside queue: how often a message of a quorum queue came back, which its redeliveries tell
 * (x-delivery-count), and how often is too often (x-delivery-limit).
 */
#ifndef LEVERET_BROKER_QUEUE_COUNT_H
#define LEVERET_BROKER_QUEUE_COUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct broker;
struct message;
struct queue;
struct queue_entry;

/* Of the entries of a queue that counts. */
size_t queue_count_entry_size(void);
/* A new entry: of a message that comes in, or that comes back from the disk. */
void queue_count_begin(struct queue_entry *e);
/* It came back once more. False: too often. */
bool queue_count_returned(const struct queue *q, struct queue_entry *e);
/* How often it came back. */
uint32_t queue_count_of(const struct queue_entry *e);
/* What the consumer gets for a message that was given out before: a copy with the header, which is the
 * caller's; NULL: the message as it is. */
struct message *queue_count_tell(const struct queue *q, const struct queue_entry *e);

#endif
