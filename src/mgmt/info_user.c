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
    struct slice rest = s->user->tags_text;
    buffer_add_u8(out, '[');
    for (bool is_first = true; rest.len > 0; is_first = false) {
        const uint8_t *comma = memchr(rest.data, ',', rest.len);
        size_t n = comma ? (size_t)(comma - rest.data) : rest.len;
        if (!is_first)
            buffer_add_u8(out, ',');
        info_value_string(out, slice_trim(slice_of(rest.data, n)));
        n += comma != NULL;
        rest = slice_of(rest.data + n, rest.len - n);
    }
    buffer_add_u8(out, ']');
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
