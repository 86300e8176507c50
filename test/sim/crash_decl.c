/* See crash_decl.h. Only what makes sense is asked for, as far as the answers still out are good. */
#include "crash_decl.h"

#include "base/buffer.h"
#include "base/check.h"

#include <stdio.h>
#include <string.h>

enum { DECL_NAME_SIZE = 32 };

static void
name_of(char name[DECL_NAME_SIZE], const struct crash_decl *d, char kind, int i)
{
    snprintf(name, DECL_NAME_SIZE, "d%u.%c%d", d->index, kind, i);
}

/* ---- states ---- */

static void
forget_bindings(struct decl_state *s, int exchange, int queue)
{
    for (int x = 0; x < DECL_EXCHANGES; x++)
        for (int q = 0; q < DECL_QUEUES; q++)
            if (x == exchange || q == queue)
                s->bindings[x][q] = false;
}

static void
apply(struct decl_state *s, const struct decl_op *op)
{
    switch (op->method) {
    case AMQP_QUEUE_DECLARE: s->queues[op->queue] = true; break;
    case AMQP_EXCHANGE_DECLARE: s->exchanges[op->exchange] = true; break;
    case AMQP_QUEUE_BIND: s->bindings[op->exchange][op->queue] = true; break;
    case AMQP_QUEUE_UNBIND: s->bindings[op->exchange][op->queue] = false; break;
    case AMQP_QUEUE_DELETE:
        s->queues[op->queue] = false;
        forget_bindings(s, -1, op->queue);
        break;
    case AMQP_EXCHANGE_DELETE:
        s->exchanges[op->exchange] = false;
        forget_bindings(s, op->exchange, -1);
        break;
    default: CHECK_UNREACHABLE("an operation that changes nothing");
    }
}

/* What outlives the node. */
static void
restart(struct decl_state *s)
{
    for (int q = DECL_QUEUES_DURABLE; q < DECL_QUEUES; q++)
        apply(s, &(struct decl_op){.method = AMQP_QUEUE_DELETE, .queue = q});
    for (int x = DECL_EXCHANGES_DURABLE; x < DECL_EXCHANGES; x++)
        apply(s, &(struct decl_op){.method = AMQP_EXCHANGE_DELETE, .exchange = x});
}

static void
read_dump(const struct crash_decl *d, const char *dump, struct decl_state *s)
{
    char name[DECL_NAME_SIZE], from[DECL_NAME_SIZE], line[160];
    for (int q = 0; q < DECL_QUEUES; q++) {
        name_of(name, d, 'q', q);
        snprintf(line, sizeof line, "queue '%s' in '/' id=", name);
        s->queues[q] = strstr(dump, line) != NULL;
        for (int x = 0; x < DECL_EXCHANGES; x++) {
            name_of(from, d, 'x', x);
            snprintf(line, sizeof line, "binding in '/' from '%s' to queue '%s' key='k'", from, name);
            s->bindings[x][q] = strstr(dump, line) != NULL;
        }
    }
    for (int x = 0; x < DECL_EXCHANGES; x++) {
        name_of(from, d, 'x', x);
        snprintf(line, sizeof line, "exchange '%s' in '/' id=", from);
        s->exchanges[x] = strstr(dump, line) != NULL;
    }
}

static bool
is_same(const struct crash_decl *d, const struct decl_state *want, const struct decl_state *have,
        char what[DECL_WHAT_SIZE])
{
    for (int q = 0; q < DECL_QUEUES; q++)
        if (want->queues[q] != have->queues[q]) {
            snprintf(what, DECL_WHAT_SIZE, "queue d%u.q%d is %s", d->index, q,
                     have->queues[q] ? "there" : "lost");
            return false;
        }
    for (int x = 0; x < DECL_EXCHANGES; x++)
        if (want->exchanges[x] != have->exchanges[x]) {
            snprintf(what, DECL_WHAT_SIZE, "exchange d%u.x%d is %s", d->index, x,
                     have->exchanges[x] ? "there" : "lost");
            return false;
        }
    for (int i = 0; i < DECL_EXCHANGES * DECL_QUEUES; i++) {
        int x = i / DECL_QUEUES, q = i % DECL_QUEUES;
        if (want->bindings[x][q] != have->bindings[x][q]) {
            snprintf(what, DECL_WHAT_SIZE, "the binding from d%u.x%d to d%u.q%d is %s", d->index, x, d->index,
                     q, have->bindings[x][q] ? "there" : "lost");
            return false;
        }
    }
    return true;
}

bool
crash_decl_check(struct crash_decl *d, const char *dump, char what[DECL_WHAT_SIZE])
{
    struct decl_state have = {0}, want = d->answered;
    read_dump(d, dump, &have);
    bool ok = false;
    for (unsigned i = 0; i <= d->pending_count && !ok; i++) {
        struct decl_state left = want;
        restart(&left);
        ok = is_same(d, &left, &have, what);
        if (i < d->pending_count)
            apply(&want, &d->pending[i]);
    }
    d->answered = d->sent = have;
    d->pending_count = 0;
    return ok;
}

/* ---- the client ---- */

static void
on_event(void *arg, struct sim_session *s, const struct sim_session_event *e)
{
    struct crash_decl *d = arg;
    if (e->kind == SIM_SESSION_BROKEN)
        trial_fail(d->t, "the broker sent %s", e->text);
    if (e->kind == SIM_SESSION_OPENED) {
        struct amqp_channel_open open = {0};
        d->is_open = true;
        sim_session_send(s, 1, AMQP_CHANNEL_OPEN, &open);
    } else if (e->kind == SIM_SESSION_CLOSED || e->kind == SIM_SESSION_LOST) {
        TRIAL_EXPECT(d->t, *d->is_tolerant, "the declaring connection ended");
        d->is_over = true;
    } else if (e->channel == 1 && e->id == AMQP_CHANNEL_CLOSE) {
        TRIAL_EXPECT(d->t, *d->is_tolerant, "channel.close: %u %.*s", e->fields->channel_close.reply_code,
                     SLICE_FMT(e->fields->channel_close.reply_text));
        d->is_over = true;
    } else if (e->channel == 1 && e->id == AMQP_CHANNEL_OPEN_OK) {
        d->is_opened = true;
    } else if (e->channel == 1) {
        TRIAL_EXPECT(d->t, d->pending_count > 0, "an answer that nobody asked for: %s", e->method->name);
        apply(&d->answered, &d->pending[0]);
        d->answers++;
        memmove(d->pending, d->pending + 1, --d->pending_count * sizeof *d->pending);
    }
}

static void
send_op(struct crash_decl *d, const struct decl_op *op)
{
    char queue[DECL_NAME_SIZE], exchange[DECL_NAME_SIZE];
    name_of(queue, d, 'q', op->queue);
    name_of(exchange, d, 'x', op->exchange);
    struct slice q = slice_str(queue), x = slice_str(exchange), key = slice_str("k");
    union {
        struct amqp_queue_declare queue_declare;
        struct amqp_queue_delete queue_delete;
        struct amqp_exchange_declare exchange_declare;
        struct amqp_exchange_delete exchange_delete;
        struct amqp_queue_bind bind;
        struct amqp_queue_unbind unbind;
    } m = {0};
    switch (op->method) {
    case AMQP_QUEUE_DECLARE:
        m.queue_declare = (struct amqp_queue_declare){.queue = q,
                                                      .durable = op->queue != DECL_QUEUES_DURABLE,
                                                      .exclusive = op->queue == DECL_QUEUES - 1};
        break;
    case AMQP_QUEUE_DELETE: m.queue_delete.queue = q; break;
    case AMQP_EXCHANGE_DECLARE:
        m.exchange_declare = (struct amqp_exchange_declare){
            .exchange = x, .type = slice_str("direct"), .durable = op->exchange < DECL_EXCHANGES_DURABLE};
        break;
    case AMQP_EXCHANGE_DELETE: m.exchange_delete.exchange = x; break;
    case AMQP_QUEUE_BIND:
        m.bind = (struct amqp_queue_bind){.queue = q, .exchange = x, .routing_key = key};
        break;
    default: m.unbind = (struct amqp_queue_unbind){.queue = q, .exchange = x, .routing_key = key};
    }
    apply(&d->sent, op);
    d->pending[d->pending_count++] = *op;
    d->t->operations++;
    trial_say(d->t, "d%u asks %s %s %s", d->index, amqp_method_by_id(op->method)->name, exchange, queue);
    sim_session_send(d->session, 1, op->method, &m);
}

static void
one_op(struct crash_decl *d)
{
    struct decl_op op = {.exchange = (int)trial_random(d->t, DECL_EXCHANGES),
                         .queue = (int)trial_random(d->t, DECL_QUEUES)};
    const struct decl_state *s = &d->sent;
    bool has_queue = s->queues[op.queue], has_exchange = s->exchanges[op.exchange];
    if (has_queue && has_exchange && !trial_chance(d->t, 4))
        op.method = s->bindings[op.exchange][op.queue] ? AMQP_QUEUE_UNBIND : AMQP_QUEUE_BIND;
    else if (!has_exchange || (has_queue && trial_chance(d->t, 2)))
        op.method = has_exchange ? AMQP_EXCHANGE_DELETE : AMQP_EXCHANGE_DECLARE;
    else
        op.method = has_queue ? AMQP_QUEUE_DELETE : AMQP_QUEUE_DECLARE;
    send_op(d, &op);
}

void
crash_decl_act(struct crash_decl *d)
{
    if (!d->session || d->is_over || !d->is_open)
        return;
    for (uint64_t n = 1 + trial_random(d->t, 6); n > 0 && d->pending_count < DECL_PENDING_MAX; n--)
        one_op(d);
}

void
crash_decl_init(struct crash_decl *d, struct trial *t, unsigned index, bool *is_tolerant)
{
    *d = (struct crash_decl){.t = t, .index = index, .is_tolerant = is_tolerant};
}

void
crash_decl_connect(struct crash_decl *d)
{
    d->is_open = d->is_over = d->is_opened = false;
    d->session = trial_session(d->t, NULL, on_event, d);
}

void
crash_decl_leave(struct crash_decl *d)
{
    struct decl_op op = {.method = AMQP_QUEUE_DELETE, .queue = DECL_QUEUES - 1};
    if (!d->session)
        return;
    trial_session_free(d->t, d->session);
    d->session = NULL;
    apply(&d->answered, &op); /* exclusive */
    apply(&d->sent, &op);
}

bool
crash_decl_is_answered(const struct crash_decl *d)
{
    return !d->session || d->is_over || (d->is_opened && d->pending_count == 0);
}
