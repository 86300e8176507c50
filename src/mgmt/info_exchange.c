/* Exchanges of a vhost, the nameless one included. */
#include "broker/exchange.h"
#include "broker/policy_effect.h"
#include "broker/vhost.h"
#include "mgmt/info.h"
#include "mgmt/info_value.h"

static void
put_name(struct buffer *out, const struct info_subject *s)
{
    info_value_string(out, slice_of(s->exchange->name, s->exchange->name_size));
}

static void
put_type(struct buffer *out, const struct info_subject *s)
{
    info_value_text(out, exchange_type_name(s->exchange->type));
}

static void
put_durable(struct buffer *out, const struct info_subject *s)
{
    info_value_boolean(out, s->exchange->durable);
}

static void
put_auto_delete(struct buffer *out, const struct info_subject *s)
{
    info_value_boolean(out, s->exchange->auto_delete);
}

static void
put_internal(struct buffer *out, const struct info_subject *s)
{
    info_value_boolean(out, s->exchange->internal);
}

static void
put_arguments(struct buffer *out, const struct info_subject *s)
{
    info_value_table(out, s->exchange->arguments);
}

static void
put_policy(struct buffer *out, const struct info_subject *s)
{
    const struct policy_effect *effect = policy_effect_of_exchange(s->exchange);
    info_value_string(out, effect ? effect->policy : slice_str(""));
}

static void
info_exchange_show(void *arg, void *item)
{
    info_emit(arg, &(struct info_subject){.exchange = item});
}

static bool
info_exchange_step(struct info_query *q)
{
    return cmap_walk(&q->found_vhost->exchanges, &q->position, info_exchange_show, q);
}

static const struct info_column info_exchange_columns[] = {INFO_EXCHANGE_COLUMNS(INFO_COLUMN_ROW){0}};

const struct info_kind info_exchange_kind = {
    .columns = info_exchange_columns, .is_per_vhost = true, .passes = 1, .step = info_exchange_step};
