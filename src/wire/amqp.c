/*
 * Methods by description: one walk over the fields of a method's description decodes, sizes or encodes any of
 * them. The broker uses the generated functions; what both say must be the same, which the tests check for
 * every method.
 *
 * Neighbouring bits share octets, eight each, from the lowest bit up; every other field begins a new octet.
 */
#include "wire/amqp.h"

#include "base/utf8.h"
#include "wire/codec.h"

#include <stdarg.h>
#include <stdio.h>

const struct amqp_method *
amqp_method_all(size_t *count)
{
    *count = amqp_method_table_count;
    return amqp_method_table;
}

const struct amqp_method *
amqp_method_by_id(uint32_t id)
{
    size_t low = 0, high = amqp_method_table_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (amqp_method_table[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < amqp_method_table_count && amqp_method_table[low].id == id ? &amqp_method_table[low] : NULL;
}

const struct amqp_method *
amqp_method_by_name(struct slice name)
{
    for (size_t i = 0; i < amqp_method_table_count; i++) {
        if (slice_eq_str(name, amqp_method_table[i].name))
            return &amqp_method_table[i];
    }
    return NULL;
}

/* `name` may have dashes where `known` has underscores. */
static bool
name_matches(struct slice name, const char *known)
{
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.data[i] == '-' ? '_' : name.data[i];
        if (c != (uint8_t)known[i]) /* stops at the NUL, at the latest */
            return false;
    }
    return name.len > 0 && known[name.len] == 0;
}

const struct amqp_field *
amqp_field_by_name(const struct amqp_method *method, struct slice name)
{
    for (size_t i = 0; i < method->field_count; i++) {
        if (name_matches(name, method->fields[i].name))
            return &method->fields[i];
    }
    return NULL;
}

static void
field_get(struct codec_reader *r, enum amqp_type type, void *out)
{
    switch (type) {
    case AMQP_TYPE_OCTET: *(uint8_t *)out = codec_get_u8(r); break;
    case AMQP_TYPE_SHORT: *(uint16_t *)out = codec_get_u16(r); break;
    case AMQP_TYPE_LONG: *(uint32_t *)out = codec_get_u32(r); break;
    case AMQP_TYPE_LONGLONG:
    case AMQP_TYPE_TIMESTAMP: *(uint64_t *)out = codec_get_u64(r); break;
    case AMQP_TYPE_SHORTSTR: *(struct slice *)out = codec_get_shortstr(r); break;
    case AMQP_TYPE_LONGSTR: *(struct slice *)out = codec_get_longstr(r); break;
    case AMQP_TYPE_TABLE: *(struct slice *)out = codec_get_table(r); break;
    case AMQP_TYPE_BIT: CHECK_UNREACHABLE("bits are read by the octet");
    }
}

enum err
amqp_method_decode(struct slice payload, const struct amqp_method **method, union amqp_any *out)
{
    *method = NULL;
    if (payload.len < 4)
        return ERR_TRUNCATED;
    const struct amqp_method *m = amqp_method_by_id(amqp_method_id(payload));
    if (!m)
        return ERR_NOT_FOUND;
    struct codec_reader r = codec_method_reader(payload);
    unsigned bit = 0;
    uint8_t bits = 0;
    for (size_t i = 0; i < m->field_count; i++) {
        void *at = (char *)out + m->fields[i].offset;
        if (m->fields[i].type != AMQP_TYPE_BIT) {
            field_get(&r, m->fields[i].type, at);
            bit = 0;
            continue;
        }
        if (bit % 8 == 0)
            bits = codec_get_u8(&r);
        *(bool *)at = (bits >> bit++ % 8) & 1;
    }
    *method = m;
    return codec_reader_end(&r);
}

/* Bytes of a value that is not a bit; ERR_RANGE when it cannot be said on the wire. */
static enum err
field_size(enum amqp_type type, const void *at, size_t *size)
{
    const struct slice *s = at;
    switch (type) {
    case AMQP_TYPE_OCTET: *size = 1; return ERR_OK;
    case AMQP_TYPE_SHORT: *size = 2; return ERR_OK;
    case AMQP_TYPE_LONG: *size = 4; return ERR_OK;
    case AMQP_TYPE_LONGLONG:
    case AMQP_TYPE_TIMESTAMP: *size = 8; return ERR_OK;
    case AMQP_TYPE_SHORTSTR: *size = 1 + s->len; return s->len <= AMQP_SHORTSTR_MAX ? ERR_OK : ERR_RANGE;
    case AMQP_TYPE_LONGSTR:
    case AMQP_TYPE_TABLE: *size = 4 + s->len; return s->len <= UINT32_MAX ? ERR_OK : ERR_RANGE;
    case AMQP_TYPE_BIT: break;
    }
    CHECK_UNREACHABLE("bits are counted by the octet");
}

static enum err
method_size(const struct amqp_method *method, const void *fields, size_t *size)
{
    unsigned bit = 0;
    *size = FRAME_OVERHEAD + 4;
    for (size_t i = 0; i < method->field_count; i++) {
        const struct amqp_field *f = &method->fields[i];
        size_t n = 0;
        if (f->type == AMQP_TYPE_BIT) {
            n = bit++ % 8 == 0;
        } else {
            enum err err = field_size(f->type, (const char *)fields + f->offset, &n);
            if (err)
                return err;
            bit = 0;
        }
        *size += n;
    }
    return ERR_OK;
}

static uint8_t *
field_put(uint8_t *p, enum amqp_type type, const void *at)
{
    switch (type) {
    case AMQP_TYPE_OCTET: return codec_put_u8(p, *(const uint8_t *)at);
    case AMQP_TYPE_SHORT: return codec_put_u16(p, *(const uint16_t *)at);
    case AMQP_TYPE_LONG: return codec_put_u32(p, *(const uint32_t *)at);
    case AMQP_TYPE_LONGLONG:
    case AMQP_TYPE_TIMESTAMP: return codec_put_u64(p, *(const uint64_t *)at);
    case AMQP_TYPE_SHORTSTR: return codec_put_shortstr(p, *(const struct slice *)at);
    case AMQP_TYPE_LONGSTR:
    case AMQP_TYPE_TABLE: return codec_put_longstr(p, *(const struct slice *)at);
    case AMQP_TYPE_BIT: break;
    }
    CHECK_UNREACHABLE("bits are written by the octet");
}

enum err
amqp_method_encode(const struct amqp_method *method, const void *fields, uint16_t channel, uint8_t *out,
                   size_t cap, size_t *size)
{
    enum err err = method_size(method, fields, size);
    if (err)
        return err;
    if (*size > cap)
        return ERR_LIMIT;
    uint8_t *p = codec_method_begin(out, channel, method->id);
    unsigned bit = 0;
    for (size_t i = 0; i < method->field_count; i++) {
        const struct amqp_field *f = &method->fields[i];
        const void *at = (const char *)fields + f->offset;
        if (f->type != AMQP_TYPE_BIT) {
            p = field_put(p, f->type, at);
            bit = 0;
            continue;
        }
        if (bit % 8 == 0)
            p = codec_put_u8(p, 0);
        p[-1] = (uint8_t)(p[-1] | *(const bool *)at << bit++ % 8);
    }
    (void)codec_method_end(out, p);
    return ERR_OK;
}

static uint64_t
number_of(const char *digits)
{
    uint64_t n = 0;
    for (; *digits >= '0' && *digits <= '9'; digits++)
        n = n * 10 + (uint64_t)(*digits - '0');
    return n;
}

void
amqp_method_defaults(const struct amqp_method *method, void *out)
{
    memset(out, 0, method->struct_size);
    for (size_t i = 0; i < method->field_count; i++) {
        const struct amqp_field *f = &method->fields[i];
        void *at = (char *)out + f->offset;
        if (!f->default_text)
            continue;
        switch (f->type) {
        case AMQP_TYPE_BIT: *(bool *)at = strcmp(f->default_text, "true") == 0; break;
        case AMQP_TYPE_OCTET: *(uint8_t *)at = (uint8_t)number_of(f->default_text); break;
        case AMQP_TYPE_SHORT: *(uint16_t *)at = (uint16_t)number_of(f->default_text); break;
        case AMQP_TYPE_LONG: *(uint32_t *)at = (uint32_t)number_of(f->default_text); break;
        case AMQP_TYPE_LONGLONG:
        case AMQP_TYPE_TIMESTAMP: *(uint64_t *)at = number_of(f->default_text); break;
        case AMQP_TYPE_SHORTSTR:
        case AMQP_TYPE_LONGSTR: *(struct slice *)at = slice_str(f->default_text); break;
        case AMQP_TYPE_TABLE: break;
        }
    }
}

/*
 * Makes the text one that every client can read: what is not UTF-8 becomes '?', and a sequence that the limit
 * has cut in two goes. Returns the new length.
 */
static size_t
text_clean(char *text, size_t len, bool is_cut)
{
    for (size_t i = 0; i < len;) {
        size_t n = utf8_char_len(slice_of(text + i, len - i));
        if (n == 0 && is_cut && len - i < 4 && (uint8_t)text[i] >= 0xc2)
            return i;
        if (n == 0)
            text[i] = '?';
        i += n ? n : 1;
    }
    return len;
}

size_t
amqp_reply_text(char out[AMQP_REPLY_TEXT_SIZE], uint16_t code, const char *format, ...)
{
    static const char dots[] = "..."; /* as in RabbitMQ: there is more */
    size_t len = (size_t)snprintf(out, AMQP_REPLY_TEXT_SIZE, "%s - ", amqp_reply_name(code));
    va_list args;
    va_start(args, format);
    int more = vsnprintf(out + len, AMQP_REPLY_TEXT_SIZE - len, format, args);
    va_end(args);
    CHECK(more >= 0);
    bool is_cut = len + (size_t)more >= AMQP_REPLY_TEXT_SIZE;
    len = text_clean(out, is_cut ? AMQP_REPLY_TEXT_SIZE - sizeof dots : len + (size_t)more, is_cut);
    memcpy(out + len, is_cut ? dots : "", is_cut ? sizeof dots : 1);
    return len + (is_cut ? sizeof dots - 1 : 0);
}
