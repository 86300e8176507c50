/*
 * The exchanges' matching written a second time, as plainly as can be: what tests and fuzzers compare with.
 */
#ifndef LEVERET_BROKER_NAIVE_MATCH_H
#define LEVERET_BROKER_NAIVE_MATCH_H

#include "base/buffer.h"
#include "base/slice.h"
#include "wire/properties.h"
#include "wire/table.h"

#include <math.h>
#include <stdlib.h>

/* The properties of a message that has these headers and nothing else. */
static inline struct slice
naive_headers_run(struct slice headers, struct buffer *out)
{
    struct properties p = {.flags = PROPERTY_FLAG(PROPERTY_HEADERS), .headers = headers};
    buffer_clear(out);
    out->len = properties_encode(buffer_reserve(out, properties_size(&p)), &p);
    return buffer_slice(out);
}

struct naive_words {
    struct slice words[256];
    unsigned count;
};

static inline struct naive_words
naive_split(struct slice key)
{
    struct naive_words w = {.count = 0};
    size_t start = 0;
    for (size_t i = 0; key.len > 0 && i <= key.len; i++) {
        if (i < key.len && key.data[i] != '.')
            continue;
        w.words[w.count++] = slice_of(key.data + start, i - start);
        start = i + 1;
    }
    return w;
}

/* possible[k]: the pattern's words so far can stand for the key's first k. */
static inline bool
naive_topic_match(struct slice pattern, struct slice key)
{
    struct naive_words p = naive_split(pattern), k = naive_split(key);
    bool possible[257] = {true};
    for (unsigned i = 0; i < p.count; i++) {
        bool next[257] = {false};
        for (unsigned j = 0; j <= k.count; j++) {
            if (slice_eq_str(p.words[i], "#"))
                next[j] = possible[j] || (j > 0 && next[j - 1]);
            else if (j > 0 && possible[j - 1])
                next[j] = slice_eq_str(p.words[i], "*") || slice_eq(p.words[i], k.words[j - 1]);
        }
        memcpy(possible, next, sizeof next);
    }
    return possible[k.count];
}

struct naive_field {
    struct slice name;
    struct table_value value;
    size_t order;
};

static inline int
naive_compare(const void *a, const void *b)
{
    const struct naive_field *x = a, *y = b;
    size_t n = x->name.len < y->name.len ? x->name.len : y->name.len;
    int c = n > 0 ? memcmp(x->name.data, y->name.data, n) : 0;
    if (c)
        return c;
    if (x->name.len != y->name.len)
        return x->name.len < y->name.len ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static inline size_t
naive_sorted(struct slice table, struct naive_field **out)
{
    struct table_iter it = table_iter_fields(table);
    struct naive_field f = {0};
    size_t n = 0;
    *out = NULL;
    while (table_iter_next(&it, &f.name, &f.value)) {
        f.order = n;
        *out = realloc(*out, (n + 1) * sizeof f);
        (*out)[n++] = f;
    }
    if (n > 0)
        qsort(*out, n, sizeof f, naive_compare);
    return n;
}

static inline bool
naive_is_number(const struct table_value *v)
{
    return table_value_is_int(v) || v->type == TABLE_TIMESTAMP || v->type == TABLE_FLOAT ||
           v->type == TABLE_DOUBLE;
}

/* x86's 80-bit floats hold every 64-bit integer and every double. */
static inline long double
naive_number(const struct table_value *v)
{
    if (v->type == TABLE_TIMESTAMP)
        return (long double)v->timestamp;
    return table_value_is_int(v) ? (long double)v->integer : (long double)v->number;
}

static inline bool
naive_value_eq(const struct table_value *a, const struct table_value *b)
{
    bool a_text = a->type == TABLE_LONGSTR || a->type == TABLE_BINARY;
    bool b_text = b->type == TABLE_LONGSTR || b->type == TABLE_BINARY;
    bool a_list = a->type == TABLE_TABLE || a->type == TABLE_ARRAY;
    bool b_list = b->type == TABLE_TABLE || b->type == TABLE_ARRAY;
    if (naive_is_number(a) || naive_is_number(b))
        return naive_is_number(a) && naive_is_number(b) && naive_number(a) == naive_number(b);
    if (a_text || b_text)
        return a_text && b_text && slice_eq(a->bytes, b->bytes);
    if (a_list && b_list && a->bytes.len == 0 && b->bytes.len == 0)
        return true;
    if (a->type != b->type)
        return false;
    if (a_list)
        return slice_eq(a->bytes, b->bytes);
    if (a->type == TABLE_BOOL)
        return a->boolean == b->boolean;
    if (a->type == TABLE_DECIMAL)
        return a->scale == b->scale && a->integer == b->integer;
    return true;
}

/* Both sides sorted, and walked like two sorted lists that are merged. */
static inline bool
naive_headers_match(struct slice arguments, struct slice headers)
{
    struct naive_field *p, *d;
    size_t pn = naive_sorted(arguments, &p), dn = naive_sorted(headers, &d), i = 0, j = 0;
    struct table_value kind = {.type = TABLE_VOID};
    bool has_kind = table_find_str(arguments, "x-match", &kind) && kind.type == TABLE_LONGSTR;
    bool with_x =
        has_kind && (slice_eq_str(kind.bytes, "all-with-x") || slice_eq_str(kind.bytes, "any-with-x"));
    bool is_any = has_kind && (slice_eq_str(kind.bytes, "any") || slice_eq_str(kind.bytes, "any-with-x"));
    bool all = true, any = false;
    while (i < pn) {
        struct slice name = p[i].name;
        if (slice_eq_str(name, "x-match") || (!with_x && slice_starts_with(name, "x-"))) {
            i++;
            continue;
        }
        while (j < dn) {
            struct naive_field a = p[i], b = d[j];
            a.order = b.order = 0;
            if (naive_compare(&b, &a) >= 0)
                break;
            j++;
        }
        bool same = false;
        if (j < dn && slice_eq(d[j].name, name)) {
            same = p[i].value.type == TABLE_VOID || naive_value_eq(&p[i].value, &d[j].value);
            j++;
        }
        all = all && same;
        any = any || same;
        i++;
    }
    free(p);
    free(d);
    return is_any ? any : all;
}

#endif
