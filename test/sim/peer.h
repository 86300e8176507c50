/*
 * A client that does one thing after the other: calls that wait for their answers, counters of what comes
 * unasked. For workloads with a script; random clients are made of sessions directly.
 */
#ifndef LEVERET_TEST_SIM_PEER_H
#define LEVERET_TEST_SIM_PEER_H

#include "trial.h"

enum { PEER_ANSWER_MS = 30000 };

struct peer {
    struct trial *t;
    struct sim_session *session; /* NULL: not connected */
    bool is_open, is_over;       /* is_over: closed or lost */
    bool was_closed;             /* by connection.close or close-ok, not by the loss of the stream */
    uint16_t code;               /* of connection.close, else 0 */
    char text[256];
    uint16_t channel_code; /* of the last channel.close, else 0 */
    unsigned answers, opened_channels;
    uint32_t answer; /* the last method that was an answer */
    uint32_t count;  /* of the last declare-ok, get-ok, purge-ok or delete-ok */
    char name[256];  /* of the last declare-ok */
    bool is_blocked;
    unsigned blocks;
    uint64_t deliveries, delivered_bytes, acked, nacks, returns, cancels;
    bool acks_deliveries;
    /* May be NULL: every delivery and get-ok. */
    void (*on_content)(struct peer *p, const struct sim_session_event *e);
    void *arg;
};

/* Connects; with `wait` until it is open. */
void peer_init(struct peer *p, struct trial *t, const struct sim_session_options *options, bool wait);
void peer_open_channel(struct peer *p, uint16_t channel);
/* Sends and waits for the answer; fails when the channel or the connection is closed instead. */
void peer_call(struct peer *p, uint16_t channel, uint32_t method, const void *fields);
/* The same, where channel.close with `code` must come. */
void peer_call_fails(struct peer *p, uint16_t channel, uint32_t method, const void *fields, uint16_t code);
void peer_declare(struct peer *p, uint16_t channel, const char *queue);
void peer_consume(struct peer *p, uint16_t channel, const char *queue, bool no_ack);
/* Default exchange. */
void peer_publish(struct peer *p, uint16_t channel, const char *queue, const void *body, size_t len);
/* connection.close with `code` comes. */
void peer_expect_close(struct peer *p, uint16_t code);
/* The stream ends, with or without a goodbye. */
void peer_expect_end(struct peer *p, uint64_t ms);
/* Politely, and waits. */
void peer_close(struct peer *p);
/* At once, without a goodbye. */
void peer_drop(struct peer *p);

#endif
