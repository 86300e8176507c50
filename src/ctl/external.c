/*
 * A term is a tag and what belongs to it; integers are big-endian. A list of small integers is a string, and
 * is shown as one where all can be printed, as Erlang does.
 */
#include "ctl/external.h"

#include "base/utf8.h"
#include "wire/erlang_terms.h"

#include <ctype.h>
#include <stdio.h>

enum tag {
    VERSION = 131,
    SMALL_INTEGER = 97,
    INTEGER = 98,
    ATOM_LATIN1 = 100,
    SMALL_TUPLE = 104,
    NIL = 106,
    STRING = 107,
    LIST = 108,
    BINARY = 109,
    ATOM_UTF8 = 118,
    SMALL_ATOM_UTF8 = 119,
};

/* ---- writing ---- */

/* The character at the start of valid UTF-8, and its length. */
static uint32_t
character(struct slice s, size_t *len)
{
    static const uint8_t masks[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    *len = utf8_char_len(s);
    if (*len == 0) { /* a byte of its own */
        *len = 1;
        return s.data[0];
    }
    uint32_t c = s.data[0] & masks[*len];
    for (size_t i = 1; i < *len; i++)
        c = c << 6 | (s.data[i] & 0x3F);
    return c;
}

static enum err
encode_string(struct buffer *out, struct slice text)
{
    size_t len, count = 0;
    bool is_bytes = true;
    for (struct slice rest = text; rest.len > 0; rest = slice_of(rest.data + len, rest.len - len)) {
        is_bytes = character(rest, &len) < 256 && is_bytes;
        count++;
    }
    if (count > UINT16_MAX)
        return ERR_LIMIT;
    if (count == 0) {
        buffer_add_u8(out, NIL);
        return ERR_OK;
    }
    buffer_add_u8(out, is_bytes ? STRING : LIST);
    if (is_bytes)
        buffer_add_u16(out, (uint16_t)count);
    else
        buffer_add_u32(out, (uint32_t)count);
    for (struct slice rest = text; rest.len > 0; rest = slice_of(rest.data + len, rest.len - len)) {
        uint32_t c = character(rest, &len);
        if (!is_bytes) {
            buffer_add_u8(out, INTEGER);
            buffer_add_u32(out, c);
        } else {
            buffer_add_u8(out, (uint8_t)c);
        }
    }
    if (!is_bytes)
        buffer_add_u8(out, NIL);
    return ERR_OK;
}

static enum err encode(struct buffer *out, const struct erlang_term *term, unsigned depth);

static enum err
encode_items(struct buffer *out, const struct erlang_term *term, unsigned depth)
{
    for (const struct erlang_term *item = term->first; item; item = item->next) {
        enum err e = encode(out, item, depth + 1);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

static enum err
encode_list(struct buffer *out, const struct erlang_term *term, unsigned depth)
{
    if (term->count > 0) {
        buffer_add_u8(out, LIST);
        buffer_add_u32(out, term->count);
    }
    enum err e = encode_items(out, term, depth);
    buffer_add_u8(out, NIL);
    return e;
}

static enum err
encode_text(struct buffer *out, enum tag tag, struct slice text)
{
    if (text.len > UINT16_MAX)
        return ERR_LIMIT;
    buffer_add_u8(out, (uint8_t)tag);
    if (tag == BINARY)
        buffer_add_u32(out, (uint32_t)text.len);
    else
        buffer_add_u16(out, (uint16_t)text.len);
    buffer_add_slice(out, text);
    return ERR_OK;
}

static enum err
encode(struct buffer *out, const struct erlang_term *term, unsigned depth)
{
    if (depth > EXTERNAL_DEPTH_MAX)
        return ERR_LIMIT;
    switch (term->kind) {
    case ERLANG_ATOM: return encode_text(out, ATOM_LATIN1, term->text);
    case ERLANG_BINARY: return encode_text(out, BINARY, term->text);
    case ERLANG_STRING: return encode_string(out, term->text);
    case ERLANG_LIST: return encode_list(out, term, depth);
    case ERLANG_INTEGER:
        if (term->integer < INT32_MIN || term->integer > INT32_MAX)
            return ERR_UNSUPPORTED;
        buffer_add_u8(out, term->integer >= 0 && term->integer < 256 ? SMALL_INTEGER : INTEGER);
        if (term->integer >= 0 && term->integer < 256)
            buffer_add_u8(out, (uint8_t)term->integer);
        else
            buffer_add_u32(out, (uint32_t)term->integer);
        return ERR_OK;
    case ERLANG_TUPLE:
        if (term->count > UINT8_MAX)
            return ERR_LIMIT;
        buffer_add_u8(out, SMALL_TUPLE);
        buffer_add_u8(out, (uint8_t)term->count);
        return encode_items(out, term, depth);
    case ERLANG_FLOAT:
    case ERLANG_MAP: break;
    }
    return ERR_UNSUPPORTED;
}

enum err
external_encode(struct buffer *out, const struct erlang_term *term)
{
    buffer_add_u8(out, VERSION);
    return encode(out, term, 0);
}

/* ---- reading ---- */

struct reader {
    struct slice rest;
    struct buffer *out;
    enum err error; /* the first one */
};

static struct slice
take(struct reader *r, size_t len)
{
    if (r->error != ERR_OK || len > r->rest.len) {
        r->error = r->error != ERR_OK ? r->error : ERR_SYNTAX;
        return slice_of(NULL, 0);
    }
    struct slice taken = slice_of(r->rest.data, len);
    r->rest = slice_of(r->rest.data + len, r->rest.len - len);
    return taken;
}

static uint32_t
take_number(struct reader *r, size_t bytes)
{
    struct slice s = take(r, bytes);
    uint32_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n = n << 8 | s.data[i];
    return n;
}

static void
print_text(struct reader *r, const char *before, struct slice text, const char *behind)
{
    buffer_add_str(r->out, before);
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '"' || c == '\\')
            buffer_add_fmt(r->out, "\\%c", c);
        else if (c < 32 || c == 127)
            buffer_add_fmt(r->out, "\\%03o", c);
        else
            buffer_add_u8(r->out, c);
    }
    buffer_add_str(r->out, behind);
}

static void
print_string(struct reader *r, struct slice bytes)
{
    bool is_printable = true;
    for (size_t i = 0; i < bytes.len; i++)
        is_printable = is_printable && (isprint(bytes.data[i]) || isspace(bytes.data[i]));
    if (is_printable) {
        print_text(r, "\"", bytes, "\"");
        return;
    }
    for (size_t i = 0; i < bytes.len; i++)
        buffer_add_fmt(r->out, "%c%u", i ? ',' : '[', bytes.data[i]);
    buffer_add_u8(r->out, ']');
}

static void
print_atom(struct reader *r, struct slice name)
{
    bool is_plain = name.len > 0 && islower(name.data[0]);
    for (size_t i = 0; i < name.len; i++)
        is_plain = is_plain && (isalnum(name.data[i]) || name.data[i] == '_' || name.data[i] == '@');
    buffer_add_fmt(r->out, is_plain ? "%.*s" : "'%.*s'", SLICE_FMT(name));
}

static void print(struct reader *r, unsigned depth);

static void
print_items(struct reader *r, uint32_t count, unsigned depth)
{
    for (uint32_t i = 0; i < count && r->error == ERR_OK; i++) {
        buffer_add_str(r->out, i ? "," : "");
        print(r, depth + 1);
    }
}

static void
print(struct reader *r, unsigned depth)
{
    if (depth > EXTERNAL_DEPTH_MAX)
        r->error = ERR_LIMIT;
    uint32_t tag = take_number(r, 1);
    if (r->error != ERR_OK)
        return;
    switch (tag) {
    case SMALL_INTEGER: buffer_add_fmt(r->out, "%u", take_number(r, 1)); break;
    case INTEGER: buffer_add_fmt(r->out, "%d", (int)take_number(r, 4)); break;
    case ATOM_LATIN1:
    case ATOM_UTF8: print_atom(r, take(r, take_number(r, 2))); break;
    case SMALL_ATOM_UTF8: print_atom(r, take(r, take_number(r, 1))); break;
    case NIL: buffer_add_str(r->out, "[]"); break;
    case STRING: print_string(r, take(r, take_number(r, 2))); break;
    case BINARY: print_text(r, "<<\"", take(r, take_number(r, 4)), "\">>"); break;
    case LIST:
        buffer_add_u8(r->out, '[');
        print_items(r, take_number(r, 4), depth);
        if (take_number(r, 1) != NIL && r->error == ERR_OK)
            r->error = ERR_UNSUPPORTED;
        buffer_add_u8(r->out, ']');
        break;
    case SMALL_TUPLE:
        buffer_add_u8(r->out, '{');
        print_items(r, take_number(r, 1), depth);
        buffer_add_u8(r->out, '}');
        break;
    default: r->error = ERR_UNSUPPORTED;
    }
}

enum err
external_print(struct buffer *out, struct slice bytes)
{
    struct reader r = {.rest = bytes, .out = out};
    if (take_number(&r, 1) != VERSION)
        return ERR_SYNTAX;
    print(&r, 0);
    return r.error == ERR_OK && r.rest.len > 0 ? ERR_SYNTAX : r.error;
}
