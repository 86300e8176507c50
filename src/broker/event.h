/*
 * Events: what happens on the node, as messages without a body to the topic exchange amq.rabbitmq.event
 * (RabbitMQ's plugin rabbitmq_event_exchange), and to whoever watches. Whoever makes something happen tells
 * of it:
 *
 *     struct event e;
 *     if (event_begin(&e, b, "queue.created")) {
 *         table_add_str(&e.headers, "name", ...);
 *         event_end(&e);
 *     }
 */
#ifndef LEVERET_BROKER_EVENT_H
#define LEVERET_BROKER_EVENT_H

#include "base/buffer.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct broker;
struct vhost;

#define EVENT_EXCHANGE "amq.rabbitmq.event"
/* Likewise the log's (log.exchange): it comes and goes with a start. */
#define LOG_EXCHANGE "amq.rabbitmq.log"
/* Who does what nobody asked for; and whoever uses the tools. */
#define EVENT_BY_BROKER "rmq-internal"
#define EVENT_BY_TOOL   "rmq-cli"

/* Somebody who is told of all events, on whatever shard they happen: node.event_watch. */
struct event_watch {
    _Atomic unsigned watchers; /* 0: it is not called */
    /* `headers`: the fields, timestamp_in_ms included. Must not wait, and tell nothing itself. */
    void (*told)(struct event_watch *w, const char *key, struct slice headers);
};

struct event {
    struct broker *broker;
    const struct vhost *vhost; /* of the exchange; NULL: nobody is bound who wants it */
    const char *key;
    struct buffer headers; /* fields are added to it */
};

/* False: nobody listens, and nothing is to be done. Any shard; may be called from within anything. */
bool event_begin(struct event *e, struct broker *b, const char *key);
/* On its way. */
void event_end(struct event *e);

/* The arguments of a thing as RabbitMQ shows them there: an array of texts {<<"name">>,type,value}. */
void event_add_arguments(struct event *e, const char *name, struct slice table);
/* JSON text as a field of the type that fits. What is no JSON is left out. */
void event_add_json(struct event *e, const char *name, struct slice json);
/* The members of a JSON object as fields. */
void event_add_json_members(struct event *e, struct slice json);

#endif
