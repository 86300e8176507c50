/*
 * One row per argument of queue.declare, and of basic.consume: its name, the test of its value, and the types
 * of queues that know it. A test says what is wrong in the words of RabbitMQ's error terms
 * (rabbit_amqqueue:check_declare_arguments, check_consume_arguments), which end up in the reply text.
 */
#include "broker/queue_args.h"

#include "base/buffer.h"
#include "broker/policy_key.h"
#include "broker/reply.h"
#include "wire/amqp.h"
#include "wire/table.h"

#define QUEUE_ARGS_EXPIRY_MAX 315360000000 /* ten years in milliseconds */

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
test_bool(struct buffer *wrong, const struct table_value *v, struct slice arguments)
{
    if (v->type != TABLE_BOOL)
        unacceptable_type(wrong, v);
}

static void
test_strategy(struct buffer *wrong, const struct table_value *v, struct slice arguments)
{
    if (v->type != TABLE_LONGSTR)
        unacceptable_type(wrong, v);
    else if (!slice_eq_str(v->bytes, "at-most-once") && !slice_eq_str(v->bytes, "at-least-once"))
        buffer_add_str(wrong, "invalid_dlx_strategy");
}

static void
test_group_size(struct buffer *wrong, const struct table_value *v, struct slice arguments)
{
    test_length(wrong, v, arguments);
    if (wrong->len == 0 && v->integer == 0)
        wrong_value(wrong, "value_zero", 0);
}

/* Any number: of x-delivery-limit one below 0 is none. */
static void
test_number(struct buffer *wrong, const struct table_value *v, struct slice arguments)
{
    (void)test_int(wrong, v);
}

static void
test_leader_locator(struct buffer *wrong, const struct table_value *v, struct slice arguments)
{
    if (v->type != TABLE_LONGSTR)
        unacceptable_type(wrong, v);
    else if (!slice_eq_str(v->bytes, "client-local") && !slice_eq_str(v->bytes, "balanced") &&
             !slice_eq_str(v->bytes, "random") && !slice_eq_str(v->bytes, "least-leaders"))
        buffer_add_str(wrong, "invalid_queue_locator_arg");
}

/* Streams are not there: refused as RabbitMQ refuses types that it does not know. */
static void
test_type(struct buffer *wrong, const struct table_value *v, struct slice arguments)
{
    if (v->type != TABLE_LONGSTR)
        unacceptable_type(wrong, v);
    else if (!slice_eq_str(v->bytes, "classic") && !slice_eq_str(v->bytes, "quorum"))
        unsupported(wrong, "type", v);
}

enum { CLASSIC = POLICY_CLASSIC, QUORUM = POLICY_QUORUM, STREAM = POLICY_STREAM, BOTH = CLASSIC | QUORUM };

struct queue_arg {
    const char *name;
    queue_arg_test *test; /* NULL: any value */
    unsigned types;       /* those that know it */
};

/* In the order in which RabbitMQ looks at them. */
static const struct queue_arg rows[] = {
    {"x-queue-type", test_type, BOTH | STREAM}, /* first, as there */
    {"x-expires", test_expires, BOTH},
    {"x-message-ttl", test_ttl, BOTH},
    {"x-dead-letter-exchange", test_exchange, BOTH},
    {"x-dead-letter-routing-key", test_routing_key, BOTH},
    {"x-dead-letter-strategy", test_strategy, QUORUM},
    {"x-max-length", test_length, BOTH},
    {"x-max-length-bytes", test_length, BOTH | STREAM},
    {"x-max-in-memory-length", test_length, QUORUM},
    {"x-max-in-memory-bytes", test_length, QUORUM},
    {"x-max-priority", test_priority, CLASSIC},
    {"x-overflow", test_overflow, BOTH},
    {"x-queue-mode", test_mode, CLASSIC},
    {"x-queue-version", test_version, CLASSIC},
    {"x-single-active-consumer", test_bool, BOTH},
    {"x-queue-master-locator", NULL, CLASSIC},
    {"x-quorum-initial-group-size", test_group_size, QUORUM},
    {"x-delivery-limit", test_number, QUORUM},
    {"x-queue-leader-locator", test_leader_locator, QUORUM | STREAM},
    {"x-max-age", NULL, STREAM},
    {"x-stream-max-segment-size-bytes", test_length, STREAM},
    {"x-initial-cluster-size", test_group_size, STREAM},
    {"x-consumer-timeout", test_length, BOTH},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static const struct queue_arg consume_rows[] = {
    {"x-priority", test_number, BOTH},
    {"x-cancel-on-ha-failover", test_bool, CLASSIC},
    {"x-stream-offset", NULL, STREAM},
};
enum { CONSUME_ROWS = sizeof consume_rows / sizeof consume_rows[0] };

const char *
queue_args_known(unsigned type, unsigned *at)
{
    while (*at < ROWS) {
        unsigned i = (*at)++;
        if (rows[i].types & type)
            return rows[i].name;
    }
    return NULL;
}

unsigned
queue_args_type(struct slice arguments)
{
    struct slice type;
    if (table_get_str(arguments, "x-queue-type", &type) != ERR_OK || slice_eq_str(type, "classic"))
        return POLICY_CLASSIC;
    return slice_eq_str(type, "quorum") ? POLICY_QUORUM : POLICY_STREAM;
}

/* RabbitMQ's text names the implementing module. */
static const char *
module_of(unsigned type)
{
    return type == POLICY_CLASSIC ? "rabbit_classic_queue" : "rabbit_quorum_queue";
}

/* Arguments that only other types have. */
static uint16_t
check_foreign(const struct queue_arg *row, size_t count, unsigned type, struct slice arguments,
              const char *what, char text[256])
{
    struct table_iter it = table_iter_fields(arguments);
    struct slice name;
    struct table_value v;
    while (table_iter_next(&it, &name, &v)) {
        for (size_t i = 0; i < count; i++) {
            if (row[i].types & type || !slice_eq_str(name, row[i].name))
                continue;
            return reply_fail(text, AMQP_REPLY_PRECONDITION_FAILED,
                              "invalid arg '%s' for %s of queue type %s", row[i].name, what, module_of(type));
        }
    }
    return 0;
}

/* Values of those that this type has. */
static uint16_t
check_values(const struct queue_arg *row, size_t count, unsigned type, struct slice arguments,
             const char *what, char text[256])
{
    uint16_t code = 0;
    struct buffer wrong;
    buffer_init(&wrong);
    for (size_t i = 0; !code && i < count; i++) {
        struct table_value v;
        if (!row[i].test || !(row[i].types & type) || !table_find_str(arguments, row[i].name, &v))
            continue;
        row[i].test(&wrong, &v, arguments);
        if (wrong.len > 0)
            code = reply_fail(text, AMQP_REPLY_PRECONDITION_FAILED, "invalid arg '%s' for %s: %.*s",
                              row[i].name, what, SLICE_FMT(buffer_slice(&wrong)));
    }
    buffer_fini(&wrong);
    return code;
}

uint16_t
queue_args_check_properties(struct slice arguments, const struct queue_properties *p, const char *what,
                            char text[256])
{
    if (queue_args_type(arguments) == POLICY_CLASSIC)
        return 0;
    const char *wrong = p->auto_delete ? "auto-delete"
                        : p->exclusive ? "exclusive-owner"
                        : !p->durable  ? "non-durable"
                                       : NULL;
    if (!wrong)
        return 0;
    return reply_fail(text, AMQP_REPLY_PRECONDITION_FAILED, "invalid property '%s' for %s", wrong, what);
}

uint16_t
queue_args_check_unnamed(struct slice arguments, char text[256])
{
    unsigned type = queue_args_type(arguments);
    if (type != POLICY_QUORUM)
        return 0;
    return reply_fail(text, AMQP_REPLY_PRECONDITION_FAILED, "Cannot declare a server-named queue for type %s",
                      module_of(type));
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

/* RabbitMQ looks at values first, then at what is not known here. */
static uint16_t
check_rows(const struct queue_arg *row, size_t count, unsigned type, struct slice arguments, const char *what,
           char text[256])
{
    uint16_t code = check_values(row, count, type, arguments, what, text);
    return code ? code : check_foreign(row, count, type, arguments, what, text);
}

uint16_t
queue_args_check(struct slice arguments, const char *what, char text[256])
{
    if (arguments.len == 0)
        return 0;
    uint16_t code = check_dead_letter_exchange(arguments, what, text);
    return code ? code : check_rows(rows, ROWS, queue_args_type(arguments), arguments, what, text);
}

uint16_t
queue_args_check_consume(struct slice arguments, unsigned type, const char *what, char text[256])
{
    return arguments.len == 0 ? 0 : check_rows(consume_rows, CONSUME_ROWS, type, arguments, what, text);
}
