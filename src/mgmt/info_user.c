/* Users and their tags; never their passwords. */
#include "broker/meta_view.h"
#include "broker/user.h"
#include "mgmt/info.h"
#include "mgmt/info_value.h"

static void
put_user(struct buffer *out, const struct info_subject *s)
{
    info_value_string(out, slice_of(s->user->name, s->user->name_size));
}

static void
put_tags(struct buffer *out, const struct info_subject *s)
{
    info_value_words(out, s->user->tags_text);
}

static void
info_user_show(void *arg, void *item)
{
    info_emit(arg, &(struct info_subject){.user = item});
}

static bool
info_user_step(struct info_query *q)
{
    return meta_view_users(q->meta, &q->position, info_user_show, q);
}

static const struct info_column info_user_columns[] = {INFO_USER_COLUMNS(INFO_COLUMN_ROW){0}};

const struct info_kind info_user_kind = {.columns = info_user_columns, .passes = 1, .step = info_user_step};
