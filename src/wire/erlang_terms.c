/*
 * What file:consult/1 reads: terms, each ended by a full stop, `%` starts a comment.
 *
 *     [{rabbit, [{tcp_listeners, [5672, {"127.0.0.1", 5673}]},
 *                {default_user, <<"guest">>}, {vm_memory_high_watermark, 0.4}]}].
 *
 * Descent is recursive, and bounded by ERLANG_TERMS_DEPTH_MAX; a term's items are a linked list in the
 * arena. Strings are kept as UTF-8, not as Erlang's lists of numbers: "" and [] are different terms here.
 * Left out, because no configuration has them: improper lists, pids, references, funs, bit strings with
 * sizes, integers beyond 64 bits.
 */
#include "wire/erlang_terms.h"

#include "base/buffer.h"
#include "base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct reader {
    struct erlang_terms *terms;
    struct slice rest;
    unsigned line, depth, made;
    struct buffer scratch; /* the text that is being decoded */
    struct erlang_error *error;
};

/* ---- characters ---- */

static bool
fail(struct reader *r, const char *why)
{
    if (r->error->line == 0) {
        r->error->line = r->line;
        snprintf(r->error->text, sizeof r->error->text, "%s", why);
    }
    return false;
}

/* -1 at the end. */
static int
peek(const struct reader *r, size_t ahead)
{
    return ahead < r->rest.len ? r->rest.data[ahead] : -1;
}

static void
advance(struct reader *r, size_t n)
{
    for (size_t i = 0; i < n; i++)
        r->line += r->rest.data[i] == '\n';
    r->rest = slice_of(r->rest.data + n, r->rest.len - n);
}

static bool
is_space(int c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v';
}

static bool
is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool
is_word(int c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '@';
}

static void
skip_space(struct reader *r)
{
    for (;;) {
        size_t n = 0;
        while (is_space(peek(r, n)))
            n++;
        if (peek(r, n) == '%')
            while (peek(r, n) >= 0 && peek(r, n) != '\n')
                n++;
        if (n == 0)
            return;
        advance(r, n);
    }
}

static bool
expect(struct reader *r, int c, const char *why)
{
    skip_space(r);
    if (peek(r, 0) != c)
        return fail(r, why);
    advance(r, 1);
    return true;
}

/* ---- terms ---- */

static bool term_read(struct reader *r, struct erlang_term **out);

static struct erlang_term *
term_new(struct reader *r, enum erlang_kind kind)
{
    if (r->made++ == ERLANG_TERMS_MAX) {
        fail(r, "there are too many terms in the file");
        return NULL;
    }
    struct erlang_term *term = arena_alloc(&r->terms->arena, sizeof *term);
    *term = (struct erlang_term){.kind = kind, .line = r->line};
    return term;
}

/* The scratch buffer becomes the term's text. */
static void
term_take_text(struct reader *r, struct erlang_term *term)
{
    struct slice text = buffer_slice(&r->scratch);
    term->text = slice_of(arena_copy(&r->terms->arena, text), text.len);
}

static int
digit_value(int c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'Z' ? c - 'A' + 10 : 99;
}

/* Digits to a base, `_` between them; how many characters, 0 when there are none or the number is too large.
 */
static size_t
digits_read(struct reader *r, int base, uint64_t *value)
{
    size_t n = 0;
    *value = 0;
    while (digit_value(peek(r, n)) < base ||
           (n > 0 && peek(r, n) == '_' && digit_value(peek(r, n + 1)) < base)) {
        if (peek(r, n) != '_' && (__builtin_mul_overflow(*value, (uint64_t)base, value) ||
                                  __builtin_add_overflow(*value, (uint64_t)digit_value(peek(r, n)), value))) {
            fail(r, "the number is too large");
            return 0;
        }
        n++;
    }
    return n;
}

/* The rest of a float is there: "." and digits. */
static bool
float_read(struct reader *r, struct erlang_term *term, bool is_negative)
{
    size_t n = 0;
    buffer_clear(&r->scratch);
    for (bool has_exponent = false;; n++) {
        int c = peek(r, n);
        bool is_sign = (c == '-' || c == '+') && has_exponent && (peek(r, n - 1) | 0x20) == 'e';
        bool is_exponent = (c | 0x20) == 'e' && c > 0 && !has_exponent;
        bool is_point = c == '.' && !has_exponent && is_digit(peek(r, n + 1));
        if (c == '_' && is_digit(peek(r, n + 1)))
            continue;
        if (!is_digit(c) && !is_sign && !is_exponent && !is_point)
            break;
        has_exponent |= is_exponent;
        buffer_add_u8(&r->scratch, (uint8_t)c);
    }
    buffer_add_u8(&r->scratch, 0);
    char *end;
    double value = strtod((const char *)r->scratch.data, &end);
    if (*end || !isfinite(value))
        return fail(r, "this is no number");
    term->kind = ERLANG_FLOAT;
    term->real = is_negative ? -value : value;
    advance(r, n);
    return true;
}

static bool
number_read(struct reader *r, struct erlang_term *term)
{
    bool is_negative = peek(r, 0) == '-';
    uint64_t value;
    if (is_negative || peek(r, 0) == '+')
        advance(r, 1);
    size_t n = digits_read(r, 10, &value);
    if (n > 0 && peek(r, n) == '.' && is_digit(peek(r, n + 1)))
        return float_read(r, term, is_negative);
    if (n > 0 && peek(r, n) == '#') {
        if (value < 2 || value > 36)
            return fail(r, "a number's base is from 2 to 36");
        advance(r, n + 1);
        n = digits_read(r, (int)value, &value);
    }
    if (n == 0)
        return fail(r, "expected digits");
    if (value > (uint64_t)INT64_MAX)
        return fail(r, "the number is too large");
    if (is_word(peek(r, n)))
        return fail(r, "this is no number");
    term->integer = is_negative ? -(int64_t)value : (int64_t)value;
    advance(r, n);
    return true;
}

/* ---- quoted text ---- */

static bool
codepoint_add(struct reader *r, uint64_t c)
{
    uint8_t bytes[4];
    size_t n = 0;
    if (c < 0x80) {
        bytes[n++] = (uint8_t)c;
    } else if (c < 0x800) {
        bytes[n++] = (uint8_t)(0xc0 | c >> 6);
    } else if (c < 0x10000) {
        bytes[n++] = (uint8_t)(0xe0 | c >> 12);
        bytes[n++] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    } else {
        bytes[n++] = (uint8_t)(0xf0 | (c >> 18 & 7));
        bytes[n++] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
        bytes[n++] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    }
    if (c >= 0x80)
        bytes[n++] = (uint8_t)(0x80 | (c & 0x3f));
    if (c > 0x10ffff || !utf8_is_valid(slice_of(bytes, n)))
        return fail(r, "there is no such character");
    buffer_add(&r->scratch, bytes, n);
    return true;
}

/* Behind a backslash: one character of Erlang's escapes. */
static bool
escape_read(struct reader *r)
{
    static const char from[] = "nrtbfvesd", to[] = "\n\r\t\b\f\v\x1b \x7f";
    int c = peek(r, 0);
    uint64_t value = 0;
    if (c < 0)
        return fail(r, "the quote is not closed");
    if (c >= '0' && c <= '7') {
        size_t n = 0;
        for (; n < 3 && peek(r, n) >= '0' && peek(r, n) <= '7'; n++)
            value = value * 8 + (uint64_t)(peek(r, n) - '0');
        advance(r, n);
        return codepoint_add(r, value);
    }
    if (c == 'x') {
        bool has_braces = peek(r, 1) == '{';
        advance(r, has_braces ? 2 : 1);
        size_t n = 0;
        for (; n < (has_braces ? 6 : 2) && digit_value(peek(r, n)) < 16; n++)
            value = value * 16 + (uint64_t)digit_value(peek(r, n));
        if (n == 0 || (has_braces && peek(r, n) != '}') || (!has_braces && n != 2))
            return fail(r, "expected hexadecimal digits");
        advance(r, n + has_braces);
        return codepoint_add(r, value);
    }
    if (c == '^') {
        int control = peek(r, 1);
        if (control < '@' || control > '_')
            return fail(r, "there is no such control character");
        advance(r, 2);
        return codepoint_add(r, (uint64_t)(control - '@'));
    }
    const char *found = strchr(from, c);
    buffer_add_u8(&r->scratch, found ? (uint8_t)to[found - from] : (uint8_t)c);
    advance(r, 1);
    return true;
}

/* From behind the opening quote to behind the closing one; appends to the scratch buffer. */
static bool
quoted_read(struct reader *r, int quote)
{
    unsigned begin = r->line;
    for (;;) {
        int c = peek(r, 0);
        if (c < 0) {
            r->line = begin;
            return fail(r, "the quote is not closed");
        }
        if (c == '\\') {
            advance(r, 1);
            if (!escape_read(r))
                return false;
            continue;
        }
        if (c != quote)
            buffer_add_u8(&r->scratch, (uint8_t)c);
        advance(r, 1);
        if (c == quote)
            return true;
    }
}

/* "a" "b" is "ab". */
static bool
string_read(struct reader *r, struct erlang_term *term)
{
    buffer_clear(&r->scratch);
    while (peek(r, 0) == '"') {
        advance(r, 1);
        if (!quoted_read(r, '"'))
            return false;
        skip_space(r);
    }
    term_take_text(r, term);
    return true;
}

static bool
atom_read(struct reader *r, struct erlang_term *term)
{
    buffer_clear(&r->scratch);
    if (peek(r, 0) == '\'') {
        advance(r, 1);
        if (!quoted_read(r, '\''))
            return false;
    } else {
        size_t n = 0;
        while (is_word(peek(r, n)))
            n++;
        buffer_add(&r->scratch, r->rest.data, n);
        advance(r, n);
    }
    if (r->scratch.len > ERLANG_TERMS_ATOM_MAX)
        return fail(r, "an atom has 255 characters at most");
    term_take_text(r, term);
    return true;
}

/* $a, $\n: the character's number. */
static bool
character_read(struct reader *r, struct erlang_term *term)
{
    advance(r, 1);
    buffer_clear(&r->scratch);
    int c = peek(r, 0);
    if (c < 0x20 || c >= 0x7f)
        return fail(r, "expected a character after $");
    advance(r, 1);
    if (c == '\\') {
        if (!escape_read(r))
            return false;
        if (r->scratch.len != 1)
            return fail(r, "expected an ASCII character after $");
        c = r->scratch.data[0];
    }
    term->integer = c;
    return true;
}

/* <<"text">>, <<"text"/utf8>>, <<1, 2, 3>>, <<>>. */
static bool
binary_read(struct reader *r, struct erlang_term *term)
{
    advance(r, 2);
    struct buffer bytes = {0};
    bool good = true;
    skip_space(r);
    while (good && peek(r, 0) != '>') {
        struct erlang_term item = {.kind = ERLANG_INTEGER};
        if (peek(r, 0) == '"')
            good = string_read(r, &item);
        else
            good = number_read(r, &item) &&
                   (item.integer >= 0 && item.integer <= 255 ? true : fail(r, "a byte is from 0 to 255"));
        if (good && item.text.data)
            buffer_add_slice(&bytes, item.text);
        else if (good)
            buffer_add_u8(&bytes, (uint8_t)item.integer);
        if (good && slice_starts_with(r->rest, "/utf8"))
            advance(r, 5);
        skip_space(r);
        if (good && peek(r, 0) == ',') {
            advance(r, 1);
            skip_space(r);
        } else if (good && peek(r, 0) != '>') {
            good = fail(r, "expected , or >> in a binary");
        }
    }
    good = good && expect(r, '>', "expected >>") && expect(r, '>', "expected >>");
    term->text = slice_of(arena_copy(&r->terms->arena, buffer_slice(&bytes)), bytes.len);
    buffer_fini(&bytes);
    return good;
}

/* ---- compound terms ---- */

/* Items up to the closing character, the opening one is read. */
static bool
items_read(struct reader *r, struct erlang_term *term, int close)
{
    const struct erlang_term **last = &term->first;
    skip_space(r);
    if (peek(r, 0) == close) {
        advance(r, 1);
        return true;
    }
    for (;;) {
        struct erlang_term *item;
        if (!term_read(r, &item))
            return false;
        *last = item;
        last = &item->next;
        term->count++;
        skip_space(r);
        int c = peek(r, 0);
        bool is_key = term->kind == ERLANG_MAP && term->count % 2 == 1;
        if (is_key && (c != '=' || peek(r, 1) != '>'))
            return fail(r, "expected => after a key");
        if (!is_key && c == '|')
            return fail(r, "lists with a tail are not taken");
        if (!is_key && c != ',' && c != close)
            return fail(r, close == ']' ? "expected , or ]" : "expected , or }");
        advance(r, is_key ? 2 : 1);
        if (!is_key && c == close)
            return true;
    }
}

static bool
compound_read(struct reader *r, struct erlang_term *term)
{
    int open = peek(r, 0);
    if (r->depth == ERLANG_TERMS_DEPTH_MAX)
        return fail(r, "terms are nested too deep");
    advance(r, open == '#' ? 2 : 1);
    r->depth++;
    bool good = items_read(r, term, open == '[' ? ']' : '}');
    r->depth--;
    return good;
}

static bool
kind_of(struct reader *r, enum erlang_kind *kind)
{
    int c = peek(r, 0);
    if (c == '[')
        *kind = ERLANG_LIST;
    else if (c == '{')
        *kind = ERLANG_TUPLE;
    else if (c == '#' && peek(r, 1) == '{')
        *kind = ERLANG_MAP;
    else if (c == '"')
        *kind = ERLANG_STRING;
    else if (c == '<' && peek(r, 1) == '<')
        *kind = ERLANG_BINARY;
    else if (c == '\'' || (c >= 'a' && c <= 'z'))
        *kind = ERLANG_ATOM;
    else if (is_digit(c) || c == '-' || c == '+' || c == '$')
        *kind = ERLANG_INTEGER;
    else if (c < 0)
        return fail(r, "the file ends inside a term");
    else
        return fail(r, is_word(c) ? "variables have no place here" : "expected an Erlang term");
    return true;
}

static bool
term_read(struct reader *r, struct erlang_term **out)
{
    enum erlang_kind kind;
    skip_space(r);
    if (!kind_of(r, &kind))
        return false;
    struct erlang_term *term = *out = term_new(r, kind);
    if (!term)
        return false;
    switch (kind) {
    case ERLANG_STRING: return string_read(r, term);
    case ERLANG_BINARY: return binary_read(r, term);
    case ERLANG_ATOM: return atom_read(r, term);
    case ERLANG_INTEGER: return peek(r, 0) == '$' ? character_read(r, term) : number_read(r, term);
    default: return compound_read(r, term);
    }
}

/* ---- the file ---- */

/* The first line that is not UTF-8; 0: there is none. */
static unsigned
line_not_utf8(struct slice text)
{
    unsigned line = 1;
    if (utf8_is_valid(text))
        return 0;
    while (text.len > 0) {
        size_t n = utf8_char_len(text);
        if (n == 0)
            return line;
        line += text.data[0] == '\n';
        text = slice_of(text.data + n, text.len - n);
    }
    return line;
}

static bool
terms_read(struct reader *r)
{
    const struct erlang_term **last = &r->terms->first;
    for (;;) {
        struct erlang_term *term;
        skip_space(r);
        if (r->rest.len == 0)
            return true;
        if (!term_read(r, &term) || !expect(r, '.', "expected a full stop after the term"))
            return false;
        if (r->rest.len > 0 && !is_space(peek(r, 0)) && peek(r, 0) != '%')
            return fail(r, "expected a full stop after the term");
        *last = term;
        last = &term->next;
        r->terms->count++;
    }
}

bool
erlang_terms_parse(struct erlang_terms *t, struct slice text, struct erlang_error *error)
{
    *t = (struct erlang_terms){0};
    *error = (struct erlang_error){0};
    if (slice_starts_with(text, "\xef\xbb\xbf"))
        text = slice_of(text.data + 3, text.len - 3);
    struct reader r = {.terms = t, .rest = text, .line = 1, .error = error};
    unsigned wrong = line_not_utf8(text);
    bool good = wrong == 0;
    if (!good) {
        r.line = wrong;
        fail(&r, "the line is not UTF-8");
    }
    good = good && terms_read(&r);
    buffer_fini(&r.scratch);
    return good;
}

void
erlang_terms_fini(struct erlang_terms *t)
{
    arena_fini(&t->arena);
    *t = (struct erlang_terms){0};
}

/* ---- looking at terms ---- */

const char *
erlang_terms_kind_name(enum erlang_kind kind)
{
    static const char *const names[] = {
        [ERLANG_ATOM] = "an atom",    [ERLANG_INTEGER] = "a number", [ERLANG_FLOAT] = "a number",
        [ERLANG_STRING] = "a string", [ERLANG_BINARY] = "a binary",  [ERLANG_LIST] = "a list",
        [ERLANG_TUPLE] = "a tuple",   [ERLANG_MAP] = "a map",
    };
    return names[kind];
}

bool
erlang_terms_is_atom(const struct erlang_term *term, const char *name)
{
    return term && term->kind == ERLANG_ATOM && slice_eq_str(term->text, name);
}

bool
erlang_terms_text(const struct erlang_term *term, struct slice *text)
{
    if (term->kind != ERLANG_ATOM && term->kind != ERLANG_STRING && term->kind != ERLANG_BINARY)
        return false;
    *text = term->text;
    return true;
}

bool
erlang_terms_pair(const struct erlang_term *term, struct slice *name, const struct erlang_term **value)
{
    if (term->kind != ERLANG_TUPLE || term->count != 2 || term->first->kind != ERLANG_ATOM)
        return false;
    *name = term->first->text;
    *value = term->first->next;
    return true;
}

const struct erlang_term *
erlang_terms_lookup(const struct erlang_term *list, const char *name)
{
    const struct erlang_term *found = NULL, *value;
    struct slice key;
    if (!list || list->kind != ERLANG_LIST)
        return NULL;
    for (const struct erlang_term *item = list->first; item; item = item->next)
        if (erlang_terms_pair(item, &key, &value) && slice_eq_str(key, name))
            found = value;
    return found;
}
