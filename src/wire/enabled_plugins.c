/* One list of atoms. RabbitMQ refuses a file without any term; here it is one that names no plugin. */
#include "wire/enabled_plugins.h"

#include <stdio.h>

bool
enabled_plugins_read(struct slice text, void (*each)(void *arg, struct slice name), void *arg,
                     struct erlang_error *error)
{
    struct erlang_terms terms;
    bool good = erlang_terms_parse(&terms, text, error);
    const struct erlang_term *list = good ? terms.first : NULL;
    const char *why = NULL;
    if (list && (terms.count > 1 || list->kind != ERLANG_LIST))
        why = "expected one list of plugins' names";
    else if (list && list->count > ENABLED_PLUGINS_MAX)
        why = "there are too many plugins";
    const struct erlang_term *item = list && !why ? list->first : NULL;
    while (item && item->kind == ERLANG_ATOM)
        item = item->next;
    if (item)
        why = "a plugin's name is an atom";
    if (why) {
        error->line = item ? item->line : list->line;
        snprintf(error->text, sizeof error->text, "%s", why);
        good = false;
    }
    for (item = list && good ? list->first : NULL; item; item = item->next)
        each(arg, item->text);
    erlang_terms_fini(&terms);
    return good;
}

/* Whether an atom is written without quotes. */
static bool
is_plain(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.data[i];
        bool is_lower = c >= 'a' && c <= 'z';
        if (!is_lower &&
            (i == 0 || !((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '@')))
            return false;
    }
    return name.len > 0;
}

void
enabled_plugins_write(struct buffer *out, const struct slice *names, size_t count)
{
    buffer_add_u8(out, '[');
    for (size_t i = 0; i < count; i++) {
        const char *quote = is_plain(names[i]) ? "" : "'";
        buffer_add_str(out, i > 0 ? "," : "");
        buffer_add_str(out, quote);
        for (size_t k = 0; k < names[i].len; k++) {
            if (names[i].data[k] == '\'' || names[i].data[k] == '\\')
                buffer_add_u8(out, '\\');
            buffer_add_u8(out, names[i].data[k]);
        }
        buffer_add_str(out, quote);
    }
    buffer_add_str(out, "].\n");
}
