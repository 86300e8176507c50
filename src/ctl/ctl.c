/*
 * What commands are made of: banners that wait until the node is there, errors in RabbitMQ's shape, requests
 * and their answers.
 *
 * A banner is printed when the first line of an answer arrives: until then the node may turn out to be away,
 * or its application stopped, and then RabbitMQ's tools print none. Whatever else is printed comes behind it.
 */
#include "ctl/ctl.h"

#include "base/check.h"
#include "ctl/help.h"
#include "ctl/node.h"
#include "ctl/options.h"
#include "mgmt/control_error.h"

#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { CONNECT_MS = 10000, SILENCE_S = 60, COLUMNS_MAX = 128, SECRET_SIZE = 4096 };

static char *
format_text(const char *fmt, va_list args)
{
    char *text;
    CHECK(vasprintf(&text, fmt, args) >= 0);
    return text;
}

/* ---- options ---- */

bool
ctl_has(const struct ctl *c, const char *name)
{
    return options_has(c->options, name);
}

bool
ctl_given(const struct ctl *c, const char *name)
{
    return options_flag(c->options, name, true) == options_flag(c->options, name, false);
}

const char *
ctl_text(const struct ctl *c, const char *name, const char *fallback)
{
    return options_text(c->options, name, fallback);
}

long long
ctl_number(const struct ctl *c, const char *name, long long fallback)
{
    return options_number(c->options, name, fallback);
}

/* ---- output ---- */

static bool
is_talkative(const struct ctl *c)
{
    return !c->is_quiet && !c->is_silent && !c->out.format->is_for_programs;
}

static void
flush_banner(struct ctl *c)
{
    if (c->banner && is_talkative(c))
        fprintf(c->out.file, "%s\n", c->banner);
    free(c->banner);
    c->banner = NULL;
}

void
ctl_banner(struct ctl *c, const char *fmt, ...)
{
    va_list args;
    free(c->banner);
    va_start(args, fmt);
    c->banner = format_text(fmt, args);
    va_end(args);
    if ((c->command->flags & CTL_TIMEOUT_60) && c->timeout_s > 0) {
        char *both;
        CHECK(asprintf(&both, "Timeout: %d.0 seconds ...\n%s", c->timeout_s, c->banner) >= 0);
        free(c->banner);
        c->banner = both;
    }
    if (c->command->flags & CTL_LOCAL)
        flush_banner(c);
}

void
ctl_note(struct ctl *c, const char *fmt, ...)
{
    va_list args;
    flush_banner(c);
    if (!is_talkative(c))
        return;
    va_start(args, fmt);
    vfprintf(c->out.file, fmt, args);
    va_end(args);
    fputc('\n', c->out.file);
    fflush(c->out.file);
}

void
ctl_say(struct ctl *c, const char *fmt, ...)
{
    va_list args;
    flush_banner(c);
    va_start(args, fmt);
    char *text = format_text(fmt, args);
    va_end(args);
    c->out.format->message(&c->out, text);
    free(text);
}

void
ctl_print(struct ctl *c, const char *fmt, ...)
{
    va_list args;
    flush_banner(c);
    va_start(args, fmt);
    vfprintf(c->out.file, fmt, args);
    va_end(args);
}

bool
ctl_is_for_people(const struct ctl *c)
{
    return c->out.format->is_text;
}

int
ctl_show(struct ctl *c, json_t *value)
{
    flush_banner(c);
    c->out.format->value(&c->out, value);
    json_decref(value);
    return EX_OK;
}

void
ctl_heading(struct ctl *c, const char *title)
{
    ctl_print(c, "\033[1m%s\033[0m\n\n", title);
}

/* ---- errors ---- */

int
ctl_error(struct ctl *c, int exit_code, const char *fmt, ...)
{
    va_list args;
    flush_banner(c);
    fflush(c->out.file);
    fputs("Error:\n", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    return exit_code;
}

static void
usage_error(struct ctl *c, const char *text)
{
    struct buffer usage = {0};
    free(c->banner);
    c->banner = NULL;
    help_usage(&usage, c->tool, c->command);
    fprintf(stderr, "%s\nArguments given:\n\t%s\n%.*s", text, c->given, SLICE_FMT(buffer_slice(&usage)));
    buffer_fini(&usage);
}

int
ctl_invalid(struct ctl *c, const char *fmt, ...)
{
    va_list args;
    char *whole;
    va_start(args, fmt);
    char *text = format_text(fmt, args);
    va_end(args);
    CHECK(asprintf(&whole, "Error (argument validation): %s", text) >= 0);
    usage_error(c, whole);
    free(text);
    free(whole);
    return EX_USAGE;
}

int
ctl_bad_argument(struct ctl *c, const char *why)
{
    char *whole;
    CHECK(asprintf(&whole, "Error (argument validation): Bad argument%s%s", why ? ": " : ".",
                   why ? why : "") >= 0);
    usage_error(c, whole);
    free(whole);
    return EX_DATAERR;
}

int
ctl_wrong_state(struct ctl *c, bool must_run)
{
    usage_error(c, must_run
                       ? "Error: this command requires the 'rabbit' app to be running on the target node. "
                         "Start it with 'rabbitmqctl start_app'."
                       : "Error: this command requires the 'rabbit' app to be stopped on the target node. "
                         "Stop it with 'rabbitmqctl stop_app'.");
    return EX_USAGE;
}

int
ctl_missing(struct ctl *c, const char *what)
{
    return ctl_error(c, EX_UNAVAILABLE, "%s", what);
}

/* ---- failures of requests ---- */

static void
set_failure(struct ctl *c, const char *kind, const char *text)
{
    static const struct {
        const char *word;
        int exit_code;
    } kinds[] = {
#define X(name, word, exit_code) {word, exit_code},
        CONTROL_ERROR_TABLE(X)
#undef X
    };
    char *kind_copy = strdup(kind), *text_copy = strdup(text);
    CHECK(kind_copy && text_copy);
    free(c->failure_kind);
    free(c->failure_text);
    c->failure_kind = kind_copy;
    c->failure_text = text_copy;
    c->failure_code = EX_UNAVAILABLE;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].word, kind) == 0)
            c->failure_code = kinds[i].exit_code;
}

const char *
ctl_failure(const struct ctl *c)
{
    return c->failure_kind ? c->failure_kind : "";
}

const char *
ctl_failure_text(const struct ctl *c)
{
    return c->failure_text ? c->failure_text : "";
}

int
ctl_failed(struct ctl *c)
{
    const char *kind = ctl_failure(c);
    if (strcmp(kind, "unreachable") == 0) {
        free(c->banner);
        c->banner = NULL;
        node_explain(c->at);
        return EX_UNAVAILABLE;
    }
    if (strcmp(kind, "not_running") == 0 && (c->command->flags & CTL_NEEDS_APP))
        return ctl_wrong_state(c, true);
    if (strcmp(kind, "no_such_vhost") == 0)
        return ctl_failed_bare(c, c->failure_code);
    if (strcmp(kind, "timeout") != 0)
        return ctl_error(c, c->failure_code, "%s", ctl_failure_text(c));
    flush_banner(c);
    fprintf(stderr, "Error: operation %s on node %s timed out. Timeout value used: %d\n", c->command->name,
            c->at->name, (c->timeout_s ? c->timeout_s : SILENCE_S) * 1000);
    return EX_TEMPFAIL;
}

int
ctl_failed_bare(struct ctl *c, int exit_code)
{
    flush_banner(c);
    fflush(c->out.file);
    fprintf(stderr, "%s\n", ctl_failure_text(c));
    return exit_code;
}

/* ---- requests ---- */

struct listener {
    bool is_list;
    json_t *rows; /* takes them; NULL: nobody wants them */
    void (*on_text)(struct ctl *c, const char *text, size_t len);
};

const char *
ctl_member(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static uint64_t
deadline_ms(const struct ctl *c)
{
    if (c->timeout_s > 0)
        return (uint64_t)c->timeout_s * 1000;
    return c->command->flags & CTL_PATIENT || ctl_has(c, "timeout") ? 0 : SILENCE_S * 1000;
}

static bool
is_connected(struct ctl *c)
{
    if (node_connect(c->at, CONNECT_MS))
        return true;
    set_failure(c, "unreachable", c->at->why_text);
    return false;
}

const char *
ctl_node(struct ctl *c)
{
    node_connect(c->at, CONNECT_MS); /* what it calls itself; a failure is told by the request that follows */
    return c->at->name;
}

static char *
request_line(const char *request, json_t *arguments, size_t body_len)
{
    char host[256], user[400];
    const struct passwd *pw = getpwuid(geteuid());
    if (gethostname(host, sizeof host) != 0)
        snprintf(host, sizeof host, "localhost");
    host[sizeof host - 1] = 0;
    snprintf(user, sizeof user, "%.100s@%s", pw ? pw->pw_name : "?", host);
    json_t *whole = json_pack("{s:s, s:o, s:s}", "command", request, "arguments",
                              arguments ? arguments : json_object(), "user", user);
    CHECK(whole);
    if (body_len > 0)
        json_object_set_new(whole, "body", json_integer((json_int_t)body_len));
    char *line = json_dumps(whole, JSON_COMPACT);
    CHECK(line);
    json_decref(whole);
    return line;
}

/* One line of the answer. True: it was the last, `*result` is set or the failure is. */
static bool
take_line(struct ctl *c, const struct listener *l, char kind, struct slice text, json_t **result)
{
    json_error_t error;
    json_t *value = json_loadb((const char *)text.data, text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (!value) {
        set_failure(c, "failed", "the node's answer is no JSON");
        return true;
    }
    if (kind == 'e') {
        const char *word = json_string_value(json_object_get(value, "kind"));
        const char *why = json_string_value(json_object_get(value, "text"));
        set_failure(c, word ? word : "failed", why ? why : "the node does not say why");
        if (strcmp(ctl_failure(c), "not_running") != 0)
            flush_banner(c);
        json_decref(value);
        return true;
    }
    flush_banner(c);
    if (kind == 'r' && l->is_list)
        c->out.format->row(&c->out, value);
    else if (kind == 'r' && l->rows)
        json_array_append(l->rows, value);
    else if (kind == 'd' && l->on_text)
        l->on_text(c, json_string_value(value), json_string_length(value));
    if (kind == 'o')
        *result = value;
    else
        json_decref(value);
    return kind == 'o';
}

static void
fail_transport(struct ctl *c, enum err e)
{
    if (e == ERR_TIMEOUT)
        set_failure(c, "timeout", "the node does not answer");
    else if (e == ERR_CLOSED)
        set_failure(c, "unavailable", "the node has gone before it answered");
    else
        set_failure(c, "unavailable", err_text(e));
}

static json_t *
ask(struct ctl *c, const char *request, json_t *arguments, struct slice body, const struct listener *l)
{
    json_t *result = NULL;
    if (!is_connected(c)) {
        json_decref(arguments);
        return NULL;
    }
    char *line = request_line(request, arguments, body.len), kind;
    struct slice text;
    control_client_set_timeout(c->at->client, deadline_ms(c));
    enum err e = control_client_ask(c->at->client, slice_str(line), body);
    free(line);
    while (e == ERR_OK) {
        e = control_client_next(c->at->client, &kind, &text);
        if (e == ERR_OK && take_line(c, l, kind, text, &result))
            return result;
    }
    fail_transport(c, e);
    return NULL;
}

json_t *
ctl_ask_body(struct ctl *c, const char *request, json_t *arguments, const void *body, size_t body_len,
             void (*on_text)(struct ctl *c, const char *text, size_t len))
{
    struct listener l = {.on_text = on_text};
    return ask(c, request, arguments, slice_of(body, body_len), &l);
}

json_t *
ctl_ask(struct ctl *c, const char *request, json_t *arguments)
{
    return ctl_ask_body(c, request, arguments, NULL, 0, NULL);
}

json_t *
ctl_ask_rows(struct ctl *c, const char *request, json_t *arguments)
{
    struct listener l = {.rows = json_array()};
    json_t *result = ask(c, request, arguments, slice_of(NULL, 0), &l);
    if (!result)
        json_decref(l.rows);
    json_decref(result);
    return result ? l.rows : NULL;
}

int
ctl_do(struct ctl *c, const char *request, json_t *arguments)
{
    json_t *result = ctl_ask(c, request, arguments);
    if (!result)
        return ctl_failed(c);
    json_decref(result);
    return EX_OK;
}

/* ---- lists ---- */

/* The words of `text`, between blanks, added to `columns`. */
static unsigned
split_columns(const char *text, const char *separators, char **columns, unsigned count)
{
    while (*text && count < COLUMNS_MAX) {
        size_t len = strcspn(text, separators);
        if (len > 0)
            CHECK(columns[count++] = strndup(text, len));
        text += len + (text[len] != 0);
    }
    return count;
}

static unsigned
choose_columns(struct ctl *c, const char *columns, char **chosen)
{
    const char *fallback = columns ? columns : c->command->columns_default;
    unsigned count = 0;
    if (c->command->columns)
        for (int i = 0; i < c->arg_count; i++)
            count = split_columns(c->args[i], ", ", chosen, count);
    return count ? count : split_columns(fallback, " ", chosen, 0);
}

int
ctl_list(struct ctl *c, const char *request, json_t *arguments, const char *columns, bool is_streamed)
{
    char *chosen[COLUMNS_MAX];
    struct listener l = {.is_list = true};
    json_t *names = json_array();
    arguments = arguments ? arguments : json_object();
    c->out.column_count = choose_columns(c, columns, chosen);
    c->out.columns = (const char *const *)chosen;
    c->out.is_streamed = is_streamed;
    c->out.rows = 0;
    for (unsigned i = 0; i < c->out.column_count; i++)
        json_array_append_new(names, json_string(chosen[i]));
    json_object_set_new(arguments, "columns", names);
    if (c->out.format->begin)
        c->out.format->begin(&c->out);
    json_t *result = ask(c, request, arguments, slice_of(NULL, 0), &l);
    if (result && c->out.format->end)
        c->out.format->end(&c->out);
    for (unsigned i = 0; i < c->out.column_count; i++)
        free(chosen[i]);
    c->out.columns = NULL;
    if (!result)
        return ctl_failed(c);
    json_decref(result);
    return EX_OK;
}

int
ctl_rows(struct ctl *c, const char *columns, json_t *rows)
{
    char *names[COLUMNS_MAX];
    size_t i;
    json_t *row;
    flush_banner(c);
    c->out.column_count = split_columns(columns, "\t", names, 0);
    c->out.columns = (const char *const *)names;
    c->out.is_streamed = false;
    c->out.rows = 0;
    if (c->out.format->begin)
        c->out.format->begin(&c->out);
    json_array_foreach(rows, i, row) c->out.format->row(&c->out, row);
    if (c->out.format->end)
        c->out.format->end(&c->out);
    for (unsigned n = 0; n < c->out.column_count; n++)
        free(names[n]);
    c->out.columns = NULL;
    json_decref(rows);
    return EX_OK;
}

/* ---- secrets ---- */

char *
ctl_read_secret(struct ctl *c, const char *prompt)
{
    char line[SECRET_SIZE];
    struct termios before, hidden;
    bool is_terminal = tcgetattr(STDIN_FILENO, &before) == 0;
    flush_banner(c);
    if (is_terminal) {
        hidden = before;
        hidden.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
        fprintf(stderr, "%s", prompt);
    }
    bool is_read = fgets(line, sizeof line, stdin) != NULL;
    if (is_terminal) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        fputc('\n', stderr);
    }
    if (!is_read)
        return NULL;
    line[strcspn(line, "\r\n")] = 0;
    char *secret = strdup(line);
    CHECK(secret);
    explicit_bzero(line, sizeof line);
    return secret;
}
