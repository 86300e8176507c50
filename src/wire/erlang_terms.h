/*
 * Erlang terms in a file: rabbitmq.config, advanced.config, enabled_plugins. Only constants; whatever would
 * have to be evaluated is refused.
 */
#ifndef LEVERET_WIRE_ERLANG_TERMS_H
#define LEVERET_WIRE_ERLANG_TERMS_H

#include "base/arena.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    ERLANG_TERMS_DEPTH_MAX = 64,
    ERLANG_TERMS_MAX = 1 << 16,  /* in one file, nested ones counted */
    ERLANG_TERMS_ATOM_MAX = 255, /* characters: Erlang's own limit */
    ERLANG_TERMS_ERROR_SIZE = 128,
};

enum erlang_kind {
    ERLANG_ATOM,
    ERLANG_INTEGER,
    ERLANG_FLOAT,
    ERLANG_STRING,
    ERLANG_BINARY,
    ERLANG_LIST,
    ERLANG_TUPLE,
    ERLANG_MAP, /* keys and values take turns */
};

struct erlang_term {
    enum erlang_kind kind;
    unsigned line;     /* where it begins, from 1 */
    struct slice text; /* ATOM, STRING: UTF-8; BINARY: bytes, UTF-8 when written as text */
    int64_t integer;
    double real;
    unsigned count; /* of LIST, TUPLE, MAP */
    const struct erlang_term *first, *next;
};

struct erlang_terms {
    struct arena arena;
    const struct erlang_term *first; /* those that end with a full stop, in the file's order */
    unsigned count;
};

struct erlang_error {
    unsigned line;
    char text[ERLANG_TERMS_ERROR_SIZE]; /* valid UTF-8 without control characters */
};

/* False: `error` says where and why. In both cases erlang_terms_fini() frees what was made. */
bool erlang_terms_parse(struct erlang_terms *t, struct slice text, struct erlang_error *error);
void erlang_terms_fini(struct erlang_terms *t);

/* "a list", "a number": for messages. */
const char *erlang_terms_kind_name(enum erlang_kind kind);
bool erlang_terms_is_atom(const struct erlang_term *term, const char *name);
/* The text of an atom, string or binary; false for others. */
bool erlang_terms_text(const struct erlang_term *term, struct slice *text);
/* {name, value}: the name's text is an atom's. False for what is no pair. */
bool erlang_terms_pair(const struct erlang_term *term, struct slice *name, const struct erlang_term **value);
/* The value of the last {name, value} in a list; NULL when there is none, or no list. */
const struct erlang_term *erlang_terms_lookup(const struct erlang_term *list, const char *name);

#endif
