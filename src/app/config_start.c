/*
 * The environment says where files are; the files say most things; the command line wins. Each of the three
 * reports its own mistakes, and all of them are shown at once.
 */
#include "app/config_start.h"

#include "app/config_env.h"
#include "app/config_files.h"
#include "app/config_report.h"
#include "base/check.h"
#include "io/file.h"
#include "io/system.h"
#include "mgmt/plugins.h"
#include "wire/enabled_plugins.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- the machine ---- */

static enum err
read_file(void *arg, const char *path, struct buffer *text)
{
    char *data;
    size_t len;
    enum err e = file_read_all(NULL, path, CONFIG_FILE_BYTES_MAX, &data, &len);
    if (e)
        return e;
    buffer_add(text, data, len);
    free(data);
    return ERR_OK;
}

static enum err
probe_file(void *arg, const char *path)
{
    struct file_stat st;
    struct file *f;
    enum err e = file_stat(NULL, path, &st);
    if (e == ERR_OK && st.is_directory)
        e = ERR_TYPE;
    if (e == ERR_OK && (e = file_open(NULL, path, FILE_READ, &f)) == ERR_OK)
        file_close(f);
    return e;
}

static enum err
list_dir(void *arg, const char *dir, void (*each)(void *to, const char *name), void *to)
{
    return dir_list(NULL, dir, each, to);
}

static const char *
get_variable(void *arg, const char *name)
{
    return getenv(name);
}

static const struct config_io machine = {read_file, probe_file, list_dir, NULL};

/* ---- plugins ---- */

/* As in RabbitMQ a name that nobody knows does not keep a node from starting. */
struct plugin_names {
    struct config *config;
    const char *origin;
    struct buffer *warnings;
};

static void
on_plugin(void *arg, struct slice name)
{
    const struct plugin_names *n = arg;
    int i = plugins_find(name);
    if (slice_eq_str(name, "rabbitmq_event_exchange"))
        n->config->has_event_exchange = true;
    if (i >= 0 && plugins_rows[i].is_built_in)
        return;
    config_report_place(n->warnings, n->origin, 0);
    buffer_add_str(n->warnings, i < 0 ? "there is no plugin " : "not in this version: ");
    config_report_show(n->warnings, name);
    buffer_add_u8(n->warnings, '\n');
}

/* RABBITMQ_ENABLED_PLUGINS in place of the file. */
static void
plugins_check(struct config *c, const char *names, struct config_report *report)
{
    struct plugin_names n = {c, "RABBITMQ_ENABLED_PLUGINS", &report->warnings};
    for (size_t len; *names; names += len + (names[len] == ',')) {
        len = strcspn(names, ",");
        if (len > 0 && strcmp(names, "ALL") != 0)
            on_plugin(&n, slice_of(names, len));
    }
}

static void
plugins_read(struct config *c, const char *path, struct config_report *report)
{
    struct buffer text = {0};
    struct erlang_error error;
    struct plugin_names n = {c, path, &report->warnings};
    c->plugins_file = strdup(path);
    CHECK(c->plugins_file);
    enum err e = read_file(NULL, path, &text);
    if (e == ERR_OK && text.len > ENABLED_PLUGINS_BYTES_MAX)
        e = ERR_LIMIT;
    if (e == ERR_OK && !enabled_plugins_read(buffer_slice(&text), on_plugin, &n, &error))
        config_report_error(report, path, error.line, error.text);
    else if (e != ERR_OK && e != ERR_NOT_FOUND)
        config_report_error(report, path, 0, err_text(e));
    buffer_fini(&text);
}

/* The file that a variable names, or that stands beside the others; else there is none, and commands about
 * plugins find a place for one (mgmt/plugins.h). */
static void
plugins_look(struct config *c, const struct config_env *env, const struct config_files *files,
             struct config_report *report)
{
    if (env->plugins_file)
        plugins_read(c, env->plugins_file, report);
    else if (files->plugins_file && probe_file(NULL, files->plugins_file) != ERR_NOT_FOUND)
        plugins_read(c, files->plugins_file, report);
}

/* ---- all of it ---- */

static const char *
option_value(const struct options *o, const char *key)
{
    for (size_t i = o->override_count; i-- > 0;)
        if (strcmp(o->overrides[i].key, key) == 0)
            return o->overrides[i].value;
    return NULL;
}

static void
report_add(struct config_report *to, struct config_report *from)
{
    buffer_add_slice(&to->errors, buffer_slice(&from->errors));
    buffer_add_slice(&to->warnings, buffer_slice(&from->warnings));
    to->error_count += from->error_count;
    config_report_fini(from);
}

/* The file's and variables' settings behind those of the command line. */
static void
settings_load(struct config *c, const struct options *o, const struct config_env *env,
              const struct config_files *files, struct config_report *report)
{
    struct config_override overrides[OPTIONS_OVERRIDES_MAX + CONFIG_ENV_OVERRIDES_MAX];
    struct config_report of_load;
    bool is_named = o->file_count > 0;
    memcpy(overrides, o->overrides, o->override_count * sizeof *overrides);
    memcpy(overrides + o->override_count, env->overrides, env->override_count * sizeof *overrides);
    struct config_request request = {
        .files = is_named ? o->files : files->paths,
        .file_count = is_named ? o->file_count : files->count,
        .overrides = overrides,
        .override_count = o->override_count + env->override_count,
        .io = machine,
    };
    config_load(c, &request, &of_load);
    report_add(report, &of_load);
}

bool
config_start_load(struct config *c, const struct options *o, struct config_report *report)
{
    struct config_env env = {0};
    struct config_files files = {0};
    char host[256];
    const char *prefix = getenv("SYS_PREFIX"); /* RabbitMQ's: a root for the default places */
    *report = (struct config_report){0};
    if (system_hostname(NULL, host, sizeof host))
        snprintf(host, sizeof host, "localhost");
    const char *dir = config_files_dir(&files, prefix ? prefix : "", &machine);
    char env_file[4096];
    snprintf(env_file, sizeof env_file, "%s/rabbitmq-env.conf", dir);
    struct config_env_request request = {
        .get = get_variable,
        .host = host,
        .node = option_value(o, "leveret.node_name"),
        .file = o->file_count > 0 ? NULL : env_file,
        .io = machine,
    };
    bool good = config_env_read(&env, &request, report);
    if (o->file_count == 0)
        good = config_files_find(&files, dir, &env, &machine, report) && good;
    settings_load(c, o, &env, &files, report);
    if (env.plugins)
        plugins_check(c, env.plugins, report);
    else
        plugins_look(c, &env, &files, report);
    config_files_fini(&files);
    config_env_fini(&env);
    return good && report->error_count == 0;
}
