/*
 * One line is one setting:
 *
 *     listeners.tcp.default = 5672      # a comment
 *     default_pass = 'a#b c'            # single quotes keep # and outer spaces; nothing is escaped inside
 *
 * A key is made of parts between dots; a part is anything without spaces, control characters, = and #, and
 * "\." is a dot inside it. A value ends where the line or a # does, without the spaces around it. Double
 * quotes mean themselves. RabbitMQ 3.10 keeps single quotes as part of the value; later versions read them as
 * here.
 */
#include "app/config_text.h"

#include "base/utf8.h"

static bool
is_space(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static struct slice
line_next(struct config_text *text)
{
    const uint8_t *end = memchr(text->rest.data, '\n', text->rest.len);
    size_t n = end ? (size_t)(end - text->rest.data) : text->rest.len;
    struct slice line = slice_of(text->rest.data, n);
    size_t skip = end ? n + 1 : n;
    text->rest = slice_of(text->rest.data + skip, text->rest.len - skip);
    text->line++;
    if (line.len > 0 && line.data[line.len - 1] == '\r')
        line.len--;
    return line;
}

static bool
has_control(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((s.data[i] < 0x20 && s.data[i] != '\t') || s.data[i] == 0x7f)
            return true;
    return false;
}

/* Leaves what follows the key in `rest`. */
static struct slice
key_take(struct slice *rest)
{
    size_t n = 0;
    while (n < rest->len && !is_space(rest->data[n]) && rest->data[n] != '=' && rest->data[n] != '#')
        n++;
    struct slice key = slice_of(rest->data, n);
    *rest = slice_trim(slice_of(rest->data + n, rest->len - n));
    return key;
}

static bool
key_is_valid(struct slice key)
{
    bool part_is_empty = true;
    for (size_t i = 0; i < key.len; i++) {
        bool is_dot = key.data[i] == '.';
        if (is_dot && part_is_empty)
            return false;
        part_is_empty = is_dot;
        if (key.data[i] == '\\' && ++i == key.len)
            return false;
    }
    return !part_is_empty;
}

static const char *
value_take(struct slice rest, struct slice *value)
{
    if (rest.len > 0 && rest.data[0] == '\'') {
        const uint8_t *end = memchr(rest.data + 1, '\'', rest.len - 1);
        if (!end)
            return "the quote is not closed";
        size_t n = (size_t)(end - rest.data) + 1;
        *value = slice_of(rest.data + 1, n - 2);
        rest = slice_trim(slice_of(rest.data + n, rest.len - n));
        return rest.len == 0 || rest.data[0] == '#' ? NULL : "there is something after the closing quote";
    }
    const uint8_t *comment = rest.len > 0 ? memchr(rest.data, '#', rest.len) : NULL;
    *value = slice_trim(slice_of(rest.data, comment ? (size_t)(comment - rest.data) : rest.len));
    return value->len > 0 ? NULL : "there is no value after the = (an empty one is written '')";
}

static const char *
setting_parse(struct slice line, struct config_setting_text *setting)
{
    if (!utf8_is_valid(line))
        return "the line is not UTF-8";
    if (has_control(line))
        return "the line has a control character in it";
    setting->key = key_take(&line);
    if (!key_is_valid(setting->key) || line.len == 0 || line.data[0] != '=')
        return "expected `key = value` or a comment after #";
    return value_take(slice_trim(slice_of(line.data + 1, line.len - 1)), &setting->value);
}

bool
config_text_next(struct config_text *text, struct config_setting_text *setting)
{
    while (text->rest.len > 0) {
        struct slice line = line_next(text);
        if (text->line == 1 && slice_starts_with(line, "\xef\xbb\xbf"))
            line = slice_of(line.data + 3, line.len - 3);
        line = slice_trim(line);
        if (line.len == 0 || line.data[0] == '#')
            continue;
        *setting = (struct config_setting_text){0};
        setting->error = setting_parse(line, setting);
        return true;
    }
    return false;
}
