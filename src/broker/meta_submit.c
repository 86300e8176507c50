/*
 * Commands travel to shard 0 and back as pointers to their requests, in the reserved lane: a declaration
 * never waits behind publishes, and who submits may have at most as many under way as its channels wait for.
 * The answer leaves after the release stores of the change, so whoever gets it finds the change made, on
 * every shard. Where declared things are kept, shard 0 hands each request to whoever keeps them, and gets it
 * back in the same order.
 */
#include "base/check.h"
#include "broker/courier.h"
#include "broker/durability.h"
#include "broker/meta_impl.h"
#include "broker/queue.h"
#include "broker/queue_rules.h"
#include "broker/vhost_defaults.h"

#include <stdlib.h>

enum { MAIL_META_SUBMIT = MAIL_META, MAIL_META_DONE, MAIL_META_POLICY };

/* Every slice of a command: they are copied behind the request. */
static void
each_slice(struct meta_command *c, void (*fn)(void *arg, struct slice *s), void *arg)
{
    struct slice *const all[] = {
        &c->vhost, &c->name,      &c->type,    &c->arguments, &c->source,        &c->routing_key,
        &c->user,  &c->configure, &c->write,   &c->read,      &c->password_hash, &c->tags,
        &c->value, &c->component, &c->pattern, &c->apply_to,  &c->description,   &c->default_queue_type,
        &c->actor};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        fn(arg, all[i]);
}

static void
add_length(void *arg, struct slice *s)
{
    *(size_t *)arg += s->len;
}

static void
copy_to(void *arg, struct slice *s)
{
    uint8_t **at = arg;
    if (s->len > 0)
        memcpy(*at, s->data, s->len);
    s->data = *at;
    *at += s->len;
}

struct meta_request *
meta_request_new(const struct meta_command *cmd)
{
    struct meta_command copy = *cmd;
    size_t bytes = 0;
    each_slice(&copy, add_length, &bytes);
    struct meta_request *r = malloc(sizeof *r + bytes);
    CHECK(r);
    *r = (struct meta_request){.command = copy};
    uint8_t *at = (uint8_t *)(r + 1);
    each_slice(&r->command, copy_to, &at);
    return r;
}

void
meta_request_free(struct meta_request *r)
{
    free(r);
}

static void
post(struct broker *b, unsigned to, uint16_t type, struct meta_request *r)
{
    shard_post(b->shard, to, SHARD_LANE_RESERVED, &(struct mail){.type = type, .p = r});
}

void
meta_submit(struct broker *b, struct meta_request *r)
{
    CHECK(r->on_done);
    r->origin = b->index;
    post(b, 0, MAIL_META_SUBMIT, r);
}

/* ---- on shard 0 ---- */

static void
hand_on(struct broker *b, struct meta_request *r)
{
    const struct durability *d = b->node->durability;
    if (d)
        d->submit(b->node->durability_arg, b, r);
    else
        meta_commit(b, r);
}

static void
on_default_done(struct broker *b, struct meta_request *r)
{
    if (r->result.code)
        log_error(b->node->log, LOG_GLOBAL, "a default of the new vhost '%.*s' is not set: %s",
                  SLICE_FMT(r->command.vhost), r->result.text);
    meta_request_free(r);
}

static void
hand_on_default(void *arg, const struct meta_command *cmd)
{
    struct broker *b = arg;
    struct meta_request *r = meta_request_new(cmd);
    r->on_done = on_default_done;
    r->origin = b->index;
    hand_on(b, r);
}

/* A new vhost's defaults are logged right behind it, in the same batch: no crash comes between them. */
static void
take_up(struct broker *b, struct meta_request *r)
{
    struct meta *m = b->node->meta;
    const struct vhost_defaults *d = b->node->vhost_defaults;
    meta_limit_take(m, r);
    bool is_new = !r->result.code && vhost_defaults_begin(d, m, &r->command);
    struct meta_request *add = is_new ? meta_request_new(&r->command) : NULL;
    hand_on(b, r); /* from now on it is its submitter's, on whatever shard */
    if (is_new)
        vhost_defaults_each(d, m, &add->command, hand_on_default, b);
    meta_request_free(add);
}

void
meta_on_mail(struct broker *b, const struct mail *mail)
{
    struct meta_request *r = mail->p;
    if (mail->type == MAIL_META_POLICY) {
        queue_rules_changed(b, mail->a);
        return;
    }
    if (mail->type == MAIL_META_DONE) {
        r->on_done(b, r);
        return;
    }
    CHECK(mail->type == MAIL_META_SUBMIT && b->index == 0);
    take_up(b, r);
}

void
meta_commit(struct broker *b, struct meta_request *r)
{
    if (!r->result.code)
        meta_apply(b->node->meta, &r->command, &r->result);
    meta_answer(b, r);
}

/* A binding may have sent a history. Who has bound must not come before its end with what he publishes, nor
 * find less than all of it: the other shards say first that they have handled what this one sent. */
void
meta_answer(struct broker *b, struct meta_request *r)
{
    struct meta *m = b->node->meta;
    meta_limit_give(m, r);
    r->awaited = m->has_told ? courier_fence_all(b, r) : 0;
    m->has_told = false;
    if (r->awaited > 0)
        list_push_back(&m->answers, &r->node);
    else
        post(b, r->origin, MAIL_META_DONE, r);
}

void
meta_fenced(struct broker *b, struct meta_request *r)
{
    if (--r->awaited > 0)
        return;
    list_remove(&r->node);
    post(b, r->origin, MAIL_META_DONE, r);
}

void
meta_answers_free(struct meta *m)
{
    while (!list_is_empty(&m->answers)) {
        struct meta_request *r = LIST_ENTRY(m->answers.next, struct meta_request, node);
        list_remove(&r->node);
        meta_request_free(r);
    }
}

/* A queue that is not at work asks when it is opened. Before the shards run none is. */
void
meta_tell_policy(struct meta *m, const struct queue_def *q)
{
    const struct broker *b = m->node->brokers[0];
    if (b && b->shard)
        shard_post(b->shard, q->shard, SHARD_LANE_RESERVED,
                   &(struct mail){.type = MAIL_META_POLICY, .a = q->id});
}

void
meta_on_discard(const struct mail *mail)
{
    meta_request_free(mail->p);
}
