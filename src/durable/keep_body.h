/* Inside keep: bodies that have files of their own. */
#ifndef LEVERET_DURABLE_KEEP_BODY_H
#define LEVERET_DURABLE_KEEP_BODY_H

#include <stdbool.h>
#include <stdint.h>

struct keep;
struct message;

struct keep_body {
    uint64_t id;
    uint32_t refs;          /* (queue, position) pairs that need it */
    uint64_t batch;         /* durable once this batch is; when refs is 0: may be deleted then */
    struct keep_body *next; /* in keep.dead_bodies */
};

/* The body file of a message that is being published (made), or 0 for one that needs none. */
uint64_t keep_body_publish(struct keep *k, const struct message *m);
uint64_t keep_body_of(struct keep *k, const struct message *m);
bool keep_body_is_durable(struct keep *k, uint64_t id);
/* One more pair needs it: found at the start. */
void keep_body_hold(struct keep *k, uint64_t id);
/* An entry in memory has it; has it no more (it is on disk only, or leaves). */
void keep_body_enter(struct keep *k, uint64_t id, const struct message *m);
void keep_body_exit(struct keep *k, const struct message *m);
/* A pair needs it no more. */
void keep_body_drop(struct keep *k, uint64_t id);
/* Those that can be deleted now: ids, to be free()d. */
uint64_t *keep_body_take_dead(struct keep *k, uint32_t *count);
void keep_body_free(struct keep *k);

#endif
