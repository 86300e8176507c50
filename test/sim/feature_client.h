/*
 * A client of the features workload: one connection with one channel in confirm mode, which does one thing
 * after the other and remembers what it saw. What will be refused it does in a second channel.
 */
#ifndef LEVERET_TEST_SIM_FEATURE_CLIENT_H
#define LEVERET_TEST_SIM_FEATURE_CLIENT_H

#include "feature.h"
#include "trial.h"

enum { FEATURE_HELD_MAX = 256, FEATURE_SIGHTS_MAX = 64 };

/* A message that came. */
struct feature_sight {
    struct feature_letter letter;
    uint32_t tag;        /* feature_tag() */
    uint8_t queue, slot; /* of the consumer */
};

struct feature_held {
    uint32_t tag; /* feature_tag() */
    uint8_t queue;
};

/* A delivery tag that is no other client's. */
#define FEATURE_TAG_BITS 24
static inline uint32_t
feature_tag(uint8_t client, uint64_t tag)
{
    return (client + 1u) << FEATURE_TAG_BITS | (uint32_t)tag;
}

struct feature_client {
    struct trial *t;
    uint8_t number;
    struct sim_session *session;
    bool is_ready;    /* the channel is there */
    uint16_t refusal; /* the second channel's reply code, 0: it is not closed */
    unsigned answers;
    uint32_t answer, count;                          /* the last answer's method, and the number in it */
    uint8_t getting;                                 /* the queue of the basic.get under way, */
    bool is_getting_no_ack;                          /* which is not held */
    uint64_t published;                              /* in all */
    uint64_t burst_from;                             /* ... before this operation */
    uint32_t acks, nacks;                            /* of this operation's, as masks */
    struct feature_sight got;                        /* by the last basic.get */
    struct feature_sight sights[FEATURE_SIGHTS_MAX]; /* delivered since feature_client_forget() */
    unsigned sight_count;
    struct feature_held held[FEATURE_HELD_MAX]; /* by tag */
    unsigned held_count;
};

void feature_client_open(struct feature_client *c, struct trial *t, uint8_t number);
/* Politely. */
void feature_client_close(struct feature_client *c);
/* It loses its consumers and what it holds, and is there again. */
enum feature_loss { FEATURE_LOSES_CHANNEL, FEATURE_CLOSES, FEATURE_BREAKS_OFF, FEATURE_LOSSES };
void feature_client_lose(struct feature_client *c, enum feature_loss how);
void feature_client_forget(struct feature_client *c);

/* Sends and waits for the answer; a close instead of it ends the trial. */
void feature_client_call(struct feature_client *c, uint32_t method, const void *fields);
/* The channel is closed with this code. */
void feature_client_is_refused(struct feature_client *c, uint32_t method, const void *fields, uint16_t code);
/* A consumer's tag. */
void feature_client_consumer(char tag[8], uint8_t queue, uint8_t slot);
/* -> was there a message? Then it is `got`. */
bool feature_client_get(struct feature_client *c, uint8_t queue, bool no_ack);
/* Passive. -> ready messages. */
uint32_t feature_client_count(struct feature_client *c, uint8_t queue);
void feature_client_publish(struct feature_client *c, const struct feature_letter *l, bool is_persistent);
/* All publishes since the last time are answered. */
void feature_client_await_confirms(struct feature_client *c);
/* `index` in held, and with `multiple` those before it: they are held no more. */
void feature_client_settle(struct feature_client *c, unsigned index, bool multiple, bool is_ack,
                           bool requeue);

#endif
