/*
 * The configuration: what rabbitmq.conf and the command line say, as typed values. Loading is pure: files
 * come through the caller's functions, every problem goes into a report, and nothing global is touched.
 */
#ifndef LEVERET_APP_CONFIG_H
#define LEVERET_APP_CONFIG_H

#include "app/config_keys.h"
#include "base/buffer.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CONFIG_FILE_BYTES_MAX = 1 << 20, /* of one file: CONFIG_TOO_LONG */
    CONFIG_SETTINGS_MAX = 4096,      /* over all files */
    CONFIG_KEY_BYTES_MAX = 255,
    CONFIG_LIST_MAX = 64,   /* elements of one list */
    CONFIG_ERRORS_MAX = 20, /* reported; further ones are only counted */
};
#define CONFIG_INFINITY INT64_MAX
#define CONFIG_TOO_LONG "it is longer than 1 MiB, which is the most for a file"

struct config_address {
    char host[48]; /* a numeric address without brackets; empty: all addresses of the machine */
    uint16_t port;
    bool is_set, is_none; /* of an ADDRESS */
};

/* One element of a list: the part of the key that the user chose, and the value. */
struct config_item {
    char *name;
    char *text;                    /* the value as written */
    int64_t value;                 /* ENUMS: the word's index; LEVELS: enum log_level; else the number */
    struct config_address address; /* ADDRESSES */
};

/* By name: numbers by their size, then the others alphabetically. */
struct config_list {
    size_t count;
    struct config_item *items;
};

/*
 * What a key's value is, and its type in C. LIMIT: a number, or `infinity` (CONFIG_INFINITY). ENUM: the index
 * among the row's words. LEVEL: enum log_level, or -1 when not set. SECRET: a STRING that no message ever
 * shows. A STRING that is not set and has no default is NULL. FILE: a STRING that names a file that must be
 * readable. ADDRESS: one address or `none`. FLAGS: a list of the names whose value is true. PATTERNS: regular
 * expressions. DURATIONS: milliseconds, as a number or as in 1h30m.
 */
#define CONFIG_TYPE_TABLE(X)                                                                                 \
    X(BOOL, bool)                                                                                            \
    X(INTEGER, int64_t)                                                                                      \
    X(LIMIT, int64_t)                                                                                        \
    X(SIZE, uint64_t)                                                                                        \
    X(RATIO, double)                                                                                         \
    X(ENUM, int)                                                                                             \
    X(LEVEL, int)                                                                                            \
    X(STRING, char *)                                                                                        \
    X(SECRET, char *)                                                                                        \
    X(FILE, char *)                                                                                          \
    X(ADDRESS, struct config_address)                                                                        \
    X(ADDRESSES, struct config_list)                                                                         \
    X(FLAGS, struct config_list)                                                                             \
    X(ENUMS, struct config_list)                                                                             \
    X(STRINGS, struct config_list)                                                                           \
    X(SECRETS, struct config_list)                                                                           \
    X(PATTERNS, struct config_list)                                                                          \
    X(NUMBERS, struct config_list)                                                                           \
    X(SIZES, struct config_list)                                                                             \
    X(DURATIONS, struct config_list)                                                                         \
    X(LEVELS, struct config_list)

enum config_type {
#define X(type, ctype) CONFIG_##type,
    CONFIG_TYPE_TABLE(X)
#undef X
};

#define X(type, ctype) typedef ctype config_##type##_t;
CONFIG_TYPE_TABLE(X)
#undef X

struct erlang_terms;

/* One member per row of CONFIG_KEY_TABLE, and where they come from. */
struct config {
#define X(type, member, name, fallback, least, most, words, text) config_##type##_t member;
    CONFIG_KEY_TABLE(X)
#undef X
    char **files; /* that were read, in their order */
    size_t files_count;
    struct erlang_terms *terms; /* of those in the classic form: config_classic_kept() */
    size_t terms_count;
    bool has_event_exchange; /* its plugin is enabled. config_start.c's */
    char *plugins_file;      /* enabled_plugins; NULL: there is none. config_start.c's */
};

/* Indices among the words of the ENUM rows that have more than one. */
enum { CONFIG_VERIFY_NONE, CONFIG_VERIFY_PEER };
enum { CONFIG_TLS_1_2, CONFIG_TLS_1_3 };
enum {
    CONFIG_MECHANISM_PLAIN,
    CONFIG_MECHANISM_AMQPLAIN,
    CONFIG_MECHANISM_EXTERNAL,
    CONFIG_MECHANISM_ANONYMOUS
};
enum { CONFIG_QUEUE_CLASSIC, CONFIG_QUEUE_QUORUM, CONFIG_QUEUE_CLASSIC_MODULE, CONFIG_QUEUE_QUORUM_MODULE };
enum { CONFIG_SYNC_ALWAYS, CONFIG_SYNC_INTERVAL, CONFIG_SYNC_NEVER };
enum { CONFIG_SYSLOG_UDP, CONFIG_SYSLOG_TCP };
enum { CONFIG_SYSLOG_RFC3164, CONFIG_SYSLOG_RFC5424 };
enum { CONFIG_LOGIN_DN, CONFIG_LOGIN_CN, CONFIG_LOGIN_SAN, CONFIG_LOGIN_SAN_SHORT };
enum { CONFIG_CREDENTIAL_ANY, CONFIG_CREDENTIAL_LENGTH, CONFIG_CREDENTIAL_REGEXP };
enum { CONFIG_SAN_DNS, CONFIG_SAN_IP, CONFIG_SAN_EMAIL, CONFIG_SAN_URI, CONFIG_SAN_OTHER_NAME };

/*
 * How files are reached. `probe` says whether a file that a value names can be read; NULL: it is not looked
 * at. `list` calls `each` with every name in a directory, in any order; only config_files.c needs it.
 */
struct config_io {
    enum err (*read)(void *arg, const char *path, struct buffer *text);
    enum err (*probe)(void *arg, const char *path);
    enum err (*list)(void *arg, const char *dir, void (*each)(void *to, const char *name), void *to);
    void *arg;
};

/* Who is asked first about a row. What a stronger one says replaces all that weaker ones do. */
enum config_strength {
    CONFIG_OPTION,      /* the command line: the strongest */
    CONFIG_ENVIRONMENT, /* RABBITMQ_LOG and such, which win over files */
    CONFIG_PRESET,      /* RABBITMQ_NODE_PORT and such, over which files win, as in RabbitMQ */
};

/* A setting from elsewhere than a file. */
struct config_override {
    const char *origin; /* what messages name: "--shards" */
    const char *key, *value;
    enum config_strength strength;
};

struct config_request {
    /*
     * A later one wins. A file that ends in .config, or in neither .config nor .conf and starts with a
     * bracket, is in the classic form (config_classic.h); those win over the others, as in RabbitMQ.
     */
    const char *const *files;
    size_t file_count;
    const struct config_override *overrides; /* a later one adds to a list, and wins elsewhere */
    size_t override_count;
    struct config_io io;
};

/* Lines of UTF-8 without control characters, each ended by '\n' and starting with "file:line: " or an option.
 */
struct config_report {
    struct buffer errors, warnings;
    unsigned error_count; /* may be more than the lines */
};

/*
 * Fills `c` (the caller's memory, any content) with defaults and what the request says. False when there was
 * an error: then `c` is not to be used. In both cases config_fini() and config_report_fini() free what is in
 * them.
 */
bool config_load(struct config *c, const struct config_request *request, struct config_report *report);
/* Whether a file's text is in the classic form. */
bool config_is_classic(const char *path, struct slice text);
void config_fini(struct config *c);
void config_report_fini(struct config_report *report);

/* Every key with type, default and meaning: plain text for a terminal, or the page doc/configuration.md. */
void config_doc_text(struct buffer *out);
void config_doc_markdown(struct buffer *out);

#endif
