/*
 * AMQP 0-9-1 methods, seen two ways.
 *
 * Typed, for the broker: amqp_methods.h, generated from amqp-0-9-1.tsv, has for `basic.publish`
 *
 *     AMQP_BASIC_PUBLISH                      its number: class << 16 | method
 *     struct amqp_basic_publish               its fields; strings and tables are slices of the decoded bytes
 *     amqp_decode_basic_publish(payload, &m)  from the payload of a method frame
 *     amqp_size_basic_publish(&m)             exact size of the whole frame
 *     amqp_encode_basic_publish(out, ch, &m)  writes the whole frame: header, payload, end octet
 *     AMQP_BASIC_PUBLISH_SIZE_MAX             the most that it can need (methods without tables and long
 * strings)
 *
 * By description, for tools and tests: struct amqp_method below.
 *
 * Decoding is strict, as RabbitMQ's: a payload ends with its last field, a shortstr is UTF-8, a table is
 * valid all the way down (table.h), so whoever has a decoded struct never meets a malformed one. Undefined
 * bits beside the last flag are ignored. ERR_TRUNCATED, ERR_SYNTAX (trailing bytes, bad table) -> 501
 * FRAME_ERROR (RabbitMQ says 541 for a bad table, because its parser crashes); ERR_ENCODING -> 501
 * FRAME_ERROR "Malformed UTF-8 in shortstr"; ERR_LIMIT (nesting) -> 502 SYNTAX_ERROR.
 */
#ifndef LEVERET_WIRE_AMQP_H
#define LEVERET_WIRE_AMQP_H

#include "base/byteorder.h"
#include "base/err.h"
#include "base/slice.h"
#include "wire/amqp_methods.h"

struct buffer;

#define AMQP_SHORTSTR_MAX    255
#define AMQP_REPLY_TEXT_SIZE 256 /* with the final NUL */

#define AMQP_CLASS_ID(method)  ((uint16_t)((method) >> 16))
#define AMQP_METHOD_ID(method) ((uint16_t)((method)&0xffff))

/* The method's number from a method frame's payload; 0, which is no method, when it is too short. */
static inline uint32_t
amqp_method_id(struct slice payload)
{
    return payload.len >= 4 ? be32_get(payload.data) : 0;
}

enum amqp_type {
    AMQP_TYPE_BIT,       /* bool */
    AMQP_TYPE_OCTET,     /* uint8_t */
    AMQP_TYPE_SHORT,     /* uint16_t */
    AMQP_TYPE_LONG,      /* uint32_t */
    AMQP_TYPE_LONGLONG,  /* uint64_t */
    AMQP_TYPE_TIMESTAMP, /* uint64_t, seconds */
    AMQP_TYPE_SHORTSTR,  /* struct slice, at most 255 bytes */
    AMQP_TYPE_LONGSTR,   /* struct slice */
    AMQP_TYPE_TABLE,     /* struct slice: the fields without the length before them */
};

struct amqp_field {
    const char *name;         /* with underscores: "routing_key" */
    const char *default_text; /* the specification's default; NULL: zero or empty */
    enum amqp_type type;
    uint16_t offset; /* in the method's struct */
};

enum amqp_sender { AMQP_FROM_CLIENT = 1, AMQP_FROM_SERVER = 2, AMQP_FROM_BOTH = 3 };

struct amqp_method {
    const char *name; /* "queue.declare-ok" */
    uint32_t id;
    bool is_sync;     /* its sender waits for a reply */
    bool has_content; /* a content header and body frames follow */
    enum amqp_sender sender;
    uint16_t struct_size;
    uint16_t field_count;
    const struct amqp_field *fields;
};

/* NULL for an unknown one. */
const struct amqp_method *amqp_method_by_id(uint32_t id);
const struct amqp_method *amqp_method_by_name(struct slice name);
/* All methods, in the order of their numbers. */
const struct amqp_method *amqp_method_all(size_t *count);

/* NULL for an unknown one. Dashes and underscores are the same. */
const struct amqp_field *amqp_field_by_name(const struct amqp_method *method, struct slice name);

/*
 * Decodes any method. ERR_NOT_FOUND for an unknown number (RabbitMQ: 503 or 540); otherwise as the typed
 * decoders.
 */
enum err ERR_USE amqp_method_decode(struct slice payload, const struct amqp_method **method,
                                    union amqp_any *out);

/*
 * Encodes any method into a whole frame. `fields` is the method's struct. ERR_LIMIT when it does not fit
 * `cap` bytes, ERR_RANGE for a shortstr above 255 bytes. Unlike the typed encoders, which take that for a
 * bug.
 */
enum err ERR_USE amqp_method_encode(const struct amqp_method *method, const void *fields, uint16_t channel,
                                    uint8_t *out, size_t cap, size_t *size);

/* Sets the defaults of the specification; what has none is zero. `out` has method->struct_size bytes. */
void amqp_method_defaults(const struct amqp_method *method, void *out);

/*
 * Appends one line for people: `queue.declare queue="q" durable=true arguments={"x-max-length": 5}`. Numbers
 * of zero, unset flags, empty strings and tables are left out. SASL's answers and new secrets print as `***`.
 */
void amqp_method_describe(const struct amqp_method *method, const void *fields, struct buffer *out);

/* "NOT_FOUND" for 404; "UNKNOWN" for a code that is not in the table. */
const char *amqp_reply_name(uint16_t code);
/* A soft error closes a channel, any other the connection. */
bool amqp_reply_is_soft(uint16_t code);

/*
 * Formats a reply text as RabbitMQ's: "NOT_FOUND - no queue 'q' in vhost '/'". Cut to 255 bytes, never inside
 * a UTF-8 sequence. Returns the length; `out` ends with a NUL.
 */
size_t amqp_reply_text(char out[AMQP_REPLY_TEXT_SIZE], uint16_t code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
