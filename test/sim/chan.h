/*
 * One channel of a random client: what it has asked, published, been given and settled, held against the
 * model. Whoever drives it decides what it does; here is what must follow.
 */
#ifndef LEVERET_TEST_SIM_CHAN_H
#define LEVERET_TEST_SIM_CHAN_H

#include "model.h"

enum { CHAN_ASKS_MAX = 16, CHAN_CONSUMERS_MAX = 4 };

enum chan_state { CHAN_NONE, CHAN_OPENING, CHAN_OPEN, CHAN_CLOSING };
enum chan_mode { CHAN_PLAIN, CHAN_CONFIRM, CHAN_TX };

/* A method that will be answered. */
struct chan_ask {
    uint32_t method;
    int queue;    /* of get and purge; -1: not the model's */
    int consumer; /* of consume and cancel */
    bool no_ack, is_troubled;
    uint16_t may_fail_with; /* channel.close with this code is fine */
    char queue_name[64];
    size_t settled, published; /* when it is answered the broker has handled so many of the logs' entries */
};

struct chan_held {
    uint64_t tag, number;
    int queue, consumer;
};

/* The newest fresh message that a consumer got from a publisher. */
struct chan_seen {
    uint32_t publisher;
    uint64_t number;
};

enum chan_consumer_state { CONSUMER_NONE, CONSUMER_ASKED, CONSUMER_ON, CONSUMER_CANCELING };
struct chan_consumer {
    enum chan_consumer_state state;
    int queue;
    char queue_name[64], tag[32];
    bool has_shared_limit;
    bool no_ack, is_troubled; /* a window was opened for it while its channel is in doubt */
    unsigned prefetch, outstanding;
    struct chan_seen *seen;
    size_t seen_count;
};

struct chan {
    struct trial *t;
    struct model *model;
    struct troubles *troubles;
    struct sim_session *session;
    uint16_t number;
    enum chan_state state;
    enum chan_mode mode;
    enum model_doubt doubt;
    uint32_t epoch;
    uint64_t next_tag, next_consumer;
    unsigned prefetch, global_prefetch, global_outstanding;
    uint16_t expected_code; /* something wrong was done on purpose: channel.close with this code may come */
    struct chan_ask asks[CHAN_ASKS_MAX];
    unsigned ask_count;
    struct chan_consumer consumers[CHAN_CONSUMERS_MAX];
    struct chan_held *held; /* by tag */
    size_t held_count, held_capacity;
    struct chan_held *settles; /* what was settled, in order; done up to settled_done */
    size_t settle_count, settle_capacity, settled_done, tx_settles;
    uint64_t *published; /* numbers, in order; done up to published_done */
    bool *confirmed;
    size_t publish_count, publish_capacity, published_done, tx_published;
    size_t confirm_count; /* of `confirmed` that are set */
    char last_queue[64];  /* server-named, from the last declare-ok */
};

/* Windows of trouble (model.h) that close when the broker has noticed all that has happened. */
enum { TROUBLES_MAX = 4096, TROUBLE_LINGER_MS = 15 };
struct troubles {
    struct model *model;
    unsigned count;
    struct trouble {
        int queue;
        bool lossy;
        uint64_t until_ms;
    } items[TROUBLES_MAX];
};
/* Opens a window; it stays at least TROUBLE_LINGER_MS. */
void troubles_add(struct troubles *all, int queue, bool lossy);
/* `calm`: the broker knows of every connection that has ended. */
void troubles_tend(struct troubles *all, bool calm);

void chan_open(struct chan *c, struct sim_session *s, uint16_t number, uint32_t epoch, enum chan_mode mode);
/* Sends a method that is answered; false: too many are unanswered, nothing was sent. */
bool chan_ask(struct chan *c, const struct chan_ask *ask, const void *fields);
void chan_publish(struct chan *c, const char *exchange, const char *key, uint8_t queues, bool elsewhere,
                  bool mandatory);
void chan_consume(struct chan *c, int queue, const char *queue_name, bool no_ack, uint16_t may_fail_with);
void chan_cancel(struct chan *c, unsigned consumer);
void chan_get(struct chan *c, int queue, const char *queue_name, bool no_ack, uint16_t may_fail_with);
void chan_purge(struct chan *c, int queue, const char *queue_name);
/* Settles the i-th held delivery (with `multiple` those before it too). */
enum chan_settle { CHAN_ACK, CHAN_REJECT, CHAN_REQUEUE };
void chan_settle(struct chan *c, size_t i, bool multiple, enum chan_settle how);
void chan_recover(struct chan *c);
void chan_commit(struct chan *c);
void chan_rollback(struct chan *c);
void chan_close(struct chan *c);

/* Tells the model what this client cannot know; to be called when something wrong was sent, or the end of the
 * connection. */
void chan_doubt(struct chan *c, bool connection_closes);

/* Every event with this channel's number. */
void chan_on_method(struct chan *c, const struct sim_session_event *e);
/* The channel is gone: politely (everything before was handled) or not. Ready to be opened again. */
void chan_ended(struct chan *c, bool politely);
void chan_fini(struct chan *c);

#endif
