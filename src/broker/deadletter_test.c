/*
 * Dead letters, with a log that keeps what it is told only when the test says so: what may leave when. One
 * shard, no time but the number. (What clients see of it: test/transcripts/deadletter_*.)
 */
#include "broker/deadletter.h"

#include "base/check.h"
#include "broker/broker_fixture.h"
#include "broker/deadletter_message.h"
#include "broker/queue_impl.h"
#include "wire/properties.h"
#include "wire/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { CONFIRMS = 500000, CHAIN = 300, MANY = 20000, WIDE = 4000, LETTERS = 100 };

/* The log, and who waits for it. */
static struct {
    struct fixture f;
    struct broker *b;
    struct queue_log log;
    unsigned published, settled;
    struct {
        struct channel_ref to;
        uint64_t seq;
    } waiting[CONFIRMS];
    unsigned waiting_count, told;
} w;

/* ---- the log ---- */

static uint32_t
log_publish(struct queue_log *l, struct queue *q, uint64_t position, struct message *m, uint64_t deadline,
            uint64_t tx)
{
    if (q->deliver_limit <= position)
        q->deliver_limit = position + 1;
    return w.published++;
}

static void
log_confirm(struct queue_log *l, struct channel_ref to, uint64_t seq, uint32_t times)
{
    for (; times > 0; times--) {
        CHECK(w.waiting_count < CONFIRMS);
        w.waiting[w.waiting_count].to = to;
        w.waiting[w.waiting_count++].seq = seq;
    }
}

static void
log_settle(struct queue_log *l, struct queue *q, uint64_t position, const struct queue_entry *e, uint64_t tx)
{
    w.settled++;
}

static void
log_forget(struct queue_log *l, struct queue *q)
{
}

static const struct queue_log_ops log_ops = {
    .publish = log_publish, .confirm = log_confirm, .settle = log_settle, .forget = log_forget};

/* All that was told so far is kept now, or never will be. */
static void
log_syncs(bool nack)
{
    for (; w.told < w.waiting_count; w.told++)
        courier_confirm_range(w.b, w.waiting[w.told].to, w.waiting[w.told].seq, w.waiting[w.told].seq, nack,
                              1);
}

static void
log_syncs_one(bool nack)
{
    unsigned waiting = w.waiting_count;
    w.waiting_count = w.told + 1;
    log_syncs(nack);
    w.waiting_count = waiting;
}

/* ---- the broker ---- */

static void
on_replied(void *server, struct op_reply *r)
{
    CHECK(r->code == 0);
}

static const struct effects effects = {.replied = on_replied};

static int
set_up(void **state)
{
    memset(&w, 0, sizeof w);
    epoch_init(&w.f.epoch, 1);
    w.f.node.epoch = &w.f.epoch;
    fixture_meta_init(&w.f);
    w.b = broker_new(&w.f.node, NULL, &effects, NULL);
    w.b->now_ms = 1000;
    w.log = (struct queue_log){.ops = &log_ops, .resident_max = UINT64_MAX / 4};
    w.b->log = &w.log;
    return 0;
}

static int
tear_down(void **state)
{
    broker_check(w.b);
    broker_free(w.b);
    meta_free(w.f.node.meta);
    epoch_fini(&w.f.epoch);
    return 0;
}

static void
turns(void)
{
    while (broker_turn(w.b))
        ;
    broker_check(w.b);
}

/* A durable queue whose dead letters go to `to`; more arguments by `add`. */
static struct queue *
queue_to(const char *name, const char *to, void (*add)(struct buffer *arguments))
{
    struct buffer arguments = {0};
    struct meta_result r = {0};
    if (to) {
        table_add_str(&arguments, "x-dead-letter-exchange", slice_str(""));
        table_add_str(&arguments, "x-dead-letter-routing-key", slice_str(to));
    }
    if (add)
        add(&arguments);
    meta_apply(w.f.node.meta,
               &(struct meta_command){.kind = META_QUEUE_DECLARE,
                                      .vhost = slice_str("/"),
                                      .name = slice_str(name),
                                      .durable = true,
                                      .arguments = buffer_slice(&arguments)},
               &r);
    buffer_fini(&arguments);
    assert_int_equal(r.code, 0);
    return queue_of(w.b, queue_def_find(w.f.vhost, slice_str(name)));
}

static void
of_no_length(struct buffer *arguments)
{
    table_add_int32(arguments, "x-max-length", 0);
}

static void
of_no_time(struct buffer *arguments)
{
    table_add_int32(arguments, "x-message-ttl", 0);
}

static void
to_fanout(struct buffer *arguments)
{
    table_add_str(arguments, "x-queue-type", slice_str("quorum"));
    table_add_str(arguments, "x-overflow", slice_str("reject-publish"));
    table_add_str(arguments, "x-dead-letter-strategy", slice_str("at-least-once"));
    table_add_str(arguments, "x-dead-letter-exchange", slice_str("amq.fanout"));
}

static void
bind_to_fanout(const char *queue)
{
    struct meta_result r = {0};
    meta_apply(w.f.node.meta,
               &(struct meta_command){.kind = META_QUEUE_BIND,
                                      .vhost = slice_str("/"),
                                      .name = slice_str(queue),
                                      .source = slice_str("amq.fanout")},
               &r);
    assert_int_equal(r.code, 0);
}

static void
push(struct queue *q, uint64_t number)
{
    static const uint8_t persistent[] = {0x10, 0, 2};
    struct message *m = message_new(w.b, slice_str("x"), slice_str("key"), slice_of(persistent, 3), 8);
    memcpy(message_body_mut(m), &number, 8);
    queue_push(q, &m, 0);
}

static void
reject_first(struct queue *q)
{
    uint64_t position;
    bool redelivered;
    struct message *m = queue_take(q, false, &position, &redelivered);
    assert_non_null(m);
    message_drop(w.b, &m);
    courier_settle(w.b, 0, q->id, position, SETTLE_REJECT);
}

/* ---- tests ---- */

static void
the_source_stays_until_its_copy_is_kept(void **state)
{
    struct queue *q = queue_to("q", "d", NULL), *d = queue_to("d", NULL, NULL);
    push(q, 7);
    reject_first(q);
    turns();
    assert_int_equal(w.published, 2); /* into both */
    assert_int_equal(queue_ready_count(d), 1);
    assert_int_equal(queue_ready_count(q) + queue_unacked_count(q), 0);
    assert_int_equal(w.settled, 0);
    assert_int_equal(q->leaving, 1);
    assert_false(deadletters_are_idle(w.b));
    log_syncs(false);
    turns();
    assert_int_equal(w.settled, 1);
    assert_int_equal(q->leaving, 0);
    assert_true(deadletters_are_idle(w.b));
}

static void
without_an_exchange_nothing_waits(void **state)
{
    struct queue *q = queue_to("q", NULL, NULL);
    push(q, 7);
    reject_first(q);
    assert_int_equal(w.settled, 1);
    assert_true(deadletters_are_idle(w.b));
}

static void
a_target_that_cannot_keep_it_counts_as_done(void **state)
{
    struct queue *q = queue_to("q", "d", NULL);
    queue_to("d", NULL, NULL);
    push(q, 7);
    reject_first(q);
    turns();
    log_syncs(true);
    turns();
    assert_int_equal(w.settled, 1);
    assert_int_equal(q->leaving, 0);
}

static void
a_queue_that_is_deleted_meanwhile_leaves_the_copy(void **state)
{
    struct queue *q = queue_to("q", "d", NULL), *d = queue_to("d", NULL, NULL);
    struct meta_result r = {0};
    push(q, 7);
    push(q, 8);
    reject_first(q);
    turns();
    reject_first(q); /* this one is not sent yet */
    meta_apply(w.f.node.meta, &(struct meta_command){.kind = META_QUEUE_DELETE, .queue_id = q->id}, &r);
    queue_close(q);
    turns();
    log_syncs(false);
    turns();
    assert_true(deadletters_are_idle(w.b));
    assert_int_equal(queue_ready_count(d), 1);
}

static void
a_chain_of_queues_needs_no_stack_and_keeps_the_order(void **state)
{
    struct queue *first = NULL;
    char name[16], next[16];
    for (int i = 0; i < CHAIN; i++) {
        snprintf(name, sizeof name, "q%d", i);
        snprintf(next, sizeof next, "q%d", i + 1);
        struct queue *q = queue_to(name, next, of_no_length);
        first = first ? first : q;
    }
    struct queue *last = queue_to(next, NULL, NULL);
    for (uint64_t n = 0; n < 10; n++)
        push(first, n);
    turns();
    log_syncs(false);
    turns();
    assert_int_equal(queue_ready_count(last), 10);
    for (uint64_t n = 0; n < 10; n++) {
        uint64_t position;
        bool redelivered;
        struct slice deaths;
        unsigned count = 0;
        struct message *m = queue_take(last, true, &position, &redelivered);
        assert_int_equal(fixture_number(m), n);
        assert_int_equal(table_get_array(properties_headers(message_properties(m)), "x-death", &deaths),
                         ERR_OK);
        for (struct table_iter it = table_iter_items(deaths);
             table_iter_next(&it, NULL, &(struct table_value){0});)
            count++;
        assert_int_equal(count, DEADLETTER_DEATHS_MAX); /* of 300: the latest */
        message_drop(w.b, &m);
    }
}

static void
a_queue_may_drop_into_itself(void **state)
{
    struct queue *q = queue_to("q", "q", of_no_length);
    for (uint64_t n = 0; n < 100; n++)
        push(q, n);
    turns(); /* ends: that a limit sends it round is a cycle */
    log_syncs(false);
    turns();
    assert_int_equal(queue_ready_count(q), 0);
    assert_true(deadletters_are_idle(w.b));
}

/* At least once, at most one message. */
static void
of_quorum(struct buffer *arguments)
{
    table_add_str(arguments, "x-queue-type", slice_str("quorum"));
    table_add_str(arguments, "x-overflow", slice_str("reject-publish"));
    table_add_int32(arguments, "x-max-length", 1);
    table_add_str(arguments, "x-dead-letter-strategy", slice_str("at-least-once"));
}

static void
letters_that_nobody_takes_count_against_the_limit(void **state)
{
    struct queue *q = queue_to("q", "nobody", of_quorum);
    push(q, 7);
    log_syncs(false);
    reject_first(q);
    turns();
    assert_int_equal(q->leaving, 1);
    push(q, 8);
    assert_int_equal(queue_ready_count(q), 0);
    assert_false(deadletters_are_idle(w.b));
    assert_true(deadletters_are_sent(w.b));
}

/* Each of two targets is asked for itself, and answers for itself. */
static void
a_letter_stays_until_each_of_its_targets_has_it(void **state)
{
    struct queue *q = queue_to("q", NULL, to_fanout), *a = queue_to("a", NULL, NULL),
                 *b = queue_to("b", NULL, NULL);
    bind_to_fanout("a");
    bind_to_fanout("b");
    push(q, 7);
    log_syncs(false);
    reject_first(q);
    turns();
    assert_int_equal(queue_ready_count(a) + queue_ready_count(b), 2);
    assert_int_equal(w.waiting_count - w.told, 2);
    assert_true(w.waiting[w.told].seq != w.waiting[w.told + 1].seq);
    log_syncs_one(false);
    turns();
    assert_int_equal(q->leaving, 1);
    log_syncs_one(true);
    turns();
    assert_int_equal(q->leaving, 1); /* it waits for another try */
    assert_true(deadletters_are_sent(w.b));
    assert_int_equal(queue_ready_count(a) + queue_ready_count(b), 2);
}

static void
a_slow_target_holds_up_what_expires(void **state)
{
    struct queue *q = queue_to("q", "d", NULL), *d = queue_to("d", NULL, NULL);
    for (uint64_t n = 0; n < 2 * MANY; n++)
        push(q, n);
    struct queue *unrelated = queue_to("u", NULL, of_no_time);
    queue_to("q2", "d", of_no_time);
    queue_purge(unrelated);
    struct queue *q2 = queue_of(w.b, queue_def_find(w.f.vhost, slice_str("q2")));
    for (uint64_t n = 0; n < 2 * MANY; n++)
        push(q2, n);
    turns();
    assert_true(queue_ready_count(d) < MANY); /* it stops at DEADLETTER_LINE_MAX and a slice */
    assert_true(queue_ready_count(q2) > MANY);
    while (queue_ready_count(q2) + q2->leaving > 0) {
        uint32_t before = queue_ready_count(q2) + q2->leaving;
        log_syncs(false);
        turns();
        assert_true(queue_ready_count(q2) + q2->leaving < before);
    }
    assert_int_equal(queue_ready_count(d), 2 * MANY);
    assert_int_equal(queue_ready_count(q), 2 * MANY);
}

static void
of_letters_that_nobody_takes(struct buffer *arguments)
{
    table_add_str(arguments, "x-queue-type", slice_str("quorum"));
    table_add_str(arguments, "x-overflow", slice_str("reject-publish"));
    table_add_str(arguments, "x-dead-letter-strategy", slice_str("at-least-once"));
    of_no_time(arguments);
}

/* They are in memory, and tried again and again: what is behind them stays where it is. */
static void
letters_that_wait_for_a_target_hold_up_their_queue_alone(void **state)
{
    struct queue *q = queue_to("q", "nowhere", of_letters_that_nobody_takes);
    struct queue *other = queue_to("other", "d", of_no_time), *d = queue_to("d", NULL, NULL);
    for (uint64_t n = 0; n < 3 * MANY; n++) {
        push(q, n);
        if (n % 100 == 0) {
            turns();
            log_syncs(false);
        }
    }
    turns();
    assert_in_range(q->leaving, MANY / 2, MANY);
    assert_int_equal(q->leaving + queue_ready_count(q), 3 * MANY);
    push(other, 7);
    turns();
    assert_int_equal(queue_ready_count(d), 1);
}

static void
of_letters_to_everybody(struct buffer *arguments)
{
    table_add_str(arguments, "x-dead-letter-exchange", slice_str("amq.fanout"));
}

/* A publisher would have had nine of them in a turn. */
static void
letters_to_many_queues_take_many_turns(void **state)
{
    char name[16];
    struct queue *q = queue_to("q", NULL, of_letters_to_everybody);
    struct meta_result r = {0};
    for (int i = 0; i < WIDE; i++) {
        snprintf(name, sizeof name, "wide%d", i);
        queue_to(name, NULL, NULL);
        meta_apply(w.f.node.meta,
                   &(struct meta_command){.kind = META_QUEUE_BIND,
                                          .vhost = slice_str("/"),
                                          .source = slice_str("amq.fanout"),
                                          .name = slice_str(name)},
                   &r);
        assert_int_equal(r.code, 0);
    }
    for (uint64_t n = 0; n < LETTERS; n++)
        push(q, n);
    for (unsigned n = 0; n < LETTERS; n++)
        reject_first(q);
    unsigned count = 1;
    while (broker_turn(w.b))
        count++;
    assert_true(count >= LETTERS * WIDE / 32768);
    assert_int_equal(w.b->messages_ready, LETTERS * WIDE);
}

static void
of_no_length_to_dead_letters(struct buffer *arguments)
{
    of_no_length(arguments);
    table_add_str(arguments, "x-overflow", slice_str("reject-publish-dlx"));
}

static void
who_is_refused_faster_than_letters_leave_is_slowed(void **state)
{
    struct queue *full = queue_to("full", "d", of_no_length_to_dead_letters), *d = queue_to("d", NULL, NULL);
    for (uint64_t n = 0; n < 1000; n++)
        push(full, n);
    assert_false(w.b->has_backlog);
    for (uint64_t n = 0; n < MANY; n++)
        push(full, n);
    assert_true(w.b->has_backlog);
    turns();
    log_syncs(false);
    turns();
    assert_int_equal(queue_ready_count(d), MANY + 1000);
}

static void
what_is_no_history_is_thrown_away(void **state)
{
    struct buffer table = {0}, run = {0};
    struct deadletter_letter l = {0};
    struct slice deaths;
    const struct slice key = slice_str("k");
    const struct deadletter_death death = {
        .queue = slice_str("q"), .reason = DEADLETTER_EXPIRED, .time_s = 5, .routing_key = &key};
    table_add_str(&table, "x-death", slice_str("no array"));
    table_add_str(&table, "x-first-death-queue", slice_str("a lie"));
    table_add_bool(&table, "mine", true);
    struct properties p = {.flags = PROPERTY_FLAG(PROPERTY_HEADERS), .headers = buffer_slice(&table)};
    run.len = properties_encode(buffer_reserve(&run, properties_size(&p)), &p);
    struct message *m = message_new(w.b, slice_str("x"), slice_str("key"), buffer_slice(&run), 0);
    deadletter_letter_write(&l, m, &death);
    assert_int_equal(properties_validate(buffer_slice(&l.properties)), ERR_OK);
    struct slice headers = properties_headers(buffer_slice(&l.properties)), text;
    assert_int_equal(table_get_array(headers, "x-death", &deaths), ERR_OK);
    assert_int_equal(table_get_str(headers, "x-first-death-queue", &text), ERR_OK);
    assert_true(slice_eq_str(text, "q"));
    bool mine = false;
    assert_int_equal(table_get_bool(headers, "mine", &mine), ERR_OK);
    assert_true(mine);
    assert_true(deadletter_is_cycle(&l.cycle, slice_str("q")));
    assert_false(deadletter_is_cycle(&l.cycle, slice_str("another")));
    assert_true(l.key_count == 1 && slice_eq(l.keys[0], key));
    deadletter_letter_fini(&l);
    message_drop(w.b, &m);
    buffer_fini(&table);
    buffer_fini(&run);
}

/* ---- headers ---- */

/* The letter's headers, of a message that has these, as text. */
static void
expect_headers(struct deadletter_letter *l, const struct buffer *headers, enum deadletter_reason reason,
               const char *expected)
{
    struct buffer run = {0}, text = {0};
    const struct deadletter_death death = {.queue = slice_str("q"), .reason = reason, .time_s = 5};
    struct properties p = {.flags = PROPERTY_FLAG(PROPERTY_HEADERS), .headers = buffer_slice(headers)};
    run.len = properties_encode(buffer_reserve(&run, properties_size(&p)), &p);
    struct message *m = message_new(w.b, slice_str("x"), slice_str("key"), buffer_slice(&run), 0);
    deadletter_letter_write(l, m, &death);
    assert_int_equal(properties_validate(buffer_slice(&l->properties)), ERR_OK);
    table_describe(properties_headers(buffer_slice(&l->properties)), &text);
    buffer_add_u8(&text, 0);
    assert_string_equal((const char *)text.data, expected);
    message_drop(w.b, &m);
    buffer_fini(&run);
    buffer_fini(&text);
}

static void
ours_stand_between_the_messages_own_by_name(void **state)
{
    static const char expected[] =
        "{\"a\": 1, \"x-death\": [{\"count\": 1, \"reason\": \"expired\", \"queue\": \"q\", \"time\": @5, "
        "\"exchange\": \"x\", \"routing-keys\": [\"key\"]}], \"x-e\": 2, \"x-first-death-exchange\": \"x\", "
        "\"x-first-death-queue\": \"q\", \"x-first-death-reason\": \"expired\", \"x-last-death-exchange\": "
        "\"x\", \"x-last-death-queue\": \"q\", \"x-last-death-reason\": \"expired\", \"z\": 3}";
    static const char *const names[] = {"a", "x-e", "z"};
    static const int orders[3][3] = {{0, 1, 2}, {2, 1, 0}, {0, 2, 1}};
    struct deadletter_letter l = {0};
    for (int i = 0; i < 3; i++) {
        struct buffer own = {0};
        for (int j = 0; j < 3; j++)
            table_add_int32(&own, names[orders[i][j]], orders[i][j] + 1);
        expect_headers(&l, &own, DEADLETTER_EXPIRED, expected);
        buffer_fini(&own);
    }
    deadletter_letter_fini(&l);
}

static void
add_old_death(struct buffer *out, const char *reason, const char *queue, bool is_sorted)
{
    size_t at = table_add_table_begin(out, NULL);
    if (is_sorted)
        table_add_int64(out, "count", 7);
    table_add_str(out, "queue", slice_str(queue));
    table_add_str(out, "reason", slice_str(reason));
    if (!is_sorted)
        table_add_int32(out, "count", 7);
    table_end(out, at);
}

static void
a_death_that_happens_again_is_the_first_with_a_higher_count(void **state)
{
    struct deadletter_letter l = {0};
    for (int i = 0; i < 2; i++) {
        struct buffer own = {0};
        size_t at = table_add_array_begin(&own, "x-death");
        add_old_death(&own, "rejected", "r", true);
        add_old_death(&own, "expired", "q", i == 0);
        add_old_death(&own, "expired", "behind", true);
        table_end(&own, at);
        expect_headers(
            &l, &own, DEADLETTER_EXPIRED,
            "{\"x-death\": [{\"count\": 8, \"queue\": \"q\", \"reason\": \"expired\"}, {\"count\": 7, "
            "\"queue\": "
            "\"r\", \"reason\": \"rejected\"}, {\"count\": 7, \"queue\": \"behind\", \"reason\": "
            "\"expired\"}], "
            "\"x-last-death-exchange\": \"x\", \"x-last-death-queue\": \"q\", \"x-last-death-reason\": "
            "\"expired\"}");
        assert_true(deadletter_is_cycle(&l.cycle, slice_str("q")));
        assert_false(deadletter_is_cycle(&l.cycle, slice_str("behind"))); /* somebody has rejected it since */
        buffer_fini(&own);
    }
    deadletter_letter_fini(&l);
}

static void
what_was_told_for_one_message_is_not_told_for_another(void **state)
{
    struct deadletter_letter l = {0};
    struct buffer own = {0}, copied = {0};
    struct slice text;
    size_t at = table_add_array_begin(&copied, "CC");
    table_add_str(&copied, NULL, slice_str("copy"));
    table_end(&copied, at);
    static const char expected[] =
        "{%s\"x-death\": [{\"count\": 1, \"reason\": \"%s\", \"queue\": \"q\", \"time\": @5, \"exchange\": "
        "\"x\", "
        "\"routing-keys\": [\"key\"%s]}], \"x-first-death-exchange\": \"x\", \"x-first-death-queue\": \"q\", "
        "\"x-first-death-reason\": \"%s\", \"x-last-death-exchange\": \"x\", \"x-last-death-queue\": \"q\", "
        "\"x-last-death-reason\": \"%s\"}";
    for (int i = 0; i < 6; i++) {
        const char *reason = i % 3 ? "maxlen" : "rejected";
        char now[512];
        snprintf(now, sizeof now, expected, i % 2 ? "\"CC\": [\"copy\"], " : "", reason,
                 i % 2 ? ", \"copy\"" : "", reason, reason);
        expect_headers(&l, i % 2 ? &copied : &own, i % 3 ? DEADLETTER_MAXLEN : DEADLETTER_REJECTED, now);
        assert_int_equal(l.key_count, 1 + i % 2);
    }
    assert_false(properties_find(buffer_slice(&l.properties), PROPERTY_EXPIRATION, &text));
    buffer_fini(&copied);
    deadletter_letter_fini(&l);
}

static void
add_large_death(struct buffer *out, const struct buffer *bytes, const char *queue)
{
    size_t at = table_add_table_begin(out, NULL);
    table_add_str(out, "bytes", buffer_slice(bytes));
    table_add_str(out, "queue", slice_str(queue));
    table_add_str(out, "reason", slice_str("expired"));
    table_end(out, at);
}

/* A message that goes down a chain of queues with a large CC would grow by it each time. */
static void
old_deaths_beyond_their_bytes_are_left_out(void **state)
{
    struct deadletter_letter l = {0};
    struct buffer own = {0}, bytes = {0}, run = {0};
    struct slice deaths;
    unsigned count = 0;
    buffer_reserve(&bytes, DEADLETTER_DEATHS_BYTES_MAX / 2);
    memset(bytes.data, 'b', DEADLETTER_DEATHS_BYTES_MAX / 2);
    bytes.len = DEADLETTER_DEATHS_BYTES_MAX / 2;
    size_t at = table_add_array_begin(&own, "x-death");
    add_large_death(&own, &bytes, "one");
    add_large_death(&own, &bytes, "two");
    add_old_death(&own, "expired", "three", true);
    table_end(&own, at);
    const struct deadletter_death death = {.queue = slice_str("q"), .reason = DEADLETTER_EXPIRED};
    struct properties p = {.flags = PROPERTY_FLAG(PROPERTY_HEADERS), .headers = buffer_slice(&own)};
    run.len = properties_encode(buffer_reserve(&run, properties_size(&p)), &p);
    struct message *m = message_new(w.b, slice_str("x"), slice_str("key"), buffer_slice(&run), 0);
    deadletter_letter_write(&l, m, &death);
    assert_int_equal(table_get_array(properties_headers(buffer_slice(&l.properties)), "x-death", &deaths),
                     ERR_OK);
    for (struct table_iter it = table_iter_items(deaths);
         table_iter_next(&it, NULL, &(struct table_value){0});)
        count++;
    assert_int_equal(count, 2); /* this one, and the latest before it: "three" is older than "two" */
    message_drop(w.b, &m);
    deadletter_letter_fini(&l);
    buffer_fini(&own);
    buffer_fini(&bytes);
    buffer_fini(&run);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_source_stays_until_its_copy_is_kept),
        TEST(without_an_exchange_nothing_waits),
        TEST(a_target_that_cannot_keep_it_counts_as_done),
        TEST(a_queue_that_is_deleted_meanwhile_leaves_the_copy),
        TEST(a_chain_of_queues_needs_no_stack_and_keeps_the_order),
        TEST(a_queue_may_drop_into_itself),
        TEST(letters_that_nobody_takes_count_against_the_limit),
        TEST(a_letter_stays_until_each_of_its_targets_has_it),
        TEST(a_slow_target_holds_up_what_expires),
        TEST(letters_that_wait_for_a_target_hold_up_their_queue_alone),
        TEST(letters_to_many_queues_take_many_turns),
        TEST(who_is_refused_faster_than_letters_leave_is_slowed),
        TEST(what_is_no_history_is_thrown_away),
        TEST(ours_stand_between_the_messages_own_by_name),
        TEST(a_death_that_happens_again_is_the_first_with_a_higher_count),
        TEST(what_was_told_for_one_message_is_not_told_for_another),
        TEST(old_deaths_beyond_their_bytes_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
