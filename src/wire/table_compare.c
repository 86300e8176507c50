/*
 * When two values, or two tables, are the same. The order of a table's fields does not count; what is inside
 * a field is compared byte for byte, so that nothing here recurses. Sorting happens on the stack, within
 * TABLE_SORT_MAX.
 */
#include "base/hash.h"
#include "wire/codec.h"
#include "wire/table.h"

#include <stdlib.h>

/* A field as it stands: its name, and all its bytes. */
struct field {
    struct slice name, whole;
};

bool
table_value_eq(const struct table_value *a, const struct table_value *b)
{
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case TABLE_BOOL: return a->boolean == b->boolean; /* any octet but 0 is true */
    case TABLE_FLOAT:
    case TABLE_DOUBLE: return a->number == b->number || slice_eq(a->encoded, b->encoded);
    default: return slice_eq(a->encoded, b->encoded);
    }
}

static bool
is_integral(const struct table_value *v)
{
    return table_value_is_int(v) || v->type == TABLE_TIMESTAMP;
}

static bool
is_float(enum table_type type)
{
    return type == TABLE_FLOAT || type == TABLE_DOUBLE;
}

bool
table_value_equivalent(const struct table_value *a, const struct table_value *b)
{
    if (is_integral(a) &&
        is_integral(b)) /* a timestamp above INT64_MAX equals no integer, though the bits may */
        return a->integer == b->integer &&
               (a->integer >= 0 || (a->type == TABLE_TIMESTAMP) == (b->type == TABLE_TIMESTAMP));
    if (is_float(a->type) && is_float(b->type))
        return a->number == b->number;
    return table_value_eq(a, b);
}

/* By name; fields of one name by their place, which makes qsort stable. */
static int
field_compare(const void *left, const void *right)
{
    const struct field *a = left, *b = right;
    int order = slice_compare(a->name, b->name);
    return order ? order : (a->whole.data > b->whole.data) - (a->whole.data < b->whole.data);
}

/* Fills `fields` in the order of names; false when there are too many. */
static bool
fields_sort(struct slice table, struct field fields[TABLE_SORT_MAX], size_t *count)
{
    struct table_iter it = table_iter_fields(table);
    struct table_field f;
    size_t n = 0;
    bool is_sorted = true;
    for (; table_iter_next_field(&it, &f); fields[n++] = (struct field){f.name, f.whole}) {
        if (n == TABLE_SORT_MAX)
            return false;
        is_sorted = is_sorted && (n == 0 || slice_compare(fields[n - 1].name, f.name) <= 0);
    }
    if (!is_sorted)
        qsort(fields, n, sizeof *fields, field_compare);
    *count = n;
    return true;
}

static bool
field_eq(const struct field *a, const struct field *b)
{
    if (slice_eq(a->whole, b->whole))
        return true;
    struct table_iter left = table_iter_fields(a->whole), right = table_iter_fields(b->whole);
    struct table_value v, w;
    return slice_eq(a->name, b->name) && table_iter_next(&left, NULL, &v) &&
           table_iter_next(&right, NULL, &w) && table_value_eq(&v, &w);
}

bool
table_eq(struct slice a, struct slice b)
{
    if (slice_eq(a, b))
        return true;
    if (a.len != b.len) /* no value has two encodings of different length */
        return false;
    struct field left[TABLE_SORT_MAX], right[TABLE_SORT_MAX];
    size_t left_count, right_count;
    if (!fields_sort(a, left, &left_count) || !fields_sort(b, right, &right_count) ||
        left_count != right_count)
        return false;
    for (size_t i = 0; i < left_count; i++) {
        if (!field_eq(&left[i], &right[i]))
            return false;
    }
    return true;
}

/* Equal values (table_value_eq) have equal hashes. */
static uint64_t
value_hash(const struct table_value *v)
{
    if (v->type == TABLE_BOOL)
        return v->boolean;
    if (is_float(v->type))
        return v->number == 0 ? 0 : hash_bytes(v->encoded);
    return hash_bytes(v->encoded);
}

uint64_t
table_hash(struct slice table)
{
    struct table_iter it = table_iter_fields(table);
    struct table_value v;
    struct slice name;
    uint64_t sum = 0; /* does not depend on the order */
    while (table_iter_next(&it, &name, &v))
        sum += hash_combine(hash_combine(hash_bytes(name), v.type), value_hash(&v));
    return hash_u64(sum);
}

void
table_canonical(struct slice table, uint8_t *out)
{
    struct field fields[TABLE_SORT_MAX];
    size_t count;
    if (!fields_sort(table, fields, &count)) {
        codec_put_bytes(out, table);
        return;
    }
    for (size_t i = 0; i < count; i++)
        out = codec_put_bytes(out, fields[i].whole);
}
