/* The inside of a table, and of an array; and as two tables with the first byte saying where one ends. */
#include "base/buffer.h"
#include "fuzz.h"
#include "wire/table.h"

/* The two ways to walk give the same, whatever the bytes. */
static void
walk(struct table_iter it, struct buffer *copy)
{
    struct table_iter fields = it;
    struct slice name;
    struct table_value v;
    struct table_field f;
    struct buffer other = {0};
    while (table_iter_next(&it, &name, &v)) {
        CHECK(table_iter_next_field(&fields, &f) && slice_eq(name, f.name));
        table_add_value(copy, name, &v);
        table_add_field(&other, &f);
    }
    CHECK(!table_iter_next_field(&fields, &f));
    CHECK(slice_eq(buffer_slice(copy), buffer_slice(&other)));
    buffer_fini(&other);
}

static void
check_canonical(struct slice table, struct buffer *scratch)
{
    buffer_clear(scratch);
    struct slice canonical = slice_of(buffer_reserve(scratch, table.len), table.len);
    table_canonical(table, scratch->data);
    CHECK(table_validate(canonical) == ERR_OK);
    CHECK(table_hash(canonical) == table_hash(table));
    struct table_iter it = table_iter_fields(table);
    size_t count = 0;
    while (table_iter_next(&it, NULL, &(struct table_value){0}))
        count++;
    CHECK(count > TABLE_SORT_MAX || table_eq(table, canonical));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct buffer copy = {0}, text = {0};
    struct slice whole = slice_of(data, len);
    table_describe(whole, &text); /* safe with anything */
    (void)table_hash(whole);
    walk(table_iter_fields(whole), &copy);
    buffer_clear(&copy);
    if (table_validate(whole) == ERR_OK) {
        walk(table_iter_fields(whole), &copy);
        CHECK(copy.len == len && table_validate(buffer_slice(&copy)) == ERR_OK);
        check_canonical(whole, &copy);
    }
    buffer_clear(&copy);
    if (table_validate_array(whole) == ERR_OK) {
        walk(table_iter_items(whole), &copy);
        CHECK(copy.len == len);
    }
    if (len > 1) {
        size_t split = 1 + data[0] % len;
        struct slice a = slice_of(data + 1, split - 1), b = slice_of(data + split, len - split);
        CHECK(table_eq(a, b) == table_eq(b, a));
        CHECK(!table_eq(a, b) || table_hash(a) == table_hash(b));
    }
    buffer_fini(&copy);
    buffer_fini(&text);
    return 0;
}
