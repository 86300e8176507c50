/*
 * Loading goes in five steps: read all files, of either form, into settings; find each setting's row, so that
 * unknown keys are found; drop settings that a later one of the same key replaces; turn values into members
 * and list elements; check what only several keys together can get wrong. Every step goes on after an error,
 * so that one run shows all of them.
 *
 * A row without any setting gets its default, which is written as text and parsed like everything else. For a
 * list that means: naming one element replaces the default list.
 */
#include "app/config.h"

#include "app/config_classic.h"
#include "app/config_report.h"
#include "app/config_row.h"
#include "app/config_text.h"
#include "app/config_value.h"
#include "app/config_vhost.h"
#include "base/check.h"
#include "base/log.h"
#include "base/text.h"
#include "base/utf8.h"

#include <stdlib.h>

enum { IGNORED_SHOWN_MAX = 20 };

/* A setting with what it means. Slices point into the texts of the loader or into the overrides. */
struct setting {
    const char *origin;
    unsigned line; /* 0: no file, `origin` is an option or a variable */
    unsigned order;
    unsigned rank; /* of all settings of a row those with the highest count */
    struct slice key, value;
    struct config_match match;
};

struct loader {
    struct config *config;
    const struct config_request *request;
    struct config_report *report;
    struct buffer *texts; /* one per file */
    struct arena arena;   /* of settings that are made, not read */
    const char *path;     /* of the classic file that is read, and its rank */
    unsigned rank;
    struct setting *settings;
    size_t count, cap;
    size_t ignored;
};

/* From weak to strong; a classic file's rank is RANK_CLASSIC and its place among the files. */
enum { RANK_PRESET, RANK_TEXT, RANK_CLASSIC, RANK_ENVIRONMENT = 1 << 16, RANK_OPTION };

/* ---- reporting ---- */

static void
error_value(struct loader *l, const struct setting *s, const char *why)
{
    struct buffer *out = &l->report->errors;
    if (!config_report_begin(l->report, s->origin, s->line))
        return;
    config_report_show(out, s->key);
    if (s->match.row->type != CONFIG_SECRET && s->match.row->type != CONFIG_SECRETS) {
        buffer_add_str(out, " = ");
        config_report_show(out, s->value);
    }
    buffer_add_str(out, ": ");
    if (why) {
        buffer_add_str(out, why);
    } else {
        buffer_add_str(out, "expected ");
        config_row_expected(s->match.row, out);
    }
    buffer_add_u8(out, '\n');
}

static void
error_unknown(struct loader *l, const struct setting *s)
{
    char near[CONFIG_KEY_BYTES_MAX + 1];
    struct buffer *out = &l->report->errors;
    if (!config_report_begin(l->report, s->origin, s->line))
        return;
    buffer_add_str(out, "there is no key ");
    config_report_show(out, s->key);
    if (config_row_suggest(s->key, near)) {
        buffer_add_str(out, "; did you mean ");
        config_report_show(out, slice_str(near));
        buffer_add_str(out, "?");
    }
    buffer_add_u8(out, '\n');
}

static void
error_refused(struct loader *l, const struct setting *s)
{
    if (!config_report_begin(l->report, s->origin, s->line))
        return;
    config_report_show(&l->report->errors, s->key);
    buffer_add_fmt(&l->report->errors, ": %s\n", s->match.refused->text);
}

/* One warning for all of them. */
static void
warn_ignored(struct loader *l, const char *origin, unsigned line, struct slice key, const char *why)
{
    struct buffer *out = &l->report->warnings;
    if (l->ignored++ >= IGNORED_SHOWN_MAX)
        return;
    buffer_add_str(out, l->ignored == 1 ? "keys without effect here: " : "; ");
    config_report_show(out, key);
    buffer_add_str(out, " (");
    config_report_show(out, slice_str(origin));
    if (line > 0)
        buffer_add_fmt(out, ":%u", line);
    buffer_add_fmt(out, ", %s)", why);
}

static void
warn_ignored_end(struct loader *l)
{
    if (l->ignored > IGNORED_SHOWN_MAX)
        buffer_add_fmt(&l->report->warnings, "; and %zu more", l->ignored - IGNORED_SHOWN_MAX);
    if (l->ignored > 0)
        buffer_add_u8(&l->report->warnings, '\n');
}

/* ---- settings ---- */

static void
setting_add(struct loader *l, const char *origin, unsigned line, struct slice key, struct slice value,
            unsigned rank)
{
    if (l->count == CONFIG_SETTINGS_MAX) {
        config_report_error(l->report, origin, line, "too many settings");
        return;
    }
    if (l->count == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 64;
        l->settings = realloc(l->settings, l->cap * sizeof *l->settings);
        CHECK(l->settings);
    }
    l->settings[l->count] = (struct setting){.origin = origin,
                                             .line = line,
                                             .order = (unsigned)l->count,
                                             .rank = rank,
                                             .key = key,
                                             .value = value};
    l->count++;
}

static void
text_read(struct loader *l, const char *path, struct slice text)
{
    struct config_text lines = {.rest = text};
    struct config_setting_text setting;
    while (config_text_next(&lines, &setting)) {
        if (l->count == CONFIG_SETTINGS_MAX || setting.error) {
            config_report_error(l->report, path, lines.line,
                                setting.error ? setting.error : "too many settings");
            if (!setting.error)
                return;
        } else {
            setting_add(l, path, lines.line, setting.key, setting.value, RANK_TEXT);
        }
    }
}

/* ---- the classic form ---- */

static bool
is_clean(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((s.data[i] < 0x20 && s.data[i] != '\t') || s.data[i] == 0x7f)
            return false;
    return utf8_is_valid(s);
}

static void
on_classic_setting(void *arg, unsigned line, struct slice key, struct slice value)
{
    struct loader *l = arg;
    if (!is_clean(key) || !is_clean(value)) {
        config_report_error(l->report, l->path, line,
                            "a value has a control character in it, or is not UTF-8");
        return;
    }
    key = slice_of(arena_copy(&l->arena, key), key.len);
    value = slice_of(arena_copy(&l->arena, value), value.len);
    setting_add(l, l->path, line, key, value, l->rank);
}

static void
on_classic_unknown(void *arg, unsigned line, struct slice name)
{
    struct loader *l = arg;
    warn_ignored(l, l->path, line, name, "not known here");
}

static void
on_classic_wrong(void *arg, unsigned line, struct slice name, const char *expected)
{
    struct loader *l = arg;
    if (!config_report_begin(l->report, l->path, line))
        return;
    config_report_show(&l->report->errors, name);
    buffer_add_fmt(&l->report->errors, ": expected %s\n", expected);
}

static void
classic_read(struct loader *l, const char *path, struct slice text)
{
    struct config *c = l->config;
    const struct config_classic_sink sink = {on_classic_setting, on_classic_unknown, on_classic_wrong, l};
    struct erlang_error error;
    c->terms = realloc(c->terms, (c->terms_count + 1) * sizeof *c->terms);
    CHECK(c->terms);
    struct erlang_terms *terms = &c->terms[c->terms_count++];
    if (!erlang_terms_parse(terms, text, &error)) {
        config_report_error(l->report, path, error.line, error.text);
        return;
    }
    l->path = path;
    l->rank = RANK_CLASSIC + (unsigned)c->terms_count;
    config_classic_read(terms, &sink);
}

bool
config_is_classic(const char *path, struct slice text)
{
    const char *dot = strrchr(path, '.');
    if (dot && (strcmp(dot, ".config") == 0 || strcmp(dot, ".conf") == 0))
        return strcmp(dot, ".config") == 0;
    bool in_comment = false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t ch = text.data[i];
        in_comment = ch == '%' || (in_comment && ch != '\n');
        if (!in_comment && ch != ' ' && ch != '\t' && ch != '\r' && ch != '\n')
            return ch == '[';
    }
    return false;
}

/* ---- all settings ---- */

static void
file_read(struct loader *l, const char *path, struct buffer *text)
{
    struct config *c = l->config;
    enum err e = l->request->io.read(l->request->io.arg, path, text);
    if (e == ERR_OK && text->len > CONFIG_FILE_BYTES_MAX)
        e = ERR_LIMIT;
    if (e != ERR_OK) {
        config_report_error(l->report, path, 0, e == ERR_LIMIT ? CONFIG_TOO_LONG : err_text(e));
        return;
    }
    c->files[c->files_count] = strdup(path);
    CHECK(c->files[c->files_count]);
    c->files_count++;
    if (config_is_classic(path, buffer_slice(text)))
        classic_read(l, path, buffer_slice(text));
    else
        text_read(l, path, buffer_slice(text));
}

static void
settings_collect(struct loader *l)
{
    static const unsigned ranks[] = {[CONFIG_OPTION] = RANK_OPTION,
                                     [CONFIG_ENVIRONMENT] = RANK_ENVIRONMENT,
                                     [CONFIG_PRESET] = RANK_PRESET};
    l->config->files = calloc(l->request->file_count + 1, sizeof *l->config->files);
    CHECK(l->config->files);
    for (size_t i = 0; i < l->request->file_count; i++)
        file_read(l, l->request->files[i], &l->texts[i]);
    for (size_t i = 0; i < l->request->override_count; i++) {
        const struct config_override *o = &l->request->overrides[i];
        setting_add(l, o->origin, 0, slice_str(o->key), slice_str(o->value), ranks[o->strength]);
    }
}

/* Only settings of a known row stay. */
static void
settings_resolve(struct loader *l)
{
    size_t kept = 0;
    for (size_t i = 0; i < l->count; i++) {
        struct setting s = l->settings[i];
        s.match = s.key.len <= CONFIG_KEY_BYTES_MAX ? config_row_find(s.key) : (struct config_match){0};
        if (s.match.row)
            l->settings[kept++] = s;
        else if (s.match.ignored)
            warn_ignored(l, s.origin, s.line, s.key, s.match.ignored->text);
        else if (s.match.refused)
            error_refused(l, &s);
        else
            error_unknown(l, &s);
    }
    l->count = kept;
    warn_ignored_end(l);
}

/* By row; within a row by name; at last by rank and place, the winner last. */
static int
setting_order(const void *pa, const void *pb)
{
    const struct setting *a = pa, *b = pb;
    if (a->match.row != b->match.row)
        return a->match.row < b->match.row ? -1 : 1;
    if (a->match.is_whole != b->match.is_whole)
        return a->match.is_whole ? -1 : 1;
    int order = config_row_name_order(a->match.name, b->match.name);
    if (order)
        return order;
    return a->rank != b->rank ? (a->rank > b->rank) - (a->rank < b->rank)
                              : (a->order > b->order) - (a->order < b->order);
}

/* Of the settings of a row only those with the highest rank stay, and of those the last of each key. */
static void
settings_reduce(struct loader *l)
{
    if (l->count > 0)
        qsort(l->settings, l->count, sizeof *l->settings, setting_order);
    size_t kept = 0;
    for (size_t i = 0; i < l->count;) {
        size_t end = i;
        unsigned rank = 0;
        for (; end < l->count && l->settings[end].match.row == l->settings[i].match.row; end++)
            rank = l->settings[end].rank > rank ? l->settings[end].rank : rank;
        for (; i < end; i++) {
            const struct setting *s = &l->settings[i];
            bool is_last = i + 1 == end || s->match.is_whole != s[1].match.is_whole ||
                           !slice_eq(s->match.name, s[1].match.name);
            if (is_last && s->rank == rank)
                l->settings[kept++] = *s;
        }
    }
    l->count = kept;
}

/* ---- values ---- */

static struct config_list *
list_of(struct config *c, const struct config_row *row)
{
    return (struct config_list *)((char *)c + row->offset);
}

static bool
list_add(struct config *c, const struct config_row *row, struct slice name, struct slice value)
{
    struct config_list *list = list_of(c, row);
    struct config_item item;
    bool is_wanted;
    if (!config_value_item(row, name, value, &item, &is_wanted))
        return false;
    if (!is_wanted) {
        config_value_item_fini(&item);
        return true;
    }
    list->items = realloc(list->items, (list->count + 1) * sizeof *list->items);
    CHECK(list->items);
    list->items[list->count++] = item;
    return true;
}

/* What RabbitMQ would resolve or read from elsewhere, and what must not be taken literally. */
static const char *
value_refusal(const struct loader *l, const struct setting *s)
{
    if (slice_starts_with(s->value, "$(") && s->value.data[s->value.len - 1] == ')')
        return "environment variables are not read; write the value";
    if ((s->match.row->type == CONFIG_SECRET || s->match.row->type == CONFIG_SECRETS ||
         s->match.row->type == CONFIG_STRING) &&
        slice_starts_with(s->value, "encrypted:"))
        return "encrypted values are not read; write the value and protect the file";
    if (s->match.row->type != CONFIG_FILE || !l->request->io.probe)
        return NULL;
    char path[4096];
    if (s->value.len >= sizeof path)
        return "the path is too long";
    memcpy(path, s->value.data, s->value.len);
    path[s->value.len] = 0;
    enum err e = l->request->io.probe(l->request->io.arg, path);
    return e == ERR_OK ? NULL : err_text(e);
}

static void
setting_apply(struct loader *l, const struct setting *s)
{
    const struct config_row *row = s->match.row;
    enum log_category category;
    const char *why = value_refusal(l, s);
    bool is_good = !why;
    if (is_good && s->match.is_whole) {
        is_good = slice_eq_str(s->value, "none");
        why = is_good ? NULL : "without a further part this key only takes none";
    } else if (is_good && config_row_is_list(row) && list_of(l->config, row)->count == CONFIG_LIST_MAX) {
        is_good = false;
        why = "this list has too many elements";
    } else if (is_good && config_row_is_list(row)) {
        is_good = list_add(l->config, row, s->match.name, s->value);
    } else if (is_good) {
        is_good = config_value_set(l->config, row, s->value);
    }
    if (is_good && row->type == CONFIG_LEVELS && !s->match.is_whole) {
        const struct config_list *list = list_of(l->config, row);
        is_good = log_category_parse(list->items[list->count - 1].name, &category);
        why = "there is no such log category";
    }
    if (!is_good)
        error_value(l, s, why);
}

static void
row_default(struct config *c, const struct config_row *row)
{
    struct slice rest = slice_str(row->fallback);
    if (!config_row_is_list(row)) {
        bool is_good = rest.len == 0 || config_value_set(c, row, rest);
        CHECK(is_good);
        return;
    }
    while (rest.len > 0) {
        const uint8_t *space = memchr(rest.data, ' ', rest.len);
        size_t n = space ? (size_t)(space - rest.data) : rest.len;
        const uint8_t *equals = memchr(rest.data, '=', n);
        CHECK(equals);
        size_t name = (size_t)(equals - rest.data);
        bool is_good = list_add(c, row, slice_of(rest.data, name), slice_of(equals + 1, n - name - 1));
        CHECK(is_good);
        rest = space ? slice_of(space + 1, rest.len - n - 1) : slice_of(NULL, 0);
    }
}

/* The settings stand by row. `none` for a list's whole key wins over its elements, as in RabbitMQ. */
static void
settings_apply(struct loader *l)
{
    size_t i = 0;
    for (size_t r = 0; r < config_row_count; r++) {
        const struct config_row *row = &config_rows[r];
        if (row->type == CONFIG_LEVEL)
            *(int *)((char *)l->config + row->offset) = -1;
        if (i == l->count || l->settings[i].match.row != row) {
            row_default(l->config, row);
            continue;
        }
        bool is_none = l->settings[i].match.is_whole;
        for (; i < l->count && l->settings[i].match.row == row; i++)
            if (!is_none || l->settings[i].match.is_whole)
                setting_apply(l, &l->settings[i]);
    }
}

/* ---- what several keys say together ---- */

/* The setting of a row, for the message's place: NULL when the row has its default. */
static const struct setting *
setting_of(const struct loader *l, const char *name)
{
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->settings[i].match.row->name, name) == 0)
            return &l->settings[i];
    return NULL;
}

static void
require(struct loader *l, bool holds, const char *name, const char *text)
{
    const struct setting *s = setting_of(l, name);
    if (!holds)
        config_report_error(l->report, s ? s->origin : name, s ? s->line : 0, text);
}

/* Of the two forms of a limit the relative one counts, unless the other is from a stronger place. */
static void
watermarks_check(struct loader *l)
{
    const struct setting *absolute = setting_of(l, "vm_memory_high_watermark.absolute");
    const struct setting *relative = setting_of(l, "vm_memory_high_watermark.relative");
    if (absolute && relative && relative->rank >= absolute->rank)
        l->config->memory_watermark_bytes = 0;
    absolute = setting_of(l, "disk_free_limit.absolute");
    relative = setting_of(l, "disk_free_limit.relative");
    if (absolute && relative && relative->rank < absolute->rank)
        l->config->disk_free_ratio = 0;
}

static void
on_vhost_wrong(void *arg, const struct config_row *row, const char *name, struct slice text)
{
    struct loader *l = arg;
    const struct setting *s = setting_of(l, row->name);
    while (s + 1 < l->settings + l->count && !config_value_is_name(s->match.name, name))
        s++;
    if (!config_report_begin(l->report, s->origin, s->line))
        return;
    config_report_show(&l->report->errors, s->key);
    buffer_add_fmt(&l->report->errors, ": %.*s\n", SLICE_FMT(text));
}

static void
config_check(struct loader *l)
{
    struct config *c = l->config;
    require(l, c->listeners_ssl.count == 0 || (c->ssl_certfile && c->ssl_keyfile), "listeners.ssl.$name",
            "a TLS listener needs ssl_options.certfile and ssl_options.keyfile");
    require(l, c->ssl_verify == CONFIG_VERIFY_NONE || c->ssl_cacertfile, "ssl_options.verify",
            "ssl_options.verify = verify_peer needs ssl_options.cacertfile");
    require(l, c->ssl_verify == CONFIG_VERIFY_PEER || !c->ssl_fail_if_no_peer_cert,
            "ssl_options.fail_if_no_peer_cert",
            "ssl_options.fail_if_no_peer_cert = true needs ssl_options.verify = verify_peer");
    require(l, c->ssl_versions.count > 0, "ssl_options.versions.$n",
            "ssl_options.versions: at least one is needed");
    require(l, c->auth_mechanisms.count > 0, "auth_mechanisms.$n", "auth_mechanisms: at least one is needed");
    require(l, c->auth_backends.count > 0, "auth_backends.$n", "auth_backends: at least one is needed");
    require(l, c->frame_max == 0 || c->frame_max >= CONFIG_FRAME_LEAST, "frame_max",
            "frame_max: expected 0 or at least 4096");
    require(l, c->connection_output_low < c->connection_output_high, "leveret.connection_output_low",
            "leveret.connection_output_low: expected less than leveret.connection_output_high");
    require(l, c->connection_output_max >= c->connection_output_high, "leveret.connection_output_max",
            "leveret.connection_output_max: expected at least leveret.connection_output_high");
    watermarks_check(l);
    config_vhost_check(c, on_vhost_wrong, l);
}

/* ---- the whole ---- */

bool
config_load(struct config *c, const struct config_request *request, struct config_report *report)
{
    struct loader l = {.config = c, .request = request, .report = report};
    *c = (struct config){0};
    *report = (struct config_report){0};
    l.texts = calloc(request->file_count + 1, sizeof *l.texts);
    CHECK(l.texts);
    settings_collect(&l);
    settings_resolve(&l);
    settings_reduce(&l);
    settings_apply(&l);
    if (report->error_count == 0)
        config_check(&l);
    if (report->error_count > CONFIG_ERRORS_MAX)
        buffer_add_fmt(&report->errors, "and %u more errors\n", report->error_count - CONFIG_ERRORS_MAX);
    for (size_t i = 0; i < request->file_count; i++)
        buffer_fini(&l.texts[i]);
    free(l.texts);
    free(l.settings);
    arena_fini(&l.arena);
    return report->error_count == 0;
}

void
config_fini(struct config *c)
{
    for (size_t r = 0; r < config_row_count; r++)
        config_value_fini(c, &config_rows[r]);
    for (size_t i = 0; i < c->files_count; i++)
        free(c->files[i]);
    free(c->files);
    for (size_t i = 0; i < c->terms_count; i++)
        erlang_terms_fini(&c->terms[i]);
    free(c->terms);
    free(c->plugins_file);
    *c = (struct config){0};
}
