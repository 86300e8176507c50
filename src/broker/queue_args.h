/* The arguments of queue.declare: which there are, and which values they take. */
#ifndef LEVERET_BROKER_QUEUE_ARGS_H
#define LEVERET_BROKER_QUEUE_ARGS_H

#include "base/slice.h"

/* Those that classic queues know, in RabbitMQ's order; NULL at the end. Others are stored and mean nothing.
 */
extern const char *const queue_args_known[];

/*
 * 0, or 406 with RabbitMQ's text ("invalid arg 'x-expires' for queue 'q' in vhost '/': {value_zero,0}").
 * `what` is "queue 'q' in vhost '/'".
 */
uint16_t queue_args_check(struct slice arguments, const char *what, char text[256]);

#endif
