/* See crash_admin.h. */
#include "crash_admin.h"

#include "base/buffer.h"
#include "base/check.h"
#include "broker/meta.h"
#include "peer.h"

#include <stdio.h>
#include <string.h>

enum { ADMIN_MESSAGES = 9, ADMIN_CHANNELS = 5, ADMIN_QUEUES = 4 };

#define VHOST "av"
#define USER  "au"
#define QUEUE "governed"

/* What the variants say, and how meta_dump() shows them: a line that begins so, and has that in it. */
static const struct {
    const char *name, *line;
    const char *values[ADMIN_VARIANTS];
} things[ADMIN_THINGS] = {
    [ADMIN_VHOST] = {"the vhost", "vhost 'av' id=", {"vhost 'av'"}},
    [ADMIN_USER] = {"the user", "user 'au' id=", {"user 'au'"}},
    [ADMIN_PERMISSION] = {"the permission", "permission 'au' in 'av'", {"'.*' '.*' '.*'"}},
    [ADMIN_POLICY] = {"the policy",
                      "policy 'p' in 'av' '^governed$' for queues priority=0: ",
                      {"{\"max-length\":3}", "{\"max-length\":5}", "{\"max-length\":7}"}},
    [ADMIN_OPERATOR_POLICY] = {"the operator policy",
                               "operator policy 'o' in 'av' '^governed$' for queues priority=0: ",
                               {"{\"max-length\":2}", "{\"max-length\":4}", "{\"max-length\":6}"}},
    [ADMIN_PARAMETER] = {"the parameter",
                         "parameter 'federation-upstream' 'up' in 'av': ",
                         {"{\"uri\":\"amqp://one\"}", "{\"uri\":\"amqp://two\"}",
                          "{\"uri\":\"amqp://six\"}"}},
    [ADMIN_GLOBAL_PARAMETER] = {"the global parameter",
                                "parameter '' 'g' in '': ",
                                {"\"one\"", "[\"two\"]", "{\"three\":3}"}},
    [ADMIN_VHOST_LIMIT] = {"the vhost's limit",
                           "vhost 'av' id=",
                           {"{\"max-queues\":1}", "{\"max-queues\":2}", "{\"max-queues\":3}"}},
    [ADMIN_USER_LIMIT] = {"the user's limit",
                          "user 'au' id=",
                          {"{\"max-channels\":2}", "{\"max-channels\":3}", "{\"max-channels\":4}"}},
    [ADMIN_TOPIC_PERMISSION] = {"the topic permission",
                                "topic permission 'au' in 'av' on 'amq.topic' ",
                                {"'^a' ", "'^b' ", "'^c' "}},
};
/* What they mean, by variant. */
static const unsigned policy_lengths[] = {ADMIN_MESSAGES, 3, 5, 7},
                      operator_lengths[] = {ADMIN_MESSAGES, 2, 4, 6},
                      queue_limits[] = {ADMIN_QUEUES, 1, 2, 3}, channel_limits[] = {ADMIN_CHANNELS, 2, 3, 4};
static const char *const topics[] = {"", "^a", "^b", "^c"};

/* ---- commands ---- */

static struct meta_command
set_command(const struct crash_admin *a, const struct crash_admin_op *op, enum meta_kind kind)
{
    struct meta_command c = {.kind = kind, .vhost = slice_str(VHOST)};
    struct slice value = slice_str(things[op->thing].values[op->variant - 1]), all = slice_str(".*");
    switch (op->thing) {
    case ADMIN_VHOST:
        c.vhost = slice_of(NULL, 0);
        c.name = slice_str(VHOST);
        break;
    case ADMIN_USER:
        c.vhost = slice_of(NULL, 0);
        c.name = slice_str(USER);
        c.password_hash = user_find(a->t->broker->node.meta, slice_str("guest"))->password_hash;
        break;
    case ADMIN_PERMISSION:
        c.user = slice_str(USER);
        c.configure = c.write = c.read = all;
        break;
    case ADMIN_POLICY:
    case ADMIN_OPERATOR_POLICY:
        c.name = slice_str(op->thing == ADMIN_POLICY ? "p" : "o");
        c.is_operator = op->thing == ADMIN_OPERATOR_POLICY;
        c.pattern = slice_str("^governed$");
        c.apply_to = slice_str("queues");
        c.value = value;
        break;
    case ADMIN_PARAMETER:
        c.component = slice_str("federation-upstream");
        c.name = slice_str("up");
        c.value = value;
        break;
    case ADMIN_GLOBAL_PARAMETER:
        c.vhost = slice_of(NULL, 0);
        c.name = slice_str("g");
        c.value = value;
        break;
    case ADMIN_VHOST_LIMIT: c.value = value; break;
    case ADMIN_USER_LIMIT:
        c.vhost = slice_of(NULL, 0);
        c.name = slice_str(USER);
        c.value = value;
        break;
    default:
        c.user = slice_str(USER);
        c.name = slice_str("amq.topic");
        c.write = slice_str(topics[op->variant]);
        c.read = all;
    }
    return c;
}

static struct meta_command
command_of(const struct crash_admin *a, const struct crash_admin_op *op)
{
    static const enum meta_kind sets[ADMIN_THINGS] = {
        [ADMIN_VHOST] = META_VHOST_ADD,
        [ADMIN_USER] = META_USER_PUT,
        [ADMIN_PERMISSION] = META_PERMISSION_SET,
        [ADMIN_POLICY] = META_POLICY_SET,
        [ADMIN_OPERATOR_POLICY] = META_POLICY_SET,
        [ADMIN_PARAMETER] = META_PARAMETER_SET,
        [ADMIN_GLOBAL_PARAMETER] = META_PARAMETER_SET,
        [ADMIN_VHOST_LIMIT] = META_VHOST_LIMITS,
        [ADMIN_USER_LIMIT] = META_USER_LIMITS,
        [ADMIN_TOPIC_PERMISSION] = META_TOPIC_PERMISSION_SET,
    };
    static const enum meta_kind clears[ADMIN_THINGS] = {
        [ADMIN_VHOST] = META_VHOST_DELETE,
        [ADMIN_USER] = META_USER_DELETE,
        [ADMIN_POLICY] = META_POLICY_CLEAR,
        [ADMIN_OPERATOR_POLICY] = META_POLICY_CLEAR,
        [ADMIN_PARAMETER] = META_PARAMETER_CLEAR,
        [ADMIN_GLOBAL_PARAMETER] = META_PARAMETER_CLEAR,
        [ADMIN_VHOST_LIMIT] = META_VHOST_LIMITS,
        [ADMIN_USER_LIMIT] = META_USER_LIMITS_CLEAR,
        [ADMIN_TOPIC_PERMISSION] = META_TOPIC_PERMISSION_CLEAR,
    };
    if (op->variant)
        return set_command(a, op, sets[op->thing]);
    struct crash_admin_op any = {.thing = op->thing, .variant = 1}; /* for its names */
    struct meta_command c = set_command(a, &any, clears[op->thing]);
    c.value = slice_str(op->thing == ADMIN_VHOST_LIMIT ? "{}" : "");
    if (op->thing == ADMIN_USER_LIMIT) {
        c.user = slice_str(USER);
        c.name = slice_str("max-channels");
    }
    return c;
}

/* With the vhost or the user goes what is theirs. */
static void
apply(struct crash_admin_state *s, const struct crash_admin_op *op)
{
    static const bool
        of_vhost[ADMIN_THINGS] =
            {[ADMIN_PERMISSION] = true, [ADMIN_POLICY] = true,      [ADMIN_OPERATOR_POLICY] = true,
             [ADMIN_PARAMETER] = true,  [ADMIN_VHOST_LIMIT] = true, [ADMIN_TOPIC_PERMISSION] = true},
        of_user[ADMIN_THINGS] = {
            [ADMIN_PERMISSION] = true, [ADMIN_USER_LIMIT] = true, [ADMIN_TOPIC_PERMISSION] = true};
    s->variants[op->thing] = op->variant;
    const bool *theirs = op->thing == ADMIN_VHOST ? of_vhost : op->thing == ADMIN_USER ? of_user : NULL;
    for (unsigned i = 0; theirs && op->variant == 0 && i < ADMIN_THINGS; i++)
        if (theirs[i])
            s->variants[i] = 0;
}

static void
on_done(struct broker *b, struct meta_request *r)
{
    struct crash_admin *a = (struct crash_admin *)(uintptr_t)r->cookie[0];
    TRIAL_EXPECT(a->t, r->result.code == 0 || *a->is_tolerant, "a command is refused: %s", r->result.text);
    a->is_over |= r->result.code != 0;
    meta_request_free(r);
    if (a->is_over)
        return;
    CHECK(a->pending_count > 0);
    apply(&a->answered, &a->pending[0]);
    a->answers++;
    memmove(a->pending, a->pending + 1, --a->pending_count * sizeof *a->pending);
}

static void
submit(struct crash_admin *a, struct crash_admin_op op)
{
    struct meta_command c = command_of(a, &op);
    struct meta_request *r = meta_request_new(&c);
    r->on_done = on_done;
    r->cookie[0] = (uintptr_t)a;
    apply(&a->sent, &op);
    a->pending[a->pending_count++] = op;
    a->t->operations++;
    trial_say(a->t, "the operator makes %s variant %u", things[op.thing].name, op.variant);
    /* From outside of its turns the shard has to be woken: meta_submit()'s mail, so posted. */
    shards_post_external(a->t->broker->node.shards, 0, &(struct mail){.type = MAIL_META, .p = r});
}

static void
one_op(struct crash_admin *a)
{
    for (enum crash_admin_thing i = ADMIN_VHOST; i <= ADMIN_PERMISSION; i++)
        if (!a->sent.variants[i]) {
            submit(a, (struct crash_admin_op){.thing = i, .variant = 1});
            return;
        }
    if (trial_chance(a->t, 40)) {
        submit(a, (struct crash_admin_op){.thing = trial_chance(a->t, 2) ? ADMIN_VHOST : ADMIN_USER});
        return;
    }
    enum crash_admin_thing thing =
        ADMIN_POLICY + (enum crash_admin_thing)trial_random(a->t, ADMIN_THINGS - ADMIN_POLICY);
    uint8_t variant = 1 + (uint8_t)trial_random(a->t, ADMIN_VARIANTS);
    if (a->sent.variants[thing] && trial_chance(a->t, 3))
        variant = 0;
    submit(a, (struct crash_admin_op){.thing = thing, .variant = variant});
}

void
crash_admin_act(struct crash_admin *a)
{
    if (a->is_over)
        return;
    for (uint64_t n = 1 + trial_random(a->t, 6); n > 0 && a->pending_count < ADMIN_PENDING_MAX; n--)
        one_op(a);
}

bool
crash_admin_is_answered(const struct crash_admin *a)
{
    return a->is_over || a->pending_count == 0;
}

void
crash_admin_init(struct crash_admin *a, struct trial *t, bool *is_tolerant)
{
    *a = (struct crash_admin){.t = t, .is_tolerant = is_tolerant};
}

/* ---- after a start ---- */

/* 1 + the variant's index; 0: none; UINT8_MAX: it is something else. */
static uint8_t
read_thing(const char *dump, enum crash_admin_thing thing)
{
    const char *line = dump, *prefix = things[thing].line;
    while (line && strncmp(line, prefix, strlen(prefix)) != 0) {
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    if (!line)
        return 0;
    struct slice all = slice_of(line, strcspn(line, "\n"));
    for (uint8_t i = 0; i < ADMIN_VARIANTS && things[thing].values[i]; i++)
        if (memmem(all.data, all.len, things[thing].values[i], strlen(things[thing].values[i])))
            return i + 1;
    bool is_limit = thing == ADMIN_VHOST_LIMIT || thing == ADMIN_USER_LIMIT;
    return is_limit && memmem(all.data, all.len, "limits={}", 9) ? 0 : UINT8_MAX;
}

bool
crash_admin_check(struct crash_admin *a, const char *dump, char what[ADMIN_WHAT_SIZE])
{
    struct crash_admin_state have, want = a->answered;
    bool ok = false;
    for (enum crash_admin_thing i = 0; i < ADMIN_THINGS; i++)
        have.variants[i] = read_thing(dump, i);
    for (unsigned n = 0; n <= a->pending_count && !ok; n++) {
        ok = true;
        for (enum crash_admin_thing i = 0; i < ADMIN_THINGS && ok; i++) {
            ok = want.variants[i] == have.variants[i];
            if (!ok)
                snprintf(what, ADMIN_WHAT_SIZE, "%s is lost, or another one: %u instead of %u",
                         things[i].name, have.variants[i], want.variants[i]);
        }
        if (n < a->pending_count)
            apply(&want, &a->pending[n]);
    }
    a->answered = a->sent = have;
    a->pending_count = 0;
    a->is_over = false;
    return ok;
}

/* ---- what they do ---- */

static void
try_channels(struct crash_admin *a, const struct sim_session_options *o)
{
    struct peer p = {0};
    uint8_t variant = a->answered.variants[ADMIN_USER_LIMIT];
    peer_init(&p, a->t, o, true);
    for (uint16_t i = 1; i <= channel_limits[variant]; i++)
        peer_open_channel(&p, i);
    if (variant) {
        struct amqp_channel_open open = {0};
        sim_session_send(p.session, ADMIN_CHANNELS, AMQP_CHANNEL_OPEN, &open);
        peer_expect_close(&p, AMQP_REPLY_NOT_ALLOWED);
        peer_drop(&p);
    } else {
        peer_close(&p);
    }
}

static void
try_queues(struct crash_admin *a, struct peer *p)
{
    unsigned most = queue_limits[a->answered.variants[ADMIN_VHOST_LIMIT]];
    char name[16];
    for (unsigned i = 1; i < ADMIN_QUEUES; i++) {
        snprintf(name, sizeof name, "more%u", i);
        struct amqp_queue_declare m = {.queue = slice_str(name)};
        if (i < most) {
            peer_call(p, 1, AMQP_QUEUE_DECLARE, &m);
        } else {
            peer_call_fails(p, 1, AMQP_QUEUE_DECLARE, &m, AMQP_REPLY_PRECONDITION_FAILED);
            peer_open_channel(p, 1);
        }
    }
    for (unsigned i = 1; i < ADMIN_QUEUES; i++) {
        snprintf(name, sizeof name, "more%u", i);
        struct amqp_queue_delete m = {.queue = slice_str(name)};
        peer_call(p, 1, AMQP_QUEUE_DELETE, &m);
    }
}

static void
try_policies(struct crash_admin *a, struct peer *p)
{
    unsigned length = policy_lengths[a->answered.variants[ADMIN_POLICY]],
             other = operator_lengths[a->answered.variants[ADMIN_OPERATOR_POLICY]];
    struct amqp_queue_declare m = {.queue = slice_str(QUEUE), .passive = true};
    struct amqp_queue_purge purge = {.queue = slice_str(QUEUE)};
    for (unsigned i = 0; i < ADMIN_MESSAGES; i++)
        peer_publish(p, 1, QUEUE, "x", 1);
    peer_call(p, 1, AMQP_QUEUE_DECLARE, &m);
    length = other < length ? other : length;
    TRIAL_EXPECT(a->t, p->count == length, "a governed queue has %u messages instead of %u", p->count,
                 length);
    peer_call(p, 1, AMQP_QUEUE_PURGE, &purge);
}

static void
try_topic(struct crash_admin *a, struct peer *p)
{
    uint8_t variant = a->answered.variants[ADMIN_TOPIC_PERMISSION];
    struct amqp_basic_publish m = {.exchange = slice_str("amq.topic"), .routing_key = slice_str("b.x")};
    struct amqp_queue_declare probe = {.queue = slice_str(QUEUE), .passive = true};
    sim_session_publish(p->session, 1, &m, slice_of(NULL, 0), slice_str("x"), 0);
    if (variant == 0 || topics[variant][1] == 'b')
        peer_call(p, 1, AMQP_QUEUE_DECLARE, &probe);
    else
        peer_call_fails(p, 1, AMQP_QUEUE_DECLARE, &probe, AMQP_REPLY_ACCESS_REFUSED);
}

void
crash_admin_try(struct crash_admin *a)
{
    if (!a->answered.variants[ADMIN_PERMISSION])
        return;
    struct sim_session_options o;
    struct peer p = {0};
    sim_session_options_init(&o);
    o.user = USER;
    o.vhost = VHOST;
    try_channels(a, &o);
    peer_init(&p, a->t, &o, true);
    peer_open_channel(&p, 1);
    struct amqp_queue_declare m = {.queue = slice_str(QUEUE), .durable = true};
    peer_call(&p, 1, AMQP_QUEUE_DECLARE, &m);
    try_queues(a, &p);
    try_policies(a, &p);
    try_topic(a, &p);
    peer_close(&p);
}
