/*
 * Definitions for a node that does not serve yet: no shard runs, so its declared things are changed here and
 * now; what is there when it begins to serve is kept. A directory's files are taken one after the other, each
 * as a whole; the first that is wrong ends the start of the node.
 */
#include "base/check.h"
#include "io/file.h"
#include "mgmt/definitions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOAD_FILES_MAX = 1000, LOAD_PATH_SIZE = 4096 };

struct load {
    struct meta *meta;
    struct io_world *world;
    struct definitions_tally tally;
    char **names; /* of a directory */
    size_t count;
    char *why;
};

static bool
apply(struct load *l, struct definitions *d)
{
    struct definitions_place at = {0};
    struct meta_command cmd;
    for (size_t i = 0; i < d->need_count; i++)
        if (!definitions_has_need(l->meta, &d->needs[i], l->why))
            return false;
    while (definitions_next(d, &at, &cmd)) {
        struct meta_result r;
        meta_apply(l->meta, &cmd, &r);
        if (!definitions_count(&l->tally, at.section, &cmd, &r, l->why))
            return false;
    }
    return true;
}

static bool
load_file(struct load *l, const char *path)
{
    char *data;
    size_t len;
    enum err e = file_read_all(l->world, path, DEFINITIONS_BYTES_MAX, &data, &len);
    if (e != ERR_OK) {
        snprintf(l->why, DEFINITIONS_WHY_SIZE, "definitions cannot be loaded from %s: %s", path, err_text(e));
        return false;
    }
    char why[DEFINITIONS_WHY_SIZE];
    struct definitions *d = definitions_parse(slice_of(data, len), NULL, l->world, why);
    free(data);
    l->why[0] = 0;
    bool ok = d && apply(l, d);
    if (!ok) {
        if (d)
            snprintf(why, sizeof why, "%s", l->why);
        snprintf(l->why, DEFINITIONS_WHY_SIZE, "definitions cannot be loaded from %.200s: %.270s", path, why);
    }
    definitions_free(d);
    return ok;
}

static void
add_name(void *arg, const char *name)
{
    struct load *l = arg;
    if (name[0] == '.' || l->count > LOAD_FILES_MAX)
        return;
    l->names = realloc(l->names, (l->count + 1) * sizeof *l->names);
    CHECK(l->names);
    l->names[l->count] = strdup(name);
    CHECK(l->names[l->count++]);
}

static bool
load_directory(struct load *l, const char *path)
{
    char file[LOAD_PATH_SIZE];
    bool ok = l->count <= LOAD_FILES_MAX;
    if (!ok)
        snprintf(l->why, DEFINITIONS_WHY_SIZE, "%.200s has more than %d files of definitions", path,
                 LOAD_FILES_MAX);
    for (size_t i = 0; i < l->count; i++) {
        if (ok) {
            snprintf(file, sizeof file, "%s/%s", path, l->names[i]);
            ok = load_file(l, file);
        }
        free(l->names[i]);
    }
    free(l->names);
    return ok;
}

bool
definitions_load(struct meta *m, struct io_world *world, const char *path, json_t **result,
                 char why[DEFINITIONS_WHY_SIZE])
{
    struct load l = {.meta = m, .world = world, .why = why};
    *why = 0;
    bool ok = dir_list(world, path, add_name, &l) == ERR_OK ? load_directory(&l, path) : load_file(&l, path);
    if (ok)
        *result = definitions_tally_result(&l.tally);
    else
        json_decref(l.tally.left_names);
    return ok;
}
