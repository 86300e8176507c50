/* See load.h. The set-up is blocking, the run is not. */
#include "bench/load.h"

#include "bench/process.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum {
    RECEIVE_BYTES = 512 * 1024,
    EVENTS_MAX = 512,
    ACK_FRAME = 21,
    DRAIN_QUIET_S = 10,
};

/* ---- set-up ---- */

static void *
zalloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size);
    if (!p)
        link_die("out of memory");
    return p;
}

static void
queue_name(const struct options *o, int64_t i, char name[256])
{
    options_pattern(o->queue, i % o->queues, name, 256);
}

static void
key_of(const struct options *o, int64_t i, char key[256])
{
    if (o->key)
        options_pattern(o->key, i % o->queues, key, 256);
    else
        queue_name(o, i, key);
}

static void
watch(struct load *l, int fd, void *tagged, uint32_t *want, uint32_t events)
{
    if (*want == events)
        return;
    struct epoll_event e = {.events = events, .data.ptr = tagged};
    epoll_ctl(l->epoll_fd, *want ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &e);
    *want = events;
}

/* epoll's pointers: a consumer's has its lowest bit set. */
static void *
tag_consumer(struct consumer_end *c)
{
    return (void *)((uintptr_t)c | 1);
}

static void
declare_all(const struct options *o)
{
    struct link l;
    link_open(&l, o);
    if (o->exchange_type) {
        struct amqp_exchange_declare x = {.exchange = slice_str(o->exchange),
                                          .type = slice_str(o->exchange_type)};
        link_call(&l, AMQP_EXCHANGE_DECLARE, &x, AMQP_EXCHANGE_DECLARE_OK, NULL);
    }
    for (int64_t i = 0; i < o->queues; i++) {
        char name[256], key[256];
        queue_name(o, i, name);
        key_of(o, i, key);
        link_queue_declare(&l, name, o->durable);
        if (!o->as_is)
            link_call(&l, AMQP_QUEUE_PURGE, &(struct amqp_queue_purge){.queue = slice_str(name)},
                      AMQP_QUEUE_PURGE_OK, NULL);
        if (*o->exchange)
            link_queue_bind(&l, name, o->exchange, key);
    }
    link_close(&l);
}

static void
relay_hello(struct link *l, char role, uint32_t index)
{
    buffer_add_u8(&l->out, (uint8_t)role);
    buffer_add_u32(&l->out, index);
    link_flush(l);
}

static void consumer_take(struct consumer_end *c, const uint8_t *bytes, size_t n);
static void consumer_write(struct consumer_end *c);

static void
consumer_open(struct load *l, struct consumer_end *c, uint32_t index)
{
    const struct options *o = l->o;
    c->load = l;
    c->index = index;
    if (o->relay) {
        link_connect(&c->link, o);
        relay_hello(&c->link, 'C', index);
    } else {
        link_open(&c->link, o);
        if (o->prefetch)
            link_call(&c->link, AMQP_BASIC_QOS,
                      &(struct amqp_basic_qos){.prefetch_count = (uint16_t)o->prefetch}, AMQP_BASIC_QOS_OK,
                      NULL);
        char name[256];
        queue_name(o, index, name);
        struct amqp_basic_consume consume = {.queue = slice_str(name), .no_ack = o->ack_every == 0};
        link_call(&c->link, AMQP_BASIC_CONSUME, &consume, AMQP_BASIC_CONSUME_OK, NULL);
    }
    link_set_nonblocking(&c->link);
    watch(l, c->link.fd, tag_consumer(c), &c->want, EPOLLIN);
    /* deliveries of what was in the queue may have come in one piece with consume-ok */
    consumer_take(c, c->link.in.data + c->link.parsed, c->link.in.len - c->link.parsed);
    consumer_write(c);
}

static void
publisher_open(struct load *l, struct publisher *p, uint32_t index)
{
    const struct options *o = l->o;
    p->load = l;
    p->index = index;
    p->peer = o->consumers ? &l->consumers[index % o->consumers] : NULL;
    if (o->relay) {
        link_connect(&p->link, o);
        relay_hello(&p->link, 'P', index);
    } else {
        link_open(&p->link, o);
        if (o->confirms)
            link_call(&p->link, AMQP_CONFIRM_SELECT, &(struct amqp_confirm_select){0}, AMQP_CONFIRM_SELECT_OK,
                      NULL);
    }
    char key[256];
    key_of(o, index, key);
    block_init(&p->block, o, key, p->link.frame_max);
    uint64_t ring = 1024;
    while (o->confirms && ring < (uint64_t)o->confirms * 2)
        ring *= 2;
    p->ring_mask = ring - 1;
    p->confirmed_beyond = zalloc(ring, 1);
    p->sent_at_ns = zalloc(ring, sizeof *p->sent_at_ns);
    link_set_nonblocking(&p->link);
    watch(l, p->link.fd, p, &p->want, EPOLLIN);
}

void
load_open(struct load *l, const struct options *o, bool is_latency)
{
    *l = (struct load){.o = o, .is_latency = is_latency};
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    l->publishers = zalloc((size_t)o->publishers, sizeof *l->publishers);
    l->consumers = zalloc((size_t)o->consumers, sizeof *l->consumers);
    l->delivery_ns = zalloc(1, sizeof *l->delivery_ns);
    l->confirm_ns = zalloc(1, sizeof *l->confirm_ns);
    l->buffer = zalloc(1, RECEIVE_BYTES);
    histogram_init(l->delivery_ns);
    histogram_init(l->confirm_ns);
    if (!o->relay)
        declare_all(o);
    for (uint32_t i = 0; i < o->consumers; i++)
        consumer_open(l, &l->consumers[i], i);
    uint64_t now = process_now_ns();
    for (uint32_t i = 0; i < o->publishers; i++) {
        publisher_open(l, &l->publishers[i], i);
        l->publishers[i].next_due_ns = now;
    }
}

/* ---- publishing ---- */

/* How many messages may be begun now. */
static uint64_t
allowance(struct publisher *p, uint64_t now)
{
    const struct load *l = p->load;
    const struct options *o = l->o;
    uint64_t n = l->stopping ? 0 : p->block.count;
    if (o->messages)
        n = MIN(n, (uint64_t)o->messages - p->sent);
    if (o->confirms)
        n = MIN(n, (uint64_t)o->confirms - (p->sent - p->confirmed - p->nacked));
    if (o->window && p->peer)
        n = MIN(n, (uint64_t)o->window - MIN((uint64_t)o->window, p->sent - MIN(p->sent, p->peer->received)));
    if (o->rate) {
        uint64_t step = 1000000000u / (uint64_t)o->rate;
        uint64_t due = now < p->next_due_ns ? 0 : (now - p->next_due_ns) / step + 1;
        n = MIN(n, due);
    }
    /* Small remainders wait until half a window or a whole block is free: few, large writes. */
    uint64_t least = o->confirms && !o->rate ? MIN(p->block.count, ((uint64_t)o->confirms + 1) / 2) : 1;
    if (o->window && !o->rate)
        least = MIN(least > 1 ? least : p->block.count, ((uint64_t)o->window + 1) / 2);
    bool is_tail = l->stopping || (o->messages && (uint64_t)o->messages - p->sent <= n);
    return n < least && !is_tail ? 0 : n;
}

static void
run_begin(struct publisher *p, uint64_t count, uint64_t now)
{
    const struct load *l = p->load;
    if (l->is_latency) {
        uint64_t step = 1000000000u / (uint64_t)l->o->rate;
        for (uint32_t i = 0; i < count; i++) {
            block_number(&p->block, i, 1, p->index, p->next_due_ns);
            p->sent_at_ns[(p->sent + i + 1) & p->ring_mask] = p->next_due_ns;
            p->next_due_ns += step;
        }
    } else {
        if (l->o->rate)
            p->next_due_ns += count * (1000000000u / (uint64_t)l->o->rate);
        if (l->o->verify)
            block_number(&p->block, 0, (uint32_t)count, p->index, p->sent);
    }
    p->sent += count;
    p->load->published += count;
    p->run_offset = 0;
    p->run_bytes = (uint32_t)count * p->block.message_size;
}

static void
publisher_write(struct publisher *p)
{
    uint64_t now = process_now_ns();
    for (int rounds = 0; rounds < 4; rounds++) {
        if (p->run_offset == p->run_bytes) {
            uint64_t n = allowance(p, now);
            if (n == 0)
                break;
            run_begin(p, n, now);
        }
        ssize_t n =
            send(p->link.fd, p->block.bytes.data + p->run_offset, p->run_bytes - p->run_offset, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            watch(p->load, p->link.fd, p, &p->want, EPOLLIN | EPOLLOUT);
            return;
        }
        if (n < 0)
            link_die("publisher %u: the broker closed the connection: %s", p->index, strerror(errno));
        p->run_offset += (uint32_t)n;
    }
    bool more = p->run_offset < p->run_bytes || (!p->load->o->rate && allowance(p, now) > 0);
    watch(p->load, p->link.fd, p, &p->want, more ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* ---- confirms ---- */

static void
confirmed_one(struct publisher *p, uint64_t tag, bool is_nack)
{
    if (is_nack) {
        p->nacked++;
    } else {
        p->confirmed++;
        p->load->confirmed++;
    }
    if (p->load->is_latency && p->load->recording)
        histogram_record(p->load->confirm_ns, process_now_ns() - p->sent_at_ns[tag & p->ring_mask]);
}

static void
on_confirm(struct publisher *p, uint64_t tag, bool multiple, bool is_nack)
{
    if (!multiple && tag != p->confirmed_upto + 1) {
        p->confirmed_beyond[tag & p->ring_mask] = 1;
        confirmed_one(p, tag, is_nack);
        return;
    }
    while (p->confirmed_upto < tag) {
        uint64_t t = ++p->confirmed_upto;
        if (!p->confirmed_beyond[t & p->ring_mask])
            confirmed_one(p, t, is_nack);
        p->confirmed_beyond[t & p->ring_mask] = 0;
    }
    while (p->confirmed_beyond[(p->confirmed_upto + 1) & p->ring_mask])
        p->confirmed_beyond[++p->confirmed_upto & p->ring_mask] = 0;
}

static void
publisher_on_method(void *arg, uint32_t id, const uint8_t *fields, size_t n)
{
    struct publisher *p = arg;
    switch (id) {
    case AMQP_BASIC_ACK: on_confirm(p, be64_get(fields), fields[8] & 1, false); return;
    case AMQP_BASIC_NACK: on_confirm(p, be64_get(fields), fields[8] & 1, true); return;
    case AMQP_BASIC_RETURN: p->returned++; return;
    case AMQP_CONNECTION_BLOCKED:
    case AMQP_CONNECTION_UNBLOCKED: return;
    case AMQP_CHANNEL_CLOSE:
    case AMQP_CONNECTION_CLOSE:
        link_die("publisher %u: closed with %u %.*s", p->index, be16_get(fields), (int)(n > 3 ? n - 3 : 0),
                 (const char *)fields + 3);
    default: return;
    }
}

/* ---- consuming ---- */

static void
consumer_on_method(void *arg, uint32_t id, const uint8_t *fields, size_t n)
{
    struct consumer_end *c = arg;
    if (id == AMQP_CHANNEL_CLOSE || id == AMQP_CONNECTION_CLOSE)
        link_die("consumer %u: closed with %u %.*s", c->index, be16_get(fields), (int)(n > 3 ? n - 3 : 0),
                 (const char *)fields + 3);
    if (id == AMQP_BASIC_CANCEL)
        link_die("consumer %u: the broker canceled it", c->index);
}

static void
consumer_on_message(void *arg, const uint8_t body[16])
{
    struct consumer_end *c = arg;
    c->received++;
    struct load *l = c->load;
    if (l->is_latency) {
        if (l->recording)
            histogram_record(l->delivery_ns, process_now_ns() - be64_get(body + 8));
    } else if (l->o->verify) {
        uint64_t sequence = be64_get(body + 8);
        if (sequence != c->next_sequence)
            c->disorder++;
        c->next_sequence = sequence + 1;
    }
}

static void
consumer_ack(struct consumer_end *c)
{
    uint64_t every = (uint64_t)c->load->o->ack_every;
    if (!every || c->load->o->relay)
        return;
    while (c->received - c->acked >= every) {
        c->acked += every;
        uint8_t *f = buffer_reserve(&c->link.out, ACK_FRAME);
        struct amqp_basic_ack ack = {.delivery_tag = c->acked, .multiple = every > 1};
        c->link.out.len += amqp_encode_basic_ack(f, 1, &ack);
    }
}

static void
consumer_write(struct consumer_end *c)
{
    struct buffer *out = &c->link.out;
    while (out->len) {
        ssize_t n = send(c->link.fd, out->data, out->len, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0)
            link_die("consumer %u: the broker closed the connection: %s", c->index, strerror(errno));
        buffer_consume(out, (size_t)n);
    }
    watch(c->load, c->link.fd, tag_consumer(c), &c->want, out->len ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* ---- the turn ---- */

static ssize_t
receive(int fd, uint8_t *buffer, const char *who, uint32_t index)
{
    ssize_t n = recv(fd, buffer, RECEIVE_BYTES, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        link_die("%s %u: the broker closed the connection%s%s", who, index, n ? ": " : "",
                 n ? strerror(errno) : "");
    return n;
}

static void
consumer_take(struct consumer_end *c, const uint8_t *bytes, size_t n)
{
    static const struct stream_events events = {.on_method = consumer_on_method,
                                                .on_message = consumer_on_message};
    uint64_t before = c->received;
    stream_feed(&c->stream, bytes, n, &events, c);
    c->load->received += c->received - before;
    consumer_ack(c);
}

static void
consumer_ready(struct consumer_end *c, uint8_t *buffer)
{
    ssize_t n = receive(c->link.fd, buffer, "consumer", c->index);
    if (n > 0)
        consumer_take(c, buffer, (size_t)n);
    consumer_write(c);
}

static void
publisher_ready(struct publisher *p, uint32_t events_ready, uint8_t *buffer)
{
    static const struct stream_events events = {.on_method = publisher_on_method};
    if (events_ready & ~(uint32_t)EPOLLOUT) {
        ssize_t n = receive(p->link.fd, buffer, "publisher", p->index);
        if (n > 0)
            stream_feed(&p->stream, buffer, (size_t)n, &events, p);
    }
}

/* Nanoseconds until the next message is due, at most `wait_ns`. */
static uint64_t
next_due(const struct load *l, uint64_t wait_ns)
{
    if (!l->o->rate || l->stopping)
        return wait_ns;
    uint64_t now = process_now_ns();
    for (int64_t i = 0; i < l->o->publishers; i++) {
        uint64_t due = l->publishers[i].next_due_ns;
        wait_ns = MIN(wait_ns, due > now ? due - now : 0);
    }
    return wait_ns;
}

void
load_turn(struct load *l, uint64_t wait_ns)
{
    struct epoll_event events[EVENTS_MAX];
    wait_ns = next_due(l, wait_ns);
    struct timespec wait = {.tv_sec = (time_t)(wait_ns / 1000000000u),
                            .tv_nsec = (long)(wait_ns % 1000000000u)};
    int n = epoll_pwait2(l->epoll_fd, events, EVENTS_MAX, &wait, NULL);
    for (int i = 0; i < n; i++) {
        uintptr_t tagged = (uintptr_t)events[i].data.ptr;
        if (tagged & 1)
            consumer_ready((struct consumer_end *)(tagged & ~(uintptr_t)1), l->buffer);
        else
            publisher_ready((struct publisher *)tagged, events[i].events, l->buffer);
    }
    for (int64_t i = 0; i < l->o->publishers; i++)
        publisher_write(&l->publishers[i]);
}

/* Everything that will come has come: each queue's consumer, or all of a fan-out's. */
static bool
is_drained(const struct load *l)
{
    for (int64_t i = 0; i < l->o->publishers; i++) {
        const struct publisher *p = &l->publishers[i];
        if (p->run_offset < p->run_bytes || (l->o->confirms && p->confirmed + p->nacked < p->sent))
            return false;
    }
    if (l->o->consumers == 0)
        return true;
    uint64_t copies =
        l->o->exchange_type && strcmp(l->o->exchange_type, "fanout") == 0 ? (uint64_t)l->o->queues : 1;
    return l->received >= l->published * copies;
}

bool
load_drain(struct load *l)
{
    l->stopping = true;
    uint64_t last = 0, since = process_now_ns();
    while (!is_drained(l)) {
        load_turn(l, 100000000u);
        uint64_t moved = l->received + l->confirmed;
        uint64_t now = process_now_ns();
        if (moved != last) {
            last = moved;
            since = now;
        } else if (now - since > (uint64_t)DRAIN_QUIET_S * 1000000000u) {
            return false;
        }
    }
    return true;
}

void
load_close(struct load *l)
{
    for (int64_t i = 0; i < l->o->publishers; i++) {
        link_abort(&l->publishers[i].link);
        block_fini(&l->publishers[i].block);
        free(l->publishers[i].confirmed_beyond);
        free(l->publishers[i].sent_at_ns);
    }
    for (int64_t i = 0; i < l->o->consumers; i++)
        link_abort(&l->consumers[i].link);
    if (!l->o->relay && !l->o->keep) {
        struct link link;
        link_open(&link, l->o);
        for (int64_t i = 0; i < l->o->queues; i++) {
            char name[256];
            queue_name(l->o, i, name);
            link_queue_delete(&link, name);
        }
        if (l->o->exchange_type)
            link_call(&link, AMQP_EXCHANGE_DELETE,
                      &(struct amqp_exchange_delete){.exchange = slice_str(l->o->exchange)},
                      AMQP_EXCHANGE_DELETE_OK, NULL);
        link_close(&link);
    }
    free(l->publishers);
    free(l->consumers);
    free(l->delivery_ns);
    free(l->confirm_ns);
    free(l->buffer);
}
