/*
 * How rows and values are printed. One file per format; each is a row of function pointers.
 *
 * Values are JSON as the node sends it. AMQP field tables keep their types as [[name, type, value], ...]; a
 * pid is a string
 * "<node.number.number.number>".
 */
#ifndef LEVERET_CTL_FORMAT_H
#define LEVERET_CTL_FORMAT_H

#include "base/buffer.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

struct ctl;
struct format_out;

struct format {
    const char *name;
    bool is_for_programs; /* no banner, no notes */
    bool is_text;         /* commands write pages of their own instead of value() */
    void (*begin)(struct format_out *o);
    void (*row)(struct format_out *o, const json_t *row); /* an array, in the columns' order */
    void (*end)(struct format_out *o);
    void (*value)(struct format_out *o, const json_t *value);
    void (*message)(struct format_out *o, const char *text);
};

struct format_out {
    const struct format *format;
    FILE *file;
    const char *const *columns; /* of the list under way */
    unsigned column_count;
    bool has_headers;
    bool is_streamed;          /* RabbitMQ prints an empty list of this kind without anything at all */
    char separator, delimiter; /* csv */
    /* ---- the format's ---- */
    size_t rows;
    json_t *kept; /* pretty_table: the rows */
    struct buffer line;
};

/* NULL: there is none of that name. */
const struct format *format_find(const char *name);
void format_out_fini(struct format_out *o);

/* A value as people read it in a table: nothing in it ends a line or a column. */
void format_value(struct buffer *out, const json_t *value);
/* Is it an AMQP field table, not empty? */
bool format_is_amqp_table(const json_t *value);
bool format_is_pid(const char *text);
/* As an Erlang term on one line. */
void format_term(struct buffer *out, const json_t *value);
/* Compact JSON, keys sorted. */
void format_json_value(struct buffer *out, const json_t *value);
/* Writes the buffer and empties it. */
void format_flush(struct format_out *o, struct buffer *b);

extern const struct format format_table, format_pretty, format_csv, format_json, format_json_stream,
    format_erlang, format_string;

#endif
