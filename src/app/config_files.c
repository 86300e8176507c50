/*
 * RabbitMQ's rules, with one place before its own: an /etc/leveret/leveret.conf makes /etc/leveret the
 * directory of everything, so that a RabbitMQ on the same machine can keep /etc/rabbitmq to itself.
 */
#include "app/config_files.h"

#include "app/config_report.h"
#include "base/check.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>

static char *
join(struct config_files *f, const char *dir, const char *between, const char *name)
{
    struct buffer path = {0};
    buffer_add_fmt(&path, "%s%s%s", dir, between, name);
    char *copy = arena_copy(&f->arena, buffer_slice(&path));
    buffer_fini(&path);
    return copy;
}

/* One that cannot be read is there, too: reading it says why it cannot. */
static bool
exists(const struct config_io *io, const char *path)
{
    enum err e = io->probe(io->arg, path);
    return e != ERR_NOT_FOUND && e != ERR_TYPE;
}

static void
add(struct config_files *f, const char *path, struct config_report *report)
{
    if (f->count == CONFIG_FILES_MAX)
        config_report_error(report, path, 0, "there are too many files");
    else
        f->paths[f->count++] = path;
}

static void
warn(struct config_report *report, const char *path, const char *text)
{
    config_report_place(&report->warnings, path, 0);
    buffer_add_fmt(&report->warnings, "%s\n", text);
}

const char *
config_files_dir(struct config_files *f, const char *prefix, const struct config_io *io)
{
    const char *own = join(f, prefix, "", "/etc/leveret");
    bool is_own =
        exists(io, join(f, own, "/", "leveret.conf")) || exists(io, join(f, own, "/", "leveret.config"));
    return is_own ? own : join(f, prefix, "", "/etc/rabbitmq");
}

/* The main file; NULL: there is none. */
static const char *
main_file(struct config_files *f, const char *base, bool is_named, const struct config_io *io,
          struct config_report *report)
{
    const char *classic = join(f, base, "", ".config"), *conf = join(f, base, "", ".conf");
    if (exists(io, base))
        return base;
    if (exists(io, classic)) {
        if (exists(io, conf))
            warn(report, conf, "not read, because there is a file in the classic form beside it (.config)");
        return classic;
    }
    if (exists(io, conf))
        return conf;
    if (is_named)
        warn(report, base, "RABBITMQ_CONFIG_FILE names no file");
    return NULL;
}

/* ---- conf.d ---- */

struct names {
    struct config_files *files;
    const char *dir, *pattern;
    const char *all[CONFIG_FILES_MAX];
    size_t count;
    bool is_full;
};

static void
on_name(void *to, const char *name)
{
    struct names *n = to;
    if (fnmatch(n->pattern, name, FNM_PERIOD) != 0)
        return;
    if (n->count == CONFIG_FILES_MAX)
        n->is_full = true;
    else
        n->all[n->count++] = join(n->files, n->dir, "/", name);
}

static int
name_order(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* `where` is a directory, all of whose files are meant, or one with a pattern behind it. */
static void
add_more(struct config_files *f, const char *where, const struct config_io *io, struct config_report *report)
{
    struct names n = {.files = f, .dir = where, .pattern = "*"};
    if (io->list(io->arg, where, on_name, &n) != ERR_OK) {
        const char *slash = strrchr(where, '/');
        n.dir = slash ? arena_copy(&f->arena, slice_of(where, (size_t)(slash - where))) : ".";
        n.pattern = slash ? slash + 1 : where;
        n.count = 0;
        if (io->list(io->arg, n.dir, on_name, &n) != ERR_OK) /* there need be no conf.d */
            return;
    }
    if (n.is_full)
        config_report_error(report, where, 0, "there are too many files");
    qsort(n.all, n.count, sizeof *n.all, name_order);
    for (size_t i = 0; i < n.count; i++)
        if (exists(io, n.all[i]))
            add(f, n.all[i], report);
}

/* ---- all of them ---- */

static bool
is_classic(const char *path, const struct config_io *io)
{
    struct buffer text = {0};
    bool is = io->read(io->arg, path, &text) == ERR_OK && config_is_classic(path, buffer_slice(&text));
    buffer_fini(&text);
    return is;
}

bool
config_files_find(struct config_files *f, const char *dir, const struct config_env *e,
                  const struct config_io *io, struct config_report *report)
{
    unsigned errors = report->error_count;
    const char *last = strrchr(dir, '/');
    CHECK(last);
    const char *base = e->config_file ? join(f, e->config_file, "", "") : join(f, dir, "", last);
    const char *advanced =
        e->advanced_file ? join(f, e->advanced_file, "", "") : join(f, dir, "/", "advanced.config");
    const char *first = main_file(f, base, e->config_file != NULL, io, report);
    bool is_first_classic = first && is_classic(first, io);
    f->plugins_file = join(f, dir, "/", "enabled_plugins");
    if (first && !is_first_classic)
        add(f, first, report);
    add_more(f, e->config_files ? e->config_files : join(f, dir, "/", "conf.d/*.conf"), io, report);
    if (is_first_classic)
        add(f, first, report);
    else if (exists(io, advanced))
        add(f, advanced, report);
    else if (e->advanced_file)
        warn(report, advanced, "RABBITMQ_ADVANCED_CONFIG_FILE names no file");
    return report->error_count == errors;
}

void
config_files_fini(struct config_files *f)
{
    arena_fini(&f->arena);
    *f = (struct config_files){0};
}
