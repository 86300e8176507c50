/*
 * The notation's two directions, and the method table that both use.
 *
 * This codec is deliberately not the broker's: a mistake made twice in the same place would hide itself.
 * It is checked against RabbitMQ, whose frames it reads and writes in `make oracle`.
 */
#include "notation.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* class id, method id, name, content?, fields "name:type ...". Types as in the AMQP specification. */
static const struct {
    unsigned class_id;
    unsigned method_id;
    const char *name;
    bool has_content;
    const char *fields;
} method_table[] = {
    {10, 10, "connection.start", false,
     "version-major:octet version-minor:octet server-properties:table mechanisms:longstr locales:longstr"},
    {10, 11, "connection.start-ok", false,
     "client-properties:table mechanism:shortstr response:longstr locale:shortstr"},
    {10, 20, "connection.secure", false, "challenge:longstr"},
    {10, 21, "connection.secure-ok", false, "response:longstr"},
    {10, 30, "connection.tune", false, "channel-max:short frame-max:long heartbeat:short"},
    {10, 31, "connection.tune-ok", false, "channel-max:short frame-max:long heartbeat:short"},
    {10, 40, "connection.open", false, "virtual-host:shortstr capabilities:shortstr insist:bit"},
    {10, 41, "connection.open-ok", false, "known-hosts:shortstr"},
    {10, 50, "connection.close", false,
     "reply-code:short reply-text:shortstr class-id:short method-id:short"},
    {10, 51, "connection.close-ok", false, ""},
    {10, 60, "connection.blocked", false, "reason:shortstr"},
    {10, 61, "connection.unblocked", false, ""},
    {10, 70, "connection.update-secret", false, "new-secret:longstr reason:shortstr"},
    {10, 71, "connection.update-secret-ok", false, ""},
    {20, 10, "channel.open", false, "out-of-band:shortstr"},
    {20, 11, "channel.open-ok", false, "channel-id:longstr"},
    {20, 20, "channel.flow", false, "active:bit"},
    {20, 21, "channel.flow-ok", false, "active:bit"},
    {20, 40, "channel.close", false, "reply-code:short reply-text:shortstr class-id:short method-id:short"},
    {20, 41, "channel.close-ok", false, ""},
    {30, 10, "access.request", false,
     "realm:shortstr exclusive:bit passive:bit active:bit write:bit read:bit"},
    {30, 11, "access.request-ok", false, "ticket:short"},
    {40, 10, "exchange.declare", false,
     "ticket:short exchange:shortstr type:shortstr passive:bit durable:bit auto-delete:bit internal:bit "
     "nowait:bit "
     "arguments:table"},
    {40, 11, "exchange.declare-ok", false, ""},
    {40, 20, "exchange.delete", false, "ticket:short exchange:shortstr if-unused:bit nowait:bit"},
    {40, 21, "exchange.delete-ok", false, ""},
    {40, 30, "exchange.bind", false,
     "ticket:short destination:shortstr source:shortstr routing-key:shortstr nowait:bit arguments:table"},
    {40, 31, "exchange.bind-ok", false, ""},
    {40, 40, "exchange.unbind", false,
     "ticket:short destination:shortstr source:shortstr routing-key:shortstr nowait:bit arguments:table"},
    {40, 51, "exchange.unbind-ok", false, ""},
    {50, 10, "queue.declare", false,
     "ticket:short queue:shortstr passive:bit durable:bit exclusive:bit auto-delete:bit nowait:bit "
     "arguments:table"},
    {50, 11, "queue.declare-ok", false, "queue:shortstr message-count:long consumer-count:long"},
    {50, 20, "queue.bind", false,
     "ticket:short queue:shortstr exchange:shortstr routing-key:shortstr nowait:bit arguments:table"},
    {50, 21, "queue.bind-ok", false, ""},
    {50, 30, "queue.purge", false, "ticket:short queue:shortstr nowait:bit"},
    {50, 31, "queue.purge-ok", false, "message-count:long"},
    {50, 40, "queue.delete", false, "ticket:short queue:shortstr if-unused:bit if-empty:bit nowait:bit"},
    {50, 41, "queue.delete-ok", false, "message-count:long"},
    {50, 50, "queue.unbind", false,
     "ticket:short queue:shortstr exchange:shortstr routing-key:shortstr arguments:table"},
    {50, 51, "queue.unbind-ok", false, ""},
    {60, 10, "basic.qos", false, "prefetch-size:long prefetch-count:short global:bit"},
    {60, 11, "basic.qos-ok", false, ""},
    {60, 20, "basic.consume", false,
     "ticket:short queue:shortstr consumer-tag:shortstr no-local:bit no-ack:bit exclusive:bit nowait:bit "
     "arguments:table"},
    {60, 21, "basic.consume-ok", false, "consumer-tag:shortstr"},
    {60, 30, "basic.cancel", false, "consumer-tag:shortstr nowait:bit"},
    {60, 31, "basic.cancel-ok", false, "consumer-tag:shortstr"},
    {60, 40, "basic.publish", true,
     "ticket:short exchange:shortstr routing-key:shortstr mandatory:bit immediate:bit"},
    {60, 50, "basic.return", true,
     "reply-code:short reply-text:shortstr exchange:shortstr routing-key:shortstr"},
    {60, 60, "basic.deliver", true,
     "consumer-tag:shortstr delivery-tag:longlong redelivered:bit exchange:shortstr routing-key:shortstr"},
    {60, 70, "basic.get", false, "ticket:short queue:shortstr no-ack:bit"},
    {60, 71, "basic.get-ok", true,
     "delivery-tag:longlong redelivered:bit exchange:shortstr routing-key:shortstr message-count:long"},
    {60, 72, "basic.get-empty", false, "cluster-id:shortstr"},
    {60, 80, "basic.ack", false, "delivery-tag:longlong multiple:bit"},
    {60, 90, "basic.reject", false, "delivery-tag:longlong requeue:bit"},
    {60, 100, "basic.recover-async", false, "requeue:bit"},
    {60, 110, "basic.recover", false, "requeue:bit"},
    {60, 111, "basic.recover-ok", false, ""},
    {60, 120, "basic.nack", false, "delivery-tag:longlong multiple:bit requeue:bit"},
    {85, 10, "confirm.select", false, "nowait:bit"},
    {85, 11, "confirm.select-ok", false, ""},
    {90, 10, "tx.select", false, ""},
    {90, 11, "tx.select-ok", false, ""},
    {90, 20, "tx.commit", false, ""},
    {90, 21, "tx.commit-ok", false, ""},
    {90, 30, "tx.rollback", false, ""},
    {90, 31, "tx.rollback-ok", false, ""},
};

/* Property names and types, from flag bit 15 downward. */
static const struct notation_field property_table[] = {
    {"content-type", "shortstr"}, {"content-encoding", "shortstr"},
    {"headers", "table"},         {"delivery-mode", "octet"},
    {"priority", "octet"},        {"correlation-id", "shortstr"},
    {"reply-to", "shortstr"},     {"expiration", "shortstr"},
    {"message-id", "shortstr"},   {"timestamp", "longlong"},
    {"type", "shortstr"},         {"user-id", "shortstr"},
    {"app-id", "shortstr"},       {"cluster-id", "shortstr"},
};
enum { PROPERTY_COUNT = sizeof(property_table) / sizeof(property_table[0]) };

static bool
fail(struct bytes *why, const char *what, const char *text)
{
    bytes_printf(why, "%s: %.60s", what, text);
    return false;
}

static const char *
skip_blanks(const char *p)
{
    while (*p == ' ' || *p == '\t') {
        p++;
    }
    return p;
}

/* ---- the method table ---- */

/* The row in a form for its users; made anew for each caller, so that two can be compared. */
static void
method_unpack(size_t row, struct notation_method *method)
{
    *method = (struct notation_method){.class_id = method_table[row].class_id,
                                       .method_id = method_table[row].method_id,
                                       .has_content = method_table[row].has_content};
    snprintf(method->name, sizeof(method->name), "%s", method_table[row].name);
    const char *p = method_table[row].fields;
    int used = 0;
    while (sscanf(p, " %31[^:]:%11s%n", method->fields[method->field_count].name,
                  method->fields[method->field_count].type, &used) == 2) {
        method->field_count++;
        p += used;
    }
}

bool
notation_method_by_name(const char *name, struct notation_method *method)
{
    for (size_t i = 0; i < sizeof(method_table) / sizeof(method_table[0]); i++) {
        if (strcmp(method_table[i].name, name) == 0) {
            method_unpack(i, method);
            return true;
        }
    }
    return false;
}

bool
notation_method_by_id(unsigned class_id, unsigned method_id, struct notation_method *method)
{
    for (size_t i = 0; i < sizeof(method_table) / sizeof(method_table[0]); i++) {
        if (method_table[i].class_id == class_id && method_table[i].method_id == method_id) {
            method_unpack(i, method);
            return true;
        }
    }
    return false;
}

/* ---- text to octets ---- */

/* Reads a quoted string at *p and appends its octets. */
static bool
quoted_parse(struct bytes *out, const char **p, struct bytes *why)
{
    const char *s = *p;
    if (*s != '"') {
        return fail(why, "a quoted string is expected at", s);
    }
    for (s++; *s != '"'; s++) {
        if (*s == 0) {
            return fail(why, "a quote is missing", *p);
        }
        char c = *s;
        if (c == '\\' && s[1] == 'x') {
            unsigned octet;
            if (sscanf(s + 2, "%2x", &octet) != 1) {
                return fail(why, "two hexadecimal digits are expected after \\x", s);
            }
            c = (char)octet;
            s += 3;
        } else if (c == '\\') {
            c = *++s;
        }
        bytes_append(out, &c, 1);
    }
    *p = s + 1;
    return true;
}

static bool
hex_parse(struct bytes *out, const char **p, struct bytes *why)
{
    while (isxdigit((unsigned char)(*p)[0])) {
        unsigned octet;
        if (!isxdigit((unsigned char)(*p)[1]) || sscanf(*p, "%2x", &octet) != 1) {
            return fail(why, "an even number of hexadecimal digits is expected", *p);
        }
        bytes_put(out, octet, 1);
        *p += 2;
    }
    return true;
}

/* A table in a table, `depth` times, without the outer length. */
static void
nested_encode(struct bytes *out, unsigned depth)
{
    struct bytes inner = {0};
    for (unsigned i = 0; i < depth; i++) {
        struct bytes outer = {0};
        bytes_append(&outer, "\001aF", 3);
        bytes_put(&outer, inner.size, 4);
        bytes_append(&outer, inner.data, inner.size);
        bytes_fini(&inner);
        inner = outer;
    }
    bytes_append(out, inner.data, inner.size);
    bytes_fini(&inner);
}

static bool
octets_term(struct bytes *out, const char **p, struct bytes *why)
{
    unsigned count;
    int used = 0;
    if (strncmp(*p, "hex:", 4) == 0) {
        *p += 4;
        return hex_parse(out, p, why);
    }
    if (sscanf(*p, "nested:%u%n", &count, &used) == 1) {
        *p += used;
        nested_encode(out, count);
        return true;
    }
    if (sscanf(*p, "%u*%n", &count, &used) == 1 && used > 0) {
        struct bytes once = {0};
        *p += used;
        bool ok = octets_term(&once, p, why);
        for (unsigned i = 0; ok && i < count; i++) {
            bytes_append(out, once.data, once.size);
        }
        bytes_fini(&once);
        return ok;
    }
    return quoted_parse(out, p, why);
}

bool
notation_octets(struct bytes *out, const char *text, struct bytes *why)
{
    const char *p = skip_blanks(text);
    for (;;) {
        if (!octets_term(out, &p, why)) {
            return false;
        }
        p = skip_blanks(p);
        if (*p == 0) {
            return true;
        }
        if (*p++ != '+') {
            return fail(why, "nothing or + is expected at", p - 1);
        }
        p = skip_blanks(p);
    }
}

static bool value_parse(struct bytes *out, const char **p, struct bytes *why);

/* The entries of a table or the elements of an array, up to the closing bracket. */
static bool
list_parse(struct bytes *out, const char **p, char end, struct bytes *why)
{
    const char *s = skip_blanks(*p + 1);
    while (*s != end) {
        if (end == '}') {
            struct bytes key = {0};
            bool ok = true;
            if (*s == '"') {
                ok = quoted_parse(&key, &s, why);
            } else {
                size_t length = strcspn(s, ": ,{}[]");
                bytes_append(&key, s, length);
                s += length;
            }
            bytes_put(out, key.size, 1);
            bytes_append(out, key.data, key.size);
            bytes_fini(&key);
            s = skip_blanks(s);
            if (!ok || *s++ != ':') {
                return fail(why, "a colon is expected before", s - 1);
            }
            s = skip_blanks(s);
        }
        if (!value_parse(out, &s, why)) {
            return false;
        }
        s = skip_blanks(s);
        if (*s == ',') {
            s = skip_blanks(s + 1);
        } else if (*s != end) {
            return fail(why, "a comma or a closing bracket is expected at", s);
        }
    }
    *p = s + 1;
    return true;
}

/* Appends a length of 4 octets and the list. */
static bool
long_list_parse(struct bytes *out, const char **p, char end, struct bytes *why)
{
    struct bytes list = {0};
    bool ok = list_parse(&list, p, end, why);
    bytes_put(out, list.size, 4);
    bytes_append(out, list.data, list.size);
    bytes_fini(&list);
    return ok;
}

static bool
long_string_parse(struct bytes *out, const char **p, struct bytes *why)
{
    struct bytes string = {0};
    bool ok = quoted_parse(&string, p, why);
    bytes_put(out, string.size, 4);
    bytes_append(out, string.data, string.size);
    bytes_fini(&string);
    return ok;
}

static void
float_encode(struct bytes *out, char type, double value)
{
    if (type == 'f') {
        float narrow = (float)value;
        uint32_t bits;
        memcpy(&bits, &narrow, 4);
        bytes_put(out, bits, 4);
    } else {
        uint64_t bits;
        memcpy(&bits, &value, 8);
        bytes_put(out, bits, 8);
    }
}

static unsigned
type_width(char type)
{
    switch (type) {
    case 't':
    case 'b':
    case 'B': return 1;
    case 's':
    case 'u': return 2;
    case 'I':
    case 'i':
    case 'f': return 4;
    case 'l':
    case 'L':
    case 'T':
    case 'd': return 8;
    default: return 0;
    }
}

/* The number at *p as a value of `type`. */
static bool
number_parse(struct bytes *out, const char **p, char type, struct bytes *why)
{
    char *end;
    errno = 0;
    if (type == 'f' || type == 'd') {
        float_encode(out, type, strtod(*p, &end));
    } else if (type == 'D') {
        bytes_put(out, strtoull(*p, &end, 10), 1);
        if (*end == ':') {
            bytes_put(out, strtoull(end + 1, &end, 10), 4);
        }
    } else if (type == 'L' || type == 'T') {
        bytes_put(out, strtoull(*p, &end, 10), 8);
    } else {
        bytes_put(out, (uint64_t)strtoll(*p, &end, 10), type_width(type));
    }
    if (end == *p || errno != 0) {
        return fail(why, "a number is expected at", *p);
    }
    *p = end;
    return true;
}

static bool
word_is(const char **p, const char *word)
{
    size_t length = strlen(word);
    if (strncmp(*p, word, length) != 0 || isalnum((unsigned char)(*p)[length])) {
        return false;
    }
    *p += length;
    return true;
}

/* A value with its type octet. */
static bool
value_parse(struct bytes *out, const char **p, struct bytes *why)
{
    char type = 0;
    if ((*p)[0] == '(' && (*p)[1] != 0 && (*p)[2] == ')') {
        type = (*p)[1];
        *p += 3;
    }
    if (**p == '"') {
        bytes_append(out, type == 0 ? "S" : &type, 1);
        return long_string_parse(out, p, why);
    }
    if (**p == '{') {
        bytes_append(out, "F", 1);
        return long_list_parse(out, p, '}', why);
    }
    if (**p == '[') {
        bytes_append(out, "A", 1);
        return long_list_parse(out, p, ']', why);
    }
    if (word_is(p, "true")) {
        bytes_append(out, "t\001", 2);
        return true;
    }
    if (word_is(p, "false")) {
        bytes_append(out, "t\000", 2);
        return true;
    }
    if (word_is(p, "void")) {
        bytes_append(out, "V", 1);
        return true;
    }
    if (type == 0) {
        long long value = strtoll(*p, NULL, 10);
        type = value >= INT32_MIN && value <= INT32_MAX ? 'I' : 'l';
    }
    bytes_append(out, &type, 1);
    return number_parse(out, p, type, why);
}

static unsigned
integer_width(const char *type)
{
    return strcmp(type, "octet") == 0   ? 1
           : strcmp(type, "short") == 0 ? 2
           : strcmp(type, "long") == 0  ? 4
           : strcmp(type, "bit") == 0   ? 0
                                        : 8;
}

static bool
table_field_encode(struct bytes *out, const char *text, bool with_length, struct bytes *why)
{
    const char *p = text;
    struct bytes table = {0};
    bool ok = true;
    if (*text == '{') {
        ok = list_parse(&table, &p, '}', why);
        ok = ok && (*p == 0 || fail(why, "text after the table", p));
    } else {
        ok = *text == 0 || notation_octets(&table, text, why);
    }
    if (with_length) {
        bytes_put(out, table.size, 4);
    }
    bytes_append(out, table.data, table.size);
    bytes_fini(&table);
    return ok;
}

/* One field other than a bit. hex: stands for the field's raw octets, length included. */
static bool
field_encode(struct bytes *out, const char *type, const char *text, struct bytes *why)
{
    if (strncmp(text, "hex:", 4) == 0) {
        return notation_octets(out, text, why);
    }
    if (strcmp(type, "table") == 0) {
        return table_field_encode(out, text, true, why);
    }
    if (strcmp(type, "shortstr") == 0 || strcmp(type, "longstr") == 0) {
        struct bytes string = {0};
        bool ok = *text == '{' ? table_field_encode(&string, text, false, why)
                               : *text == 0 || notation_octets(&string, text, why);
        bytes_put(out, string.size, type[0] == 's' ? 1 : 4);
        bytes_append(out, string.data, string.size);
        bytes_fini(&string);
        return ok;
    }
    char *end = NULL;
    uint64_t value = *text == 0 ? 0 : strtoull(text, &end, 0);
    if (end != NULL && (end == text || *end != 0)) {
        return fail(why, "a number is expected", text);
    }
    bytes_put(out, value, integer_width(type));
    return true;
}

bool
notation_method_encode(struct bytes *out, const struct notation_method *method, notation_get_fn get,
                       void *ctx, struct bytes *why)
{
    bytes_put(out, method->class_id, 2);
    bytes_put(out, method->method_id, 2);
    unsigned bit = 0;
    for (unsigned i = 0; i < method->field_count; i++) {
        const char *text = get(ctx, method->fields[i].name);
        if (strcmp(method->fields[i].type, "bit") == 0) {
            if (bit % 8 == 0) {
                bytes_put(out, 0, 1);
            }
            if (text != NULL && strcmp(text, "1") == 0) {
                out->data[out->size - 1] = (uint8_t)(out->data[out->size - 1] | 1u << bit % 8);
            } else if (text != NULL && strcmp(text, "0") != 0) {
                return fail(why, "a bit is 0 or 1, not", text);
            }
            bit++;
            continue;
        }
        bit = 0;
        if (!field_encode(out, method->fields[i].type, text == NULL ? "" : text, why)) {
            return false;
        }
    }
    return true;
}

const char *
notation_value_end(const char *p)
{
    int depth = 0;
    for (; *p != 0; p++) {
        if (*p == '"') {
            for (p++; *p != 0 && *p != '"'; p++) {
                p += *p == '\\' && p[1] != 0;
            }
            if (*p == 0) {
                return p;
            }
        } else if (*p == '{' || *p == '[') {
            depth++;
        } else if (depth == 0 && strchr(" ,;}]", *p) != NULL) {
            return p;
        } else if (*p == '}' || *p == ']') {
            depth--;
        }
    }
    return p;
}

/* Splits {key:value,...} without blanks into the texts of the known properties. */
static bool
property_split(const char *text, struct bytes values[PROPERTY_COUNT], bool present[PROPERTY_COUNT],
               struct bytes *why)
{
    const char *p = text + 1;
    while (*text == '{' && *p != '}' && *p != 0) {
        size_t length = strcspn(p, ":");
        unsigned i = 0;
        while (i < PROPERTY_COUNT &&
               (strncmp(p, property_table[i].name, length) != 0 || property_table[i].name[length] != 0)) {
            i++;
        }
        if (i == PROPERTY_COUNT || p[length] != ':') {
            return fail(why, "no such property", p);
        }
        const char *value = p + length + 1;
        const char *end = notation_value_end(value);
        present[i] = true;
        bytes_append(&values[i], value, (size_t)(end - value));
        p = *end == ',' ? end + 1 : end;
    }
    return (*text == '{' && strcmp(p, "}") == 0) ||
           fail(why, "properties are written {name: value, ...}", text);
}

bool
notation_props_encode(struct bytes *out, const char *text, struct bytes *why)
{
    if (strncmp(text, "hex:", 4) == 0) {
        return notation_octets(out, text, why);
    }
    struct bytes squeezed = {0}, encoded = {0}, values[PROPERTY_COUNT] = {0};
    bool present[PROPERTY_COUNT] = {false};
    notation_squeeze(&squeezed, text);
    bool ok = property_split(bytes_text(&squeezed), values, present, why);
    unsigned flags = 0;
    for (unsigned i = 0; i < PROPERTY_COUNT; i++) {
        if (ok && present[i]) {
            flags |= 0x8000u >> i;
            ok = field_encode(&encoded, property_table[i].type, bytes_text(&values[i]), why);
        }
        bytes_fini(&values[i]);
    }
    bytes_put(out, flags, 2);
    bytes_append(out, encoded.data, encoded.size);
    bytes_fini(&encoded);
    bytes_fini(&squeezed);
    return ok;
}

void
notation_squeeze(struct bytes *out, const char *text)
{
    bool quoted = false;
    for (const char *p = text; *p != 0; p++) {
        if (quoted && *p == '\\' && p[1] != 0) {
            bytes_append(out, p++, 1);
        } else if (*p == '"') {
            quoted = !quoted;
        } else if (!quoted && (*p == ' ' || *p == '\t')) {
            continue;
        }
        bytes_append(out, p, 1);
    }
}

/* ---- octets to text ---- */

struct reader {
    const uint8_t *p;
    const uint8_t *end;
    bool is_short; /* read past the end */
};

static uint64_t
reader_number(struct reader *r, unsigned width)
{
    if ((size_t)(r->end - r->p) < width) {
        r->is_short = true;
        r->p = r->end;
        return 0;
    }
    uint64_t value = 0;
    for (unsigned i = 0; i < width; i++) {
        value = value << 8 | *r->p++;
    }
    return value;
}

static struct reader
reader_slice(struct reader *r, uint64_t size)
{
    if ((uint64_t)(r->end - r->p) < size) {
        r->is_short = true;
        size = (uint64_t)(r->end - r->p);
    }
    struct reader slice = {.p = r->p, .end = r->p + size};
    r->p += size;
    return slice;
}

static void
string_render(struct bytes *text, struct reader s)
{
    bytes_append(text, "\"", 1);
    for (; s.p < s.end; s.p++) {
        if (*s.p == '"' || *s.p == '\\') {
            bytes_printf(text, "\\%c", *s.p);
        } else if (*s.p < 0x20 || *s.p > 0x7e) {
            bytes_printf(text, "\\x%02x", *s.p);
        } else {
            bytes_append(text, s.p, 1);
        }
    }
    bytes_append(text, "\"", 1);
}

static void
key_render(struct bytes *text, struct reader s)
{
    bool plain = s.p < s.end;
    for (const uint8_t *p = s.p; p < s.end; p++) {
        plain = plain && (isalnum(*p) || strchr("-_.", *p) != NULL) && *p != 0;
    }
    if (plain) {
        bytes_append(text, s.p, (size_t)(s.end - s.p));
    } else {
        string_render(text, s);
    }
}

static void value_render(struct reader *r, struct bytes *text, unsigned depth);

static void
list_render(struct reader list, struct bytes *text, bool is_table, unsigned depth, bool *is_short)
{
    bytes_append(text, is_table ? "{" : "[", 1);
    for (bool first = true; list.p < list.end && !list.is_short; first = false) {
        if (!first) {
            bytes_append(text, ",", 1);
        }
        if (is_table) {
            key_render(text, reader_slice(&list, reader_number(&list, 1)));
            bytes_append(text, ":", 1);
        }
        value_render(&list, text, depth + 1);
    }
    bytes_append(text, is_table ? "}" : "]", 1);
    *is_short = *is_short || list.is_short;
}

static void
float_render(struct bytes *text, char type, uint64_t bits)
{
    double value;
    if (type == 'f') {
        uint32_t narrow_bits = (uint32_t)bits;
        float narrow;
        memcpy(&narrow, &narrow_bits, 4);
        value = (double)narrow;
    } else {
        memcpy(&value, &bits, 8);
    }
    bytes_printf(text, "(%c)%g", type, value);
}

static void
number_render(struct bytes *text, char type, uint64_t raw)
{
    switch (type) {
    case 'b': bytes_printf(text, "(b)%d", (int)(int8_t)raw); break;
    case 's': bytes_printf(text, "(s)%d", (int)(int16_t)raw); break;
    case 'I': bytes_printf(text, "%d", (int)(int32_t)raw); break;
    case 'l': bytes_printf(text, "%s%lld", (int64_t)raw == (int32_t)raw ? "(l)" : "", (long long)raw); break;
    default: bytes_printf(text, "(%c)%llu", type, (unsigned long long)raw); break;
    }
}

static void
value_render(struct reader *r, struct bytes *text, unsigned depth)
{
    char type = (char)reader_number(r, 1);
    if (depth > 100) {
        r->is_short = true;
        return;
    }
    switch (type) {
    case 'S': string_render(text, reader_slice(r, reader_number(r, 4))); break;
    case 'x':
        bytes_append(text, "(x)", 3);
        string_render(text, reader_slice(r, reader_number(r, 4)));
        break;
    case 'F':
    case 'A':
        list_render(reader_slice(r, reader_number(r, 4)), text, type == 'F', depth, &r->is_short);
        break;
    case 't': bytes_printf(text, "%s", reader_number(r, 1) != 0 ? "true" : "false"); break;
    case 'V': bytes_append(text, "void", 4); break;
    case 'D': {
        unsigned scale = (unsigned)reader_number(r, 1);
        bytes_printf(text, "(D)%u:%u", scale, (unsigned)reader_number(r, 4));
        break;
    }
    case 'f':
    case 'd': float_render(text, type, reader_number(r, type_width(type))); break;
    default:
        if (type_width(type) == 0) {
            bytes_printf(text, "(unknown type 0x%02x)", (uint8_t)type);
            r->is_short = true;
            return;
        }
        number_render(text, type, reader_number(r, type_width(type)));
    }
}

static void
field_render(struct reader *r, const char *type, struct bytes *text)
{
    if (strcmp(type, "table") == 0) {
        list_render(reader_slice(r, reader_number(r, 4)), text, true, 0, &r->is_short);
    } else if (strcmp(type, "shortstr") == 0) {
        string_render(text, reader_slice(r, reader_number(r, 1)));
    } else if (strcmp(type, "longstr") == 0) {
        string_render(text, reader_slice(r, reader_number(r, 4)));
    } else {
        bytes_printf(text, "%llu", (unsigned long long)reader_number(r, integer_width(type)));
    }
}

bool
notation_method_decode(const struct notation_method *method, const uint8_t *data, size_t size,
                       notation_put_fn put, void *ctx, struct bytes *why)
{
    struct reader r = {.p = data, .end = data + size};
    unsigned bit = 0, octet = 0;
    for (unsigned i = 0; i < method->field_count; i++) {
        struct bytes text = {0};
        if (strcmp(method->fields[i].type, "bit") == 0) {
            octet = bit % 8 == 0 ? (unsigned)reader_number(&r, 1) : octet;
            bytes_printf(&text, "%u", octet >> bit % 8 & 1);
            bit++;
        } else {
            bit = 0;
            field_render(&r, method->fields[i].type, &text);
        }
        put(ctx, method->fields[i].name, bytes_text(&text));
        bytes_fini(&text);
    }
    if (r.is_short || r.p != r.end) {
        return fail(why, r.is_short ? "the frame is too short for" : "the frame is too long for",
                    method->name);
    }
    return true;
}

bool
notation_props_decode(const uint8_t *data, size_t size, struct bytes *text, struct bytes *why)
{
    struct reader r = {.p = data, .end = data + size};
    unsigned flags = (unsigned)reader_number(&r, 2);
    bytes_append(text, "{", 1);
    for (unsigned i = 0; i < PROPERTY_COUNT; i++) {
        if ((flags & 0x8000u >> i) == 0) {
            continue;
        }
        bytes_printf(text, "%s%s:", text->data[text->size - 1] == '{' ? "" : ",", property_table[i].name);
        field_render(&r, property_table[i].type, text);
    }
    bytes_append(text, "}", 1);
    if (r.is_short || r.p != r.end || (flags & 3) != 0) {
        return fail(why, "the content header is malformed after", bytes_text(text));
    }
    return true;
}
