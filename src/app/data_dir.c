/*
 * What keeps two nodes apart: a lock on a file in the directory, held while the process lives. What of
 * RabbitMQ's own data stands there is never touched: it is refused by the names of its files.
 */
#include "app/data_dir.h"

#include "io/random.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_SIZE = 4096 };

static bool
make_dirs(const char *path, char *why, size_t why_size)
{
    char part[PATH_SIZE];
    if ((size_t)snprintf(part, sizeof part, "%s", path) >= sizeof part - 64) {
        snprintf(why, why_size, "the data directory's path is too long");
        return false;
    }
    for (char *slash = part + 1;; slash++) {
        if (*slash && *slash != '/')
            continue;
        char kept = *slash;
        *slash = 0;
        enum err e = dir_create(NULL, part);
        if (e && e != ERR_EXISTS) {
            snprintf(why, why_size, "cannot create the data directory %s: %s", part, err_text(e));
            return false;
        }
        if (!e && (e = dir_sync_parent(NULL, part))) {
            snprintf(why, why_size, "cannot sync the directory above %s: %s", part, err_text(e));
            return false;
        }
        struct file_stat st;
        if (e == ERR_EXISTS && file_stat(NULL, part, &st) == ERR_OK && !st.is_directory) {
            snprintf(why, why_size, "cannot use the data directory %s: %s is a file", path, part);
            return false;
        }
        *slash = kept;
        if (!kept)
            return true;
    }
}

/*
 * Names that only RabbitMQ's own data has: in a node's directory, in the directory above it (mnesia/, with
 * rabbit@host and rabbit@host-feature_flags), and in that of the package (/var/lib/rabbitmq, with mnesia/).
 */
static bool
is_rabbitmqs_name(const char *name)
{
    static const char *const whole[] = {
        "schema.DAT",           "LATEST.LOG",
        "DECISION_TAB.LOG",     "cluster_nodes.config",
        "rabbit_serial",        "node-type.txt",
        "recovery.dets",        "nodes_running_at_shutdown",
        "msg_stores",           "msg_store_transient",
        "coordination",         "quorum",
        "msg_store_persistent", "mnesia",
    };
    static const char *const ends[] = {".DCD", ".DCL", "-feature_flags", "-plugins-expand"};
    for (unsigned i = 0; i < sizeof whole / sizeof *whole; i++)
        if (strcmp(name, whole[i]) == 0)
            return true;
    size_t len = strlen(name);
    for (unsigned i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t end = strlen(ends[i]);
        if (len > end && strcmp(name + len - end, ends[i]) == 0)
            return true;
    }
    return false;
}

enum { NODES_MAX = 16 };

/* The first such name, and those that may be nodes' directories: rabbit@host. */
struct finding {
    char name[256], nodes[NODES_MAX][256];
    unsigned count;
};

static void
look_at(void *arg, const char *name)
{
    struct finding *f = arg;
    if (!*f->name && is_rabbitmqs_name(name))
        snprintf(f->name, sizeof f->name, "%s", name);
    if (strchr(name, '@') && f->count < NODES_MAX)
        snprintf(f->nodes[f->count++], sizeof f->nodes[0], "%s", name);
}

/* What of RabbitMQ's stands in the directory, in `found`; false: nothing. */
static bool
has_rabbitmqs_data(const char *path, char *found, size_t size)
{
    struct finding here = {0};
    if (dir_list(NULL, path, look_at, &here) != ERR_OK)
        return false;
    snprintf(found, size, "%s", here.name);
    for (unsigned i = 0; !*found && i < here.count; i++) {
        struct finding below = {0};
        char node[PATH_SIZE];
        snprintf(node, sizeof node, "%s/%s", path, here.nodes[i]);
        if (dir_list(NULL, node, look_at, &below) == ERR_OK && *below.name)
            snprintf(found, size, "%s/%s", here.nodes[i], below.name);
    }
    return *found;
}

static bool
take_lock(struct data_dir *d, const char *path, unsigned flags, char *why, size_t why_size)
{
    char lock[PATH_SIZE + 32];
    snprintf(lock, sizeof lock, "%s/lock", path);
    enum err e = file_open(NULL, lock, flags, &d->lock);
    if (e) {
        snprintf(why, why_size, "cannot open %s: %s", lock, err_text(e));
        return false;
    }
    if ((e = file_lock(d->lock))) {
        snprintf(why, why_size,
                 e == ERR_REFUSED ? "another process is using the data directory %s" : "cannot lock %s",
                 path);
        data_dir_close(d);
        return false;
    }
    return true;
}

/* ---- reset ---- */

/* What a reset has moved out of the way, and what a crash may have left of that. */
#define GONE "store.gone"

struct removal {
    const char *path;
    enum err error; /* the first */
    unsigned depth;
};

enum { REMOVAL_DEPTH_MAX = 8 }; /* a store has two levels */

static void remove_name(void *arg, const char *name);

static enum err
remove_tree(const char *path, unsigned depth)
{
    struct removal inside = {.path = path, .depth = depth};
    if (depth > REMOVAL_DEPTH_MAX)
        return ERR_LIMIT;
    enum err e = dir_list(NULL, path, remove_name, &inside);
    if (e == ERR_OK)
        e = inside.error;
    return e == ERR_OK ? dir_remove(NULL, path) : e;
}

static void
remove_name(void *arg, const char *name)
{
    struct removal *r = arg;
    char path[PATH_SIZE];
    struct file_stat st;
    if (r->error != ERR_OK)
        return;
    if ((size_t)snprintf(path, sizeof path, "%s/%s", r->path, name) >= sizeof path)
        r->error = ERR_LIMIT;
    else if ((r->error = file_stat(NULL, path, &st)) == ERR_OK)
        r->error = st.is_directory ? remove_tree(path, r->depth + 1) : file_unlink(NULL, path);
}

static enum err
remove_gone(const char *path)
{
    char gone[PATH_SIZE];
    struct file_stat st;
    snprintf(gone, sizeof gone, "%s/" GONE, path);
    return file_stat(NULL, gone, &st) == ERR_NOT_FOUND ? ERR_OK : remove_tree(gone, 0);
}

bool
data_dir_reset(const char *path, char *why, size_t why_size)
{
    char store[PATH_SIZE], gone[PATH_SIZE];
    snprintf(store, sizeof store, "%s/store", path);
    snprintf(gone, sizeof gone, "%s/" GONE, path);
    enum err e = remove_gone(path);
    if (e == ERR_OK)
        e = file_rename(NULL, store, gone);
    if (e == ERR_NOT_FOUND) /* nothing was ever kept */
        return true;
    if (e == ERR_OK)
        e = dir_sync(NULL, path);
    if (e == ERR_OK)
        e = remove_gone(path);
    if (e != ERR_OK)
        snprintf(why, why_size, "cannot empty the data directory %s: %s", path, err_text(e));
    return e == ERR_OK;
}

/* ---- opening ---- */

bool
data_dir_open(struct data_dir *d, const char *path, char *why, size_t why_size)
{
    *d = (struct data_dir){0};
    if (!make_dirs(path, why, why_size))
        return false;
    char found[PATH_SIZE];
    if (has_rabbitmqs_data(path, found, sizeof found)) {
        snprintf(why, why_size,
                 "%s holds a RabbitMQ node's own data (%s), which Leveret cannot read; choose another "
                 "--data-dir (and bring the declared things over with an export of RabbitMQ's definitions)",
                 path, found);
        return false;
    }
    if (!take_lock(d, path, FILE_READ | FILE_WRITE | FILE_CREATE | FILE_PRIVATE, why, why_size))
        return false;
    (void)!remove_gone(path); /* else the next reset says it */
    return true;
}

bool
data_dir_open_existing(struct data_dir *d, const char *path, char *why, size_t why_size)
{
    char store[PATH_SIZE];
    struct file_stat st;
    *d = (struct data_dir){0};
    snprintf(store, sizeof store, "%s/store", path);
    enum err e = file_stat(NULL, store, &st);
    if (e != ERR_OK) {
        snprintf(why, why_size, "%s is not the data directory of a node: %s: %s", path, store, err_text(e));
        return false;
    }
    snprintf(store, sizeof store, "%s/lock", path);
    bool has_lock = file_stat(NULL, store, &st) == ERR_OK; /* a copy has none */
    return take_lock(d, path, has_lock ? FILE_READ : FILE_READ | FILE_WRITE | FILE_CREATE | FILE_PRIVATE, why,
                     why_size);
}

void
data_dir_close(struct data_dir *d)
{
    if (d->lock)
        file_close(d->lock);
    d->lock = NULL;
}
