/*
 * A line, when it was done and when it was not:
 *
 *     done by "ops@host" (uid 0, pid 4711): set_permissions user="u1" vhost="/" configure=".*" ...
 *
 *     refused to "ops@host" (10.0.0.1:40000), exists: add_user name="u1" password=(not shown)
 *
 * Who and what came of it stand first: a line has an end, and nobody hides behind long arguments. Only
 * arguments of the table below are shown with their values. What is not there (passwords and their hashes,
 * parameter values, which hold URIs with passwords, expressions) is named, so that a new argument is a secret
 * until somebody decides that it is none. Of a failure its kind is shown: its text may quote such a value.
 */
#include "mgmt/audit.h"

#include "base/buffer.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

/* clang-format off */
#define AUDIT_SHOWN_TABLE(X) \
    X("name") X("user") X("vhost") X("tags") X("exchange") X("configure") X("write") X("read") \
    X("component") X("pattern") X("apply_to") X("priority") X("definition") X("limit") X("limits") \
    X("queue") X("if_empty") X("if_unused") X("pid") X("reason") X("global") X("delay_ms") \
    X("description") X("default_queue_type") X("is_tracing") X("is_protected") X("node") X("action") X("names") X("forced") X("file") \
    X("level") X("category") X("skip_if_unchanged")
/* clang-format on */

/* In the order in which they stand in a line, whatever their order in the request. */
static const char *const shown[] = {
#define X(name) name,
    AUDIT_SHOWN_TABLE(X)
#undef X
};

static bool
is_shown(const char *name)
{
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        if (strcmp(shown[i], name) == 0)
            return true;
    return false;
}

static void
add_text(struct buffer *out, const char *text)
{
    size_t len = strnlen(text, AUDIT_VALUE_MAX + 1);
    buffer_add(out, text, len > AUDIT_VALUE_MAX ? AUDIT_VALUE_MAX : len);
    if (len > AUDIT_VALUE_MAX)
        buffer_add_str(out, "...");
}

static void
add_json(struct buffer *out, const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
    add_text(out, text ? text : "?");
    free(text);
}

static void
add_quoted(struct buffer *out, const char *text)
{
    json_t *string = json_string(text);
    buffer_add_u8(out, ' ');
    add_json(out, string);
    json_decref(string);
}

static void
add_arguments(struct buffer *out, json_t *arguments)
{
    const char *name;
    json_t *value;
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        if ((value = json_object_get(arguments, shown[i]))) {
            buffer_add_fmt(out, " %s=", shown[i]);
            add_json(out, value);
        }
    json_object_foreach(arguments, name, value)
    {
        if (is_shown(name))
            continue;
        buffer_add_u8(out, ' ');
        add_text(out, name);
        buffer_add_str(out, "=(not shown)");
    }
}

void
audit_write(const struct log *log, const struct audit_entry *e)
{
    enum log_level level = e->failure ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO;
    if (!log_is_on(log, LOG_AUDIT, level))
        return;
    struct buffer line = {0};
    buffer_add_str(&line, e->has_left ? "asked by" : e->failure ? "refused to" : "done by");
    if (e->user && *e->user)
        add_quoted(&line, e->user);
    buffer_add_str(&line, " (");
    add_text(&line, e->origin);
    buffer_add_u8(&line, ')');
    if (e->has_left)
        buffer_add_str(&line, ", who left before the answer");
    if (e->failure) {
        buffer_add_str(&line, ", ");
        add_text(&line, e->failure);
    }
    buffer_add_str(&line, ": ");
    buffer_add_str(&line, e->command);
    add_arguments(&line, e->arguments);
    log_write(log, LOG_AUDIT, level, "%.*s", SLICE_FMT(buffer_slice(&line)));
    buffer_fini(&line);
}
