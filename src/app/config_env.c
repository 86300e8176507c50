/*
 * config_env_keys.h says what each variable is. What the configuration files win over (RABBITMQ_NODE_PORT, in
 * RabbitMQ 3.8 and later) becomes a preset, what wins over them (RABBITMQ_LOGS) a setting of the
 * environment's strength; the rest says where files are.
 *
 * Three variables make others' values: NODENAME and USE_LONGNAME the node's name, which MNESIA_BASE and
 * LOG_BASE make directories and files of. So RabbitMQ's layout comes about: data in BASE/NODE, the number of
 * the process in BASE/NODE.pid, the log in LOG_BASE/NODE.log, and the cookie in the home directory.
 */
#include "app/config_env.h"

#include "app/config_env_file.h"
#include "app/config_env_keys.h"
#include "app/config_report.h"
#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

enum use {
    PRESET,  /* of the key */
    PLACE,   /* of a file */
    OWN,     /* a function below reads it */
    NOTHING, /* it has no effect here */
};

/* What `what` is, by its use. */
#define PRESET_KEY(key)         key
#define PRESET_OFFSET(key)      0
#define PLACE_KEY(member)       NULL
#define PLACE_OFFSET(member)    offsetof(struct config_env, member)
#define OWN_KEY(nothing)        NULL
#define OWN_OFFSET(nothing)     0
#define NOTHING_KEY(nothing)    NULL
#define NOTHING_OFFSET(nothing) 0

static const struct variable {
    const char *name;
    enum use use;
    const char *key; /* PRESET */
    size_t offset;   /* PLACE: in struct config_env */
} variables[] = {
#define X(name, use, what, text) {name, use, use##_KEY(what), use##_OFFSET(what)},
    CONFIG_ENV_TABLE(X)
#undef X
};
enum { VARIABLE_COUNT = sizeof variables / sizeof *variables };

/* What tools read in the file: no node is told about it. */
static const char *const tools_names[] = {"CTL_ERL_ARGS", "CTL_DIST_PORT_MIN", "CTL_DIST_PORT_MAX", "HOME"};

struct found {
    const char *value;  /* NULL: not set */
    const char *origin; /* "RABBITMQ_NODE_PORT", or that and the file */
};

struct env {
    struct config_env *out;
    const struct config_env_request *request;
    struct config_report *report;
    struct found found[VARIABLE_COUNT]; /* of each row */
    unsigned ignored;
};

static char *format(struct env *e, const char *text, ...) __attribute__((format(printf, 2, 3)));

static char *
format(struct env *e, const char *text, ...)
{
    va_list args, again;
    va_start(args, text);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, text, args);
    CHECK(len >= 0);
    char *out = arena_alloc(&e->out->arena, (size_t)len + 1);
    vsnprintf(out, (size_t)len + 1, text, again);
    va_end(again);
    va_end(args);
    return out;
}

static size_t
variable_find(struct slice name)
{
    size_t i = 0;
    while (i < VARIABLE_COUNT && !slice_eq_str(name, variables[i].name))
        i++;
    return i;
}

/* NULL: not set. `origin` may be NULL. */
static const char *
value_of(const struct env *e, const char *name, const char **origin)
{
    size_t i = variable_find(slice_str(name));
    CHECK(i < VARIABLE_COUNT);
    if (origin)
        *origin = e->found[i].origin;
    return e->found[i].value;
}

static void
warn_ignored(struct env *e, const char *name)
{
    struct buffer *out = &e->report->warnings;
    buffer_add_str(out, e->ignored++ == 0 ? "variables without effect here: " : ", ");
    config_report_show(out, slice_str(name));
}

static void
set(struct env *e, const char *origin, const char *key, const char *value, enum config_strength strength)
{
    CHECK(e->out->override_count < CONFIG_ENV_OVERRIDES_MAX);
    e->out->overrides[e->out->override_count++] =
        (struct config_override){.origin = origin, .key = key, .value = value, .strength = strength};
}

/* ---- where values come from ---- */

static void
read_process(struct env *e)
{
    static const char *const prefixes[] = {"RABBITMQ_", "LEVERET_"};
    for (size_t i = 0; i < VARIABLE_COUNT; i++)
        for (unsigned p = 0; p < sizeof prefixes / sizeof *prefixes; p++) {
            char name[64];
            snprintf(name, sizeof name, "%s%s", prefixes[p], variables[i].name);
            const char *value = e->request->get(e->request->arg, name);
            if (value && *value)
                e->found[i] = (struct found){format(e, "%s", value), format(e, "%s", name)};
        }
}

static bool
is_for_tools(struct slice name)
{
    for (unsigned i = 0; i < sizeof tools_names / sizeof *tools_names; i++)
        if (slice_eq_str(name, tools_names[i]))
            return true;
    return false;
}

/* Of several assignments the last counts; of a variable that the process has, none. */
static void
take_assignment(struct env *e, const char *path, const struct config_env_assignment *a,
                const bool *is_process)
{
    struct slice name = a->name;
    if (slice_starts_with(name, "RABBITMQ_"))
        name = slice_of(name.data + 9, name.len - 9);
    size_t i = variable_find(name);
    if (i == VARIABLE_COUNT) {
        if (!is_for_tools(name))
            warn_ignored(e, format(e, "%.*s (%s:%u)", SLICE_FMT(a->name), path, a->line));
        return;
    }
    if (is_process[i])
        return;
    const char *value = arena_copy(&e->out->arena, a->value);
    e->found[i] =
        (struct found){*value ? value : NULL, format(e, "%s:%u: %.*s", path, a->line, SLICE_FMT(a->name))};
}

static void
read_file(struct env *e)
{
    const char *named = value_of(e, "CONF_ENV_FILE", NULL), *path = named ? named : e->request->file;
    struct buffer text = {0};
    if (!path)
        return;
    enum err err = e->request->io.read(e->request->io.arg, path, &text);
    if (err == ERR_OK && text.len > CONFIG_FILE_BYTES_MAX)
        err = ERR_LIMIT;
    if (err != ERR_OK) {
        if (named || err != ERR_NOT_FOUND)
            config_report_error(e->report, path, 0, err == ERR_LIMIT ? CONFIG_TOO_LONG : err_text(err));
        buffer_fini(&text);
        return;
    }
    e->out->file = format(e, "%s", path);
    bool is_process[VARIABLE_COUNT];
    for (size_t i = 0; i < VARIABLE_COUNT; i++)
        is_process[i] = e->found[i].value != NULL;
    struct config_env_file f = {.rest = buffer_slice(&text)};
    struct config_env_assignment a;
    for (unsigned n = 0; config_env_file_next(&f, &a); n++) {
        if (n == CONFIG_ENV_NAMES_MAX)
            a.error = "there are too many assignments";
        if (a.error) {
            config_report_error(e->report, path, a.line, a.error);
            break;
        }
        take_assignment(e, path, &a, is_process);
    }
    config_env_file_fini(&f);
    buffer_fini(&text);
}

/* ---- what they mean ---- */

static bool
is_yes(const char *value)
{
    return value &&
           (strcmp(value, "1") == 0 || strcasecmp(value, "yes") == 0 || strcasecmp(value, "true") == 0);
}

/* rabbit@host, with the host's name up to its first dot unless long names are asked for. */
static const char *
name_node(struct env *e)
{
    const char *origin = "the node's name", *said = value_of(e, "NODENAME", &origin);
    const char *host = e->request->host;
    int len = is_yes(value_of(e, "USE_LONGNAME", NULL)) ? (int)strlen(host) : (int)strcspn(host, ".");
    const char *name =
        said && strchr(said, '@') ? said : format(e, "%s@%.*s", said ? said : "rabbit", len, host);
    set(e, origin ? origin : "the node's name", "leveret.node_name", name, CONFIG_PRESET);
    return e->request->node ? e->request->node : name;
}

static void
place_data(struct env *e, const char *node)
{
    const char *base_origin, *dir_origin;
    const char *base = value_of(e, "MNESIA_BASE", &base_origin),
               *dir = value_of(e, "MNESIA_DIR", &dir_origin);
    const char *origin = dir ? dir_origin : base_origin;
    if (!base && !dir)
        return;
    set(e, origin, "leveret.data_dir", dir ? dir : format(e, "%s/%s", base, node), CONFIG_PRESET);
    const char *home = e->request->get(e->request->arg, "HOME");
    if (home && *home)
        set(e, "HOME", "leveret.cookie_file", format(e, "%s/.erlang.cookie", home), CONFIG_PRESET);
}

static void
place_listener(struct env *e)
{
    const char *port_origin, *ip_origin;
    const char *port = value_of(e, "NODE_PORT", &port_origin),
               *ip = value_of(e, "NODE_IP_ADDRESS", &ip_origin);
    if (ip && strcmp(ip, "auto") == 0)
        ip = NULL;
    if (!port && !ip)
        return;
    const char *value = port ? port : "5672";
    if (ip)
        value = format(e, strchr(ip, ':') ? "[%s]:%s" : "%s:%s", ip, value);
    set(e, port ? port_origin : ip_origin, "listeners.tcp.default", value, CONFIG_PRESET);
}

static void
place_log(struct env *e, const char *node)
{
    const char *base_origin, *logs_origin;
    const char *base = value_of(e, "LOG_BASE", &base_origin), *logs = value_of(e, "LOGS", &logs_origin);
    if (base)
        set(e, base_origin, "log.dir", base, CONFIG_PRESET);
    if (logs && strcmp(logs, "-") == 0) {
        set(e, logs_origin, "log.console", "true", CONFIG_ENVIRONMENT);
        set(e, logs_origin, "log.file", "false", CONFIG_ENVIRONMENT);
    } else if (logs) {
        set(e, logs_origin, "log.file", logs, CONFIG_ENVIRONMENT);
        set(e, logs_origin, "log.console", "false", CONFIG_PRESET);
    } else if (base) {
        set(e, base_origin, "log.file", format(e, "%s.log", node), CONFIG_PRESET);
        set(e, base_origin, "log.console", "false", CONFIG_PRESET);
    }
}

static bool
is_level(const char *word)
{
    static const char *const levels[] = {"debug",    "info",  "notice",    "warning", "error",
                                         "critical", "alert", "emergency", "none"};
    for (unsigned i = 0; i < sizeof levels / sizeof *levels; i++)
        if (strcmp(levels[i], word) == 0)
            return true;
    return false;
}

/* LOG=debug,connection=error,channel: a level for all, one for a category, a category at info. */
static void
read_log_levels(struct env *e)
{
    const char *origin, *log = value_of(e, "LOG", &origin);
    char *rest = log ? format(e, "%s", log) : NULL, *word;
    while (rest && (word = strsep(&rest, ",")) && e->out->override_count < CONFIG_ENV_OVERRIDES_MAX) {
        char *level = strchr(word, '=');
        if (!*word || strcmp(word, "+color") == 0 || strcmp(word, "-color") == 0)
            continue;
        if (level)
            *level++ = 0;
        bool is_all = !level && is_level(word);
        set(e, origin, format(e, "log.%s.level", is_all ? "default" : word),
            is_all  ? word
            : level ? level
                    : "info",
            CONFIG_ENVIRONMENT);
    }
}

bool
config_env_read(struct config_env *out, const struct config_env_request *request,
                struct config_report *report)
{
    struct env e = {.out = out, .request = request, .report = report};
    unsigned errors = report->error_count;
    read_process(&e);
    read_file(&e);
    for (size_t i = 0; i < VARIABLE_COUNT; i++) {
        const struct found *f = &e.found[i];
        if (!f->value)
            continue;
        if (variables[i].use == PLACE)
            *(const char **)((char *)out + variables[i].offset) = f->value;
        else if (variables[i].use == PRESET)
            set(&e, f->origin, variables[i].key, f->value, CONFIG_PRESET);
        else if (variables[i].use == NOTHING)
            warn_ignored(&e, f->origin);
    }
    const char *node = name_node(&e);
    place_data(&e, node);
    place_listener(&e);
    place_log(&e, node);
    read_log_levels(&e);
    if (e.ignored > 0)
        buffer_add_u8(&report->warnings, '\n');
    return report->error_count == errors;
}

void
config_env_fini(struct config_env *e)
{
    arena_fini(&e->arena);
    *e = (struct config_env){0};
}
