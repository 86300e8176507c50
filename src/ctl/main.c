/*
 * leveretctl: which tool it is called as, which command is meant, whether its options and arguments will do;
 * then the command runs. What is wrong before that goes to standard error with exit code 64.
 */
#include "base/utf8.h"
#include "ctl/commands.h"
#include "ctl/ctl.h"
#include "ctl/help.h"
#include "ctl/node.h"
#include "ctl/options.h"

#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_DEFAULT_S = 60, TIMEOUT_MAX_S = 1000000 };

static const struct {
    const char *name;
    unsigned tools;
} tools[] = {
    {"rabbitmqctl", CTL_CTL},
    {"rabbitmq-plugins", CTL_PLUGINS},
    {"rabbitmq-diagnostics", CTL_DIAGNOSTICS},
    {"rabbitmq-queues", CTL_QUEUES},
    {"rabbitmq-upgrade", CTL_UPGRADE},
    {"leveretctl", CTL_ALL},
};

static void
find_tool(struct ctl *c, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    c->tool = "leveretctl";
    c->tools = CTL_ALL;
    for (size_t i = 0; i < sizeof tools / sizeof *tools; i++)
        if (strcmp(tools[i].name, name) == 0) {
            c->tool = tools[i].name;
            c->tools = tools[i].tools;
        }
}

static char *
join(int argc, char **argv)
{
    struct buffer text = {0};
    for (int i = 0; i < argc; i++)
        buffer_add_fmt(&text, "%s%s", i ? " " : "", argv[i]);
    buffer_add_u8(&text, 0);
    return (char *)text.data;
}

static void
print(FILE *file, struct buffer *text)
{
    fwrite(text->data, 1, text->len, file);
    buffer_fini(text);
}

/* Neither a command nor a word that looks like one. */
static int
no_command(struct ctl *c, int argc, char **argv)
{
    struct buffer text = {0};
    struct options o;
    options_parse(&o, NULL, argc, argv);
    bool wants_help = options_has(&o, "help"), wants_version = false;
    options_fini(&o);
    for (int i = 0; i < argc; i++)
        wants_version = wants_version || strcmp(argv[i], "--version") == 0;
    if (wants_version) {
        puts(LEVERET_VERSION);
        return EX_OK;
    }
    help_tool(&text, c->tool, c->tools);
    print(wants_help ? stdout : stderr, &text);
    return wants_help ? EX_OK : EX_USAGE;
}

static int
unknown_command(struct ctl *c, const char *word)
{
    const struct ctl_command *like = commands_like(word, c->tools);
    fprintf(stderr, "\nCommand '%s' not found. \n", word);
    if (like) {
        fprintf(stderr, "Did you mean '%s'? \n\n", like->name);
        return EX_USAGE;
    }
    struct buffer text = {0};
    help_tool(&text, c->tool, c->tools);
    print(stderr, &text);
    return EX_USAGE;
}

/* ---- the general options ---- */

static char
one_letter(const struct ctl *c, const char *name, char fallback)
{
    const char *text = ctl_text(c, name, NULL);
    return text && *text ? *text : fallback;
}

static int
open_output(struct ctl *c)
{
    const char *printer = ctl_text(c, "printer", "stdio"), *path = ctl_text(c, "file", NULL);
    if (strcmp(printer, "stdio") == 0 || strcmp(printer, "stdio_raw") == 0)
        return EX_OK;
    if (strcmp(printer, "file") != 0)
        return ctl_invalid(c, "there is no printer %s: stdio, stdio_raw or file", printer);
    if (!path)
        return ctl_invalid(c, "the printer file needs --file <path>");
    FILE *file = fopen(path, "we");
    if (!file)
        return ctl_invalid(c, "cannot write to %s: %m", path);
    c->out.file = file;
    return EX_OK;
}

static int
apply_options(struct ctl *c)
{
    const char *name = ctl_text(c, "formatter", c->command->formatter ? c->command->formatter : "table");
    const struct format *format = format_find(name);
    long long timeout = ctl_number(c, "timeout", c->command->flags & CTL_TIMEOUT_60 ? TIMEOUT_DEFAULT_S : 0);
    c->is_quiet = ctl_has(c, "quiet");
    c->is_silent = ctl_has(c, "silent");
    c->vhost = ctl_text(c, "vhost", "/");
    c->out.has_headers = options_flag(c->options, "table-headers", true) && !c->is_silent;
    c->out.separator = one_letter(c, "separator", ',');
    c->out.delimiter = one_letter(c, "delimiter", '\n');
    if (c->options->invalid.len)
        return ctl_invalid(c, "Invalid options for this command:\n%s",
                           (const char *)c->options->invalid.data);
    if (!format)
        return ctl_invalid(
            c, "there is no formatter %s: table, pretty_table, csv, json, json_stream, erlang or string",
            name);
    c->out.format = format;
    if (timeout < 0 || timeout > TIMEOUT_MAX_S)
        return ctl_invalid(c, "Invalid options for this command:\n--timeout : %lld", timeout);
    c->timeout_s = (int)timeout;
    return open_output(c);
}

/* ---- the arguments ---- */

static bool
has_column(const char *columns, const char *name, size_t len)
{
    while (*columns) {
        size_t n = strcspn(columns, " ");
        if (n == len && memcmp(columns, name, n) == 0)
            return true;
        columns += n + (columns[n] == ' ');
    }
    return false;
}

/* Column names, several in a word with commas between them; the unknown ones are named in alphabetical order.
 */
static int
check_columns(struct ctl *c)
{
    const char *unknown[64];
    size_t lens[64], count = 0;
    for (int i = 0; i < c->arg_count; i++)
        for (const char *from = c->args[i]; *from;) {
            size_t len = strcspn(from, ", "), at = count;
            if (len > 0 && !has_column(c->command->columns, from, len) && count < 64) {
                for (; at > 0 && strcmp(unknown[at - 1], from) > 0; at--) {
                    unknown[at] = unknown[at - 1];
                    lens[at] = lens[at - 1];
                }
                unknown[at] = from;
                lens[at] = len;
                count++;
            }
            from += len + (from[len] != 0);
        }
    if (count == 0)
        return EX_OK;
    struct buffer names = {0};
    for (size_t i = 0; i < count; i++)
        buffer_add_fmt(&names, "%s%.*s", i ? "," : "", (int)lens[i], unknown[i]);
    int code = ctl_invalid(c, "Info key(s) %.*s are not supported", SLICE_FMT(buffer_slice(&names)));
    buffer_fini(&names);
    return code;
}

static int
check_arguments(struct ctl *c)
{
    const struct ctl_command *command = c->command;
    if (c->arg_count < command->args_min)
        return ctl_invalid(c, "not enough arguments.");
    if (command->columns)
        return check_columns(c);
    if (c->arg_count > command->args_max && !(command->flags & CTL_ANY_ARGS))
        return ctl_invalid(c, "too many arguments.");
    return EX_OK;
}

/* What is sent to the node is JSON: bytes that are no text cannot be said in it. */
static bool
is_text(const struct ctl *c)
{
    return utf8_is_valid(slice_str(c->given));
}

static int
run(struct ctl *c)
{
    if (ctl_has(c, "help")) {
        struct buffer text = {0};
        help_command(&text, c->tool, c->command);
        print(stdout, &text);
        return EX_OK;
    }
    int code = apply_options(c);
    if (code == EX_OK && !is_text(c))
        code = ctl_invalid(c, "an argument is not valid UTF-8");
    if (code == EX_OK)
        code = check_arguments(c);
    if (code == EX_OK && c->command->check)
        code = c->command->check(c);
    if (code != EX_OK || ctl_has(c, "dry-run"))
        return code;
    struct node at;
    node_init(&at, c->options);
    c->at = &at;
    code = c->command->run(c);
    node_fini(&at);
    return code;
}

/* Output that could not be written (a full disk, a closed pipe) is a failure, not a short success. */
static int
finish(struct ctl *c, int code)
{
    bool is_written = fflush(c->out.file) == 0 && !ferror(c->out.file);
    if (c->out.file != stdout)
        is_written = fclose(c->out.file) == 0 && is_written;
    if (is_written)
        return code;
    fprintf(stderr, "Error:\nthe output could not be written: %m\n");
    return code == EX_OK ? EX_IOERR : code;
}

int
main(int argc, char **argv)
{
    struct options o;
    struct ctl c = {.out = {.format = &format_table, .file = stdout}};
    find_tool(&c, argv[0] ? argv[0] : "");
    argc -= argc > 0;
    argv++;
    const char *word = options_command(argc, argv);
    if (!word)
        return no_command(&c, argc, argv);
    c.command = commands_find(word, c.tools);
    if (!c.command)
        return unknown_command(&c, word);
    options_parse(&o, c.command, argc, argv);
    char *given = join(argc, argv);
    c.options = &o;
    c.given = given;
    c.args = o.args;
    c.arg_count = o.arg_count;
    int code = finish(&c, run(&c));
    free(c.banner);
    free(c.failure_kind);
    free(c.failure_text);
    free(given);
    format_out_fini(&c.out);
    options_fini(&o);
    return code;
}
