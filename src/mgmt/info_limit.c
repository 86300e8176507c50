/* Limits of vhosts and users: of those that have any. */
#include "broker/meta_view.h"
#include "broker/quota.h"
#include "broker/user.h"
#include "broker/vhost.h"
#include "mgmt/info.h"
#include "mgmt/info_value.h"

static void
put_vhost(struct buffer *out, const struct info_subject *s)
{
    info_value_text(out, s->vhost->name);
}

static void
put_user(struct buffer *out, const struct info_subject *s)
{
    info_value_string(out, slice_of(s->user->name, s->user->name_size));
}

static void
put_limits(struct buffer *out, const struct info_subject *s)
{
    struct buffer text = {0};
    if (s->vhost)
        vhost_limits_add(&text, s->vhost);
    else
        user_limits_add(&text, s->user);
    info_value_string(out, buffer_slice(&text));
    buffer_fini(&text);
}

static void
info_limit_show_vhost(void *arg, void *item)
{
    const struct vhost *v = item;
    if (atomic_load_explicit(&v->connections_max, memory_order_relaxed) != QUOTA_NONE ||
        atomic_load_explicit(&v->queues_max, memory_order_relaxed) != QUOTA_NONE)
        info_emit(arg, &(struct info_subject){.vhost = v});
}

static void
info_limit_show_user(void *arg, void *item)
{
    const struct user *u = item;
    if (u->connections_max != QUOTA_NONE || u->channels_max != QUOTA_NONE)
        info_emit(arg, &(struct info_subject){.user = u});
}

static bool
info_limit_step_vhost(struct info_query *q)
{
    return meta_view_vhosts(q->meta, &q->position, info_limit_show_vhost, q);
}

static bool
info_limit_step_user(struct info_query *q)
{
    return meta_view_users(q->meta, &q->position, info_limit_show_user, q);
}

static const struct info_column info_vhost_limit_columns[] = {INFO_VHOST_LIMIT_COLUMNS(INFO_COLUMN_ROW){0}};
static const struct info_column info_user_limit_columns[] = {INFO_USER_LIMIT_COLUMNS(INFO_COLUMN_ROW){0}};

const struct info_kind info_vhost_limit_kind = {
    .columns = info_vhost_limit_columns, .passes = 1, .step = info_limit_step_vhost};
const struct info_kind info_user_limit_kind = {
    .columns = info_user_limit_columns, .passes = 1, .step = info_limit_step_user};
