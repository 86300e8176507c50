/*
 * Bindings of a vhost: first the implicit ones, by which the default exchange knows every queue by its name,
 * then those that were made. They are told by shard 0, which alone may walk the table of bindings.
 */
#include "broker/binding.h"
#include "broker/exchange.h"
#include "broker/meta_view.h"
#include "broker/queue_def.h"
#include "broker/vhost.h"
#include "mgmt/info.h"
#include "mgmt/info_value.h"

static void
put_source_name(struct buffer *out, const struct info_subject *s)
{
    const struct exchange *from = s->binding ? s->binding->source : NULL;
    info_value_string(out, from ? slice_of(from->name, from->name_size) : slice_str(""));
}

static void
put_source_kind(struct buffer *out, const struct info_subject *s)
{
    info_value_text(out, "exchange");
}

static void
put_destination_name(struct buffer *out, const struct info_subject *s)
{
    if (s->queue)
        info_value_string(out, queue_def_name(s->queue));
    else
        info_value_string(out, slice_of(s->exchange->name, s->exchange->name_size));
}

static void
put_destination_kind(struct buffer *out, const struct info_subject *s)
{
    info_value_text(out, s->queue ? "queue" : "exchange");
}

static void
put_routing_key(struct buffer *out, const struct info_subject *s)
{
    info_value_string(out, s->binding ? binding_routing_key(s->binding) : queue_def_name(s->queue));
}

static void
put_arguments(struct buffer *out, const struct info_subject *s)
{
    info_value_table(out, s->binding ? binding_arguments(s->binding) : slice_of(NULL, 0));
}

static void
info_binding_show_implicit(void *arg, void *item)
{
    info_emit(arg, &(struct info_subject){.queue = item});
}

static void
info_binding_show(void *arg, void *item)
{
    struct info_query *q = arg;
    const struct binding *b = item;
    if (b->source->vhost != q->found_vhost)
        return;
    struct info_subject s = {.binding = b};
    if (b->to_exchange)
        s.exchange = b->destination;
    else
        s.queue = b->destination;
    info_emit(q, &s);
}

static bool
info_binding_step(struct info_query *q)
{
    if (q->pass == 0)
        return cmap_walk(&q->found_vhost->queues, &q->position, info_binding_show_implicit, q);
    return meta_view_bindings(q->meta, &q->position, info_binding_show, q);
}

static const struct info_column info_binding_columns[] = {INFO_BINDING_COLUMNS(INFO_COLUMN_ROW){0}};

const struct info_kind info_binding_kind = {
    .columns = info_binding_columns, .is_per_vhost = true, .passes = 2, .step = info_binding_step};
