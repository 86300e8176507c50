/*
 * Property runs: u16 of flags, then the values whose flag is set, the highest flag first. A walk takes one
 * step per set flag; what each value looks like is in the generated amqp_property_table.
 */
#include "wire/properties.h"

#include "wire/codec.h"
#include "wire/table.h"

#define FLAG_CONTINUATION 0x0001u /* another word of flags would follow; class basic has no need of it */
#define FLAGS_KNOWN       ((uint16_t)(0xffffu << (16 - PROPERTY_COUNT)))

/* The first property of a set that is not empty. */
static inline enum property
first_of(uint16_t flags)
{
    return (enum property)(__builtin_clz(flags) - 16);
}

static inline enum amqp_type
type_of(enum property property)
{
    return amqp_property_table[property].type;
}

/* The inside of the next value. */
static inline struct slice
value_get(struct codec_reader *r, enum amqp_type type)
{
    switch (type) {
    case AMQP_TYPE_OCTET: return codec_get_bytes(r, 1);
    case AMQP_TYPE_TIMESTAMP: return codec_get_bytes(r, 8);
    case AMQP_TYPE_TABLE: return codec_get_longstr(r);
    default: return codec_get_shortstr_raw(r);
    }
}

static uint8_t *
value_put(uint8_t *p, enum amqp_type type, struct slice value)
{
    switch (type) {
    case AMQP_TYPE_OCTET: CHECK(value.len == 1); return codec_put_bytes(p, value);
    case AMQP_TYPE_TIMESTAMP: CHECK(value.len == 8); return codec_put_bytes(p, value);
    case AMQP_TYPE_TABLE: return codec_put_longstr(p, value);
    default: return codec_put_shortstr(p, value);
    }
}

static void
field_set(struct properties *out, enum property property, struct slice value)
{
    void *at = (char *)out + amqp_property_table[property].offset;
    switch (type_of(property)) {
    case AMQP_TYPE_OCTET: *(uint8_t *)at = value.data[0]; break;
    case AMQP_TYPE_TIMESTAMP: *(uint64_t *)at = be64_get(value.data); break;
    default: *(struct slice *)at = value;
    }
}

enum err
properties_read(struct slice run, struct properties *out)
{
    struct codec_reader r = codec_reader_of(run);
    uint16_t flags = codec_get_u16(&r);
    memset(out, 0, sizeof *out);
    if (flags & FLAG_CONTINUATION)
        return ERR_SYNTAX;
    out->flags = flags &= FLAGS_KNOWN;
    while (flags) {
        enum property property = first_of(flags);
        struct slice value = value_get(&r, type_of(property));
        if (r.err)
            return r.err;
        field_set(out, property, value);
        flags &= (uint16_t)~PROPERTY_FLAG(property);
    }
    return codec_reader_end(&r);
}

enum err
properties_decode(struct slice run, struct properties *out)
{
    enum err err = properties_read(run, out);
    return err ? err : table_validate(out->headers);
}

enum err
properties_validate(struct slice run)
{
    struct properties ignored;
    return properties_decode(run, &ignored);
}

/* Steps over the properties before `property`; the reader then stands where its value is, or would be. */
__attribute__((always_inline)) static inline struct codec_reader
walk_to(struct slice run, enum property property)
{
    struct codec_reader r = codec_reader_of(run);
    uint16_t flags = codec_get_u16(&r) & (uint16_t) ~(0xffffu >> property);
    while (flags) {
        enum property before = first_of(flags);
        (void)value_get(&r, type_of(before));
        flags &= (uint16_t)~PROPERTY_FLAG(before);
    }
    return r;
}

bool
properties_find(struct slice run, enum property property, struct slice *value)
{
    if (!properties_has(run, property))
        return false;
    struct codec_reader r = walk_to(run, property);
    *value = value_get(&r, type_of(property));
    return !r.err;
}

uint8_t
properties_octet(struct slice run, enum property property, uint8_t absent)
{
    struct slice value;
    CHECK(type_of(property) == AMQP_TYPE_OCTET);
    return properties_find(run, property, &value) ? value.data[0] : absent;
}

struct slice
properties_headers(struct slice run)
{
    struct slice value;
    return properties_find(run, PROPERTY_HEADERS, &value) ? value : slice_of(NULL, 0);
}

size_t
properties_size(const struct properties *p)
{
    size_t size = 2;
    for (uint16_t flags = p->flags & FLAGS_KNOWN; flags;) {
        enum property property = first_of(flags);
        const struct slice *s = (const void *)((const char *)p + amqp_property_table[property].offset);
        flags &= (uint16_t)~PROPERTY_FLAG(property);
        switch (type_of(property)) {
        case AMQP_TYPE_OCTET: size += 1; break;
        case AMQP_TYPE_TIMESTAMP: size += 8; break;
        case AMQP_TYPE_TABLE: size += 4 + s->len; break;
        default: size += 1 + s->len;
        }
    }
    return size;
}

size_t
properties_encode(uint8_t *out, const struct properties *p)
{
    uint16_t flags = p->flags & FLAGS_KNOWN;
    uint8_t *at = codec_put_u16(out, flags);
    while (flags) {
        enum property property = first_of(flags);
        const void *field = (const char *)p + amqp_property_table[property].offset;
        flags &= (uint16_t)~PROPERTY_FLAG(property);
        switch (type_of(property)) {
        case AMQP_TYPE_OCTET: at = codec_put_u8(at, *(const uint8_t *)field); break;
        case AMQP_TYPE_TIMESTAMP: at = codec_put_u64(at, *(const uint64_t *)field); break;
        default: at = value_put(at, type_of(property), *(const struct slice *)field);
        }
    }
    return (size_t)(at - out);
}

size_t
properties_replace(uint8_t *out, struct slice run, enum property property, const struct slice *value)
{
    uint16_t flags = properties_flags(run);
    struct codec_reader r = walk_to(run, property);
    struct slice before = slice_of(run.data + 2, (size_t)(r.p - run.data) - 2);
    if (flags & PROPERTY_FLAG(property))
        (void)value_get(&r, type_of(property));
    flags &= (uint16_t)~PROPERTY_FLAG(property);
    if (value)
        flags |= PROPERTY_FLAG(property);
    uint8_t *p = codec_put_bytes(codec_put_u16(out, flags), before);
    if (value)
        p = value_put(p, type_of(property), *value);
    p = codec_put_bytes(p, codec_reader_rest(&r));
    return (size_t)(p - out);
}

const char *
property_name(enum property property)
{
    return amqp_property_table[property].name;
}

bool
property_by_name(struct slice name, enum property *property)
{
    const struct amqp_method properties = {.field_count = PROPERTY_COUNT, .fields = amqp_property_table};
    const struct amqp_field *field = amqp_field_by_name(&properties, name);
    if (field)
        *property = (enum property)(field - amqp_property_table);
    return field != NULL;
}
