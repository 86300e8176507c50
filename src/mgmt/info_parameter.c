/* Runtime parameters: those of a vhost, and the global ones. */
#include "broker/meta_view.h"
#include "broker/parameter.h"
#include "mgmt/info.h"
#include "mgmt/info_value.h"

static void
put_component(struct buffer *out, const struct info_subject *s)
{
    info_value_string(out, s->parameter->component);
}

static void
put_name(struct buffer *out, const struct info_subject *s)
{
    info_value_string(out, s->parameter->name);
}

static void
put_value(struct buffer *out, const struct info_subject *s)
{
    info_value_string(out, s->parameter->value);
}

/* Without a vhost none was found: that is what global ones have. */
static void
info_parameter_show(void *arg, void *item)
{
    struct info_query *q = arg;
    const struct parameter *p = item;
    if (p->vhost == q->found_vhost)
        info_emit(q, &(struct info_subject){.parameter = p});
}

static bool
info_parameter_step(struct info_query *q)
{
    return meta_view_parameters(q->meta, &q->position, info_parameter_show, q);
}

static const struct info_column info_parameter_columns[] = {INFO_PARAMETER_COLUMNS(INFO_COLUMN_ROW){0}};
static const struct info_column info_global_parameter_columns[] = {
    INFO_GLOBAL_PARAMETER_COLUMNS(INFO_COLUMN_ROW){0}};

const struct info_kind info_parameter_kind = {.columns = info_parameter_columns,
                                              .is_per_vhost = true,
                                              .is_strict = true,
                                              .passes = 1,
                                              .step = info_parameter_step};
const struct info_kind info_global_parameter_kind = {
    .columns = info_global_parameter_columns, .passes = 1, .step = info_parameter_step};
