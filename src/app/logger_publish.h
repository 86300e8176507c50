/* The node's side of logger_exchange.h. */
#ifndef LEVERET_APP_LOGGER_PUBLISH_H
#define LEVERET_APP_LOGGER_PUBLISH_H

struct broker;
struct logger_exchange;

/* On shard 0: publishes the lines that have come, where somebody is bound. */
void logger_publish(struct logger_exchange *x, struct broker *b);

#endif
