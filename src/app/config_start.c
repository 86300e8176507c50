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

static void
on_plugin(void *arg, struct slice name)
{
    struct config *c = arg;
    char *copy = strndup((const char *)name.data, name.len);
    c->plugins = realloc(c->plugins, (c->plugins_count + 1) * sizeof *c->plugins);
    CHECK(copy && c->plugins);
    c->plugins[c->plugins_count++] = copy;
}

/* RABBITMQ_ENABLED_PLUGINS in place of the file. */
static void
plugins_name(struct config *c, const char *names)
{
    while (*names) {
        size_t n = strcspn(names, ",");
        if (n > 0 && c->plugins_count < ENABLED_PLUGINS_MAX)
            on_plugin(c, slice_of(names, n));
        names += n + (names[n] == ',');
    }
}

static void
plugins_read(struct config *c, const char *path, struct config_report *report)
{
    struct buffer text = {0};
    struct erlang_error error;
    c->plugins_file = strdup(path);
    CHECK(c->plugins_file);
    enum err e = read_file(NULL, path, &text);
    if (e == ERR_OK && text.len > ENABLED_PLUGINS_BYTES_MAX)
        e = ERR_LIMIT;
    if (e == ERR_OK && !enabled_plugins_read(buffer_slice(&text), on_plugin, c, &error))
        config_report_error(report, path, error.line, error.text);
    else if (e != ERR_OK && e != ERR_NOT_FOUND)
        config_report_error(report, path, 0, err_text(e));
    buffer_fini(&text);
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
        plugins_name(c, env.plugins);
    else if (files.plugins_file || env.plugins_file)
        plugins_read(c, files.plugins_file ? files.plugins_file : env.plugins_file, report);
    config_files_fini(&files);
    config_env_fini(&env);
    return good && report->error_count == 0;
}
