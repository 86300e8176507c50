/* The parser's depth is bounded by the library (JSON_PARSER_MAX_DEPTH), so what walks a parsed value is too.
 */
#include "broker/jsontext.h"

#include "base/check.h"
#include "broker/erlterm.h"

#include <stdio.h>
#include <stdlib.h>

enum { JSONTEXT_ERLANG_DEPTH = 4, JSONTEXT_ERLANG_KEYS = 32 };

json_t *
jsontext_parse(struct slice text, size_t bytes_max, char why[128])
{
    if (text.len > bytes_max) {
        snprintf(why, 128, "%zu bytes of JSON are more than %zu", text.len, bytes_max);
        return NULL;
    }
    json_error_t error;
    json_t *value =
        json_loadb(text.len > 0 ? (const char *)text.data : "", text.len, JSON_DECODE_ANY, &error);
    if (!value)
        snprintf(why, 128, "%.80s at line %d, column %d", error.text, error.line, error.column);
    return value;
}

static int
add_piece(const char *piece, size_t size, void *out)
{
    buffer_add(out, piece, size);
    return 0;
}

void
jsontext_add(struct buffer *out, const json_t *value)
{
    CHECK(json_dump_callback(value, add_piece, out, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) == 0);
}

struct slice
jsontext_copy(const json_t *value)
{
    struct buffer text = {0};
    jsontext_add(&text, value);
    return buffer_slice(&text);
}

static void add_erlang(struct buffer *out, const json_t *value, int depth);

static int
compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Erlang sorts the keys of small maps. Only the first ones are looked at: more would not be printed. */
static void
add_object(struct buffer *out, json_t *object, int depth, const char *between, const char *open,
           const char *close)
{
    const char *keys[JSONTEXT_ERLANG_KEYS], *key;
    json_t *item;
    size_t count = 0, start = out->len;
    json_object_foreach(object, key, item) if (count < JSONTEXT_ERLANG_KEYS) keys[count++] = key;
    qsort(keys, count, sizeof *keys, compare_keys);
    for (size_t i = 0; i < count && out->len - start <= ERLTERM_TEXT_MAX; i++) {
        buffer_add_str(out, i > 0 ? "," : "");
        buffer_add_str(out, open);
        erlterm_add_binary(out, slice_str(keys[i]));
        buffer_add_str(out, between);
        add_erlang(out, json_object_get(object, keys[i]), depth + 1);
        buffer_add_str(out, close);
    }
}

static void
add_array(struct buffer *out, const json_t *array, int depth)
{
    size_t start = out->len;
    for (size_t i = 0; i < json_array_size(array) && out->len - start <= ERLTERM_TEXT_MAX; i++) {
        if (i > 0)
            buffer_add_u8(out, ',');
        add_erlang(out, json_array_get(array, i), depth + 1);
    }
}

static void
add_erlang(struct buffer *out, const json_t *value, int depth)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        erlterm_add_binary(out, slice_of(json_string_value(value), json_string_length(value)));
        break;
    case JSON_INTEGER: buffer_add_fmt(out, "%lld", (long long)json_integer_value(value)); break;
    case JSON_REAL: jsontext_add(out, value); break;
    case JSON_TRUE: buffer_add_str(out, "true"); break;
    case JSON_FALSE: buffer_add_str(out, "false"); break;
    case JSON_NULL: buffer_add_str(out, "null"); break;
    default:
        buffer_add_str(out, json_is_array(value) ? "[" : "#{");
        if (depth >= JSONTEXT_ERLANG_DEPTH)
            buffer_add_str(out, "...");
        else if (json_is_array(value))
            add_array(out, value, depth);
        else
            add_object(out, (json_t *)value, depth, " => ", "", "");
        buffer_add_u8(out, json_is_array(value) ? ']' : '}');
        break;
    }
}

void
jsontext_add_erlang(struct buffer *out, const json_t *value)
{
    add_erlang(out, value, 0);
}

void
jsontext_add_proplist(struct buffer *out, const json_t *object)
{
    buffer_add_u8(out, '[');
    add_object(out, (json_t *)object, 0, ",", "{", "}");
    buffer_add_u8(out, ']');
}
