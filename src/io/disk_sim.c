/*
 * A disk that remembers what was synced. Every file has two images: what the process sees, and the medium;
 * writes go to the first and wait in a list until a sync applies them to the second. Names likewise: a view,
 * a medium, and a list of operations until their directory is synced.
 *
 * At a power loss each file's waiting writes meet one of three fates, at random: none of them arrived; a
 * first part did, the last of it torn at a sector; or every sector for itself did or did not. Of the waiting
 * directory operations a first part survives. A name whose directory did not survive is gone.
 */
#include "io/disk_sim.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { SECTOR = 512 };

/* ---- images ---- */

static void
image_resize(struct sim_image *m, uint64_t size)
{
    if (size > m->capacity) {
        m->capacity = size * 2 > 4096 ? size * 2 : 4096;
        m->data = realloc(m->data, m->capacity);
        CHECK(m->data);
    }
    if (size > m->size)
        memset(m->data + m->size, 0, size - m->size);
    m->size = size;
}

static void
image_write(struct sim_image *m, const void *data, size_t len, uint64_t offset)
{
    if (len == 0)
        return;
    if (offset + len > m->size)
        image_resize(m, offset + len);
    memcpy(m->data + offset, data, len);
}

static void
image_copy(struct sim_image *to, const struct sim_image *from)
{
    image_resize(to, 0);
    if (from->size > 0)
        image_write(to, from->data, from->size, 0);
}

static void
image_apply(struct sim_image *m, const struct sim_pending *p)
{
    if (p->len == 0)
        image_resize(m, p->offset);
    else
        image_write(m, p->data, p->len, p->offset);
}

/* ---- inodes ---- */

struct sim_inode *
sim_inode_new(struct sim_disk *d, bool is_directory)
{
    struct sim_inode *inode = calloc(1, sizeof *inode);
    CHECK(inode);
    inode->holds = 1;
    inode->is_directory = is_directory;
    inode->modified_ms = sim_now_ms(d->node->sim);
    list_init(&inode->pending);
    return inode;
}

void
sim_inode_forget(struct sim_inode *inode)
{
    LIST_FOREACH_SAFE (node, tmp, &inode->pending) {
        list_remove(node);
        free(LIST_ENTRY(node, struct sim_pending, link));
    }
}

void
sim_inode_drop(struct sim_inode *inode)
{
    if (!inode || --inode->holds > 0)
        return;
    sim_inode_forget(inode);
    free(inode->now.data);
    free(inode->medium.data);
    free(inode);
}

static struct sim_inode *
hold(struct sim_inode *inode)
{
    if (inode)
        inode->holds++;
    return inode;
}

static void
add_pending(struct sim_disk *d, struct sim_inode *inode, const void *data, size_t len, uint64_t offset)
{
    struct sim_pending *p = malloc(sizeof *p + len);
    CHECK(p);
    p->offset = offset;
    p->len = len;
    if (len > 0)
        memcpy(p->data, data, len);
    list_push_back(&inode->pending, &p->link);
    if (len > 0)
        image_write(&inode->now, data, len, offset);
    else
        image_resize(&inode->now, offset);
    inode->modified_ms = sim_now_ms(d->node->sim);
}

void
sim_inode_write(struct sim_disk *d, struct sim_inode *inode, const void *data, size_t len, uint64_t offset)
{
    if (len > 0)
        add_pending(d, inode, data, len, offset);
}

void
sim_inode_resize(struct sim_disk *d, struct sim_inode *inode, uint64_t size)
{
    add_pending(d, inode, NULL, 0, size);
}

void
sim_inode_sync(struct sim_inode *inode)
{
    LIST_FOREACH (node, &inode->pending)
        image_apply(&inode->medium, LIST_ENTRY(node, struct sim_pending, link));
    sim_inode_forget(inode);
}

/* ---- names ---- */

char *
sim_path(const char *path)
{
    char *out = malloc(strlen(path) + 1), *end = out;
    CHECK(out);
    for (; *path; path++)
        if (*path != '/' || end == out || end[-1] != '/')
            *end++ = *path;
    if (end > out + 1 && end[-1] == '/')
        end--;
    *end = 0;
    return out;
}

/* The place of a path, or where it would be. */
static size_t
place_of(const struct sim_names *names, const char *path, bool *found)
{
    size_t low = 0, high = names->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(names->names[middle].path, path) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = low < names->count && strcmp(names->names[low].path, path) == 0;
    return low;
}

struct sim_inode *
sim_names_find(const struct sim_names *names, const char *path)
{
    bool found;
    size_t at = place_of(names, path, &found);
    return found ? names->names[at].inode : NULL;
}

static void
names_remove(struct sim_names *names, const char *path)
{
    bool found;
    size_t at = place_of(names, path, &found);
    if (!found)
        return;
    free(names->names[at].path);
    sim_inode_drop(names->names[at].inode);
    memmove(&names->names[at], &names->names[at + 1], (--names->count - at) * sizeof *names->names);
}

static void
names_add(struct sim_names *names, const char *path, struct sim_inode *inode)
{
    bool found;
    hold(inode);
    names_remove(names, path);
    size_t at = place_of(names, path, &found);
    if (names->count == names->capacity) {
        names->capacity = names->capacity ? names->capacity * 2 : 64;
        names->names = realloc(names->names, names->capacity * sizeof *names->names);
        CHECK(names->names);
    }
    memmove(&names->names[at + 1], &names->names[at], (names->count++ - at) * sizeof *names->names);
    names->names[at] = (struct sim_name){.path = strdup(path), .inode = inode};
    CHECK(names->names[at].path);
}

static void
names_clear(struct sim_names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        free(names->names[i].path);
        sim_inode_drop(names->names[i].inode);
    }
    free(names->names);
    *names = (struct sim_names){0};
}

bool
sim_is_inside(const char *path, const char *dir, bool directly)
{
    size_t len = strlen(dir);
    const char *rest;
    if (strcmp(dir, ".") == 0)
        rest = path[0] == '/' ? NULL : path;
    else if (strcmp(dir, "/") == 0)
        rest = path[0] == '/' && path[1] ? path + 1 : NULL;
    else
        rest = strncmp(path, dir, len) == 0 && path[len] == '/' ? path + len + 1 : NULL;
    return rest && (!directly || !strchr(rest, '/'));
}

static bool
has_parent(const struct sim_names *names, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return true;
    char *parent = strndup(path, (size_t)(slash - path));
    CHECK(parent);
    struct sim_inode *inode = sim_names_find(names, parent);
    free(parent);
    return inode && inode->is_directory;
}

bool
sim_disk_has_parent(const struct sim_disk *d, const char *path)
{
    return has_parent(&d->now, path);
}

/* A renamed directory takes what is in it along. */
static void
move_children(struct sim_names *names, const char *from, const char *to)
{
    for (size_t i = 0; i < names->count; i++) {
        if (!sim_is_inside(names->names[i].path, from, false))
            continue;
        struct sim_inode *inode = names->names[i].inode;
        size_t size = strlen(to) + strlen(names->names[i].path) - strlen(from) + 1;
        char *path = malloc(size), *old = strdup(names->names[i].path);
        CHECK(path && old);
        memcpy(path, to, strlen(to));
        memcpy(path + strlen(to), old + strlen(from), size - strlen(to));
        names_add(names, path, inode);
        names_remove(names, old);
        free(path);
        free(old);
        i = (size_t)-1; /* places have moved */
    }
}

static void
names_apply(struct sim_names *names, const struct sim_dir_op *op)
{
    if (op->from && op->to && op->inode->is_directory)
        move_children(names, op->from, op->to);
    if (op->to)
        names_add(names, op->to, op->inode);
    if (op->from)
        names_remove(names, op->from);
}

static void
dir_op_free(struct sim_dir_op *op)
{
    list_remove(&op->link);
    sim_inode_drop(op->inode);
    free(op->from);
    free(op->to);
    free(op);
}

void
sim_disk_change(struct sim_disk *d, const char *from, const char *to, struct sim_inode *inode)
{
    struct sim_dir_op *op = calloc(1, sizeof *op);
    CHECK(op);
    op->from = from ? strdup(from) : NULL;
    op->to = to ? strdup(to) : NULL;
    op->inode = hold(inode);
    list_push_back(&d->dir_ops, &op->link);
    names_apply(&d->now, op);
}

void
sim_disk_sync_dir(struct sim_disk *d, const char *dir)
{
    LIST_FOREACH_SAFE (node, tmp, &d->dir_ops) {
        struct sim_dir_op *op = LIST_ENTRY(node, struct sim_dir_op, link);
        bool touches =
            (op->from && sim_is_inside(op->from, dir, true)) || (op->to && sim_is_inside(op->to, dir, true));
        if (!touches)
            continue;
        names_apply(&d->medium, op);
        dir_op_free(op);
    }
}

/* ---- life and crashes ---- */

struct sim_disk *
sim_disk_new(struct io_world *node)
{
    struct sim_disk *d = calloc(1, sizeof *d);
    CHECK(d);
    d->node = node;
    list_init(&d->dir_ops);
    list_init(&d->files);
    return d;
}

void
sim_disk_free(struct sim_disk *d)
{
    while (!list_is_empty(&d->dir_ops))
        dir_op_free(LIST_ENTRY(d->dir_ops.next, struct sim_dir_op, link));
    while (!list_is_empty(&d->files)) {
        struct file *f = LIST_ENTRY(d->files.next, struct file, in_disk);
        list_remove(&f->in_disk);
        f->disk = NULL;
    }
    names_clear(&d->now);
    names_clear(&d->medium);
    free(d);
}

/* One waiting write: each sector arrives or not. */
static void
apply_sectors(struct sim *sim, struct sim_image *m, const struct sim_pending *p)
{
    for (size_t done = 0; done < p->len;) {
        size_t to_border = SECTOR - (size_t)((p->offset + done) % SECTOR);
        size_t len = p->len - done < to_border ? p->len - done : to_border;
        if (sim_random(sim, 2))
            image_write(m, p->data + done, len, p->offset + done);
        done += len;
    }
    if (p->len == 0 && sim_random(sim, 2))
        image_resize(m, p->offset);
}

/* The last write of a surviving first part: its own first part, cut between sectors. */
static void
apply_torn(struct sim *sim, struct sim_image *m, const struct sim_pending *p)
{
    size_t len = sim_random(sim, p->len + 1);
    uint64_t border = (p->offset + len) / SECTOR * SECTOR;
    if (border > p->offset)
        image_write(m, p->data, (size_t)(border - p->offset), p->offset);
}

static void
lose_power(struct sim *sim, struct sim_inode *inode)
{
    size_t count = 0;
    LIST_FOREACH (node, &inode->pending)
        count++;
    if (count > 0) {
        uint64_t fate = sim_random(sim, 3), survive = fate == 1 ? sim_random(sim, count) : 0, i = 0;
        LIST_FOREACH (node, &inode->pending) {
            const struct sim_pending *p = LIST_ENTRY(node, struct sim_pending, link);
            if (fate == 2)
                apply_sectors(sim, &inode->medium, p);
            else if (fate == 1 && i < survive)
                image_apply(&inode->medium, p);
            else if (fate == 1 && i == survive)
                apply_torn(sim, &inode->medium, p);
            i++;
        }
    }
    sim_inode_forget(inode);
    image_copy(&inode->now, &inode->medium);
}

static void
drop_orphans(struct sim_names *names)
{
    for (size_t i = 0; i < names->count;)
        if (has_parent(names, names->names[i].path))
            i++;
        else
            names_remove(names, names->names[i].path);
}

static void
lose_names(struct sim_disk *d)
{
    size_t count = 0;
    LIST_FOREACH (node, &d->dir_ops)
        count++;
    uint64_t survive = sim_random(d->node->sim, count + 1);
    while (!list_is_empty(&d->dir_ops)) {
        struct sim_dir_op *op = LIST_ENTRY(d->dir_ops.next, struct sim_dir_op, link);
        if (survive > 0) {
            names_apply(&d->medium, op);
            survive--;
        }
        dir_op_free(op);
    }
    drop_orphans(&d->medium);
    names_clear(&d->now);
    for (size_t i = 0; i < d->medium.count; i++)
        names_add(&d->now, d->medium.names[i].path, d->medium.names[i].inode);
}

void
sim_disk_crash(struct sim_disk *d, bool power)
{
    bool was_down = d->is_down;
    d->is_down = false;
    d->node->crashes += !was_down;
    LIST_FOREACH_SAFE (node, tmp, &d->files) {
        struct file *f = LIST_ENTRY(node, struct file, in_disk);
        f->inode->locked_by = NULL;
        list_remove(&f->in_disk);
        f->disk = NULL;
    }
    if (!power || was_down)
        return;
    lose_names(d);
    /* A file has one name here, so each is met once. */
    for (size_t i = 0; i < d->now.count; i++)
        lose_power(d->node->sim, d->now.names[i].inode);
}

/* ---- faults ---- */

void
sim_disk_set_faults(struct io_world *node, const struct sim_disk_faults *faults)
{
    node->disk->faults = *faults;
    node->disk->operations_at_faults = node->disk->operations;
}

uint64_t
sim_disk_operations(const struct io_world *node)
{
    return node->disk->operations;
}

uint64_t
sim_disk_latency(struct sim_disk *d)
{
    const struct sim_disk_faults *f = &d->faults;
    if (f->latency_max_ns == 0)
        return sim_random_between(d->node->sim, 50000, 300000);
    return sim_random_between(d->node->sim, f->latency_min_ns, f->latency_max_ns);
}

uint64_t
sim_disk_used(const struct sim_disk *d)
{
    uint64_t used = 0;
    for (size_t i = 0; i < d->now.count; i++)
        used += d->now.names[i].inode->now.size;
    return used;
}

bool
sim_disk_is_down(const struct sim_disk *d)
{
    return d->is_down || sim_node_has_dead(d->node);
}

/* The disk goes at once, the processes when the current event is over. */
static void
go_down(struct sim_disk *d)
{
    struct sim *sim = d->node->sim;
    sim_note(sim, "down", d->node->index, d->operations);
    sim_disk_crash(d, !d->faults.crash_keeps);
    d->is_down = true;
    d->faults.crash_at = 0;
    sim_schedule(sim, &d->node->down, sim->now_ns);
}

enum err
sim_disk_fault(struct sim_disk *d)
{
    const struct sim_disk_faults *f = &d->faults;
    if (sim_disk_is_down(d))
        return ERR_IO;
    uint64_t nth = ++d->operations - d->operations_at_faults;
    if (nth == f->crash_at) {
        go_down(d);
        return ERR_IO;
    }
    if (f->fail_at && (nth == f->fail_at || (f->fail_on && nth > f->fail_at))) {
        sim_note(d->node->sim, "disk fault", d->node->index, nth);
        return f->fail_with;
    }
    return ERR_OK;
}
