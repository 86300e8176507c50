/* Values go back into the text that they could have come from, so that a configuration that is shown can be
 * written into a file. */
#include "app/config_show.h"

#include "base/log.h"

#define HIDDEN "********"

static const void *
member(const struct config *c, const struct config_row *row)
{
    return (const char *)c + row->offset;
}

static void
ratio_show(struct buffer *out, double ratio)
{
    buffer_add_fmt(out, "%.9f", ratio);
    while (out->data[out->len - 1] == '0' && out->data[out->len - 2] != '.')
        out->len--;
}

static void
text_show(struct buffer *out, const struct config_row *row, const char *text)
{
    buffer_add_str(out, row->type == CONFIG_SECRET ? HIDDEN : text);
}

static const char *
list_text(const struct config_row *row, const struct config_item *item)
{
    return row->type == CONFIG_SECRETS ? HIDDEN : item->text;
}

static bool
address_show(struct buffer *out, const struct config_address *a)
{
    bool is_v6 = strchr(a->host, ':') != NULL;
    if (a->is_none)
        buffer_add_str(out, "none");
    else if (*a->host)
        buffer_add_fmt(out, is_v6 ? "[%s]:%u" : "%s:%u", a->host, a->port);
    else
        buffer_add_fmt(out, "%u", a->port);
    return a->is_set;
}

/* False: the row has no value. */
static bool
scalar_show(struct buffer *out, const struct config *c, const struct config_row *row)
{
    const void *p = member(c, row);
    switch (row->type) {
    case CONFIG_BOOL: buffer_add_str(out, *(const bool *)p ? "true" : "false"); return true;
    case CONFIG_INTEGER:
    case CONFIG_LIMIT:
        if (row->type == CONFIG_LIMIT && *(const int64_t *)p == CONFIG_INFINITY)
            buffer_add_str(out, "infinity");
        else
            buffer_add_fmt(out, "%lld", (long long)*(const int64_t *)p);
        return true;
    case CONFIG_SIZE: buffer_add_fmt(out, "%llu", (unsigned long long)*(const uint64_t *)p); return true;
    case CONFIG_RATIO:
        if (!(*(const double *)p > 0))
            return false;
        ratio_show(out, *(const double *)p);
        return true;
    case CONFIG_ADDRESS: return address_show(out, p);
    case CONFIG_ENUM: buffer_add_slice(out, config_row_word(row, (size_t) * (const int *)p)); return true;
    case CONFIG_LEVEL:
        if (*(const int *)p < 0)
            return false;
        buffer_add_str(out, log_level_name((enum log_level) * (const int *)p));
        return true;
    default:
        if (!*(char *const *)p)
            return false;
        text_show(out, row, *(char *const *)p);
        return true;
    }
}

/* "listeners.tcp.$name" with the element's name, in which dots are marked; NULL: without that part. */
static void
name_show(struct buffer *out, const struct config_row *row, const char *name)
{
    const char *part = strchr(row->name, '$'), *rest = part;
    while (*rest && *rest != '.')
        rest++;
    if (!name) {
        buffer_add(out, row->name, (size_t)(part - row->name) - 1);
        return;
    }
    buffer_add(out, row->name, (size_t)(part - row->name));
    for (; *name; name++) {
        if (*name == '.' || *name == '\\')
            buffer_add_u8(out, '\\');
        buffer_add_u8(out, (uint8_t)*name);
    }
    buffer_add_str(out, rest);
}

void
config_show(const struct config *c, void (*each)(void *arg, const struct config_shown *shown), void *arg)
{
    struct buffer name = {0}, value = {0};
    for (size_t r = 0; r < config_row_count; r++) {
        const struct config_row *row = &config_rows[r];
        struct config_shown shown = {.row = row, .name = slice_str(row->name)};
        buffer_clear(&value);
        if (!config_row_is_list(row)) {
            if (!scalar_show(&value, c, row))
                continue;
            shown.value = buffer_slice(&value);
            each(arg, &shown);
            continue;
        }
        const struct config_list *list = member(c, row);
        for (size_t i = 0; i < list->count || i == 0; i++) {
            bool is_none = list->count == 0;
            buffer_clear(&name);
            name_show(&name, row, is_none ? NULL : list->items[i].name);
            shown.name = buffer_slice(&name);
            shown.value = slice_str(is_none ? "none" : list_text(row, &list->items[i]));
            each(arg, &shown);
        }
    }
    buffer_fini(&name);
    buffer_fini(&value);
}

/* In quotes where a file needs them. */
static void
line_add(void *arg, const struct config_shown *s)
{
    struct buffer *out = arg;
    bool is_edged = s->value.len > 0 && (s->value.data[0] == ' ' || s->value.data[s->value.len - 1] == ' ');
    bool needs_quotes =
        s->value.len == 0 || is_edged || memchr(s->value.data, '#', s->value.len) || s->value.data[0] == '\'';
    const char *quote = needs_quotes ? "'" : "";
    buffer_add_fmt(out, "%.*s = %s%.*s%s\n", SLICE_FMT(s->name), quote, SLICE_FMT(s->value), quote);
}

void
config_show_text(const struct config *c, struct buffer *out)
{
    config_show(c, line_add, out);
}

static bool
texts_equal(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

bool
config_show_same(const struct config *a, const struct config *b, const struct config_row *row)
{
    if (!config_row_is_list(row)) {
        if (row->type == CONFIG_STRING || row->type == CONFIG_SECRET || row->type == CONFIG_FILE)
            return texts_equal(*(char *const *)member(a, row), *(char *const *)member(b, row));
        struct buffer of_a = {0}, of_b = {0};
        bool same = scalar_show(&of_a, a, row) == scalar_show(&of_b, b, row) &&
                    slice_eq(buffer_slice(&of_a), buffer_slice(&of_b));
        buffer_fini(&of_a);
        buffer_fini(&of_b);
        return same;
    }
    const struct config_list *la = member(a, row), *lb = member(b, row);
    bool same = la->count == lb->count;
    for (size_t i = 0; same && i < la->count; i++)
        same = texts_equal(la->items[i].name, lb->items[i].name) &&
               texts_equal(la->items[i].text, lb->items[i].text);
    return same;
}
