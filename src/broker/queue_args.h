/* The arguments of queue.declare and basic.consume: which there are, and which values they take. */
#ifndef LEVERET_BROKER_QUEUE_ARGS_H
#define LEVERET_BROKER_QUEUE_ARGS_H

#include "base/slice.h"

/* Those that a type of queue (enum policy_target) knows: `*at` starts at 0, NULL at the end. Others are
 * stored and mean nothing. */
const char *queue_args_known(unsigned type, unsigned *at);

/* The type, one bit of enum policy_target. */
unsigned queue_args_type(struct slice arguments);

/*
 * 0, or 406 with RabbitMQ's text ("invalid arg 'x-expires' for queue 'q' in vhost '/': {value_zero,0}").
 * `what` is "queue 'q' in vhost '/'".
 */
uint16_t queue_args_check(struct slice arguments, const char *what, char text[256]);

/* The same for those of basic.consume from a queue of this type. */
uint16_t queue_args_check_consume(struct slice arguments, unsigned type, const char *what, char text[256]);

struct queue_properties {
    bool durable, exclusive, auto_delete;
};
/* 0, or 406: a queue of this type cannot be so; it cannot be without a name. */
uint16_t queue_args_check_properties(struct slice arguments, const struct queue_properties *p,
                                     const char *what, char text[256]);
uint16_t queue_args_check_unnamed(struct slice arguments, char text[256]);

#endif
