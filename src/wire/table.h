/*
 * Field tables and arrays (specification 4.2.5.5, with the type letters that RabbitMQ really uses, which
 * differ).
 *
 * Everywhere here a table is a slice of its fields (name: shortstr, type: u8, value), an array a slice of its
 * items (type: u8, value): both without the u32 length that stands before them on the wire. "Valid" means
 * that table_validate() has said so: decoded methods and validated properties hold valid ones only. The
 * functions are safe with any bytes: on malformed ones they end as if the table ended there.
 */
#ifndef LEVERET_WIRE_TABLE_H
#define LEVERET_WIRE_TABLE_H

#include "base/err.h"
#include "base/slice.h"

struct buffer;

#define TABLE_DEPTH_MAX 100  /* tables and arrays within each other, the outermost included */
#define TABLE_SORT_MAX  1024 /* fields of a table that is compared whatever the order of its fields */

enum table_type {
    TABLE_BOOL = 't',
    TABLE_INT8 = 'b',
    TABLE_UINT8 = 'B',
    TABLE_INT16 = 's',
    TABLE_UINT16 = 'u',
    TABLE_INT32 = 'I',
    TABLE_UINT32 = 'i',
    TABLE_INT64 = 'l',
    TABLE_INT64_OLD = 'L', /* read as TABLE_INT64, as RabbitMQ does */
    TABLE_FLOAT = 'f',
    TABLE_DOUBLE = 'd',
    TABLE_DECIMAL = 'D',
    TABLE_LONGSTR = 'S',
    TABLE_ARRAY = 'A',
    TABLE_TIMESTAMP = 'T',
    TABLE_TABLE = 'F',
    TABLE_VOID = 'V',
    TABLE_BINARY = 'x',
};

struct table_value {
    enum table_type type;
    uint8_t scale; /* decimal: the value is integer / 10^scale */
    union {
        bool boolean;
        int64_t integer;    /* every integer type, and decimal (RabbitMQ reads it unsigned) */
        uint64_t timestamp; /* seconds since 1970 */
        double number;      /* float and double */
        struct slice bytes; /* longstr, binary; table and array: their inside */
    };
    struct slice encoded; /* the value's bytes as they stand, without the type letter */
};

/*
 * Walks everything. ERR_TRUNCATED when a length points past the end, ERR_TYPE for an unknown type letter,
 * ERR_LIMIT when deeper than TABLE_DEPTH_MAX. Uses no recursion.
 */
enum err ERR_USE table_validate(struct slice table);
enum err ERR_USE table_validate_array(struct slice array);

struct table_iter {
    struct slice rest;
    bool is_array;
};

struct table_iter table_iter_fields(struct slice table);
struct table_iter table_iter_items(struct slice array);
/* False at the end. `name` may be NULL, and is empty for an array's items. */
bool table_iter_next(struct table_iter *it, struct slice *name, struct table_value *value);

/* A field or an item as it stands, without a look at its value: half the price where only its bytes count. */
struct table_field {
    struct slice name;  /* empty for an item */
    uint8_t type;       /* enum table_type, or TABLE_INT64_OLD */
    struct slice bytes; /* of the value; of one with a length, those behind it */
    struct slice whole; /* from the name, or an item's type letter, on */
};
bool table_iter_next_field(struct table_iter *it, struct table_field *f);

/* The first field of that name, as in RabbitMQ. */
bool table_find(struct slice table, struct slice name, struct table_value *value);
bool table_find_str(struct slice table, const char *name, struct table_value *value);

/* Typed reading: ERR_NOT_FOUND, or ERR_TYPE when it is of another type. Any integer type does for _int. */
enum err ERR_USE table_get_int(struct slice table, const char *name, int64_t *out);
enum err ERR_USE table_get_bool(struct slice table, const char *name, bool *out);
enum err ERR_USE table_get_str(struct slice table, const char *name, struct slice *out); /* longstr */
enum err ERR_USE table_get_table(struct slice table, const char *name, struct slice *out);
enum err ERR_USE table_get_array(struct slice table, const char *name, struct slice *out);

/* "signedint", "longstr": RabbitMQ's word for the type, used in its reply texts. */
const char *table_type_name(enum table_type type);
bool table_value_is_int(const struct table_value *value);

/* Same type and same value. Tables inside: the same bytes. */
bool table_value_eq(const struct table_value *a, const struct table_value *b);
/*
 * RabbitMQ's test of arguments when something is declared again (rabbit_misc:assert_args_equivalence): all
 * integer types and timestamps are one type, float and double another; then the values count.
 */
bool table_value_equivalent(const struct table_value *a, const struct table_value *b);

/*
 * The same fields whatever their order: the identity of bindings (RabbitMQ sorts by name; fields of one name
 * keep their order). Tables of more than TABLE_SORT_MAX fields are equal only byte for byte, so that a peer
 * cannot make this slow.
 */
bool table_eq(struct slice a, struct slice b);
/* Tables that table_eq() holds equal have the same hash. */
uint64_t table_hash(struct slice table);
/* Writes the fields sorted by name: table.len bytes, at `out`. As they are above TABLE_SORT_MAX fields. */
void table_canonical(struct slice table, uint8_t *out);

/*
 * Building, appended to a buffer of the caller's. Either a whole table with its length before it:
 *
 *     size_t at = table_begin(out);                        u32 length, to be filled
 *     table_add_str(out, "product", slice_str("x"));
 *     size_t inner = table_add_table_begin(out, "capabilities");
 *     table_add_bool(out, "basic.nack", true);
 *     table_end(out, inner);
 *     table_end(out, at);
 *
 * or only fields, without table_begin: then the buffer's content is the slice that methods and properties
 * take. Names have at most 255 bytes (CHECK). Items of an array are added with the name NULL.
 */
size_t table_begin(struct buffer *out);
void table_end(struct buffer *out, size_t at);
size_t table_add_table_begin(struct buffer *out, const char *name);
size_t table_add_array_begin(struct buffer *out, const char *name);
void table_add_str(struct buffer *out, const char *name, struct slice value);
void table_add_bool(struct buffer *out, const char *name, bool value);
void table_add_int32(struct buffer *out, const char *name, int32_t value);
void table_add_int64(struct buffer *out, const char *name, int64_t value);
void table_add_timestamp(struct buffer *out, const char *name, uint64_t seconds);
void table_add_double(struct buffer *out, const char *name, double value);
void table_add_void(struct buffer *out, const char *name);
/* A whole table or array that exists already (its inside). */
void table_add_table(struct buffer *out, const char *name, struct slice table);
void table_add_array(struct buffer *out, const char *name, struct slice array);
/* A field or an item as it was read. `name` with data NULL: an item. */
void table_add_value(struct buffer *out, struct slice name, const struct table_value *value);
void table_add_field(struct buffer *out, const struct table_field *f);
/* All fields of `table` but those named `name`. */
void table_add_all_but(struct buffer *out, struct slice table, struct slice name);

/* Appends it for people: `{"x-max-length": 5, "l": ["a", true]}`. */
void table_describe(struct slice table, struct buffer *out);
/* Appends "text", with \" \\ and \xNN for whatever is not printable UTF-8. */
void table_describe_str(struct slice text, struct buffer *out);

#endif
