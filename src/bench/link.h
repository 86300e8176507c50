/*
 * One AMQP connection of the load generator, with one channel. The set-up (handshake, declarations) is
 * blocking, one question and one answer; afterwards the socket is non-blocking and the scenario drives it.
 */
#ifndef LEVERET_BENCH_LINK_H
#define LEVERET_BENCH_LINK_H

#include "base/buffer.h"
#include "bench/options.h"
#include "wire/amqp.h"

struct link {
    int fd;
    uint32_t frame_max;
    struct buffer in;  /* received during set-up */
    size_t parsed;     /* bytes of it that were looked at */
    struct buffer out; /* to be written */
};

/* Connects, shakes hands, opens channel 1. Ends the program with a message when the broker says no. */
void link_open(struct link *l, const struct options *o);
/* Only the TCP connection: for the relay, and for what misbehaves on purpose. */
void link_connect(struct link *l, const struct options *o);
void link_set_nonblocking(struct link *l);
/* connection.close, close-ok, and the socket. */
void link_close(struct link *l);
/* Only the socket. */
void link_abort(struct link *l);

/* Appends a method for channel 1 to `out`. */
void link_put(struct link *l, uint32_t method, const void *fields);
/* Writes all of `out`, blocking. */
void link_flush(struct link *l);
/* Waits for a method on any channel and checks that it is `method`; its fields go to *fields (may be NULL).
 * Content in between is skipped. The slices stay valid until the next link call. Ends the program when the
 * broker closes instead. */
void link_expect(struct link *l, uint32_t method, union amqp_any *fields);
/* link_put, link_flush, link_expect. */
void link_call(struct link *l, uint32_t method, const void *fields, uint32_t answer, union amqp_any *result);

void link_queue_declare(struct link *l, const char *name, bool durable);
void link_queue_delete(struct link *l, const char *name);
void link_queue_bind(struct link *l, const char *queue, const char *exchange, const char *key);

_Noreturn void link_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
