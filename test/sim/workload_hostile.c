/*
 * Clients that behave badly beside one that behaves well. Each bad one gets the answer that the specification
 * gives it, or costs a bounded amount; the good one is answered within a bound of simulated time all the
 * while.
 */
#include "peer.h"

#include "base/check.h"
#include "wire/frame.h"
#include "wire/table.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    HOSTILE_BACKLOG = 200,        /* messages for those who do not read */
    HOSTILE_BODY = 10000,         /* bytes of each */
    HOSTILE_ROUND_TRIP_MS = 2000, /* of the good client */
    HOSTILE_MEMORY = 4 << 20,     /* bytes of messages beyond the backlog */
    HOSTILE_ACTS = 12,
};

struct hostile {
    struct trial *t;
    struct peer good;
    struct peer bad[HOSTILE_ACTS];
    unsigned acts;
};

static void
good_does_its_work(struct hostile *h)
{
    struct trial *t = h->t;
    uint64_t from = sim_now_ms(t->sim);
    unsigned answers = h->good.answers;
    peer_publish(&h->good, 1, "good", "work", 4);
    peer_call(&h->good, 1, AMQP_BASIC_GET,
              &(struct amqp_basic_get){.queue = slice_str("good"), .no_ack = true});
    TRIAL_EXPECT(t, h->good.answer == AMQP_BASIC_GET_OK && h->good.answers == answers + 1,
                 "the good client does not get its message");
    uint64_t took = sim_now_ms(t->sim) - from;
    TRIAL_EXPECT(t, took <= HOSTILE_ROUND_TRIP_MS, "the good client waited %llu ms",
                 (unsigned long long)took);
    t->operations++;
}

static void
send_frame(struct peer *p, uint8_t type, uint16_t channel, const void *payload, size_t len, uint8_t end)
{
    struct buffer out = {0};
    frame_header_put(buffer_reserve(&out, FRAME_HEADER_SIZE), type, channel, (uint32_t)len);
    out.len = FRAME_HEADER_SIZE;
    buffer_add(&out, payload, len);
    buffer_add_u8(&out, end);
    sim_session_send_raw(p->session, out.data, out.len);
    buffer_fini(&out);
}

/* ---- what they do; the peer is connected, channel 1 open, and is dropped afterwards or at the end ---- */

typedef void act_fn(struct hostile *h, struct peer *p);

static void
act_oversized_frame(struct hostile *h, struct peer *p)
{
    uint8_t header[FRAME_HEADER_SIZE];
    frame_header_put(header, AMQP_FRAME_BODY, 1, 200000000);
    sim_session_send_raw(p->session, header, sizeof header);
    peer_expect_close(p, AMQP_REPLY_FRAME_ERROR);
}

static void
act_wrong_frame_end(struct hostile *h, struct peer *p)
{
    send_frame(p, AMQP_FRAME_METHOD, 1, "\0\24\0\12\0", 5, 0xCD);
    peer_expect_close(p, AMQP_REPLY_FRAME_ERROR);
}

static void
act_closed_channel(struct hostile *h, struct peer *p)
{
    sim_session_send(p->session, 7, AMQP_BASIC_QOS, &(struct amqp_basic_qos){0});
    peer_expect_close(p, AMQP_REPLY_CHANNEL_ERROR);
}

static void
act_body_without_publish(struct hostile *h, struct peer *p)
{
    send_frame(p, AMQP_FRAME_BODY, 1, "body", 4, AMQP_FRAME_END);
    peer_expect_close(p, AMQP_REPLY_UNEXPECTED_FRAME);
}

/* The header announces 100 MB, a little comes, then nothing. */
static void
act_body_that_never_comes(struct hostile *h, struct peer *p)
{
    static const uint8_t properties[2];
    uint8_t header[64], piece[1000] = {0};
    struct amqp_basic_publish m = {.routing_key = slice_str("good")};
    size_t before = sim_broker_pool_bytes(h->t->broker);
    for (uint16_t channel = 1; channel <= 20; channel++) {
        if (channel > 1)
            peer_open_channel(p, channel);
        sim_session_send(p->session, channel, AMQP_BASIC_PUBLISH, &m);
        size_t n = content_header_encode(header, channel, AMQP_CLASS_ID(AMQP_BASIC_PUBLISH), 100000000,
                                         slice_of(properties, sizeof properties));
        sim_session_send_raw(p->session, header, n);
        send_frame(p, AMQP_FRAME_BODY, channel, piece, sizeof piece, AMQP_FRAME_END);
    }
    trial_for(h->t, 1000);
    size_t grown = sim_broker_pool_bytes(h->t->broker) - before;
    TRIAL_EXPECT(h->t, grown <= 20 * 32768, "20 KB of body take %zu bytes of memory", grown);
}

static void
act_deep_table(struct hostile *h, struct peer *p)
{
    struct buffer inner = {0};
    for (unsigned i = 0; i < 1000; i++) {
        struct buffer outer = {0};
        table_add_table(&outer, "a", buffer_slice(&inner));
        buffer_fini(&inner);
        inner = outer;
    }
    struct amqp_queue_declare m = {.queue = slice_str("deep"), .arguments = buffer_slice(&inner)};
    sim_session_send(p->session, 1, AMQP_QUEUE_DECLARE, &m);
    peer_expect_close(p, AMQP_REPLY_SYNTAX_ERROR);
    buffer_fini(&inner);
}

static void
act_unknown_method(struct hostile *h, struct peer *p)
{
    send_frame(p, AMQP_FRAME_METHOD, 1, "\0\62\3\347", 4, AMQP_FRAME_END);
    trial_for(h->t, 2000);
    TRIAL_EXPECT(h->t, p->is_over && p->was_closed && p->code >= 500, "an unknown method is answered with %u",
                 p->code);
}

static void
act_channels_without_end(struct hostile *h, struct peer *p)
{
    struct amqp_channel_open m = {0};
    uint16_t most = sim_session_channel_max(p->session);
    for (uint16_t i = 2; i <= most; i++)
        sim_session_send(p->session, i, AMQP_CHANNEL_OPEN, &m);
    sim_session_send(p->session, (uint16_t)(most + 1), AMQP_CHANNEL_OPEN, &m);
    peer_expect_close(p, AMQP_REPLY_NOT_ALLOWED);
    TRIAL_EXPECT(h->t, p->opened_channels == most, "%u channels were opened", p->opened_channels);
}

/* Consumes a backlog and reads nothing of it. Stays until the end. */
static void
act_never_reads(struct hostile *h, struct peer *p)
{
    struct amqp_basic_consume m = {.queue = slice_str("backlog")};
    sim_session_send(p->session, 1, AMQP_BASIC_CONSUME, &m);
    sim_client_set_reading(sim_session_client(p->session), false);
}

/* Asks without end and reads no answer: it must not be read without end either. */
static void
act_asks_and_never_reads(struct hostile *h, struct peer *p)
{
    struct amqp_queue_declare m = {.queue = slice_str("good"), .passive = true};
    sim_client_set_reading(sim_session_client(p->session), false);
    for (unsigned i = 0; i < 20000; i++)
        sim_session_send(p->session, 1, AMQP_QUEUE_DECLARE, &m);
    trial_for(h->t, 5000);
}

static void
act_half_a_frame(struct hostile *h, struct peer *p)
{
    uint8_t header[FRAME_HEADER_SIZE + 10] = {0};
    frame_header_put(header, AMQP_FRAME_METHOD, 1, 100);
    sim_session_send_raw(p->session, header, sizeof header);
}

static void
act_noise(struct hostile *h, struct peer *p)
{
    uint8_t noise[3000];
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)trial_random(h->t, 256);
    sim_session_send_raw(p->session, noise, sizeof noise);
    if (trial_chance(h->t, 2))
        trial_for(h->t, 100);
}

static act_fn *const acts[] = {
    act_oversized_frame,       act_wrong_frame_end,      act_closed_channel, act_body_without_publish,
    act_body_that_never_comes, act_deep_table,           act_unknown_method, act_channels_without_end,
    act_never_reads,           act_asks_and_never_reads, act_half_a_frame,   act_noise,
};

/* ---- those who do not even get that far ---- */

static void
expect_stream_end(struct hostile *h, struct sim_client *c, uint64_t ms)
{
    uint64_t deadline = sim_now_ms(h->t->sim) + ms;
    while (!sim_client_is_ended(c) && !sim_client_is_reset(c))
        TRIAL_EXPECT(h->t, sim_now_ms(h->t->sim) < deadline && trial_step(h->t), "a stranger stays");
}

static void
strangers(struct hostile *h)
{
    struct trial *t = h->t;
    struct sim_client *silent = sim_client_open(t->sim, t->broker->world, SIM_BROKER_PORT);
    struct sim_client *slow = sim_client_open(t->sim, t->broker->world, SIM_BROKER_PORT);
    struct sim_client *http = sim_client_open(t->sim, t->broker->world, SIM_BROKER_PORT);
    sim_client_send(http, "GET / HTTP/1.1\r\n\r\n", 18);
    sim_client_send(slow, frame_protocol_header, 5);
    expect_stream_end(h, http, 5000);
    struct slice got = sim_client_received(http);
    TRIAL_EXPECT(t, slice_eq(got, slice_of(frame_protocol_header, FRAME_PROTOCOL_HEADER_SIZE)),
                 "garbage is answered with %zu bytes", got.len);
    good_does_its_work(h);
    expect_stream_end(h, silent, 20000); /* handshake_timeout */
    expect_stream_end(h, slow, 20000);
    sim_client_free(silent);
    sim_client_free(slow);
    sim_client_free(http);
}

static void
fill_backlog(struct hostile *h)
{
    static const uint8_t body[HOSTILE_BODY];
    struct amqp_confirm_select select = {0};
    peer_init(&h->good, h->t, NULL, true);
    peer_open_channel(&h->good, 1);
    peer_declare(&h->good, 1, "good");
    peer_declare(&h->good, 1, "backlog");
    for (unsigned i = 0; i < HOSTILE_BACKLOG; i++)
        peer_publish(&h->good, 1, "backlog", body, sizeof body);
    peer_call(&h->good, 1, AMQP_CONFIRM_SELECT, &select);
}

void
workload_hostile(struct trial *t)
{
    struct sim_broker_options options;
    struct hostile *h = calloc(1, sizeof *h);
    CHECK(h);
    h->t = t;
    trial_begin_world(t);
    sim_broker_options_init(&options);
    options.shards = trial_shards(t);
    trial_begin(t, &options);
    fill_backlog(h);
    strangers(h);
    for (unsigned i = 0; i < HOSTILE_ACTS; i++) {
        struct peer *p = &h->bad[i];
        unsigned which = (unsigned)trial_random(t, sizeof acts / sizeof *acts);
        trial_say(t, "hostile act %u", which);
        peer_init(p, t, NULL, true);
        peer_open_channel(p, 1);
        acts[which](h, p);
        good_does_its_work(h);
        if (trial_chance(t, 2))
            peer_drop(p);
    }
    size_t backlog = (size_t)HOSTILE_BACKLOG * (HOSTILE_BODY + 200);
    TRIAL_EXPECT(t, t->pool_bytes_peak <= 2 * backlog + HOSTILE_MEMORY, "%zu bytes of messages in memory",
                 t->pool_bytes_peak);
    for (unsigned i = 0; i < HOSTILE_ACTS; i++)
        peer_drop(&h->bad[i]);
    trial_for(t, 1000);
    good_does_its_work(h);
    peer_call(&h->good, 1, AMQP_QUEUE_DELETE, &(struct amqp_queue_delete){.queue = slice_str("backlog")});
    TRIAL_EXPECT(t, h->good.count == HOSTILE_BACKLOG, "%u messages came back of %u", h->good.count,
                 HOSTILE_BACKLOG);
    peer_call(&h->good, 1, AMQP_QUEUE_DELETE, &(struct amqp_queue_delete){.queue = slice_str("good")});
    peer_close(&h->good);
    trial_end(t);
    free(h);
}
