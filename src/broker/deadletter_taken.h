/*
 * Who has an at-least-once dead letter already, when it has several targets. It is sent to one after the
 * other, so that each answer says whose it is: those that have it do not get it again while it waits for the
 * others.
 */
#ifndef LEVERET_BROKER_DEADLETTER_TAKEN_H
#define LEVERET_BROKER_DEADLETTER_TAKEN_H

#include <stdbool.h>
#include <stdint.h>

struct deadletter_taken;

/* `*taken` NULL: nobody has answered. The queue has it, or has refused it this time. */
void deadletter_taken_add(struct deadletter_taken **taken, uint64_t queue_id, bool has_it);
bool deadletter_taken_has(const struct deadletter_taken *taken, uint64_t queue_id);
/* Somebody has it, and nobody has refused it. */
bool deadletter_taken_is_done(const struct deadletter_taken *taken);
/* Those that refused it are asked again. */
void deadletter_taken_forgive(struct deadletter_taken *taken);
void deadletter_taken_free(struct deadletter_taken *taken);

#endif
