/*
 * Addresses of brokers, as shovels and federation upstreams have them:
 * amqp[s]://USER:PASSWORD@HOST:PORT/VHOST?KEY=VALUE&... . Everything behind the scheme may be left out. No
 * host means the node itself.
 */
#ifndef LEVERET_WIRE_AMQP_URI_H
#define LEVERET_WIRE_AMQP_URI_H

#include "base/slice.h"

struct buffer;

struct amqp_uri {
    bool is_tls;
    /* Slices of the text, still percent-encoded; no data: left out. */
    struct slice user, password, host, vhost, query;
    uint16_t port; /* 0: left out */
};

/* False: it is none, or one of its parameters is not what it must be; `why`, if not NULL, gets the reason as
 * RabbitMQ prints it: the Erlang term {REASON,"TEXT"}, without line breaks. */
bool amqp_uri_parse(struct slice text, struct amqp_uri *out, struct buffer *why);

#endif
