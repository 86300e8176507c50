/*
 * Definitions: everything declared that outlives a node, as one JSON object in RabbitMQ's format. Here is
 * such an object, taken apart: it is parsed and judged as a whole, and gives the commands that make what it
 * says.
 *
 * What it says is tried out on an empty node of its own (broker/meta.h), so that it is judged by the very
 * code that will apply it; the vhosts and users that it refers to and does not say itself are collected: the
 * node must have them. A binding whose exchange or queue is not there is left out, and named: RabbitMQ
 * exports bindings of things that it does not export (internal exchanges, exclusive queues).
 */
#ifndef LEVERET_MGMT_DEFINITIONS_H
#define LEVERET_MGMT_DEFINITIONS_H

#include "base/buffer.h"
#include "base/slice.h"
#include "broker/meta.h"

#include <jansson.h>

struct io_world;

enum {
    DEFINITIONS_BYTES_MAX = 128 << 20,
    DEFINITIONS_WHY_SIZE = 512,
    DEFINITIONS_LEFT_SHOWN = 100, /* of the things that an import left as they were: how many it names */
};

/* In the order in which they are made. */
#define DEFINITIONS_SECTION_TABLE(X)                                                                         \
    X(USERS, "users")                                                                                        \
    X(VHOSTS, "vhosts")                                                                                      \
    X(PERMISSIONS, "permissions")                                                                            \
    X(EXCHANGES, "exchanges")                                                                                \
    X(TOPIC_PERMISSIONS, "topic_permissions")                                                                \
    X(GLOBAL_PARAMETERS, "global_parameters")                                                                \
    X(POLICIES, "policies")                                                                                  \
    X(PARAMETERS, "parameters")                                                                              \
    X(QUEUES, "queues")                                                                                      \
    X(BINDINGS, "bindings")

enum definitions_section {
#define X(name, key) DEFINITIONS_##name,
    DEFINITIONS_SECTION_TABLE(X)
#undef X
        DEFINITIONS_SECTIONS
};
extern const char *const definitions_keys[DEFINITIONS_SECTIONS];

/* What it refers to. */
struct definitions_need {
    bool is_user;      /* else a vhost */
    struct slice name; /* owned */
};

struct definitions {
    json_t *tree;
    char *vhost;            /* NULL: all; else the one that everything in it is for */
    struct io_world *world; /* salts of plain passwords are random */
    struct definitions_need *needs;
    size_t need_count, need_capacity;
    struct buffer texts[4]; /* what the slices of the last command point to */
    char why[DEFINITIONS_WHY_SIZE];
};

/* NULL, with `why`, if it is not all well. `vhost` NULL: of a whole node. Takes as long as it takes: never on
 * a shard that serves. */
struct definitions *definitions_parse(struct slice text, const char *vhost, struct io_world *world,
                                      char why[DEFINITIONS_WHY_SIZE]);
void definitions_free(struct definitions *d);

/* A place among its commands; {0} is the first. */
struct definitions_place {
    unsigned section; /* of the last command */
    size_t index;     /* of the next item */
    unsigned step;    /* of the next command that it makes */
};
/* The next command; its slices are good until the next call. False: there is none left. */
bool definitions_next(struct definitions *d, struct definitions_place *at, struct meta_command *cmd);

/* Is that there? Else `why`. */
bool definitions_has_need(const struct meta *m, const struct definitions_need *need,
                          char why[DEFINITIONS_WHY_SIZE]);

/* What became of the commands of an import. */
struct definitions_tally {
    uint64_t done[DEFINITIONS_SECTIONS]; /* items that are there now */
    uint64_t left;      /* queues and exchanges that are there otherwise; bindings of what is not there */
    json_t *left_names; /* an array of texts, DEFINITIONS_LEFT_SHOWN at most */
};
/* Counts one in. False: it failed, and everything ends here: `why`. */
bool definitions_count(struct definitions_tally *t, unsigned section, const struct meta_command *cmd,
                       const struct meta_result *r, char why[DEFINITIONS_WHY_SIZE]);
/* {"users":3,...,"left":1,"left_names":[...]}; ends the tally. */
json_t *definitions_tally_result(struct definitions_tally *t);

/* Of the bytes of a file, as JSON text: the value of the global parameter that says what was imported last.
 */
#define DEFINITIONS_DIGEST_PARAMETER "imported_definition_hash_value"
enum { DEFINITIONS_DIGEST_SIZE = 67 };
void definitions_digest(struct slice text, char digest[DEFINITIONS_DIGEST_SIZE]);

/* For a node that does not serve yet: all of the file, or of the files of the directory in the order of their
 * names, on `m` at once; {"unchanged":true} if is_skipped_if_unchanged and they are what was imported last.
 * False, with `why`; then what `m` has is not to be used. */
bool definitions_load(struct meta *m, struct io_world *world, const char *path, bool is_skipped_if_unchanged,
                      json_t **result, char why[DEFINITIONS_WHY_SIZE]);

#endif
