/* Permissions: those of a vhost, or of a user in all vhosts. */
#include "broker/meta_view.h"
#include "broker/permission.h"
#include "broker/vhost.h"
#include "mgmt/info.h"
#include "mgmt/info_value.h"

static void
put_user(struct buffer *out, const struct info_subject *s)
{
    info_value_string(out, slice_of(s->permission->user, s->permission->user_size));
}

static void
put_vhost(struct buffer *out, const struct info_subject *s)
{
    info_value_text(out, s->permission->vhost->name);
}

static void
put_configure(struct buffer *out, const struct info_subject *s)
{
    info_value_string(out, s->permission->patterns[PERMISSION_CONFIGURE].text);
}

static void
put_write(struct buffer *out, const struct info_subject *s)
{
    info_value_string(out, s->permission->patterns[PERMISSION_WRITE].text);
}

static void
put_read(struct buffer *out, const struct info_subject *s)
{
    info_value_string(out, s->permission->patterns[PERMISSION_READ].text);
}

static void
info_permission_show(void *arg, void *item)
{
    struct info_query *q = arg;
    const struct permission_entry *e = item;
    bool is_meant = (!q->kind->is_per_vhost || e->vhost == q->found_vhost) &&
                    (!q->kind->is_per_user || slice_eq_str(slice_of(e->user, e->user_size), q->user));
    if (is_meant)
        info_emit(q, &(struct info_subject){.permission = e});
}

static bool
info_permission_step(struct info_query *q)
{
    return meta_view_permissions(q->meta, &q->position, info_permission_show, q);
}

static const struct info_column info_permission_columns[] = {INFO_PERMISSION_COLUMNS(INFO_COLUMN_ROW){0}};

const struct info_kind info_permission_kind = {.columns = info_permission_columns,
                                               .is_per_vhost = true,
                                               .is_strict = true,
                                               .passes = 1,
                                               .step = info_permission_step};
const struct info_kind info_user_permission_kind = {
    .columns = info_permission_columns, .is_per_user = true, .passes = 1, .step = info_permission_step};
