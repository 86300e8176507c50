/*
 * What a command of leveretctl sees: its row of the table, its arguments and options, the node, and where its
 * output goes.
 *
 * A command is one row of one commands_*.c (commands.h lists them). Its run() says what is about to happen
 * (ctl_banner), asks the node (ctl_do, ctl_list, ctl_ask), prints what came back, and returns the exit code.
 * Most are three lines:
 *
 *     static int
 *     delete_user(struct ctl *c)
 *     {
 *         ctl_banner(c, "Deleting user \"%s\" ...", c->args[0]);
 *         return ctl_do(c, "delete_user", json_pack("{s:s}", "name", c->args[0]));
 *     }
 *
 * Exit codes are those of <sysexits.h>, as RabbitMQ's tools have them: EX_USAGE 64, EX_DATAERR 65, EX_NOUSER
 * 67, EX_UNAVAILABLE 69, EX_SOFTWARE 70, EX_TEMPFAIL 75, EX_CONFIG 78.
 */
#ifndef LEVERET_CTL_CTL_H
#define LEVERET_CTL_CTL_H

#include "ctl/format.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sysexits.h>

struct node;
struct options;

/* ---- the table ---- */

/* By which name the program was called; leveretctl has the commands of all. */
enum ctl_tool {
    CTL_CTL = 1,
    CTL_PLUGINS = 2,
    CTL_DIAGNOSTICS = 4,
    CTL_QUEUES = 8,
    CTL_UPGRADE = 16,
    CTL_ALL = 31,
};

#define CTL_GROUP_TABLE(X)                                                                                   \
    X(HELP, "Help")                                                                                          \
    X(NODES, "Nodes")                                                                                        \
    X(CLUSTER, "Cluster")                                                                                    \
    X(REPLICATION, "Replication")                                                                            \
    X(USERS, "Users")                                                                                        \
    X(ACCESS, "Access Control")                                                                              \
    X(MONITORING, "Monitoring, observability and health checks")                                             \
    X(PARAMETERS, "Parameters")                                                                              \
    X(POLICIES, "Policies")                                                                                  \
    X(VHOSTS, "Virtual hosts")                                                                               \
    X(CONFIGURATION, "Configuration and Environment")                                                        \
    X(DEFINITIONS, "Definitions")                                                                            \
    X(FEATURE_FLAGS, "Feature flags")                                                                        \
    X(OPERATIONS, "Operations")                                                                              \
    X(QUEUES, "Queues")                                                                                      \
    X(PLUGINS, "Plugin Management")                                                                          \
    X(UPGRADE, "Upgrade")                                                                                    \
    X(DEPRECATED, "Deprecated")

enum ctl_group {
#define X(name, title) CTL_GROUP_##name,
    CTL_GROUP_TABLE(X)
#undef X
        CTL_GROUP_COUNT,
};

enum ctl_flags {
    CTL_NEEDS_APP =
        1,         /* a node whose application is stopped gets RabbitMQ's words for that, and exit code 64 */
    CTL_TIMED = 2, /* has --timeout in its usage */
    CTL_TIMEOUT_60 = 4, /* 60 seconds unless --timeout says otherwise, and a line that says so */
    CTL_PATIENT = 8,    /* may take as long as it takes: a boot, an import */
    CTL_ANY_ARGS = 16,  /* no upper bound of arguments */
    CTL_LOCAL = 32,     /* does not need a node */
};

enum ctl_option_kind { CTL_FLAG, CTL_TEXT, CTL_NUMBER };

/* An option of one command, without its dashes; `letter` 0: only the long one. The general ones are in
 * options.c. */
struct ctl_option {
    const char *name;
    char letter;
    enum ctl_option_kind kind;
};

struct ctl_command {
    const char *name;
    unsigned tools; /* of enum ctl_tool */
    enum ctl_group group;
    const char *usage;   /* what stands behind the name: "[--vhost <vhost>] <queue>" */
    const char *summary; /* one line in `help` */
    const char *details; /* "<name>\n\twhat it is\n\n--flag\n\twhat it does\n"; NULL: nothing more to say */
    int (*run)(struct ctl *c);
    int (*check)(struct ctl *c); /* looks at the arguments before the node is asked: 0, or ctl_invalid() and
                                    the like; NULL: counts suffice */
    const struct ctl_option *options; /* ended by a row without name; NULL: none */
    const char *columns; /* names that may be asked for, between blanks; NULL: arguments are no columns */
    const char *columns_default;
    const char *formatter;            /* NULL: table */
    unsigned char args_min, args_max; /* columns and CTL_ANY_ARGS: args_max does not matter */
    unsigned flags;                   /* of enum ctl_flags */
};

/* ---- a call ---- */

struct ctl {
    const char *tool; /* the name in usage lines: rabbitmqctl */
    unsigned tools;   /* the commands that it has */
    const struct ctl_command *command;
    int arg_count;
    const char *const *args; /* behind the command, without options; NULL-ended */
    const char *vhost;
    const char *given; /* the whole command line behind the program's name */
    bool is_quiet, is_silent;
    int timeout_s; /* 0: none */
    struct options *options;
    struct format_out out;
    void *data; /* the command's own */
    /* ---- ctl.c's ---- */
    struct node *at;
    char *banner; /* not printed yet */
    char *failure_kind, *failure_text;
    int failure_code;
};

/* An option of the command's own: on, given at all (--no-x is), its text or `fallback`, its number or
 * `fallback`. */
bool ctl_has(const struct ctl *c, const char *name);
bool ctl_given(const struct ctl *c, const char *name);
const char *ctl_text(const struct ctl *c, const char *name, const char *fallback);
long long ctl_number(const struct ctl *c, const char *name, long long fallback);

/* The node's full name: --node, or what the node at hand calls itself, or what it would. */
const char *ctl_node(struct ctl *c);

/* ---- output ---- */

/* What is about to happen. Printed once the node is there (and its application runs, where the command needs
 * that), not with -q, -s or a format for programs. */
void ctl_banner(struct ctl *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A line of text that -q and -s suppress like a banner, now. */
void ctl_note(struct ctl *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A line of output; in JSON {"message": ...}. */
void ctl_say(struct ctl *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Text as it is, without an end of line of its own. */
void ctl_print(struct ctl *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Whether a person reads: no --formatter that wants the value itself. */
bool ctl_is_for_people(const struct ctl *c);
/* The value in the chosen format; takes the reference. */
int ctl_show(struct ctl *c, json_t *value);
/* Headings of status pages: bold, with an empty line before and after. */
void ctl_heading(struct ctl *c, const char *title);

/* "Error:\n" and the text, on standard error; returns `exit_code`. */
int ctl_error(struct ctl *c, int exit_code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* "Error (argument validation): ...", the arguments and the usage: EX_USAGE. */
int ctl_invalid(struct ctl *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same for what RabbitMQ calls a bad argument, a value as opposed to their number: EX_DATAERR. NULL: no
 * more to say. */
int ctl_bad_argument(struct ctl *c, const char *why);
/* "Error: this command requires the 'rabbit' app to be stopped|running ...": EX_USAGE. */
int ctl_wrong_state(struct ctl *c, bool must_run);

/* ---- asking the node ----
 * Each takes the reference to `arguments` (NULL: none). Failures are described on standard error by the first
 * three. */

/* A request without interesting result: 0, or what ctl_failed() returns. */
int ctl_do(struct ctl *c, const char *request, json_t *arguments);

/* A list: its columns (the chosen ones where the command has columns, else those between blanks in `columns`)
 * are asked for as argument "columns", rows are printed as they come. `is_streamed` tells how RabbitMQ prints
 * this list when it is empty. */
int ctl_list(struct ctl *c, const char *request, json_t *arguments, const char *columns, bool is_streamed);

/* The same for rows that are here already, with the columns' names between tabs. Takes the reference. */
int ctl_rows(struct ctl *c, const char *columns, json_t *rows);

/* Its result, a new reference; NULL: call ctl_failed() for the message and the exit code, or look at
 * ctl_failure() first. */
json_t *ctl_ask(struct ctl *c, const char *request, json_t *arguments);
/* The rows of a list, an array of arrays; NULL likewise. `arguments` have the columns. */
json_t *ctl_ask_rows(struct ctl *c, const char *request, json_t *arguments);
/* The same with a body behind the request and somewhere for the pieces of a long text ("d" lines) to go. */
json_t *ctl_ask_body(struct ctl *c, const char *request, json_t *arguments, const void *body, size_t body_len,
                     void (*on_text)(struct ctl *c, const char *text, size_t len));
/* A text in such a result: "" where there is none. */
const char *ctl_member(const json_t *object, const char *key);
/* Why the last request failed: a word of mgmt/control_error.h, or "unreachable"; and the text. */
const char *ctl_failure(const struct ctl *c);
const char *ctl_failure_text(const struct ctl *c);
/* Describes the failure as RabbitMQ's tools do and returns the exit code. */
int ctl_failed(struct ctl *c);
/* The same with another exit code, and without "Error:" before it. */
int ctl_failed_bare(struct ctl *c, int exit_code);

/* The capability belongs to a cluster, a plugin, ... that this version has not: says so, EX_UNAVAILABLE. */
int ctl_missing(struct ctl *c, const char *what);

/* A secret from standard input, without echo where that is a terminal: malloc'ed, or NULL at its end. */
char *ctl_read_secret(struct ctl *c, const char *prompt);

#endif
