/* See link.h. Any surprise ends the program: a benchmark that went on would measure something else. */
#include "bench/link.h"

#include "wire/frame.h"
#include "wire/table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINK_TIMEOUT_MS = 30000 };

void
link_die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "leveret-bench: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
    exit(1);
}

void
link_connect(struct link *l, const struct options *o)
{
    char port[8];
    snprintf(port, sizeof port, "%u", o->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    int wrong = getaddrinfo(o->host, port, &hints, &found);
    if (wrong)
        link_die("%s: %s", o->host, gai_strerror(wrong));
    *l = (struct link){.fd = -1, .frame_max = 131072};
    for (struct addrinfo *a = found; a && l->fd < 0; a = a->ai_next) {
        l->fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (l->fd >= 0 && connect(l->fd, a->ai_addr, a->ai_addrlen) != 0) {
            close(l->fd);
            l->fd = -1;
        }
    }
    freeaddrinfo(found);
    if (l->fd < 0)
        link_die("cannot connect to %s:%s: %s", o->host, port, strerror(errno));
    int one = 1;
    setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

void
link_set_nonblocking(struct link *l)
{
    fcntl(l->fd, F_SETFL, fcntl(l->fd, F_GETFL) | O_NONBLOCK);
}

void
link_abort(struct link *l)
{
    close(l->fd);
    l->fd = -1;
    buffer_fini(&l->in);
    buffer_fini(&l->out);
}

static void
put_on_channel(struct link *l, uint16_t channel, uint32_t id, const void *fields)
{
    const struct amqp_method *method = amqp_method_by_id(id);
    size_t size = 0, room = 4096;
    enum err e;
    while ((e = amqp_method_encode(method, fields, channel, buffer_reserve(&l->out, room), room, &size)) ==
           ERR_LIMIT)
        room *= 2;
    if (e)
        link_die("cannot encode %s: %s", method->name, err_text(e));
    l->out.len += size;
}

void
link_put(struct link *l, uint32_t method, const void *fields)
{
    put_on_channel(l, AMQP_CLASS_ID(method) == 10 ? 0 : 1, method, fields);
}

static void
wait_for(struct link *l, short events)
{
    struct pollfd p = {.fd = l->fd, .events = events};
    if (poll(&p, 1, LINK_TIMEOUT_MS) <= 0)
        link_die("the broker did not answer within %d seconds", LINK_TIMEOUT_MS / 1000);
}

void
link_flush(struct link *l)
{
    size_t done = 0;
    while (done < l->out.len) {
        ssize_t n = send(l->fd, l->out.data + done, l->out.len - done, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            wait_for(l, POLLOUT);
        else if (n < 0)
            link_die("the broker closed the connection: %s", strerror(errno));
        else
            done += (size_t)n;
    }
    buffer_clear(&l->out);
}

static void
receive_more(struct link *l)
{
    wait_for(l, POLLIN);
    ssize_t n = recv(l->fd, buffer_reserve(&l->in, 65536), 65536, 0);
    if (n <= 0)
        link_die("the broker closed the connection%s%s", n < 0 ? ": " : "", n < 0 ? strerror(errno) : "");
    l->in.len += (size_t)n;
}

static void
die_of_close(uint32_t got, const union amqp_any *any, const char *wanted)
{
    if (got == AMQP_CHANNEL_CLOSE)
        link_die("channel closed: %u %.*s", any->channel_close.reply_code,
                 SLICE_FMT(any->channel_close.reply_text));
    if (got == AMQP_CONNECTION_CLOSE)
        link_die("connection closed: %u %.*s", any->connection_close.reply_code,
                 SLICE_FMT(any->connection_close.reply_text));
    const struct amqp_method *method = amqp_method_by_id(got);
    link_die("expected %s, got %s", wanted, method ? method->name : "an unknown method");
}

void
link_expect(struct link *l, uint32_t wanted, union amqp_any *fields)
{
    buffer_consume(&l->in, l->parsed); /* only now, so that the last answer's slices stayed valid */
    l->parsed = 0;
    for (;;) {
        struct frame f;
        size_t used;
        enum err e;
        while ((e = frame_parse(slice_of(l->in.data + l->parsed, l->in.len - l->parsed), 0, &f, &used)) ==
               ERR_TRUNCATED)
            receive_more(l);
        if (e)
            link_die("malformed frame: %s", err_text(e));
        l->parsed += used;
        uint32_t id = amqp_method_id(f.payload);
        bool passes_by = id == AMQP_BASIC_DELIVER || id == AMQP_BASIC_RETURN || id == AMQP_BASIC_ACK;
        if (f.type != AMQP_FRAME_METHOD || (passes_by && id != wanted))
            continue;
        union amqp_any any;
        const struct amqp_method *method;
        if ((e = amqp_method_decode(f.payload, &method, &any)))
            link_die("malformed method: %s", err_text(e));
        if (id != wanted)
            die_of_close(id, &any, amqp_method_by_id(wanted)->name);
        if (fields)
            *fields = any;
        return;
    }
}

void
link_call(struct link *l, uint32_t method, const void *fields, uint32_t answer, union amqp_any *result)
{
    link_put(l, method, fields);
    link_flush(l);
    link_expect(l, answer, result);
}

void
link_open(struct link *l, const struct options *o)
{
    link_connect(l, o);
    buffer_add(&l->out, frame_protocol_header, FRAME_PROTOCOL_HEADER_SIZE);
    link_flush(l);
    link_expect(l, AMQP_CONNECTION_START, NULL);

    /* So that a refused login is told and not only cut off. */
    struct buffer properties = {0}, response = {0};
    size_t capabilities = table_add_table_begin(&properties, "capabilities");
    table_add_bool(&properties, "authentication_failure_close", true);
    table_end(&properties, capabilities);
    buffer_add_u8(&response, 0);
    buffer_add_str(&response, o->user);
    buffer_add_u8(&response, 0);
    buffer_add_str(&response, o->password);
    struct amqp_connection_start_ok start_ok = {.client_properties = buffer_slice(&properties),
                                                .mechanism = slice_str("PLAIN"),
                                                .response = buffer_slice(&response),
                                                .locale = slice_str("en_US")};
    union amqp_any any;
    link_call(l, AMQP_CONNECTION_START_OK, &start_ok, AMQP_CONNECTION_TUNE, &any);
    buffer_fini(&properties);
    buffer_fini(&response);
    if (any.connection_tune.frame_max)
        l->frame_max = any.connection_tune.frame_max;
    struct amqp_connection_tune_ok tune_ok = {.channel_max = any.connection_tune.channel_max,
                                              .frame_max = any.connection_tune.frame_max,
                                              .heartbeat = 0};
    link_put(l, AMQP_CONNECTION_TUNE_OK, &tune_ok);
    struct amqp_connection_open open = {.virtual_host = slice_str(o->vhost)};
    link_call(l, AMQP_CONNECTION_OPEN, &open, AMQP_CONNECTION_OPEN_OK, NULL);
    link_call(l, AMQP_CHANNEL_OPEN, &(struct amqp_channel_open){0}, AMQP_CHANNEL_OPEN_OK, NULL);
}

void
link_close(struct link *l)
{
    struct amqp_connection_close close_method = {.reply_code = 200, .reply_text = slice_str("done")};
    link_call(l, AMQP_CONNECTION_CLOSE, &close_method, AMQP_CONNECTION_CLOSE_OK, NULL);
    link_abort(l);
}

void
link_queue_declare(struct link *l, const char *name, bool durable)
{
    struct amqp_queue_declare declare = {.queue = slice_str(name), .durable = durable};
    link_call(l, AMQP_QUEUE_DECLARE, &declare, AMQP_QUEUE_DECLARE_OK, NULL);
}

void
link_queue_delete(struct link *l, const char *name)
{
    struct amqp_queue_delete delete_method = {.queue = slice_str(name)};
    link_call(l, AMQP_QUEUE_DELETE, &delete_method, AMQP_QUEUE_DELETE_OK, NULL);
}

void
link_queue_bind(struct link *l, const char *queue, const char *exchange, const char *key)
{
    struct amqp_queue_bind bind = {
        .queue = slice_str(queue), .exchange = slice_str(exchange), .routing_key = slice_str(key)};
    link_call(l, AMQP_QUEUE_BIND, &bind, AMQP_QUEUE_BIND_OK, NULL);
}
