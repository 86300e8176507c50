/* The list of formats, and values as text: for tables (format_value) and as Erlang terms (format_term). */
#include "ctl/format.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const struct format *const formats[] = {
    &format_table,       &format_pretty, &format_csv,    &format_json,
    &format_json_stream, &format_erlang, &format_string,
};

const struct format *
format_find(const char *name)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (strcmp(formats[i]->name, name) == 0)
            return formats[i];
    return NULL;
}

void
format_out_fini(struct format_out *o)
{
    json_decref(o->kept);
    buffer_fini(&o->line);
}

void
format_flush(struct format_out *o, struct buffer *b)
{
    fwrite(b->data, 1, b->len, o->file);
    buffer_clear(b);
}

void
format_json_value(struct buffer *out, const json_t *value)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);
    buffer_add_str(out, text ? text : "null");
    free(text);
}

bool
format_is_pid(const char *text)
{
    size_t len = strlen(text);
    if (len < 8 || text[0] != '<' || text[len - 1] != '>')
        return false;
    unsigned dots = 0;
    for (size_t i = len - 2; i > 0 && (isdigit((unsigned char)text[i]) || text[i] == '.'); i--)
        dots += text[i] == '.';
    return dots >= 2;
}

bool
format_is_amqp_table(const json_t *value)
{
    const json_t *first = json_array_get(value, 0);
    return json_array_size(first) == 3 && json_is_string(json_array_get(first, 0)) &&
           json_is_string(json_array_get(first, 1));
}

/* The shortest digits that read back as the same number, and always a point: 1.0. */
static void
add_real(struct buffer *out, double real)
{
    char text[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, real);
        if (strtod(text, NULL) == real)
            break;
    }
    buffer_add_str(out, text);
    if (!strpbrk(text, ".en"))
        buffer_add_str(out, ".0");
}

/*
 * Control characters, U+0080 to U+009F in UTF-8 included. A client chooses its names and properties: as they
 * are they could end a row or a column, or tell the operator's terminal what to do.
 */
static bool
is_control(const uint8_t *c)
{
    return c[0] < 32 || c[0] == 127 || (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0);
}

/* As Erlang writes a text, or with single quotes an atom: \n, \e, \"; \ooo for those that have no letter. */
static void
add_in_quotes(struct buffer *out, char quote, struct slice text)
{
    static const char from[] = "\b\t\n\v\f\r\033\177", letters[] = "btnvfred";
    buffer_add_u8(out, (uint8_t)quote);
    for (const uint8_t *c = text.data, *end = c + text.len; c < end; c++) {
        const char *at = *c ? strchr(from, *c) : NULL;
        if (*c == quote || *c == '\\')
            buffer_add_fmt(out, "\\%c", *c);
        else if (at)
            buffer_add_fmt(out, "\\%c", letters[at - from]);
        else if (is_control(c))
            buffer_add_fmt(out, "\\%03o", *c == 0xc2 ? *++c : *c);
        else
            buffer_add_u8(out, *c);
    }
    buffer_add_u8(out, (uint8_t)quote);
}

/* A text of JSON's may have a NUL in it: a client's names may. What is no text is empty. */
static struct slice
text_of(const json_t *string)
{
    return json_is_string(string) ? slice_of(json_string_value(string), json_string_length(string))
                                  : slice_str("");
}

static void
add_quoted(struct buffer *out, struct slice text)
{
    add_in_quotes(out, '"', text);
}

static void
add_atom(struct buffer *out, const char *text)
{
    bool is_plain = islower((unsigned char)text[0]);
    for (const char *c = text; *c; c++)
        is_plain = is_plain && (isalnum((unsigned char)*c) || *c == '_' || *c == '@');
    if (is_plain)
        buffer_add_str(out, text);
    else
        add_in_quotes(out, '\'', slice_str(text));
}

/* ---- field tables: [{"name",value}] for people, [{<<"name">>,type,value}] as a term ---- */

static void add_amqp_value(struct buffer *out, const char *type, const json_t *value, bool is_term);

static void
add_amqp_array(struct buffer *out, const json_t *array, bool is_term)
{
    size_t i;
    json_t *item;
    buffer_add_u8(out, '[');
    json_array_foreach(array, i, item)
    {
        const char *type = json_string_value(json_array_get(item, 0));
        buffer_add_str(out, i ? "," : "");
        if (is_term) {
            buffer_add_u8(out, '{');
            add_atom(out, type ? type : "void");
            buffer_add_u8(out, ',');
        }
        add_amqp_value(out, type ? type : "void", type ? json_array_get(item, 1) : item, is_term);
        buffer_add_str(out, is_term ? "}" : "");
    }
    buffer_add_u8(out, ']');
}

static void
add_amqp_table(struct buffer *out, const json_t *table, bool is_term)
{
    size_t i;
    json_t *entry;
    buffer_add_u8(out, '[');
    json_array_foreach(table, i, entry)
    {
        const char *type = json_string_value(json_array_get(entry, 1));
        buffer_add_str(out, i ? ",{" : "{");
        buffer_add_str(out, is_term ? "<<" : "");
        add_quoted(out, text_of(json_array_get(entry, 0)));
        if (is_term) {
            buffer_add_str(out, ">>,");
            add_atom(out, type ? type : "void");
        }
        buffer_add_u8(out, ',');
        add_amqp_value(out, type ? type : "void", json_array_get(entry, 2), is_term);
        buffer_add_u8(out, '}');
    }
    buffer_add_u8(out, ']');
}

static void
add_amqp_value(struct buffer *out, const char *type, const json_t *value, bool is_term)
{
    if (strcmp(type, "table") == 0)
        add_amqp_table(out, value, is_term);
    else if (strcmp(type, "array") == 0)
        add_amqp_array(out, value, is_term);
    else if (json_is_string(value) && !is_term)
        add_quoted(out, text_of(value));
    else
        format_term(out, value);
}

/* ---- for people ---- */

/* Control characters are shown as \ooo. */
static void
add_escaped(struct buffer *out, struct slice text)
{
    for (const uint8_t *c = text.data, *end = c + text.len; c < end; c++) {
        if (is_control(c))
            buffer_add_fmt(out, "\\%03o", *c == 0xc2 ? *++c : *c);
        else
            buffer_add_u8(out, *c);
    }
}

static void
add_list(struct buffer *out, const json_t *array)
{
    size_t i;
    json_t *item;
    buffer_add_u8(out, '[');
    json_array_foreach(array, i, item)
    {
        buffer_add_str(out, i ? ", " : "");
        bool is_pair = json_array_size(item) == 2 && json_is_string(json_array_get(item, 0));
        if (!is_pair) {
            format_value(out, item);
            continue;
        }
        buffer_add_u8(out, '{');
        add_atom(out, json_string_value(json_array_get(item, 0)));
        buffer_add_str(out, ", ");
        format_value(out, json_array_get(item, 1));
        buffer_add_u8(out, '}');
    }
    buffer_add_u8(out, ']');
}

void
format_value(struct buffer *out, const json_t *value)
{
    if (!value) /* a row that is shorter than it should be */
        return;
    switch (json_typeof(value)) {
    case JSON_STRING: add_escaped(out, text_of(value)); break;
    case JSON_INTEGER: buffer_add_fmt(out, "%lld", (long long)json_integer_value(value)); break;
    case JSON_REAL: add_real(out, json_real_value(value)); break;
    case JSON_TRUE: buffer_add_str(out, "true"); break;
    case JSON_FALSE: buffer_add_str(out, "false"); break;
    case JSON_NULL: break;
    case JSON_OBJECT: format_json_value(out, value); break;
    case JSON_ARRAY:
        if (format_is_amqp_table(value))
            add_amqp_table(out, value, false);
        else
            add_list(out, value);
        break;
    }
}

/* ---- Erlang terms ---- */

static void
add_term_members(struct buffer *out, const json_t *value)
{
    const char *key;
    json_t *member;
    const char *between = "";
    json_object_foreach((json_t *)value, key, member)
    {
        buffer_add_fmt(out, "%s{", between);
        add_atom(out, key);
        buffer_add_u8(out, ',');
        format_term(out, member);
        buffer_add_u8(out, '}');
        between = ",";
    }
}

static void
add_term_items(struct buffer *out, const json_t *value)
{
    size_t i;
    json_t *item;
    json_array_foreach(value, i, item)
    {
        buffer_add_str(out, i ? "," : "");
        format_term(out, item);
    }
}

void
format_term(struct buffer *out, const json_t *value)
{
    switch (value ? json_typeof(value) : JSON_NULL) {
    case JSON_STRING:
        if (format_is_pid(json_string_value(value))) {
            buffer_add_str(out, json_string_value(value));
            break;
        }
        buffer_add_str(out, "<<");
        add_quoted(out, text_of(value));
        buffer_add_str(out, ">>");
        break;
    case JSON_NULL: buffer_add_str(out, "''"); break;
    case JSON_ARRAY:
        if (format_is_amqp_table(value)) {
            add_amqp_table(out, value, true);
            break;
        }
        buffer_add_u8(out, '[');
        add_term_items(out, value);
        buffer_add_u8(out, ']');
        break;
    case JSON_OBJECT:
        buffer_add_u8(out, '[');
        add_term_members(out, value);
        buffer_add_u8(out, ']');
        break;
    default: format_value(out, value); break;
    }
}
