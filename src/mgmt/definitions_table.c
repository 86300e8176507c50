/* Both ways recurse as deep as tables may be nested (TABLE_DEPTH_MAX). */
#include "mgmt/definitions_table.h"

#include "base/utf8.h"
#include "wire/table.h"

#include <string.h>

static json_t *array_to_json(struct slice array);

json_t *
definitions_table_text(struct slice text)
{
    json_t *s = json_stringn(text.len > 0 ? (const char *)text.data : "", text.len);
    if (s)
        return s;
    struct buffer clean = {0};
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < 0x80 && text.data[i] != 0)
            buffer_add_u8(&clean, text.data[i]);
        else
            buffer_add_str(&clean, "\xef\xbf\xbd");
    }
    s = json_stringn((const char *)clean.data, clean.len);
    buffer_fini(&clean);
    return s;
}

static json_t *
value_to_json(const struct table_value *v)
{
    switch (v->type) {
    case TABLE_BOOL: return json_boolean(v->boolean);
    case TABLE_TIMESTAMP: return json_integer((json_int_t)v->timestamp);
    case TABLE_FLOAT:
    case TABLE_DOUBLE: {
        json_t *number = json_real(v->number);
        return number ? number : json_null(); /* no JSON has infinity */
    }
    case TABLE_LONGSTR:
    case TABLE_BINARY: return definitions_table_text(v->bytes);
    case TABLE_TABLE: return definitions_table_to_json(v->bytes);
    case TABLE_ARRAY: return array_to_json(v->bytes);
    case TABLE_VOID: return json_null();
    default: return json_integer(v->integer);
    }
}

static json_t *
array_to_json(struct slice array)
{
    json_t *items = json_array();
    struct table_iter it = table_iter_items(array);
    struct table_value v;
    while (table_iter_next(&it, NULL, &v))
        json_array_append_new(items, value_to_json(&v));
    return items;
}

json_t *
definitions_table_to_json(struct slice table)
{
    json_t *object = json_object();
    struct table_iter it = table_iter_fields(table);
    struct slice name;
    struct table_value v;
    while (table_iter_next(&it, &name, &v)) {
        json_t *key = definitions_table_text(name);
        json_object_set_new(object, json_string_value(key), value_to_json(&v));
        json_decref(key);
    }
    return object;
}

static bool add_members(struct buffer *out, const json_t *object, unsigned depth);

/* `name` NULL: an item of an array. */
static bool
add_value(struct buffer *out, const char *name, const json_t *v, unsigned depth)
{
    size_t at;
    bool ok = true;
    if (depth >= TABLE_DEPTH_MAX || (name && strlen(name) > UINT8_MAX))
        return false;
    switch (json_typeof(v)) {
    case JSON_STRING: table_add_str(out, name, slice_of(json_string_value(v), json_string_length(v))); break;
    case JSON_INTEGER: table_add_int64(out, name, json_integer_value(v)); break;
    case JSON_REAL: table_add_double(out, name, json_real_value(v)); break;
    case JSON_TRUE:
    case JSON_FALSE: table_add_bool(out, name, json_is_true(v)); break;
    case JSON_NULL: table_add_void(out, name); break;
    case JSON_ARRAY:
        at = table_add_array_begin(out, name);
        for (size_t i = 0; ok && i < json_array_size(v); i++)
            ok = add_value(out, NULL, json_array_get(v, i), depth + 1);
        table_end(out, at);
        break;
    case JSON_OBJECT:
        at = table_add_table_begin(out, name);
        ok = add_members(out, v, depth + 1);
        table_end(out, at);
        break;
    }
    return ok;
}

static bool
add_members(struct buffer *out, const json_t *object, unsigned depth)
{
    const char *name;
    json_t *v;
    json_object_foreach((json_t *)object, name, v) if (!add_value(out, name, v, depth)) return false;
    return true;
}

bool
definitions_table_of_json(struct buffer *out, const json_t *object)
{
    return add_members(out, object, 1);
}
