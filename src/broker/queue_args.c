/*
 * One row per argument: its name and the test of its value. A test says what is wrong in the words of
 * RabbitMQ's error terms (rabbit_amqqueue:check_declare_arguments), which end up in the reply text.
 */
#include "broker/queue_args.h"

#include "base/buffer.h"
#include "broker/reply.h"
#include "wire/amqp.h"
#include "wire/table.h"

#define QUEUE_ARGS_EXPIRY_MAX 315360000000 /* ten years in milliseconds */

const char *const queue_args_known[] = {
    "x-expires",
    "x-message-ttl",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-priority",
    "x-overflow",
    "x-queue-mode",
    "x-queue-version",
    "x-single-active-consumer",
    "x-queue-type",
    "x-queue-master-locator",
    NULL,
};

/* Appends what is wrong with `v`, or nothing. */
typedef void queue_arg_test(struct buffer *wrong, const struct table_value *v, struct slice arguments);

static void
unacceptable_type(struct buffer *wrong, const struct table_value *v)
{
    buffer_add_fmt(wrong, "{unacceptable_type,%s}", table_type_name(v->type));
}

static bool
test_int(struct buffer *wrong, const struct table_value *v)
{
    if (table_value_is_int(v))
        return true;
    buffer_add_fmt(wrong, "\"expected integer, got %s\"", table_type_name(v->type));
    return false;
}

static void
wrong_value(struct buffer *wrong, const char *reason, int64_t value)
{
    buffer_add_fmt(wrong, "{%s,%lld}", reason, (long long)value);
}

static void
test_length(struct buffer *wrong, const struct table_value *v, struct slice arguments)
{
    if (test_int(wrong, v) && v->integer < 0)
        wrong_value(wrong, "value_negative", v->integer);
}

static void
test_ttl(struct buffer *wrong, const struct table_value *v, struct slice arguments)
{
    if (!test_int(wrong, v))
        return;
    if (v->integer < 0)
        wrong_value(wrong, "value_negative", v->integer);
    else if (v->integer > QUEUE_ARGS_EXPIRY_MAX)
        wrong_value(wrong, "value_too_large", v->integer);
}

static void
test_expires(struct buffer *wrong, const struct table_value *v, struct slice arguments)
{
    if (table_value_is_int(v) && v->integer == 0)
        wrong_value(wrong, "value_zero", 0);
    else
        test_ttl(wrong, v, arguments);
}

static void
test_priority(struct buffer *wrong, const struct table_value *v, struct slice arguments)
{
    test_length(wrong, v, arguments);
    if (wrong->len == 0 && v->integer > UINT8_MAX)
        wrong_value(wrong, "max_value_exceeded", v->integer);
}

static void
test_version(struct buffer *wrong, const struct table_value *v, struct slice arguments)
{
    test_length(wrong, v, arguments);
    if (wrong->len == 0 && v->integer != 1 && v->integer != 2)
        buffer_add_fmt(wrong, "\"unsupported queue version '%lld'\"", (long long)v->integer);
}

static void
test_exchange(struct buffer *wrong, const struct table_value *v, struct slice arguments)
{
    if (v->type != TABLE_LONGSTR)
        unacceptable_type(wrong, v);
}

static void
test_routing_key(struct buffer *wrong, const struct table_value *v, struct slice arguments)
{
    struct table_value exchange;
    if (v->type != TABLE_LONGSTR)
        unacceptable_type(wrong, v);
    else if (!table_find_str(arguments, "x-dead-letter-exchange", &exchange))
        buffer_add_str(wrong, "routing_key_but_no_dlx_defined");
}

static void
test_overflow(struct buffer *wrong, const struct table_value *v, struct slice arguments)
{
    if (v->type != TABLE_LONGSTR)
        unacceptable_type(wrong, v);
    else if (!slice_eq_str(v->bytes, "drop-head") && !slice_eq_str(v->bytes, "reject-publish") &&
             !slice_eq_str(v->bytes, "reject-publish-dlx"))
        buffer_add_str(wrong, "invalid_overflow");
}

static void
unsupported(struct buffer *wrong, const char *what, const struct table_value *v)
{
    buffer_add_fmt(wrong, "\"unsupported queue %s '%.*s'\"", what, SLICE_FMT(v->bytes));
}

static void
test_mode(struct buffer *wrong, const struct table_value *v, struct slice arguments)
{
    if (v->type != TABLE_LONGSTR)
        unacceptable_type(wrong, v);
    else if (!slice_eq_str(v->bytes, "default") && !slice_eq_str(v->bytes, "lazy"))
        unsupported(wrong, "mode", v);
}

static void
test_single_active(struct buffer *wrong, const struct table_value *v, struct slice arguments)
{
    if (v->type != TABLE_BOOL)
        unacceptable_type(wrong, v);
}

/* Quorum queues and streams are not there: refused as RabbitMQ refuses types that it does not know. */
static void
test_type(struct buffer *wrong, const struct table_value *v, struct slice arguments)
{
    if (v->type != TABLE_LONGSTR)
        unacceptable_type(wrong, v);
    else if (!slice_eq_str(v->bytes, "classic"))
        unsupported(wrong, "type", v);
}

static const struct {
    const char *name;
    queue_arg_test *test;
} rows[] = {
    {"x-queue-type", test_type}, /* first, as there */
    {"x-expires", test_expires},
    {"x-message-ttl", test_ttl},
    {"x-dead-letter-exchange", test_exchange},
    {"x-dead-letter-routing-key", test_routing_key},
    {"x-max-length", test_length},
    {"x-max-length-bytes", test_length},
    {"x-max-priority", test_priority},
    {"x-overflow", test_overflow},
    {"x-queue-mode", test_mode},
    {"x-queue-version", test_version},
    {"x-single-active-consumer", test_single_active},
    {"x-consumer-timeout", test_length},
};

/* Arguments of quorum queues and streams. RabbitMQ's text names the implementing module. */
static const char *const foreign[] = {
    "x-dead-letter-strategy",
    "x-max-in-memory-length",
    "x-max-in-memory-bytes",
    "x-quorum-initial-group-size",
    "x-delivery-limit",
    "x-queue-leader-locator",
    "x-max-age",
    "x-stream-max-segment-size-bytes",
    "x-initial-cluster-size",
};

static uint16_t
check_foreign(struct slice arguments, const char *what, char text[256])
{
    struct table_iter it = table_iter_fields(arguments);
    struct slice name;
    struct table_value v;
    while (table_iter_next(&it, &name, &v)) {
        for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
            if (!slice_eq_str(name, foreign[i]))
                continue;
            return reply_fail(text, AMQP_REPLY_PRECONDITION_FAILED,
                              "invalid arg '%s' for %s of queue type rabbit_classic_queue", foreign[i], what);
        }
    }
    return 0;
}

static uint16_t
check_dead_letter_exchange(struct slice arguments, const char *what, char text[256])
{
    struct table_value v;
    if (!table_find_str(arguments, "x-dead-letter-exchange", &v) || v.type == TABLE_LONGSTR)
        return 0;
    return reply_fail(text, AMQP_REPLY_PRECONDITION_FAILED,
                      "invalid type '%s' for arg 'x-dead-letter-exchange' in %s", table_type_name(v.type),
                      what);
}

uint16_t
queue_args_check(struct slice arguments, const char *what, char text[256])
{
    if (arguments.len == 0)
        return 0;
    uint16_t code = check_dead_letter_exchange(arguments, what, text);
    struct buffer wrong;
    buffer_init(&wrong);
    for (size_t i = 0; !code && i < sizeof rows / sizeof rows[0]; i++) {
        struct table_value v;
        if (!table_find_str(arguments, rows[i].name, &v))
            continue;
        rows[i].test(&wrong, &v, arguments);
        if (wrong.len > 0)
            code = reply_fail(text, AMQP_REPLY_PRECONDITION_FAILED, "invalid arg '%s' for %s: %.*s",
                              rows[i].name, what, SLICE_FMT(buffer_slice(&wrong)));
    }
    buffer_fini(&wrong);
    return code ? code : check_foreign(arguments, what, text);
}
