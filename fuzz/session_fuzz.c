/*
 * A whole node, and one or two clients that send it anything. The input:
 *
 *   flags: u8       bit 0: three shards; bit 1: the clients are logged in and have channel 1 open;
 *                   bit 2: segments of one byte
 *   then pieces     head: u8 (bit 7: of which client; the low bits: n), n bytes of that client's stream; n =
 * 0 lets a millisecond pass
 *
 * The node must survive it, still serve a client that behaves, and let go of the others when they leave.
 */
#include "base/buffer.h"
#include "fuzz.h"
#include "sim/sim_broker.h"
#include "sim/sim_session.h"

enum { SHARDS = 1, LOGGED_IN = 2, TINY_SEGMENTS = 4, CLIENTS = 2, PATIENCE_MS = 60000 };

struct healthy {
    struct sim_session *session;
    bool is_open, has_message, is_closed;
};

static void
on_event(void *arg, struct sim_session *s, const struct sim_session_event *e)
{
    struct healthy *h = arg;
    CHECK(e->kind != SIM_SESSION_BROKEN && e->kind != SIM_SESSION_LOST);
    if (e->kind == SIM_SESSION_OPENED)
        h->is_open = true;
    else if (e->kind == SIM_SESSION_CLOSED)
        h->is_closed = true;
    else if (e->id == AMQP_BASIC_GET_OK)
        h->has_message = slice_eq_str(e->body, "healthy");
}

static bool
is_open(void *arg)
{
    struct healthy *h = arg;
    (void)sim_session_poll(h->session);
    return h->is_open;
}

static bool
is_closed(void *arg)
{
    struct healthy *h = arg;
    (void)sim_session_poll(h->session);
    return h->is_closed;
}

/* Its queue is exclusive, so no input can be in its way. */
static void
serve_healthy(struct sim *sim, struct sim_broker *b)
{
    struct healthy h = {0};
    struct sim_session_options options;
    sim_session_options_init(&options);
    h.session = sim_session_new(sim, b->world, &options, on_event, &h);
    CHECK(sim_run_until(sim, is_open, &h, PATIENCE_MS));
    struct slice name = slice_str("a healthy queue");
    struct amqp_basic_publish publish = {.routing_key = name};
    sim_session_send(h.session, 1, AMQP_CHANNEL_OPEN, &(struct amqp_channel_open){0});
    sim_session_send(h.session, 1, AMQP_QUEUE_DECLARE,
                     &(struct amqp_queue_declare){.queue = name, .exclusive = true});
    sim_session_publish(h.session, 1, &publish, slice_of(NULL, 0), slice_str("healthy"), 0);
    sim_session_send(h.session, 1, AMQP_BASIC_GET, &(struct amqp_basic_get){.queue = name, .no_ack = true});
    sim_session_close(h.session);
    CHECK(sim_run_until(sim, is_closed, &h, PATIENCE_MS));
    CHECK(h.has_message);
    sim_session_free(h.session);
}

/* channel.open-ok has come. */
static bool
is_logged_in(void *arg)
{
    static const char last[] = "\0\24\0\13\0\0\0\0\316";
    struct slice got = sim_client_received(arg);
    size_t n = sizeof last - 1;
    return got.len > n && memcmp(got.data + got.len - n, last, n) == 0;
}

static void
log_in(struct sim *sim, struct sim_client *c)
{
    static const char bytes[] = "AMQP\0\0\11\1"
                                "\1\0\0\0\0\0\44\0\12\0\13\0\0\0\0\5PLAIN\0\0\0\14\0guest\0guest\5en_US\316"
                                "\1\0\0\0\0\0\14\0\12\0\37\7\377\0\2\0\0\0\0\316"
                                "\1\0\0\0\0\0\10\0\12\0\50\1/\0\0\316"
                                "\1\0\1\0\0\0\5\0\24\0\12\0\316";
    sim_client_send(c, bytes, sizeof bytes - 1);
    CHECK(sim_run_until(sim, is_logged_in, c, PATIENCE_MS));
}

static void
feed(struct sim *sim, struct sim_client *const clients[CLIENTS], const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t n = data[i] & 0x7f;
        struct sim_client *c = clients[data[i] >> 7];
        i++;
        if (n > len - i)
            n = len - i;
        if (n == 0)
            sim_run_for(sim, 1);
        sim_client_send(c, data + i, n);
        sim_client_consume(c, sim_client_received(c).len);
        i += n;
    }
    sim_run_for(sim, 20);
}

static bool
is_deserted(void *arg)
{
    return sim_broker_connections(arg) == 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len == 0)
        return 0;
    struct sim *sim = sim_new(len);
    struct sim_net net = sim_net(sim);
    net.chunk_max = data[0] & TINY_SEGMENTS ? 1 : 0;
    sim_set_net(sim, &net);
    struct sim_broker_options options;
    sim_broker_options_init(&options);
    options.shards = data[0] & SHARDS ? 3 : 1;
    options.limits.message_size_max = 1 << 20;
    struct sim_broker *b = sim_broker_new(sim, &options);
    struct sim_client *clients[CLIENTS];
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = sim_client_open(sim, b->world, SIM_BROKER_PORT);
        if (data[0] & LOGGED_IN)
            log_in(sim, clients[i]);
    }
    feed(sim, clients, data + 1, len - 1);
    serve_healthy(sim, b);
    for (unsigned i = 0; i < CLIENTS; i++)
        sim_client_free(clients[i]);
    CHECK(sim_run_until(sim, is_deserted, b, PATIENCE_MS));
    sim_broker_check(b);
    sim_broker_free(b);
    sim_free(sim);
    return 0;
}
