/*
 * One table says every option, its key and its help. An option with a key is a configuration override and is
 * checked there, with everything else; only what has no key is handled here.
 */
#include "app/options.h"

#include "base/check.h"

#include <getopt.h>
#include <stdio.h>

static const struct option_row {
    const char *option;   /* with the dashes: what messages and overrides name */
    const char *argument; /* NULL: it takes none */
    const char *key;      /* NULL: not a configuration override. A list's key ends in a dot. */
    const char *help;
} rows[] = {
    {"--config", "FILE", NULL, "read this file; may be repeated, a later one wins"},
    {"--data-dir", "DIR", "leveret.data_dir", "where the node keeps what it must not lose"},
    {"--node", "NAME", "leveret.node_name", "the node's name, as rabbit@host"},
    {"--listen", "ADDR:PORT", "listeners.tcp.",
     "accept clients here, not where the files say; may be repeated; or none"},
    {"--http", "ADDR:PORT", "leveret.http_listen", "for the management API of a later version: no effect"},
    {"--peer", "ADDR:PORT", "leveret.peer_listen", "accept other nodes here"},
    {"--shards", "N", "leveret.shards", "event loops; 0: one for each core"},
    {"--detached", NULL, NULL, "go to the background once started"},
    {"--check-config", NULL, NULL, "check the configuration and exit"},
    {"--show-config", NULL, NULL, "check the configuration, print what counts of it and exit"},
    {"--version", NULL, NULL, "print the version and exit"},
    {"--help", NULL, NULL, "print this and exit"},
    {"--help-config", NULL, NULL, "print every key of the configuration and exit"},
};
enum { ROW_COUNT = sizeof rows / sizeof *rows, ID_FIRST = 256 };

void
options_each(void (*fn)(void *arg, const char *option, const char *argument, const char *help), void *arg)
{
    for (size_t i = 0; i < ROW_COUNT; i++)
        fn(arg, rows[i].option, rows[i].argument, rows[i].help);
}

void
options_help(struct buffer *out)
{
    buffer_add_str(
        out, "usage: leveret [OPTION]...\n"
             "       leveret store COMMAND DIR\n"
             "A message broker for AMQP 0-9-1. Without --config it reads leveret.conf in /etc/leveret or\n"
             "rabbitmq.conf in /etc/rabbitmq, and what stands beside it.\n\n");
    for (size_t i = 0; i < ROW_COUNT; i++) {
        char left[40];
        snprintf(left, sizeof left, "%s %s", rows[i].option, rows[i].argument ? rows[i].argument : "");
        buffer_add_fmt(out, "  %-19s %s\n", left, rows[i].help);
    }
}

static bool
override_add(struct options *o, size_t row, const char *value, char error[OPTIONS_ERROR_SIZE])
{
    size_t i = o->override_count;
    if (i == OPTIONS_OVERRIDES_MAX) {
        snprintf(error, OPTIONS_ERROR_SIZE, "too many options");
        return false;
    }
    const char *key = rows[row].key;
    size_t len = strlen(key);
    if (key[len - 1] == '.') {
        bool is_none = strcmp(value, "none") == 0;
        CHECK(len + 12 < sizeof o->keys[i]);
        if (is_none)
            snprintf(o->keys[i], sizeof o->keys[i], "%.*s", (int)(len - 1), key);
        else
            snprintf(o->keys[i], sizeof o->keys[i], "%s%zu", key, i + 1);
        key = o->keys[i];
    }
    o->overrides[i] = (struct config_override){.origin = rows[row].option, .key = key, .value = value};
    o->override_count++;
    return true;
}

static bool
option_apply(struct options *o, size_t row, const char *value, char error[OPTIONS_ERROR_SIZE])
{
    const char *name = rows[row].option + 2;
    if (rows[row].key)
        return override_add(o, row, value, error);
    if (strcmp(name, "config") == 0) {
        if (o->file_count == OPTIONS_FILES_MAX) {
            snprintf(error, OPTIONS_ERROR_SIZE, "--config may be given %d times at most", OPTIONS_FILES_MAX);
            return false;
        }
        o->files[o->file_count++] = value;
    } else if (strcmp(name, "detached") == 0) {
        o->is_detached = true;
    } else if (strcmp(name, "check-config") == 0) {
        o->action = OPTIONS_CHECK_CONFIG;
    } else if (strcmp(name, "show-config") == 0) {
        o->action = OPTIONS_SHOW_CONFIG;
    } else if (strcmp(name, "version") == 0) {
        o->action = OPTIONS_VERSION;
    } else if (strcmp(name, "help") == 0) {
        o->action = OPTIONS_HELP;
    } else {
        o->action = OPTIONS_HELP_CONFIG;
    }
    return true;
}

static void
explain(int found, char **argv, char error[OPTIONS_ERROR_SIZE])
{
    if (found == ':')
        snprintf(error, OPTIONS_ERROR_SIZE, "%s needs a value", rows[optopt - ID_FIRST].option);
    else if (optopt >= ID_FIRST)
        snprintf(error, OPTIONS_ERROR_SIZE, "%s takes no value", rows[optopt - ID_FIRST].option);
    else if (optopt > 0)
        snprintf(error, OPTIONS_ERROR_SIZE, "there is no option -%c", optopt);
    else
        snprintf(error, OPTIONS_ERROR_SIZE, "there is no option %s", argv[optind - 1]);
}

bool
options_parse(struct options *o, int argc, char **argv, char error[OPTIONS_ERROR_SIZE])
{
    struct option table[ROW_COUNT + 1] = {0};
    for (int i = 0; i < ROW_COUNT; i++)
        table[i] = (struct option){rows[i].option + 2, rows[i].argument ? required_argument : no_argument,
                                   NULL, ID_FIRST + i};
    *o = (struct options){0};
    error[0] = 0;
    opterr = 0;
    optind = 0; /* glibc: start anew */
    int found;
    /* '+': nothing is reordered; ':': a missing value is told apart. */
    while ((found = getopt_long(argc, argv, "+:h", table, NULL)) != -1) {
        if (found == 'h') {
            o->action = OPTIONS_HELP;
        } else if (found < ID_FIRST) {
            explain(found, argv, error);
            return false;
        } else if (!option_apply(o, (size_t)(found - ID_FIRST), optarg, error)) {
            return false;
        }
    }
    if (optind < argc)
        snprintf(error, OPTIONS_ERROR_SIZE, "%s is no option; see leveret --help", argv[optind]);
    return optind >= argc;
}
