/*
 * Definitions: export and import. The document goes through as it is: the node writes it and judges it. A
 * file is written under another name first, so that a half of one never stands in the place of a good one;
 * it keeps that one's mode and owner, for it has the hashes of all passwords. What is no file (/dev/stdout,
 * a pipe) is written to, never replaced.
 */
#include "base/check.h"
#include "ctl/commands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BODY_MAX = 128 << 20, READ_SIZE = 65536, PATH_SIZE = 4096 };

static int
check_format(struct ctl *c)
{
    const char *format = ctl_text(c, "format", "json");
    if (strcmp(format, "erlang") == 0)
        return ctl_invalid(c, "the format erlang is a dump of RabbitMQ's own memory; use --format json");
    if (strcmp(format, "json") != 0)
        return ctl_bad_argument(c, "Format should be either json or erlang");
    return 0;
}

static bool
is_stream(const struct ctl *c)
{
    return c->arg_count == 0 || strcmp(c->args[0], "-") == 0;
}

/* ---- export ---- */

struct target {
    FILE *file;
    bool has_failed;
};

static void
on_text(struct ctl *c, const char *text, size_t len)
{
    struct target *t = c->data;
    if (fwrite(text, 1, len, t->file) != len)
        t->has_failed = true;
}

static int
export_to(struct ctl *c, struct target *t)
{
    c->data = t;
    json_t *result = ctl_ask_body(c, "export_definitions", NULL, NULL, 0, on_text);
    if (!result)
        return ctl_failed(c);
    json_decref(result);
    return 0;
}

static int
export_in_place(struct ctl *c, const char *path)
{
    struct target t = {.file = fopen(path, "we")};
    if (!t.file)
        return ctl_error(c, EX_CANTCREAT, "cannot open %s: %s", path, strerror(errno));
    int code = export_to(c, &t);
    bool is_written = fclose(t.file) == 0 && !t.has_failed;
    return code != 0 || is_written ? code
                                   : ctl_error(c, EX_CANTCREAT, "cannot write %s: %s", path, strerror(errno));
}

/* `old`: of the file that is there; NULL: there is none. */
static int
export_anew(struct ctl *c, const char *path, const struct stat *old)
{
    char part[PATH_SIZE];
    snprintf(part, sizeof part, "%s.part-%ld", path, (long)getpid());
    struct target t = {.file = fopen(part, "wxe")};
    if (!t.file)
        return ctl_error(c, EX_CANTCREAT, "cannot create %s: %s", part, strerror(errno));
    bool is_owned = !old || fchown(fileno(t.file), old->st_uid, old->st_gid) == 0 || errno == EPERM;
    bool is_kept = is_owned && (!old || fchmod(fileno(t.file), old->st_mode & 07777) == 0);
    int code = export_to(c, &t);
    bool is_written = is_kept && !t.has_failed && fflush(t.file) == 0 && fsync(fileno(t.file)) == 0;
    is_written = fclose(t.file) == 0 && is_written;
    if (code == 0 && (!is_written || rename(part, path) != 0))
        code = ctl_error(c, EX_CANTCREAT, "cannot write %s: %s", path, strerror(errno));
    if (code != 0)
        unlink(part);
    return code;
}

static int
export_file(struct ctl *c, const char *path)
{
    struct stat old;
    if (stat(path, &old) != 0)
        return export_anew(c, path, NULL);
    if (!S_ISREG(old.st_mode))
        return export_in_place(c, path);
    char *real = realpath(path, NULL); /* a link stays one */
    if (!real)
        return ctl_error(c, EX_CANTCREAT, "cannot write %s: %s", path, strerror(errno));
    int code = export_anew(c, real, &old);
    free(real);
    return code;
}

/* Before anything is asked for, as RabbitMQ does it: no directory, no file. */
static int
check_export(struct ctl *c)
{
    char why[PATH_SIZE];
    const char *slash = is_stream(c) ? NULL : strrchr(c->args[0], '/');
    int code = check_format(c);
    if (code != EX_OK || !slash || slash == c->args[0])
        return code;
    char *directory = strndup(c->args[0], (size_t)(slash - c->args[0]));
    CHECK(directory);
    snprintf(why, sizeof why, "Directory %s does not exist", directory);
    bool is_there = access(directory, F_OK) == 0;
    free(directory);
    return is_there ? EX_OK : ctl_bad_argument(c, why);
}

static int
export_definitions(struct ctl *c)
{
    if (is_stream(c)) {
        struct target t = {.file = stdout};
        return export_to(c, &t);
    }
    ctl_banner(c, "Exporting definitions in JSON to a file at \"%s\" ...", c->args[0]);
    return export_file(c, c->args[0]);
}

/* ---- import ---- */

/* All of it, into `data`; false: `*code` is what to end with. */
static bool
read_all(struct ctl *c, FILE *in, const char *name, struct buffer *data, int *code)
{
    size_t got = 1;
    while (got > 0 && data->len <= BODY_MAX) {
        got = fread(buffer_reserve(data, READ_SIZE), 1, READ_SIZE, in);
        data->len += got;
    }
    if (ferror(in))
        *code = ctl_error(c, EX_IOERR, "cannot read %s: %s", name, strerror(errno));
    else if (data->len > BODY_MAX)
        *code = ctl_error(c, EX_DATAERR, "%s has more than %d MiB, which definitions may have at most", name,
                          BODY_MAX >> 20);
    return *code == 0;
}

/* "users: 3": what is as the file says now. */
static void
say_done(struct ctl *c, json_t *result)
{
    const char *key;
    json_t *count;
    json_object_foreach(result, key, count) if (json_is_integer(count) && strcmp(key, "left") != 0)
        ctl_note(c, "%s: %lld", key, (long long)json_integer_value(count));
}

static void
say_left(struct ctl *c, const json_t *result)
{
    const json_t *names = json_object_get(result, "left_names");
    long long left = json_integer_value(json_object_get(result, "left"));
    if (left == 0)
        return;
    ctl_note(c, "%lld were left as they are, or out:", left);
    for (size_t i = 0; i < json_array_size(names); i++)
        ctl_note(c, "%s", json_string_value(json_array_get(names, i)));
}

static int
import_definitions(struct ctl *c)
{
    int code = 0;
    struct buffer data = {0};
    const char *name = is_stream(c) ? "standard input" : c->args[0];
    FILE *in = is_stream(c) ? stdin : fopen(name, "r");
    if (!in)
        return ctl_error(c, EX_DATAERR, "cannot open %s: %s", name, strerror(errno));
    bool is_read = read_all(c, in, name, &data, &code);
    if (in != stdin)
        fclose(in);
    if (!is_read) {
        buffer_fini(&data);
        return code;
    }
    if (is_stream(c))
        ctl_banner(c, "Importing definitions in JSON from standard input ...");
    else
        ctl_banner(c, "Importing definitions in JSON from a file at \"%s\" ...", name);
    json_t *result = ctl_ask_body(c, "import_definitions",
                                  json_pack("{s:b}", "skip_if_unchanged", ctl_has(c, "skip-if-unchanged")),
                                  data.data, data.len, NULL);
    buffer_fini(&data);
    if (!result)
        return ctl_failed(c);
    if (json_is_true(json_object_get(result, "unchanged")))
        ctl_note(c, "The same definitions were imported last: nothing to do");
    say_done(c, result);
    say_left(c, result);
    json_decref(result);
    return 0;
}

static const struct ctl_option export_options[] = {{"format", 0, CTL_TEXT}, {0}};
static const struct ctl_option import_options[] = {
    {"format", 0, CTL_TEXT}, {"skip-if-unchanged", 0, CTL_FLAG}, {0}};

const struct ctl_command commands_definitions[] = {
    {.name = "export_definitions",
     .tools = CTL_CTL,
     .group = CTL_GROUP_DEFINITIONS,
     .usage = "<file_path | \"-\"> [--format <json | erlang>]",
     .summary = "Writes everything declared to a file, as JSON",
     .details = "<file_path | \"-\">\n\tthe file to write, \"-\" for standard output\n\n"
                "--format <json>\n\tthe only one that there is\n",
     .run = export_definitions,
     .check = check_export,
     .options = export_options,
     .args_min = 1,
     .args_max = 1,
     .flags = CTL_NEEDS_APP | CTL_PATIENT},
    {.name = "import_definitions",
     .tools = CTL_CTL,
     .group = CTL_GROUP_DEFINITIONS,
     .usage = "[<file_path> | \"-\"] [--format <json | erlang>] [--skip-if-unchanged]",
     .summary = "Declares everything that a file of definitions says",
     .details =
         "<file_path>\n\tthe file to read; without one, or with \"-\", standard input\n\n"
         "--skip-if-unchanged\n\tdoes nothing if the same definitions were imported last\n\n"
         "All of the file is judged before anything is changed. What is there already is updated where it "
         "can be;\n"
         "queues and exchanges that are there with other properties stay as they are, and are named.\n",
     .run = import_definitions,
     .check = check_format,
     .options = import_options,
     .args_max = 1,
     .flags = CTL_NEEDS_APP | CTL_PATIENT},
    {0},
};
