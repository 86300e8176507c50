/* What the random workloads have found, as the shortest scripts that show it; each is named after what was
 * wrong. */
#include "peer.h"

#include <stdio.h>

enum {
    FOUND_CLIENTS = 6,
    FOUND_PUBLISHES = 60,
    FOUND_RESETS = 40,
    FOUND_DECLARES = 40,
    FOUND_ROUNDS = 10,
    FOUND_MS = 30000
};

static void
begin(struct trial *t, struct sim_broker_options *options, bool moves)
{
    trial_begin_world(t);
    sim_broker_options_init(options);
    options->shards = 3;
    options->server.move_connections = moves;
}

/* Messages in the queue, asked by a client of its own; then it is deleted. */
static uint32_t
count_and_delete(struct trial *t, const char *queue)
{
    struct peer p = {0};
    struct amqp_queue_delete m = {.queue = slice_str(queue)};
    peer_init(&p, t, NULL, true);
    peer_open_channel(&p, 1);
    peer_call(&p, 1, AMQP_QUEUE_DELETE, &m);
    peer_close(&p);
    return p.count;
}

/* Frames that waited behind an unanswered method were thrown away by connection.close. */
static void
publish_behind_a_declaration_was_lost_by_close(struct trial *t)
{
    struct sim_broker_options options;
    begin(t, &options, false);
    trial_begin(t, &options);
    for (unsigned i = 0; i < FOUND_CLIENTS; i++) {
        struct peer p = {0};
        char name[16];
        snprintf(name, sizeof name, "close%u", i);
        peer_init(&p, t, NULL, true);
        sim_session_set_corked(p.session, true); /* all in one segment, if the network likes */
        sim_session_send(p.session, 1, AMQP_CHANNEL_OPEN, &(struct amqp_channel_open){0});
        sim_session_send(p.session, 1, AMQP_QUEUE_DECLARE,
                         &(struct amqp_queue_declare){.queue = slice_str(name), .nowait = true});
        peer_publish(&p, 1, name, "message", 7);
        sim_session_close(p.session);
        peer_expect_end(&p, FOUND_MS);
        TRIAL_EXPECT(t, p.was_closed && p.code == 0, "no close-ok");
        peer_drop(&p);
        TRIAL_EXPECT(t, count_and_delete(t, name) == 1, "the publish before connection.close is lost");
    }
    trial_end(t);
}

/* The parked budget was over and the lane to the queue's shard full: nothing resumed the connection. */
static void
parked_publishes_without_room_never_went_on(struct trial *t)
{
    static const uint8_t body[300];
    struct sim_broker_options options;
    begin(t, &options, false);
    options.server.limits.parked_bytes_max = 4096;
    options.limits.publish_window_bytes = 500;
    trial_begin(t, &options);
    struct peer home = {0};
    peer_init(&home, t, NULL, true);
    peer_open_channel(&home, 1);
    peer_declare(&home, 1, "room");
    for (unsigned i = 0; i < FOUND_CLIENTS; i++) {
        struct peer p = {0};
        peer_init(&p, t, NULL, true);
        peer_open_channel(&p, 1);
        sim_session_set_corked(p.session, true);
        sim_session_send(p.session, 1, AMQP_QUEUE_DECLARE, &(struct amqp_queue_declare){.exclusive = true});
        for (unsigned n = 0; n < FOUND_PUBLISHES; n++)
            peer_publish(&p, 1, "room", body, sizeof body);
        sim_session_set_corked(p.session, false);
        peer_call(&p, 1, AMQP_BASIC_QOS, &(struct amqp_basic_qos){0});
        peer_call(&p, 1, AMQP_BASIC_QOS, &(struct amqp_basic_qos){0});
        peer_close(&p);
    }
    peer_close(&home);
    uint32_t count = count_and_delete(t, "room");
    TRIAL_EXPECT(t, count == FOUND_CLIENTS * FOUND_PUBLISHES, "%u messages have arrived", count);
    trial_end(t);
}

/* The flush before a move met a dead socket and freed the channel that was publishing. */
static void
reset_while_moving_freed_the_publishing_channel(struct trial *t)
{
    struct sim_broker_options options;
    begin(t, &options, true);
    trial_begin(t, &options);
    struct sim_net net = sim_net(t->sim);
    net.latency_max_ns = net.latency_min_ns;
    net.chunk_max = 0;
    sim_set_net(t->sim, &net); /* data and reset arrive together */
    struct peer home = {0};
    peer_init(&home, t, NULL, true);
    peer_open_channel(&home, 1);
    peer_declare(&home, 1, "home");
    peer_consume(&home, 1, "home", true);
    for (unsigned i = 0; i < FOUND_RESETS; i++) {
        struct peer p = {0};
        peer_init(&p, t, NULL, true);
        sim_session_set_corked(p.session, true);
        sim_session_send(p.session, 1, AMQP_CHANNEL_OPEN, &(struct amqp_channel_open){0});
        peer_publish(&p, 1, "home", "away", 4);
        sim_session_flush(p.session, SIZE_MAX);
        peer_drop(&p);
    }
    peer_call(&home, 1, AMQP_QUEUE_DELETE, &(struct amqp_queue_delete){.queue = slice_str("home")});
    peer_close(&home);
    trial_end(t);
}

static bool
has_answer(void *arg)
{
    const struct peer *p = arg;
    return p->answers > 0 || p->channel_code || p->is_over;
}

/* queue.declare found a queue whose deletion was under way, and said 404 instead of making it. */
static void
declare_of_a_vanishing_queue_was_answered_404(struct trial *t)
{
    struct sim_broker_options options;
    struct amqp_queue_declare declare = {.queue = slice_str("vanishing"), .auto_delete = true};
    struct peer a = {0}, b = {0};
    begin(t, &options, false);
    trial_begin(t, &options);
    peer_init(&a, t, NULL, true);
    peer_open_channel(&a, 1);
    peer_init(&b, t, NULL, true);
    peer_open_channel(&b, 1);
    for (unsigned i = 0; i < FOUND_DECLARES; i++) {
        struct amqp_basic_consume consume = {.queue = declare.queue, .consumer_tag = slice_str("c")};
        struct amqp_basic_cancel cancel = {.consumer_tag = slice_str("c"), .nowait = true};
        peer_call(&a, 1, AMQP_QUEUE_DECLARE, &declare);
        peer_call(&a, 1, AMQP_BASIC_CONSUME, &consume);
        sim_session_send(a.session, 1, AMQP_BASIC_CANCEL, &cancel);
        for (uint64_t n = trial_random(t, 12); n > 0; n--)
            (void)trial_step(t);
        b.answers = 0;
        sim_session_send(b.session, 1, AMQP_QUEUE_DECLARE, &declare);
        trial_until(t, has_answer, &b, FOUND_MS, "queue.declare-ok");
        TRIAL_EXPECT(t, !b.channel_code && !b.is_over, "queue.declare: %u %s", b.channel_code, b.text);
        peer_call(&a, 1, AMQP_QUEUE_DELETE, &(struct amqp_queue_delete){.queue = declare.queue});
    }
    peer_close(&a);
    peer_close(&b);
    trial_end(t);
}

struct answers_due {
    const struct peer *peer;
    unsigned answers;
};

static bool
has_answers(void *arg)
{
    const struct answers_due *due = arg;
    return due->peer->answers >= due->answers || due->peer->is_over || due->peer->channel_code;
}

/* Room had come while the output was still full: the next frame met the publish that waited for both. */
static void
frames_overtook_a_publish_that_waited_for_room(struct trial *t)
{
    static const uint8_t body[400];
    struct sim_broker_options options;
    struct peer home = {0}, p = {0};
    begin(t, &options, false);
    options.limits.publish_window_bytes = 1;
    options.server.limits.output_high_bytes = 20000;
    options.server.limits.output_max_bytes = 1000;
    options.server.limits.write_turn_bytes = 4096;
    options.server.limits.draft_first_bytes = 16;
    trial_begin(t, &options);
    struct sim_net net = sim_net(t->sim);
    net.buffer_bytes = 512 + trial_random(t, 2048);
    sim_set_net(t->sim, &net);
    peer_init(&home, t, NULL, true);
    peer_open_channel(&home, 1);
    peer_declare(&home, 1, "full");
    peer_init(&p, t, NULL, true);
    peer_open_channel(&p, 1);
    peer_declare(&p, 1, "backlog");
    for (unsigned i = 0; i < FOUND_ROUNDS; i++) {
        struct amqp_queue_bind bind = {
            .queue = slice_str("full"), .exchange = slice_str("amq.direct"), .routing_key = slice_str("k")};
        struct amqp_basic_publish m = {.routing_key = slice_str("full")};
        unsigned answers = p.answers;
        sim_client_set_reading(sim_session_client(p.session), false);
        for (unsigned n = 0; n < 8; n++) {
            struct amqp_basic_get get = {.queue = slice_str("full"), .no_ack = true};
            sim_session_send(p.session, 1, AMQP_QUEUE_BIND, &bind);
            for (unsigned k = 0; k < 4; k++)
                sim_session_publish(p.session, 1, &m, slice_of(NULL, 0), slice_of(body, sizeof body), 150);
            sim_session_send(p.session, 1, AMQP_BASIC_GET, &get);
        }
        for (uint64_t n = trial_random(t, 400); n > 0 && trial_step(t); n--)
            ;
        sim_client_set_reading(sim_session_client(p.session), true);
        struct answers_due due = {.peer = &p, .answers = answers + 16};
        trial_until(t, has_answers, &due, FOUND_MS, "all answers");
        TRIAL_EXPECT(t, !p.is_over && !p.channel_code, "closed: %u %u %s", p.code, p.channel_code, p.text);
    }
    peer_call(&p, 1, AMQP_QUEUE_DELETE, &(struct amqp_queue_delete){.queue = slice_str("backlog")});
    peer_call(&p, 1, AMQP_QUEUE_DELETE, &(struct amqp_queue_delete){.queue = slice_str("full")});
    peer_close(&p);
    peer_close(&home);
    trial_end(t);
}

/* channel.close behind tx.commit was handled when the last queue answered, and freed the channel under that
 * answer. */
static void
close_behind_a_commit_freed_the_answered_channel(struct trial *t)
{
    struct sim_broker_options options;
    begin(t, &options, false);
    trial_begin(t, &options);
    struct peer home = {0};
    peer_init(&home, t, NULL, true);
    peer_open_channel(&home, 1);
    peer_declare(&home, 1, "committed");
    for (unsigned i = 0; i < FOUND_CLIENTS; i++) {
        struct peer p = {0};
        peer_init(&p, t, NULL, true);
        peer_open_channel(&p, 1);
        peer_call(&p, 1, AMQP_TX_SELECT, NULL);
        sim_session_set_corked(p.session, true);
        peer_publish(&p, 1, "committed", "message", 7);
        sim_session_send(p.session, 1, AMQP_TX_COMMIT, NULL);
        sim_session_send(p.session, 1, AMQP_CHANNEL_CLOSE, &(struct amqp_channel_close){.reply_code = 200});
        sim_session_send(p.session, 1, AMQP_CHANNEL_OPEN, &(struct amqp_channel_open){0});
        sim_session_set_corked(p.session, false);
        peer_close(&p);
    }
    peer_close(&home);
    TRIAL_EXPECT(t, count_and_delete(t, "committed") == FOUND_CLIENTS, "not all commits have arrived");
    trial_end(t);
}

void
workload_found(struct trial *t)
{
    publish_behind_a_declaration_was_lost_by_close(t);
    uint64_t trace = t->trace;
    parked_publishes_without_room_never_went_on(t);
    trace ^= t->trace << 1;
    reset_while_moving_freed_the_publishing_channel(t);
    trace ^= t->trace << 1;
    declare_of_a_vanishing_queue_was_answered_404(t);
    trace ^= t->trace << 1;
    frames_overtook_a_publish_that_waited_for_room(t);
    trace ^= t->trace << 1;
    close_behind_a_commit_freed_the_answered_channel(t);
    t->trace ^= trace << 1;
    t->operations += 6;
}
