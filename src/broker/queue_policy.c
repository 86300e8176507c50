/*
 * The rules are RabbitMQ's, by type of queue. Classic: of expires, message-ttl and the maximum lengths the
 * lower value counts; for dead-letter-* and overflow the argument does. Quorum: the same, but the policy's
 * overflow and expires go before the argument's, it has no reject-publish-dlx, and at-least-once dead letters
 * need reject-publish: without, they could not hold up publishers that are quicker.
 */
#include "broker/queue_policy.h"

#include "broker/policy_effect.h"
#include "broker/queue_def.h"
#include "wire/table.h"

static int64_t
argument_number(const struct queue_def *q, const char *name)
{
    struct table_value v;
    if (table_find_str(q->arguments, name, &v) && table_value_is_int(&v) && v.integer >= 0)
        return v.integer;
    return QUEUE_POLICY_NONE;
}

static int64_t
policy_number(const struct policy_effect *e, enum policy_key key)
{
    if (!policy_effect_has(e, key) || e->of[key].number < 0)
        return QUEUE_POLICY_NONE;
    return e->of[key].number;
}

static int64_t
lower(int64_t a, int64_t b)
{
    if (a < 0 || b < 0)
        return a < 0 ? b : a;
    return a < b ? a : b;
}

static int64_t
lower_of(const struct queue_def *q, const struct policy_effect *e, const char *argument, enum policy_key key)
{
    return lower(argument_number(q, argument), policy_number(e, key));
}

/* The argument's text, else the policy's; false: neither. */
static bool
text_of(const struct queue_def *q, const struct policy_effect *e, const char *argument, enum policy_key key,
        struct slice *out)
{
    if (table_get_str(q->arguments, argument, out) == ERR_OK)
        return true;
    if (!policy_effect_has(e, key))
        return false;
    *out = e->of[key].text;
    return true;
}

static enum queue_overflow
overflow_of(const struct queue_def *q, const struct policy_effect *e, bool is_quorum)
{
    struct slice text;
    if (is_quorum && policy_effect_has(e, POLICY_KEY_OVERFLOW))
        text = e->of[POLICY_KEY_OVERFLOW].text;
    else if (!text_of(q, e, "x-overflow", POLICY_KEY_OVERFLOW, &text))
        return QUEUE_OVERFLOW_DROP_HEAD;
    if (slice_eq_str(text, "reject-publish"))
        return QUEUE_OVERFLOW_REJECT;
    return slice_eq_str(text, "reject-publish-dlx") && !is_quorum ? QUEUE_OVERFLOW_REJECT_DLX
                                                                  : QUEUE_OVERFLOW_DROP_HEAD;
}

bool
queue_policy_has_dead_letter_exchange(const struct queue_def *q)
{
    struct slice name;
    return text_of(q, policy_effect_of_queue(q), "x-dead-letter-exchange", POLICY_KEY_DEAD_LETTER_EXCHANGE,
                   &name);
}

void
queue_policy_of(const struct queue_def *q, struct queue_policy *out)
{
    const struct policy_effect *e = policy_effect_of_queue(q);
    bool is_quorum = queue_def_target(q) == POLICY_QUORUM;
    struct slice strategy;
    *out = (struct queue_policy){
        .expires_ms = lower_of(q, e, "x-expires", POLICY_KEY_EXPIRES),
        .message_ttl_ms = lower_of(q, e, "x-message-ttl", POLICY_KEY_MESSAGE_TTL),
        .max_length = lower_of(q, e, "x-max-length", POLICY_KEY_MAX_LENGTH),
        .max_length_bytes = lower_of(q, e, "x-max-length-bytes", POLICY_KEY_MAX_LENGTH_BYTES),
        .delivery_limit = lower_of(q, e, "x-delivery-limit", POLICY_KEY_DELIVERY_LIMIT),
        .consumer_timeout_ms = lower_of(q, e, "x-consumer-timeout", POLICY_KEY_CONSUMER_TIMEOUT),
        .overflow = overflow_of(q, e, is_quorum),
    };
    if (is_quorum && policy_effect_has(e, POLICY_KEY_EXPIRES))
        out->expires_ms = policy_number(e, POLICY_KEY_EXPIRES);
    out->has_dead_letter_exchange =
        text_of(q, e, "x-dead-letter-exchange", POLICY_KEY_DEAD_LETTER_EXCHANGE, &out->dead_letter_exchange);
    out->has_dead_letter_routing_key = text_of(
        q, e, "x-dead-letter-routing-key", POLICY_KEY_DEAD_LETTER_ROUTING_KEY, &out->dead_letter_routing_key);
    out->is_dead_letter_at_least_once =
        is_quorum && out->overflow == QUEUE_OVERFLOW_REJECT &&
        text_of(q, e, "x-dead-letter-strategy", POLICY_KEY_DEAD_LETTER_STRATEGY, &strategy) &&
        slice_eq_str(strategy, "at-least-once");
}
