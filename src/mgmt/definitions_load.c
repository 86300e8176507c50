/*
 * Definitions for a node that does not serve yet: no shard runs, so its declared things are changed here and
 * now; what is there when it begins to serve is kept. A directory's files are read first and then taken one
 * after the other, each as a whole; the first that is wrong ends the start of the node. The digest of several
 * files is that of their digests.
 */
#include "base/check.h"
#include "broker/parameter.h"
#include "broker/vhost_defaults.h"
#include "io/file.h"
#include "mgmt/definitions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOAD_FILES_MAX = 1000, LOAD_PATH_SIZE = 4096 };

struct load_file {
    char *path, *data;
    size_t len;
};

struct load {
    struct meta *meta;
    struct io_world *world;
    const char *directory;
    struct definitions_tally tally;
    struct load_file files[LOAD_FILES_MAX];
    size_t count;
    bool has_too_many;
    char *why;
};

/* ---- reading ---- */

static void
add_file(struct load *l, const char *path)
{
    l->files[l->count].path = strdup(path);
    CHECK(l->files[l->count].path);
    l->count++;
}

/* dir_list()'s order is that of the names. */
static void
add_name(void *arg, const char *name)
{
    struct load *l = arg;
    char path[LOAD_PATH_SIZE];
    if (name[0] == '.')
        return;
    l->has_too_many = l->count == LOAD_FILES_MAX;
    snprintf(path, sizeof path, "%s/%s", l->directory, name);
    if (!l->has_too_many)
        add_file(l, path);
}

static bool
read_all(struct load *l, const char *path)
{
    l->directory = path;
    if (dir_list(l->world, path, add_name, l) != ERR_OK)
        add_file(l, path);
    if (l->has_too_many) {
        snprintf(l->why, DEFINITIONS_WHY_SIZE, "%.200s has more than %d files of definitions", path,
                 LOAD_FILES_MAX);
        return false;
    }
    for (size_t i = 0; i < l->count; i++) {
        struct load_file *f = &l->files[i];
        enum err e = file_read_all(l->world, f->path, DEFINITIONS_BYTES_MAX, &f->data, &f->len);
        if (e != ERR_OK) {
            snprintf(l->why, DEFINITIONS_WHY_SIZE, "definitions cannot be loaded from %.300s: %s", f->path,
                     err_text(e));
            return false;
        }
    }
    return true;
}

static void
digest_all(const struct load *l, char digest[DEFINITIONS_DIGEST_SIZE])
{
    struct buffer all = {0};
    for (size_t i = 0; i < l->count; i++) {
        definitions_digest(slice_of(l->files[i].data, l->files[i].len), digest);
        buffer_add_str(&all, digest);
    }
    if (l->count != 1)
        definitions_digest(buffer_slice(&all), digest);
    buffer_fini(&all);
}

/* ---- applying ---- */

static bool
apply(struct load *l, struct definitions *d, char why[DEFINITIONS_WHY_SIZE])
{
    struct definitions_place at = {0};
    struct meta_command cmd;
    for (size_t i = 0; i < d->need_count; i++)
        if (!definitions_has_need(l->meta, &d->needs[i], why))
            return false;
    while (definitions_next(d, &at, &cmd)) {
        struct meta_result r;
        vhost_defaults_apply(l->meta, &cmd, &r);
        if (!definitions_count(&l->tally, at.section, &cmd, &r, why))
            return false;
    }
    return true;
}

static bool
apply_file(struct load *l, const struct load_file *f)
{
    char why[DEFINITIONS_WHY_SIZE];
    struct definitions *d = definitions_parse(slice_of(f->data, f->len), NULL, l->world, why);
    bool ok = d && apply(l, d, why);
    if (!ok)
        snprintf(l->why, DEFINITIONS_WHY_SIZE, "definitions cannot be loaded from %.200s: %.270s", f->path,
                 why);
    definitions_free(d);
    return ok;
}

static bool
apply_all(struct load *l, bool is_skipped_if_unchanged, json_t **result)
{
    char digest[DEFINITIONS_DIGEST_SIZE];
    digest_all(l, digest);
    const struct parameter *last = parameter_find_global(l->meta, DEFINITIONS_DIGEST_PARAMETER);
    if (is_skipped_if_unchanged && last && slice_eq_str(last->value, digest)) {
        *result = json_pack("{s:b}", "unchanged", 1);
        return true;
    }
    for (size_t i = 0; i < l->count; i++)
        if (!apply_file(l, &l->files[i]))
            return false;
    struct meta_result r;
    meta_apply(l->meta,
               &(struct meta_command){.kind = META_PARAMETER_SET,
                                      .name = slice_str(DEFINITIONS_DIGEST_PARAMETER),
                                      .value = slice_str(digest)},
               &r);
    *result = definitions_tally_result(&l->tally);
    return true;
}

bool
definitions_load(struct meta *m, struct io_world *world, const char *path, bool is_skipped_if_unchanged,
                 json_t **result, char why[DEFINITIONS_WHY_SIZE])
{
    struct load *l = calloc(1, sizeof *l);
    CHECK(l);
    l->meta = m;
    l->world = world;
    l->why = why;
    bool ok = read_all(l, path) && apply_all(l, is_skipped_if_unchanged, result);
    json_decref(l->tally.left_names);
    for (size_t i = 0; i < l->count; i++) {
        free(l->files[i].path);
        free(l->files[i].data);
    }
    free(l);
    return ok;
}
