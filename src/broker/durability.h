/*
 * What a node asks of whatever keeps its messages and declared things over a restart. The broker declares it,
 * src/durable implements it; a node without one (NULL in struct node) keeps everything in memory.
 */
#ifndef LEVERET_BROKER_DURABILITY_H
#define LEVERET_BROKER_DURABILITY_H

struct broker;
struct mail;
struct meta_request;

struct durability {
    /* The last step of broker_new(), on the shard's thread: fills the queues that live here with what was
     * kept, and sets b->log (queue_log.h). May block: nobody is served yet. */
    void (*attach)(void *arg, struct broker *b);
    /* Shard 0, in the order of submission: takes the request. meta_commit() follows, in the same order, when
     * the command is kept as it must be: at once for what does not outlive the node. */
    void (*submit)(void *arg, struct broker *b, struct meta_request *r);
    /* The end of broker_turn(). */
    void (*turn)(void *arg, struct broker *b);
    /* What was posted with courier_post_durable(). */
    void (*mail)(void *arg, struct broker *b, const struct mail *m);
    /* The shard stops cleanly: the last call on it. */
    void (*stop)(void *arg, struct broker *b);
};

#endif
