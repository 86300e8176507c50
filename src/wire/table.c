/*
 * Reading field tables.
 *
 *     field: name: u8 length, bytes | type: one letter | value
 *     value: fixed size; or u32 length and bytes for S, x (bytes), F (fields), A (items: type letter, value)
 *
 * Everything goes through value_get() and value_skip(), which never read past the run they are given. Only
 * table_validate() looks into the tables inside a table, with a stack of its own; so nothing here recurses,
 * however deep a peer nests.
 */
#include "wire/table.h"

#include "wire/codec.h"

static double
double_of_bits32(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return (double)f;
}

static double
double_of_bits64(uint64_t bits)
{
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

/* The value behind the letter `type`; the reader fails for an unknown letter. */
static void
value_get(struct codec_reader *r, uint8_t type, struct table_value *v)
{
    const uint8_t *start = r->p;
    *v = (struct table_value){.type = type};
    switch (type) {
    case TABLE_BOOL: v->boolean = codec_get_u8(r) != 0; break;
    case TABLE_INT8: v->integer = (int8_t)codec_get_u8(r); break;
    case TABLE_UINT8: v->integer = codec_get_u8(r); break;
    case TABLE_INT16: v->integer = (int16_t)codec_get_u16(r); break;
    case TABLE_UINT16: v->integer = codec_get_u16(r); break;
    case TABLE_INT32: v->integer = (int32_t)codec_get_u32(r); break;
    case TABLE_UINT32: v->integer = codec_get_u32(r); break;
    case TABLE_INT64_OLD: v->type = TABLE_INT64; __attribute__((fallthrough));
    case TABLE_INT64: v->integer = (int64_t)codec_get_u64(r); break;
    case TABLE_FLOAT: v->number = double_of_bits32(codec_get_u32(r)); break;
    case TABLE_DOUBLE: v->number = double_of_bits64(codec_get_u64(r)); break;
    case TABLE_DECIMAL:
        v->scale = codec_get_u8(r);
        v->integer = codec_get_u32(r);
        break;
    case TABLE_TIMESTAMP: v->timestamp = codec_get_u64(r); break;
    case TABLE_LONGSTR:
    case TABLE_BINARY:
    case TABLE_TABLE:
    case TABLE_ARRAY: v->bytes = codec_get_longstr(r); break;
    case TABLE_VOID: break;
    default: codec_reader_fail(r, ERR_TYPE);
    }
    v->encoded = slice_of(start, (size_t)(r->p - start));
}

enum { SIZE_LONG = -1, SIZE_NONE = -2 };

/* Of a value, in bytes. LONG: its length stands before it; NONE: there is no such type. */
static inline int
value_size(uint8_t type)
{
    switch (type) {
    case TABLE_VOID: return 0;
    case TABLE_BOOL:
    case TABLE_INT8:
    case TABLE_UINT8: return 1;
    case TABLE_INT16:
    case TABLE_UINT16: return 2;
    case TABLE_INT32:
    case TABLE_UINT32:
    case TABLE_FLOAT: return 4;
    case TABLE_DECIMAL: return 5;
    case TABLE_INT64:
    case TABLE_INT64_OLD:
    case TABLE_DOUBLE:
    case TABLE_TIMESTAMP: return 8;
    case TABLE_LONGSTR:
    case TABLE_BINARY:
    case TABLE_TABLE:
    case TABLE_ARRAY: return SIZE_LONG;
    default: return SIZE_NONE;
    }
}

/* The value's bytes; of one with a length, those behind it. */
static inline struct slice
value_skip(struct codec_reader *r, uint8_t type)
{
    int size = value_size(type);
    if (size >= 0)
        return codec_get_bytes(r, (size_t)size);
    if (size == SIZE_LONG)
        return codec_get_longstr(r);
    codec_reader_fail(r, ERR_TYPE);
    return slice_of(NULL, 0);
}

static enum err
validate(struct slice run, bool is_array)
{
    struct {
        struct codec_reader rest;
        bool is_array;
    } stack[TABLE_DEPTH_MAX];
    size_t depth = 0;
    stack[0].rest = codec_reader_of(run);
    stack[0].is_array = is_array;
    for (;;) {
        struct codec_reader *r = &stack[depth].rest;
        if (r->p == r->end) {
            if (depth-- == 0)
                return ERR_OK;
            continue;
        }
        if (!stack[depth].is_array)
            (void)codec_get_shortstr_raw(r);
        uint8_t type = codec_get_u8(r);
        struct slice inside = value_skip(r, type);
        if (r->err)
            return r->err;
        if (type != TABLE_TABLE && type != TABLE_ARRAY)
            continue;
        if (++depth == TABLE_DEPTH_MAX)
            return ERR_LIMIT;
        stack[depth].rest = codec_reader_of(inside);
        stack[depth].is_array = type == TABLE_ARRAY;
    }
}

enum err
table_validate(struct slice table)
{
    return table.len ? validate(table, false) : ERR_OK;
}

enum err
table_validate_array(struct slice array)
{
    return array.len ? validate(array, true) : ERR_OK;
}

struct table_iter
table_iter_fields(struct slice table)
{
    return (struct table_iter){.rest = table, .is_array = false};
}

struct table_iter
table_iter_items(struct slice array)
{
    return (struct table_iter){.rest = array, .is_array = true};
}

bool
table_iter_next(struct table_iter *it, struct slice *name, struct table_value *value)
{
    if (it->rest.len == 0)
        return false;
    struct codec_reader r = codec_reader_of(it->rest);
    struct slice found = it->is_array ? slice_of(NULL, 0) : codec_get_shortstr_raw(&r);
    value_get(&r, codec_get_u8(&r), value);
    if (name)
        *name = found;
    it->rest = codec_reader_rest(&r);
    return !r.err;
}

bool
table_iter_next_field(struct table_iter *it, struct table_field *f)
{
    if (it->rest.len == 0)
        return false;
    struct codec_reader r = codec_reader_of(it->rest);
    f->name = it->is_array ? slice_of(NULL, 0) : codec_get_shortstr_raw(&r);
    f->type = codec_get_u8(&r);
    f->bytes = value_skip(&r, f->type);
    f->whole = slice_of(it->rest.data, (size_t)(r.p - it->rest.data));
    it->rest = codec_reader_rest(&r);
    return !r.err;
}

bool
table_find(struct slice table, struct slice name, struct table_value *value)
{
    struct codec_reader r = codec_reader_of(table);
    while (r.p != r.end) {
        struct slice found = codec_get_shortstr_raw(&r);
        uint8_t type = codec_get_u8(&r);
        if (slice_eq(found, name)) {
            value_get(&r, type, value);
            return !r.err;
        }
        (void)value_skip(&r, type);
    }
    return false;
}

bool
table_find_str(struct slice table, const char *name, struct table_value *value)
{
    return table_find(table, slice_str(name), value);
}

bool
table_value_is_int(const struct table_value *value)
{
    switch (value->type) {
    case TABLE_INT8:
    case TABLE_UINT8:
    case TABLE_INT16:
    case TABLE_UINT16:
    case TABLE_INT32:
    case TABLE_UINT32:
    case TABLE_INT64: return true;
    default: return false;
    }
}

enum err
table_get_int(struct slice table, const char *name, int64_t *out)
{
    struct table_value v;
    if (!table_find_str(table, name, &v))
        return ERR_NOT_FOUND;
    if (!table_value_is_int(&v))
        return ERR_TYPE;
    *out = v.integer;
    return ERR_OK;
}

enum err
table_get_bool(struct slice table, const char *name, bool *out)
{
    struct table_value v;
    if (!table_find_str(table, name, &v))
        return ERR_NOT_FOUND;
    if (v.type != TABLE_BOOL)
        return ERR_TYPE;
    *out = v.boolean;
    return ERR_OK;
}

static enum err
get_bytes(struct slice table, const char *name, enum table_type type, struct slice *out)
{
    struct table_value v;
    if (!table_find_str(table, name, &v))
        return ERR_NOT_FOUND;
    if (v.type != type)
        return ERR_TYPE;
    *out = v.bytes;
    return ERR_OK;
}

enum err
table_get_str(struct slice table, const char *name, struct slice *out)
{
    return get_bytes(table, name, TABLE_LONGSTR, out);
}

enum err
table_get_table(struct slice table, const char *name, struct slice *out)
{
    return get_bytes(table, name, TABLE_TABLE, out);
}

enum err
table_get_array(struct slice table, const char *name, struct slice *out)
{
    return get_bytes(table, name, TABLE_ARRAY, out);
}

const char *
table_type_name(enum table_type type)
{
    switch (type) {
    case TABLE_BOOL: return "bool";
    case TABLE_INT8: return "byte";
    case TABLE_UINT8: return "unsignedbyte";
    case TABLE_INT16: return "short";
    case TABLE_UINT16: return "unsignedshort";
    case TABLE_INT32: return "signedint";
    case TABLE_UINT32: return "unsignedint";
    case TABLE_INT64:
    case TABLE_INT64_OLD: return "long";
    case TABLE_FLOAT: return "float";
    case TABLE_DOUBLE: return "double";
    case TABLE_DECIMAL: return "decimal";
    case TABLE_LONGSTR: return "longstr";
    case TABLE_ARRAY: return "array";
    case TABLE_TIMESTAMP: return "timestamp";
    case TABLE_TABLE: return "table";
    case TABLE_VOID: return "void";
    case TABLE_BINARY: return "binary";
    }
    return "unknown";
}
