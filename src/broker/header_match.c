/* The message is loaded once into a table by name; then each binding costs one look-up for each of its
 * fields. */
#include "broker/header_match.h"

#include "base/check.h"
#include "base/hash.h"

#include <stdlib.h>

enum header_match_kind
header_match_kind(struct slice arguments)
{
    struct table_value v;
    if (!table_find_str(arguments, "x-match", &v) || v.type != TABLE_LONGSTR)
        return HEADER_MATCH_ALL;
    if (slice_eq_str(v.bytes, "any"))
        return HEADER_MATCH_ANY;
    if (slice_eq_str(v.bytes, "all-with-x"))
        return HEADER_MATCH_ALL_WITH_X;
    if (slice_eq_str(v.bytes, "any-with-x"))
        return HEADER_MATCH_ANY_WITH_X;
    return HEADER_MATCH_ALL;
}

bool
header_match_considers(enum header_match_kind kind, struct slice name)
{
    if (slice_eq_str(name, "x-match"))
        return false;
    return kind == HEADER_MATCH_ALL_WITH_X || kind == HEADER_MATCH_ANY_WITH_X ||
           !slice_starts_with(name, "x-");
}

/* ---- values ---- */

/* Values are compared within these classes. */
enum value_class {
    CLASS_INTEGER,
    CLASS_UNSIGNED,
    CLASS_FLOAT,
    CLASS_BYTES,
    CLASS_LIST,
    CLASS_EMPTY_LIST,
    CLASS_OTHER
};

static enum value_class
value_class(const struct table_value *v)
{
    switch (v->type) {
    case TABLE_TIMESTAMP: return v->timestamp > INT64_MAX ? CLASS_UNSIGNED : CLASS_INTEGER;
    case TABLE_FLOAT:
    case TABLE_DOUBLE: return CLASS_FLOAT;
    case TABLE_LONGSTR:
    case TABLE_BINARY: return CLASS_BYTES;
    case TABLE_TABLE:
    case TABLE_ARRAY: return v->bytes.len > 0 ? CLASS_LIST : CLASS_EMPTY_LIST;
    case TABLE_BOOL:
    case TABLE_DECIMAL:
    case TABLE_VOID: return CLASS_OTHER;
    default: return CLASS_INTEGER;
    }
}

/* Of CLASS_INTEGER only. */
static int64_t
integer_of(const struct table_value *v)
{
    return v->type == TABLE_TIMESTAMP ? (int64_t)v->timestamp : v->integer;
}

static double
number_of(const struct table_value *v, enum value_class c)
{
    return c == CLASS_FLOAT ? v->number : c == CLASS_UNSIGNED ? (double)v->timestamp : (double)integer_of(v);
}

/* Exactly equal, as Erlang's == has it: 2^53 + 1 is not 2^53 as a float. */
static bool
float_is(double d, const struct table_value *v, enum value_class c)
{
    if (c == CLASS_FLOAT)
        return d == v->number;
    if (c == CLASS_UNSIGNED)
        return d >= 0x1p63 && d < 0x1p64 && (uint64_t)d == v->timestamp;
    return d >= -0x1p63 && d < 0x1p63 && (double)(int64_t)d == d && (int64_t)d == integer_of(v);
}

bool
header_match_value_eq(const struct table_value *a, const struct table_value *b)
{
    enum value_class ca = value_class(a), cb = value_class(b);
    if (ca == CLASS_FLOAT && cb <= CLASS_FLOAT)
        return float_is(a->number, b, cb);
    if (cb == CLASS_FLOAT && ca <= CLASS_FLOAT)
        return float_is(b->number, a, ca);
    if (ca != cb)
        return false;
    switch (ca) {
    case CLASS_INTEGER: return integer_of(a) == integer_of(b);
    case CLASS_UNSIGNED: return a->timestamp == b->timestamp;
    case CLASS_BYTES: return slice_eq(a->bytes, b->bytes);
    case CLASS_EMPTY_LIST: return true;
    case CLASS_LIST: return a->type == b->type && slice_eq(a->bytes, b->bytes);
    case CLASS_OTHER:
    case CLASS_FLOAT: break;
    }
    if (a->type != b->type)
        return false;
    if (a->type == TABLE_BOOL)
        return a->boolean == b->boolean;
    return a->type == TABLE_VOID || (a->scale == b->scale && a->integer == b->integer);
}

uint64_t
header_match_value_hash(const struct table_value *v)
{
    enum value_class c = value_class(v);
    if (c <= CLASS_FLOAT) {
        double d = number_of(v, c);
        uint64_t bits = 0;
        if (d != 0) /* 0.0 and -0.0 are equal */
            memcpy(&bits, &d, sizeof bits);
        return hash_combine(1, bits);
    }
    if (c == CLASS_BYTES)
        return hash_combine(2, hash_bytes(v->bytes));
    if (c == CLASS_LIST)
        return hash_combine(3, hash_bytes(v->bytes));
    if (c == CLASS_EMPTY_LIST)
        return hash_combine(4, 0);
    if (v->type == TABLE_BOOL)
        return hash_combine(5, v->boolean);
    if (v->type == TABLE_VOID)
        return hash_combine(6, 0);
    return hash_combine(7, hash_combine(v->scale, (uint64_t)v->integer));
}

/* ---- a message's fields ---- */

static void
add_field(struct header_fields *f, struct slice name, const struct table_value *value)
{
    if (f->count == f->capacity) {
        f->capacity = f->capacity ? f->capacity * 2 : 16;
        f->fields = realloc(f->fields, f->capacity * sizeof *f->fields);
        CHECK(f->fields);
    }
    f->fields[f->count++] =
        (struct header_field){.name = name, .name_hash = hash_bytes(name), .value = *value};
}

/* The slot of the name: of its first field, or a free one. */
static uint32_t *
slot_of(const struct header_fields *f, struct slice name, uint64_t hash)
{
    uint32_t mask = f->slot_count - 1;
    for (uint32_t i = (uint32_t)hash & mask;; i = (i + 1) & mask) {
        uint32_t at = f->slots[i];
        if (at == 0 || (f->fields[at - 1].name_hash == hash && slice_eq(f->fields[at - 1].name, name)))
            return &f->slots[i];
    }
}

static void
index_fields(struct header_fields *f)
{
    uint32_t slots = 16;
    while (slots < f->count * 2)
        slots *= 2;
    if (slots > f->slot_capacity) {
        free(f->slots);
        f->slots = malloc(slots * sizeof *f->slots);
        CHECK(f->slots);
        f->slot_capacity = slots;
    }
    f->slot_count = slots;
    memset(f->slots, 0, slots * sizeof *f->slots);
    /* From the last to the first, so that each chain begins with the first. */
    for (uint32_t i = f->count; i-- > 0;) {
        uint32_t *slot = slot_of(f, f->fields[i].name, f->fields[i].name_hash);
        f->fields[i].next = *slot;
        *slot = i + 1;
    }
}

void
header_fields_load(struct header_fields *f, struct slice headers)
{
    f->count = 0;
    struct table_iter it = table_iter_fields(headers);
    struct slice name;
    struct table_value value;
    while (table_iter_next(&it, &name, &value))
        add_field(f, name, &value);
    index_fields(f);
}

void
header_fields_fini(struct header_fields *f)
{
    free(f->fields);
    free(f->slots);
    *f = (struct header_fields){0};
}

/* ---- matching ---- */

/* The message's field that stands against the binding's next field of this name; NULL: none. */
static const struct header_field *
opposite(struct header_fields *f, struct slice name)
{
    uint32_t at = *slot_of(f, name, hash_bytes(name));
    if (at == 0)
        return NULL;
    struct header_field *first = &f->fields[at - 1];
    if (first->serial != f->serial) {
        first->serial = f->serial;
        first->cursor = at;
    }
    if (first->cursor == 0)
        return NULL;
    struct header_field *field = &f->fields[first->cursor - 1];
    first->cursor = field->next;
    return field;
}

bool
header_match(struct slice arguments, struct header_fields *f)
{
    enum header_match_kind kind = header_match_kind(arguments);
    f->serial++;
    bool any = header_match_is_any(kind);
    struct table_iter it = table_iter_fields(arguments);
    struct slice name;
    struct table_value want;
    while (table_iter_next(&it, &name, &want)) {
        if (!header_match_considers(kind, name))
            continue;
        const struct header_field *have = opposite(f, name);
        bool same = have && (want.type == TABLE_VOID || header_match_value_eq(&want, &have->value));
        if (same == any)
            return any;
    }
    return !any;
}
