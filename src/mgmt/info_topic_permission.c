/* Topic permissions: those of a vhost, or of a user in all vhosts. */
#include "broker/meta_view.h"
#include "broker/topic_permission.h"
#include "broker/vhost.h"
#include "mgmt/info.h"
#include "mgmt/info_value.h"

static void
put_user(struct buffer *out, const struct info_subject *s)
{
    info_value_string(out, s->topic_permission->user);
}

static void
put_vhost(struct buffer *out, const struct info_subject *s)
{
    info_value_text(out, s->topic_permission->vhost->name);
}

static void
put_exchange(struct buffer *out, const struct info_subject *s)
{
    info_value_string(out, s->topic_permission->exchange);
}

static void
put_write(struct buffer *out, const struct info_subject *s)
{
    info_value_string(out, s->topic_permission->write);
}

static void
put_read(struct buffer *out, const struct info_subject *s)
{
    info_value_string(out, s->topic_permission->read);
}

static void
info_topic_permission_show(void *arg, void *item)
{
    struct info_query *q = arg;
    const struct topic_permission *p = item;
    if ((!q->kind->is_per_vhost || p->vhost == q->found_vhost) &&
        (!q->kind->is_per_user || slice_eq_str(p->user, q->user)))
        info_emit(q, &(struct info_subject){.topic_permission = p});
}

static bool
info_topic_permission_step(struct info_query *q)
{
    return meta_view_topic_permissions(q->meta, &q->position, info_topic_permission_show, q);
}

static const struct info_column info_topic_permission_columns[] = {
    INFO_TOPIC_PERMISSION_COLUMNS(INFO_COLUMN_ROW){0}};

const struct info_kind info_topic_permission_kind = {.columns = info_topic_permission_columns,
                                                     .is_per_vhost = true,
                                                     .is_strict = true,
                                                     .passes = 1,
                                                     .step = info_topic_permission_step};
const struct info_kind info_user_topic_permission_kind = {.columns = info_topic_permission_columns,
                                                          .is_per_user = true,
                                                          .passes = 1,
                                                          .step = info_topic_permission_step};
