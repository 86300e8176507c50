/*
 * Writing field tables into a buffer, field by field. A table inside has a length before it that is known
 * only at its end: the `_begin` functions return where it stands, table_end() fills it in.
 */
#include "base/buffer.h"
#include "base/check.h"
#include "wire/codec.h"
#include "wire/table.h"

static void
add_name(struct buffer *out, struct slice name)
{
    if (!name.data) /* an item of an array */
        return;
    CHECK(name.len <= AMQP_SHORTSTR_MAX);
    buffer_add_u8(out, (uint8_t)name.len);
    buffer_add_slice(out, name);
}

static void
add_head(struct buffer *out, const char *name, enum table_type type)
{
    add_name(out, name ? slice_str(name) : slice_of(NULL, 0));
    buffer_add_u8(out, (uint8_t)type);
}

static void
add_bytes(struct buffer *out, const char *name, enum table_type type, struct slice bytes)
{
    CHECK(bytes.len <= UINT32_MAX);
    add_head(out, name, type);
    buffer_add_u32(out, (uint32_t)bytes.len);
    buffer_add_slice(out, bytes);
}

size_t
table_begin(struct buffer *out)
{
    size_t at = out->len;
    buffer_add_u32(out, 0);
    return at;
}

void
table_end(struct buffer *out, size_t at)
{
    size_t len = out->len - at - 4;
    CHECK(len <= UINT32_MAX);
    be32_put(out->data + at, (uint32_t)len);
}

size_t
table_add_table_begin(struct buffer *out, const char *name)
{
    add_head(out, name, TABLE_TABLE);
    return table_begin(out);
}

size_t
table_add_array_begin(struct buffer *out, const char *name)
{
    add_head(out, name, TABLE_ARRAY);
    return table_begin(out);
}

void
table_add_str(struct buffer *out, const char *name, struct slice value)
{
    add_bytes(out, name, TABLE_LONGSTR, value);
}

void
table_add_bool(struct buffer *out, const char *name, bool value)
{
    add_head(out, name, TABLE_BOOL);
    buffer_add_u8(out, value);
}

void
table_add_int32(struct buffer *out, const char *name, int32_t value)
{
    add_head(out, name, TABLE_INT32);
    buffer_add_u32(out, (uint32_t)value);
}

void
table_add_int64(struct buffer *out, const char *name, int64_t value)
{
    add_head(out, name, TABLE_INT64);
    buffer_add_u64(out, (uint64_t)value);
}

void
table_add_timestamp(struct buffer *out, const char *name, uint64_t seconds)
{
    add_head(out, name, TABLE_TIMESTAMP);
    buffer_add_u64(out, seconds);
}

void
table_add_double(struct buffer *out, const char *name, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    add_head(out, name, TABLE_DOUBLE);
    buffer_add_u64(out, bits);
}

void
table_add_void(struct buffer *out, const char *name)
{
    add_head(out, name, TABLE_VOID);
}

void
table_add_table(struct buffer *out, const char *name, struct slice table)
{
    add_bytes(out, name, TABLE_TABLE, table);
}

void
table_add_array(struct buffer *out, const char *name, struct slice array)
{
    add_bytes(out, name, TABLE_ARRAY, array);
}

void
table_add_value(struct buffer *out, struct slice name, const struct table_value *value)
{
    add_name(out, name);
    buffer_add_u8(out, (uint8_t)value->type);
    buffer_add_slice(out, value->encoded);
}

/* RabbitMQ writes what it has read as TABLE_INT64_OLD as TABLE_INT64. */
void
table_add_field(struct buffer *out, const struct table_field *f)
{
    uint8_t *at = buffer_reserve(out, f->whole.len);
    memcpy(at, f->whole.data, f->whole.len);
    if (f->type == TABLE_INT64_OLD)
        at[f->bytes.data - f->whole.data - 1] = TABLE_INT64;
    out->len += f->whole.len;
}

void
table_add_all_but(struct buffer *out, struct slice table, struct slice name)
{
    struct table_iter it = table_iter_fields(table);
    struct table_value v;
    for (;;) {
        const uint8_t *start = it.rest.data;
        struct slice found;
        if (!table_iter_next(&it, &found, &v))
            return;
        if (!slice_eq(found, name))
            buffer_add(out, start, (size_t)(it.rest.data - start));
    }
}
