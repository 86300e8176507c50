/*
 * The firehose tracer: while tracing is on in a virtual host, a copy of every message that a client publishes
 * there, and of every one that is delivered, goes to the topic exchange amq.rabbitmq.trace of that virtual
 * host, with the keys publish.EXCHANGE and deliver.QUEUE. Headers tell what became of it, as RabbitMQ 3.10
 * does (rabbit_trace). Copies themselves are not traced.
 */
#ifndef LEVERET_SERVER_FIREHOSE_H
#define LEVERET_SERVER_FIREHOSE_H

#include "broker/vhost.h"
#include "server/channel.h"
#include "server/connection.h"

struct exchange;
struct message;
struct route;

/* All that a message costs while nobody traces. */
static inline bool
firehose_is_on(const struct channel *ch)
{
    return __builtin_expect(vhost_is_tracing(ch->connection->vhost), 0);
}

/* `keys`: the routing key, then those of CC and BCC. Before the message goes to the queues of the route. */
void firehose_publish(struct channel *ch, const struct exchange *x, const struct route *route,
                      const struct slice *keys, unsigned key_count, const struct message *m);
/* To a consumer or as the answer to basic.get. */
void firehose_deliver(struct channel *ch, uint64_t queue_id, const struct message *m, bool redelivered);

#endif
