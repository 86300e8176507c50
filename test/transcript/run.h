/*
 * A running transcript, shared by the files of the interpreter: transcript.c (lines, macros, blocks), line.c
 * (variables and key=value pairs), send.c, expect.c.
 */
#ifndef LEVERET_TEST_TRANSCRIPT_RUN_H
#define LEVERET_TEST_TRANSCRIPT_RUN_H

#include "client.h"

enum { VARIABLES_MAX = 64, PAIRS_MAX = 20, BLOCK_LINES_MAX = 64 };

struct variable {
    char name[32];
    struct bytes value; /* as rendered: strings with their quotes */
};

struct run {
    const struct transcript_options *options;
    struct transcript_report *report;
    unsigned line;
    bool is_memory_short, is_disk_short; /* by our doing */
    unsigned variable_count;
    struct variable variables[VARIABLES_MAX];
    struct client connections[CLIENT_CONNECTIONS_MAX];
};

/* `A.1`: connection and channel. */
struct address {
    struct client *connection;
    unsigned channel;
    char text[16];
};

/* key=value texts of a line, not yet interpreted. */
struct pairs {
    unsigned count;
    struct {
        struct bytes key;
        struct bytes value;
    } pair[PAIRS_MAX];
};

struct block {
    unsigned count;
    struct bytes lines[BLOCK_LINES_MAX];
};

/* ---- transcript.c ---- */

/* Notes the first failure with its line; returns false. */
bool run_fail(struct run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Runs one line of the language that is put together here. */
bool run_format(struct run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Reads `A`, `A.1` and the sign after it; returns what follows, NULL when the line does not start like that.
 */
const char *run_address(struct run *run, const char *line, struct address *a, char *sign);

/* ---- line.c ---- */

void variable_set(struct run *run, const char *name, const char *value);
/* Replaces $name by the value of bound variables: inside quotes without the value's own quotes. */
void line_expand(struct run *run, const char *line, struct bytes *out);
/* Copies the first word; returns its length. */
size_t line_word(const char *text, char *word, size_t size);
const char *line_skip_blanks(const char *p);

/* Reads `key=value ; key=value bare-word ...`; a word without `=` gets the value "1". */
bool pairs_parse(struct run *run, const char *text, struct pairs *pairs);
/* Every key is a field of the method, or says something about its content. */
bool pairs_check(struct run *run, const struct notation_method *method, struct pairs *pairs);
/* A notation_get_fn and a notation_put_fn; `ctx` is the pairs. */
const char *pairs_get(void *ctx, const char *key);
void pairs_put(void *ctx, const char *key, const char *value);
unsigned pairs_number(struct pairs *pairs, const char *key, unsigned otherwise);
void pairs_fini(struct pairs *pairs);

/* ---- send.c, expect.c ---- */

/* What follows `A.1>` and `A.1<`. */
bool send_statement(struct run *run, const struct address *a, const char *text);
bool expect_statement(struct run *run, const struct address *a, const char *text);
/* Takes one message, whatever it is; false only when none comes. */
bool expect_or_not(struct run *run, const struct address *a, const char *text, bool *matched);
/* Takes one message for the first line's channel and strikes out the line of the block that it satisfies. */
bool expect_unordered(struct run *run, struct block *block);

#endif
