/*
 * Two passes: the first finds the command's word with nothing known but the general options, the second reads
 * everything with the command's own options known as well.
 *
 * A value may not begin with '-', unless it is "-" alone or a negative number: so a forgotten value is an
 * error and not the next option.
 */
#include "ctl/options.h"

#include "base/check.h"
#include "ctl/ctl.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct ctl_option general[] = {
    {"node", 'n', CTL_TEXT},        {"quiet", 'q', CTL_FLAG},
    {"silent", 's', CTL_FLAG},      {"dry-run", 0, CTL_FLAG},
    {"vhost", 'p', CTL_TEXT},       {"timeout", 't', CTL_NUMBER},
    {"longnames", 'l', CTL_FLAG},   {"formatter", 0, CTL_TEXT},
    {"printer", 0, CTL_TEXT},       {"file", 0, CTL_TEXT},
    {"table-headers", 0, CTL_FLAG}, {"separator", 0, CTL_TEXT},
    {"delimiter", 0, CTL_TEXT},     {"erlang-cookie", 0, CTL_TEXT},
    {"data-dir", 0, CTL_TEXT},      {"mnesia-dir", 0, CTL_TEXT},
    {"script-name", 0, CTL_TEXT},   {"rabbitmq-home", 0, CTL_TEXT},
    {"plugins-dir", 0, CTL_TEXT},   {"enabled-plugins-file", 0, CTL_TEXT},
    {"aliases-file", 0, CTL_TEXT},  {"print-stacktrace", 0, CTL_FLAG},
    {"help", '?', CTL_FLAG},        {0},
};

static const struct ctl_option *
find_in(const struct ctl_option *table, const char *name, size_t len)
{
    for (; table && table->name; table++)
        if (strlen(table->name) == len && memcmp(table->name, name, len) == 0)
            return table;
    return NULL;
}

static const struct ctl_option *
find_letter(const struct ctl_option *table, char letter)
{
    for (; table && table->name; table++)
        if (table->letter == letter)
            return table;
    return NULL;
}

/* The option that a word means, the command's own first; `*value` is what follows '=', `*is_off` tells
 * --no-flag. */
static const struct ctl_option *
find(const struct ctl_command *command, const char *word, const char **value, bool *is_off)
{
    const struct ctl_option *own = command ? command->options : NULL, *option;
    const char *equal = strchr(word, '=');
    size_t len = equal ? (size_t)(equal - word) : strlen(word);
    *value = equal ? equal + 1 : NULL;
    *is_off = false;
    if (word[1] != '-') {
        if (len != 2)
            return NULL;
        option = find_letter(own, word[1]);
        return option ? option : find_letter(general, word[1]);
    }
    word += 2;
    len -= 2;
    option = find_in(own, word, len);
    if (!option)
        option = find_in(general, word, len);
    if (option || len < 3 || memcmp(word, "no-", 3) != 0)
        return option;
    *is_off = true;
    option = find_in(own, word + 3, len - 3);
    if (!option)
        option = find_in(general, word + 3, len - 3);
    return option && option->kind == CTL_FLAG ? option : NULL;
}

static bool
is_option(const char *word)
{
    return word[0] == '-' && word[1] != 0 && !isdigit((unsigned char)word[1]);
}

static bool
read_number(const char *text, long long *number)
{
    char *end;
    errno = 0;
    *number = strtoll(text, &end, 10);
    return *text && !*end && errno == 0;
}

static void
invalid(struct options *o, const char *word, const char *value)
{
    const char *equal = strchr(word, '=');
    int len = equal ? (int)(equal - word) : (int)strlen(word);
    buffer_add_fmt(&o->invalid, "%s%.*s : %s", o->invalid.len ? "\n" : "", len, word, value ? value : "");
}

static void
keep(struct options *o, const struct ctl_option *option, const char *word, const char *text, bool is_on)
{
    long long number = 0;
    if (option->kind == CTL_NUMBER && !read_number(text, &number)) {
        invalid(o, word, text);
        return;
    }
    if (o->given_count == OPTIONS_MAX) {
        invalid(o, word, "too many options");
        return;
    }
    o->given[o->given_count].option = option;
    o->given[o->given_count].text = text;
    o->given[o->given_count].number = number;
    o->given[o->given_count++].is_on = is_on;
}

/* Reads the option at argv[i]; returns how many words it took. */
static int
take(struct options *o, const struct ctl_command *command, int argc, char **argv, int i)
{
    const char *value;
    bool is_off;
    const struct ctl_option *option = find(command, argv[i], &value, &is_off);
    if (!option) {
        invalid(o, argv[i], value);
        return 1;
    }
    if (option->kind == CTL_FLAG) {
        if (value && strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
            invalid(o, argv[i], value);
        else
            keep(o, option, argv[i], NULL, is_off == (value && strcmp(value, "false") == 0));
        return 1;
    }
    if (!value && i + 1 < argc && !is_option(argv[i + 1])) {
        keep(o, option, argv[i], argv[i + 1], true);
        return 2;
    }
    if (value)
        keep(o, option, argv[i], value, true);
    else
        invalid(o, argv[i], NULL);
    return 1;
}

void
options_parse(struct options *o, const struct ctl_command *command, int argc, char **argv)
{
    *o = (struct options){.args = calloc((size_t)argc + 1, sizeof *o->args)};
    CHECK(o->args);
    bool is_over = false;
    for (int i = 0; i < argc;) {
        if (!is_over && strcmp(argv[i], "--") == 0) {
            is_over = true;
            i++;
        } else if (!is_over && is_option(argv[i])) {
            i += take(o, command, argc, argv, i);
        } else if (!o->command) {
            o->command = argv[i++];
        } else {
            o->args[o->arg_count++] = argv[i++];
        }
    }
    if (o->invalid.len) {
        buffer_add_u8(&o->invalid, 0);
        o->invalid.len--;
    }
}

const char *
options_command(int argc, char **argv)
{
    struct options o;
    options_parse(&o, NULL, argc, argv);
    const char *command = o.command;
    options_fini(&o);
    return command;
}

void
options_fini(struct options *o)
{
    free(o->args);
    buffer_fini(&o->invalid);
}

static int
find_given(const struct options *o, const char *name)
{
    for (int i = o->given_count - 1; i >= 0; i--)
        if (strcmp(o->given[i].option->name, name) == 0)
            return i;
    return -1;
}

bool
options_has(const struct options *o, const char *name)
{
    int i = find_given(o, name);
    return i >= 0 && o->given[i].is_on;
}

const char *
options_text(const struct options *o, const char *name, const char *fallback)
{
    int i = find_given(o, name);
    return i >= 0 ? o->given[i].text : fallback;
}

long long
options_number(const struct options *o, const char *name, long long fallback)
{
    int i = find_given(o, name);
    return i >= 0 ? o->given[i].number : fallback;
}

bool
options_flag(const struct options *o, const char *name, bool fallback)
{
    int i = find_given(o, name);
    return i >= 0 ? o->given[i].is_on : fallback;
}
