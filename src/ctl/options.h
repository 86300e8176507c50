/*
 * The command line, as RabbitMQ's tools read it: options before and behind the command, `--name value` or
 * `--name=value`,
 * `--no-flag`, one-letter aliases, `--` before words that look like options.
 */
#ifndef LEVERET_CTL_OPTIONS_H
#define LEVERET_CTL_OPTIONS_H

#include "base/buffer.h"

#include <stdbool.h>

struct ctl_command;
struct ctl_option;

enum { OPTIONS_MAX = 64 };

struct options {
    const char *command; /* NULL: none was given */
    int arg_count;
    const char **args; /* NULL-ended */
    struct {
        const struct ctl_option *option;
        const char *text; /* NULL for a flag */
        long long number;
        bool is_on;
    } given[OPTIONS_MAX];
    int given_count;
    struct buffer invalid; /* "--name : value" lines, zero-terminated; len 0: nothing wrong */
};

/* Finds the command word alone. */
const char *options_command(int argc, char **argv);
/* Reads everything; `command` NULL: only the general options are known. What is wrong goes into `invalid`. */
void options_parse(struct options *o, const struct ctl_command *command, int argc, char **argv);
void options_fini(struct options *o);

/* The last value given; false: not given. Flags: whether it is on. */
bool options_has(const struct options *o, const char *name);
const char *options_text(const struct options *o, const char *name, const char *fallback);
long long options_number(const struct options *o, const char *name, long long fallback);
/* A flag that may be switched off: --table-headers, --no-table-headers. */
bool options_flag(const struct options *o, const char *name, bool fallback);

#endif
