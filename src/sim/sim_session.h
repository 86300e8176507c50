/*
 * An AMQP 0-9-1 client as a state machine over a simulated connection. It logs in by itself, encodes what it
 * is told to send, cuts what arrives into methods with their content and hands each to `on_event`. Nothing
 * happens between two calls of sim_session_poll(): the test decides when a client looks at its input.
 *
 *   struct sim_session *s = sim_session_new(sim, world, &options, on_event, arg);
 *   sim_session_send(s, 1, AMQP_CHANNEL_OPEN, &(struct amqp_channel_open){0});
 *   sim_step(sim); sim_session_poll(s); ...
 *
 * What it answers by itself: the handshake, channel.close and connection.close. It holds the broker to the
 * protocol: a frame that is none, content that nobody announced, more than frame_max, an answer outside the
 * handshake's order are SIM_SESSION_BROKEN events.
 */
#ifndef LEVERET_SIM_SIM_SESSION_H
#define LEVERET_SIM_SIM_SESSION_H

#include "base/buffer.h"
#include "io/sim.h"
#include "wire/amqp.h"

struct sim_session;

struct sim_session_options {
    const char *user, *password, *vhost;
    uint32_t frame_max;   /* 0: what the broker offers */
    uint16_t channel_max; /* 0: what the broker offers */
    uint16_t heartbeat_s; /* this client sends none by itself */
    bool is_plain;        /* tells no capabilities */
};
/* guest, guest, "/", what is offered, no heartbeats. */
void sim_session_options_init(struct sim_session_options *options);

enum sim_session_state {
    SIM_SESSION_HANDSHAKE,
    SIM_SESSION_OPEN,
    SIM_SESSION_CLOSING, /* we have sent connection.close */
    SIM_SESSION_ENDED,
};

enum sim_session_event_kind {
    SIM_SESSION_OPENED, /* connection.open-ok */
    SIM_SESSION_METHOD, /* a method, with its whole content if it has one */
    SIM_SESSION_CLOSED, /* connection.close has come (a SIM_SESSION_METHOD tells the code before), or close-ok
                         */
    SIM_SESSION_LOST,   /* the stream ended without a goodbye */
    SIM_SESSION_BROKEN, /* the broker has violated the protocol: `text` */
};

/* Valid during the callback. */
struct sim_session_event {
    enum sim_session_event_kind kind;
    uint16_t channel;
    uint32_t id; /* the method's */
    const struct amqp_method *method;
    const union amqp_any *fields;
    struct slice properties, body; /* of basic.deliver, get-ok and return */
    const char *text;
};
typedef void sim_session_on_event(void *arg, struct sim_session *s, const struct sim_session_event *e);

/* Connects to SIM_BROKER_PORT. Options are copied, their texts are not. */
struct sim_session *sim_session_new(struct sim *sim, struct io_world *node,
                                    const struct sim_session_options *options, sim_session_on_event *on_event,
                                    void *arg);
/* A connection that is still open is reset. */
void sim_session_free(struct sim_session *s);

/* Handles what has arrived; true if there was anything. Not from within on_event. */
bool sim_session_poll(struct sim_session *s);
enum sim_session_state sim_session_state(const struct sim_session *s);
/* Is the stream still there, in both directions? */
bool sim_session_is_connected(const struct sim_session *s);
uint32_t sim_session_frame_max(const struct sim_session *s);
uint16_t sim_session_channel_max(const struct sim_session *s);
struct sim_client *sim_session_client(struct sim_session *s);

/* Encodes a method frame; `fields` may be NULL for a method that has none. CHECKs that it fits. */
void sim_session_send(struct sim_session *s, uint16_t channel, uint32_t method, const void *fields);
/* Method, header and body frames of at most `payload_max` bytes each (0: frame_max). */
void sim_session_publish(struct sim_session *s, uint16_t channel, const struct amqp_basic_publish *m,
                         struct slice properties, struct slice body, uint32_t payload_max);
/* Bytes as they are. */
void sim_session_send_raw(struct sim_session *s, const void *data, size_t len);
/* connection.close, 200. */
void sim_session_close(struct sim_session *s);
/* A reset, now. */
void sim_session_abort(struct sim_session *s);

/*
 * A corked session collects what it sends until sim_session_flush() passes on the first `most` bytes of it.
 * How a frame is cut is thus the test's choice. The handshake is not held up.
 */
void sim_session_set_corked(struct sim_session *s, bool corked);
void sim_session_flush(struct sim_session *s, size_t most);
/* Sent and not yet flushed. */
size_t sim_session_corked_bytes(const struct sim_session *s);

#endif
