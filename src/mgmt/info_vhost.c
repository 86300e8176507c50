/* Virtual hosts. */
#include "broker/meta_view.h"
#include "broker/vhost.h"
#include "mgmt/info.h"
#include "mgmt/info_value.h"
#include "server/server.h"

static void
put_name(struct buffer *out, const struct info_subject *s)
{
    info_value_string(out, slice_of(s->vhost->name, s->vhost->name_size));
}

static void
put_description(struct buffer *out, const struct info_subject *s)
{
    info_value_string(out, vhost_metadata(s->vhost)->description);
}

static void
put_tags(struct buffer *out, const struct info_subject *s)
{
    info_value_words(out, vhost_metadata(s->vhost)->tags);
}

static void
put_default_queue_type(struct buffer *out, const struct info_subject *s)
{
    info_value_string(out, vhost_metadata(s->vhost)->default_queue_type);
}

static void
put_tracing(struct buffer *out, const struct info_subject *s)
{
    info_value_boolean(out, vhost_is_tracing(s->vhost));
}

static void
put_cluster_state(struct buffer *out, const struct info_subject *s)
{
    buffer_add_str(out, "[[");
    info_value_text(out, s->home->server->node->name);
    buffer_add_str(out, ",\"running\"]]");
}

static void
put_metadata(struct buffer *out, const struct info_subject *s)
{
    buffer_add_str(out, "{\"description\":");
    put_description(out, s);
    buffer_add_str(out, ",\"tags\":");
    put_tags(out, s);
    buffer_add_str(out, ",\"default_queue_type\":");
    put_default_queue_type(out, s);
    buffer_add_u8(out, '}');
}

static void
put_protected_from_deletion(struct buffer *out, const struct info_subject *s)
{
    info_value_boolean(out, vhost_metadata(s->vhost)->is_protected);
}

static void
info_vhost_show(void *arg, void *item)
{
    info_emit(arg, &(struct info_subject){.vhost = item});
}

static bool
info_vhost_step(struct info_query *q)
{
    return meta_view_vhosts(q->meta, &q->position, info_vhost_show, q);
}

static const struct info_column info_vhost_columns[] = {INFO_VHOST_COLUMNS(INFO_COLUMN_ROW){0}};

const struct info_kind info_vhost_kind = {
    .columns = info_vhost_columns, .passes = 1, .step = info_vhost_step};
