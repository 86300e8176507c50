/*
 * A channel that waits. Two queues, both nearly always empty, so both hang off one pointer:
 *
 * - ops: methods whose answer is due, in the order in which the client will get the answers. Declarations may
 * be under way several at a time; any other method is alone.
 * - frames: what came behind a method that must be alone, copied, in order; handled when no op is left.
 *
 * The copies of all channels of a connection, and the requests of their declarations that are under way,
 * count in connection.parked_bytes; over the limit parked_bytes_max the connection is not read until answers
 * come.
 */
#ifndef LEVERET_SERVER_PARKED_H
#define LEVERET_SERVER_PARKED_H

#include "base/buffer.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct channel_doom;
struct meta_request;

/* A method whose answer is due. */
struct parked_op {
    struct parked_op *next;
    uint32_t number; /* what the broker's answer carries */
    uint32_t method;
    bool nowait;
    bool is_done;
    bool no_ack;   /* basic.get */
    uint16_t code; /* of a refusal */
    uint32_t message_count, consumer_count;
    uint32_t cost; /* what it holds of connection.parked_bytes: a declaration and its request */
    char *text;    /* of a refusal, owned */
    /* Of a queue.declare that found a queue: submitted again should that have been deleted meanwhile. Owned.
     */
    struct meta_request *again;
    uint64_t queue_id;
    uint16_t queue_shard;
    uint8_t name_size;
    char name[]; /* queue or consumer tag; NUL-terminated */
};

struct parked {
    struct parked_op *first, *last;
    uint32_t ops;
    uint32_t next_number;
    bool is_joinable;          /* all ops are declarations: another one may join them */
    bool is_replaying;         /* channel_replay() is up the stack: it frees this */
    bool is_orphan;            /* the channel is gone meanwhile */
    struct channel_doom *doom; /* channel.h: an error that waits for the ops; owned */
    struct buffer frames;      /* type: u8, size: u32, payload */
    size_t handled;            /* of the frames' bytes */
};

struct parked *parked_new(void);
/* Frees the ops, too. */
void parked_free(struct parked *p);
/* Forgets ops and frames; the frames' memory stays until parked_free(). */
void parked_clear(struct parked *p);
/* Neither ops nor frames. */
static inline bool
parked_is_empty(const struct parked *p)
{
    return !p || (!p->first && p->handled == p->frames.len);
}

/* `name` is copied; there is room for a longer one of up to `room` bytes. */
struct parked_op *parked_op_add(struct parked *p, uint32_t method, struct slice name, size_t room);
/* The sum of what the ops cost. */
uint32_t parked_ops_cost(const struct parked *p);
/* NULL when it is not awaited any more. */
struct parked_op *parked_op_find(const struct parked *p, uint32_t number);
/* Takes the first one off the list; the caller frees it. */
struct parked_op *parked_op_shift(struct parked *p);
void parked_op_free(struct parked_op *op);

/* Bytes that the copy takes from the budget. */
static inline size_t
parked_frame_cost(size_t payload)
{
    return payload + 5;
}
void parked_frame_add(struct parked *p, uint8_t type, struct slice payload);
/* The next one, inside the buffer: valid until the next change. False: none. */
bool parked_frame_peek(const struct parked *p, uint8_t *type, struct slice *payload);
/* The one that was peeked is handled. Returns its cost. */
size_t parked_frame_drop(struct parked *p);
bool parked_has_frames(const struct parked *p);

#endif
