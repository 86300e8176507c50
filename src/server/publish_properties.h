/*
 * The properties of a publish that the server acts on: user-id, expiration, reply-to, and the headers CC and
 * BCC.
 */
#ifndef LEVERET_SERVER_PUBLISH_PROPERTIES_H
#define LEVERET_SERVER_PUBLISH_PROPERTIES_H

#include "base/buffer.h"
#include "base/slice.h"
#include "broker/message.h"

struct channel;

struct publish_properties {
    struct message_facts facts;
    bool is_special;         /* any of the following: publish_properties_fini() is due */
    struct slice *keys;      /* [0] is left for the routing key; then CC, then BCC */
    unsigned key_count;      /* 0: there are no others */
    struct slice hidden;     /* what BCC had, in the run */
    struct buffer rewritten; /* what is to be stored instead (message.h); len 0: the run as it came */
};

/* Validates the run. False: the channel has failed with RabbitMQ's words, and nothing is to be freed. */
bool publish_properties_check(struct channel *ch, struct slice run, struct publish_properties *out);
void publish_properties_fini(struct publish_properties *p);

#endif
