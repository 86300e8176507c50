/* x-recent-history: a fanout, for routing. What it remembers is in recent_history.c. */
#include "base/buffer.h"
#include "broker/erlterm.h"
#include "broker/reply.h"
#include "broker/router.h"
#include "wire/amqp.h"
#include "wire/table.h"

static bool
is_good_length(const struct table_value *v)
{
    switch (v->type) {
    case TABLE_INT8:
    case TABLE_INT16:
    case TABLE_INT32:
    case TABLE_INT64:
    case TABLE_INT64_OLD: return v->integer > 0;
    default: return false; /* RabbitMQ takes no unsigned ones */
    }
}

static uint16_t
recent_history_check_arguments(struct slice arguments, char text[256])
{
    struct table_value v;
    if (!table_find_str(arguments, "x-recent-history-length", &v) || is_good_length(&v))
        return 0;
    struct buffer term = {0};
    erlterm_add(&term, &v);
    uint16_t code = reply_fail(text, AMQP_REPLY_PRECONDITION_FAILED,
                               "Invalid argument %.*s, 'x-recent-history-length' must be a positive integer",
                               SLICE_FMT(buffer_slice(&term)));
    buffer_fini(&term);
    return code;
}

static void *
recent_history_create(struct epoch *epoch, struct slice arguments)
{
    return exchange_fanout_ops.create(epoch, arguments);
}

static void
recent_history_destroy(void *router)
{
    exchange_fanout_ops.destroy(router);
}

static void
recent_history_add(void *router, struct binding *b)
{
    exchange_fanout_ops.add(router, b);
}

static void
recent_history_remove(void *router, struct binding *b)
{
    exchange_fanout_ops.remove(router, b);
}

static void
recent_history_route(const void *router, const struct router_query *query, struct router_scratch *s)
{
    exchange_fanout_ops.route(router, query, s);
}

const struct router_ops exchange_recent_history_ops = {
    .create = recent_history_create,
    .destroy = recent_history_destroy,
    .check_arguments = recent_history_check_arguments,
    .add = recent_history_add,
    .remove = recent_history_remove,
    .route = recent_history_route,
};
