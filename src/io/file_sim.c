/* file.h on a simulated disk: checks, faults, and the changes that disk_sim.c carries out. */
#include "base/check.h"
#include "io/disk_sim.h"

#include <stdlib.h>
#include <string.h>

#define SIM_DISK_BYTES ((uint64_t)1 << 40) /* the size of a disk without a bound */

/* ---- opening ---- */

static struct file *
file_new(struct sim_disk *d, struct sim_inode *inode, unsigned flags)
{
    struct file *f = calloc(1, sizeof *f);
    CHECK(f);
    f->disk = d;
    f->inode = inode;
    f->flags = flags;
    inode->holds++;
    list_push_back(&d->files, &f->in_disk);
    return f;
}

static enum err
open_path(struct sim_disk *d, const char *path, unsigned flags, struct file **file)
{
    struct sim_inode *inode = sim_names_find(&d->now, path);
    if (inode && flags & FILE_CREATE && flags & FILE_EXCLUSIVE)
        return ERR_EXISTS;
    if (inode && inode->is_directory)
        return ERR_TYPE;
    if (inode) {
        if (flags & FILE_TRUNCATE && flags & FILE_WRITE)
            sim_inode_resize(d, inode, 0);
        *file = file_new(d, inode, flags);
        return ERR_OK;
    }
    if (!(flags & FILE_CREATE) || !sim_disk_has_parent(d, path))
        return ERR_NOT_FOUND;
    enum err e = sim_disk_fault(d);
    if (e != ERR_OK)
        return e;
    inode = sim_inode_new(d, false);
    sim_disk_change(d, NULL, path, inode);
    *file = file_new(d, inode, flags);
    sim_inode_drop(inode);
    return ERR_OK;
}

enum err
file_open(struct io_world *world, const char *path, unsigned flags, struct file **file)
{
    CHECK(flags & (FILE_READ | FILE_WRITE));
    if (sim_disk_is_down(world->disk))
        return ERR_IO;
    char *simple = sim_path(path);
    enum err e = open_path(world->disk, simple, flags, file);
    free(simple);
    return e;
}

void
file_close(struct file *f)
{
    if (!f)
        return;
    if (f->inode->locked_by == f)
        f->inode->locked_by = NULL;
    list_remove(&f->in_disk);
    sim_inode_drop(f->inode);
    free(f);
}

/* ---- content ---- */

static enum err
begin(struct file *f)
{
    return f->disk ? sim_disk_fault(f->disk) : ERR_IO;
}

enum err
file_pread(struct file *f, void *data, size_t len, uint64_t offset, size_t *got)
{
    *got = 0;
    enum err e = begin(f);
    if (e != ERR_OK)
        return e == ERR_NO_SPACE ? ERR_IO : e;
    CHECK(f->flags & FILE_READ);
    const struct sim_image *m = &f->inode->now;
    if (offset >= m->size || len == 0)
        return ERR_OK;
    *got = len < m->size - offset ? len : (size_t)(m->size - offset);
    memcpy(data, m->data + offset, *got);
    return ERR_OK;
}

static enum err
check_space(struct sim_disk *d, const struct sim_inode *inode, uint64_t end)
{
    uint64_t most = d->faults.capacity_bytes;
    uint64_t grown = end > inode->now.size ? end - inode->now.size : 0;
    return most && grown > 0 && sim_disk_used(d) + grown > most ? ERR_NO_SPACE : ERR_OK;
}

enum err
file_pwrite(struct file *f, const void *data, size_t len, uint64_t offset)
{
    enum err e = begin(f);
    if (!f->disk)
        return e;
    CHECK(f->flags & FILE_WRITE);
    if (e == ERR_OK)
        e = check_space(f->disk, f->inode, offset + len);
    if (e != ERR_OK) /* a part of it may have been written */
        len = e == ERR_NO_SPACE ? 0 : sim_random(f->disk->node->sim, len + 1);
    sim_inode_write(f->disk, f->inode, data, len, offset);
    return e;
}

enum err
file_pwritev(struct file *f, const struct iovec *iov, int n, uint64_t offset)
{
    for (int i = 0; i < n; i++) {
        enum err e = file_pwrite(f, iov[i].iov_base, iov[i].iov_len, offset);
        if (e != ERR_OK)
            return e;
        offset += iov[i].iov_len;
    }
    return ERR_OK;
}

enum err
file_sync(struct file *f)
{
    enum err e = begin(f);
    if (!f->disk)
        return e;
    if (e == ERR_OK)
        sim_inode_sync(f->inode);
    else if (sim_random(f->disk->node->sim, 2))
        sim_inode_forget(f->inode);
    return e;
}

enum err
file_datasync(struct file *f)
{
    return file_sync(f);
}

enum err
file_allocate(struct file *f, uint64_t offset, uint64_t len)
{
    enum err e = begin(f);
    if (e == ERR_OK)
        e = check_space(f->disk, f->inode, offset + len);
    if (e == ERR_OK && offset + len > f->inode->now.size)
        sim_inode_resize(f->disk, f->inode, offset + len);
    return e;
}

enum err
file_truncate(struct file *f, uint64_t size)
{
    enum err e = begin(f);
    if (e == ERR_OK)
        sim_inode_resize(f->disk, f->inode, size);
    return e;
}

enum err
file_size(struct file *f, uint64_t *size)
{
    *size = f->inode->now.size;
    return f->disk ? ERR_OK : ERR_IO;
}

enum err
file_lock(struct file *f)
{
    if (!f->disk)
        return ERR_IO;
    if (f->inode->locked_by && f->inode->locked_by != f)
        return ERR_REFUSED;
    f->inode->locked_by = f;
    return ERR_OK;
}

/* ---- names ---- */

static bool
is_root(const char *path)
{
    return strcmp(path, "/") == 0 || strcmp(path, ".") == 0 || path[0] == 0;
}

enum err
file_stat(struct io_world *world, const char *path, struct file_stat *st)
{
    if (sim_disk_is_down(world->disk))
        return ERR_IO;
    char *simple = sim_path(path);
    const struct sim_inode *inode = sim_names_find(&world->disk->now, simple);
    bool root = is_root(simple);
    free(simple);
    *st = (struct file_stat){.is_directory = root};
    if (root)
        return ERR_OK;
    if (!inode)
        return ERR_NOT_FOUND;
    *st = (struct file_stat){
        .size = inode->now.size, .modified_ms = inode->modified_ms, .is_directory = inode->is_directory};
    return ERR_OK;
}

/* Simplifies up to two paths, checks for a fault, and does it. */
static enum err
change(struct io_world *world, const char *from, const char *to,
       enum err (*act)(struct sim_disk *d, const char *from, const char *to))
{
    enum err e = sim_disk_fault(world->disk);
    if (e != ERR_OK)
        return e;
    char *a = from ? sim_path(from) : NULL, *b = to ? sim_path(to) : NULL;
    e = act(world->disk, a, b);
    free(a);
    free(b);
    return e;
}

static bool
has_children(const struct sim_disk *d, const char *dir)
{
    for (size_t i = 0; i < d->now.count; i++)
        if (sim_is_inside(d->now.names[i].path, dir, true))
            return true;
    return false;
}

static enum err
act_rename(struct sim_disk *d, const char *from, const char *to)
{
    struct sim_inode *inode = sim_names_find(&d->now, from), *old = sim_names_find(&d->now, to);
    if (!inode || !sim_disk_has_parent(d, to))
        return ERR_NOT_FOUND;
    if (inode == old)
        return ERR_OK;
    if (old && old->is_directory && has_children(d, to))
        return ERR_EXISTS;
    sim_disk_change(d, from, to, inode);
    return ERR_OK;
}

enum err
file_rename(struct io_world *world, const char *from, const char *to)
{
    return change(world, from, to, act_rename);
}

static enum err
act_unlink(struct sim_disk *d, const char *from, const char *to)
{
    const struct sim_inode *inode = sim_names_find(&d->now, from);
    if (!inode)
        return ERR_NOT_FOUND;
    if (inode->is_directory)
        return ERR_TYPE;
    sim_disk_change(d, from, NULL, NULL);
    return ERR_OK;
}

enum err
file_unlink(struct io_world *world, const char *path)
{
    return change(world, path, NULL, act_unlink);
}

static enum err
act_create(struct sim_disk *d, const char *from, const char *to)
{
    if (is_root(to) || sim_names_find(&d->now, to))
        return ERR_EXISTS;
    if (!sim_disk_has_parent(d, to))
        return ERR_NOT_FOUND;
    struct sim_inode *inode = sim_inode_new(d, true);
    sim_disk_change(d, NULL, to, inode);
    sim_inode_drop(inode);
    return ERR_OK;
}

enum err
dir_create(struct io_world *world, const char *path)
{
    return change(world, NULL, path, act_create);
}

static enum err
act_remove(struct sim_disk *d, const char *from, const char *to)
{
    const struct sim_inode *inode = sim_names_find(&d->now, from);
    if (!inode || !inode->is_directory)
        return ERR_NOT_FOUND;
    if (has_children(d, from))
        return ERR_EXISTS;
    sim_disk_change(d, from, NULL, NULL);
    return ERR_OK;
}

enum err
dir_remove(struct io_world *world, const char *path)
{
    return change(world, path, NULL, act_remove);
}

static enum err
act_sync(struct sim_disk *d, const char *from, const char *to)
{
    const struct sim_inode *inode = sim_names_find(&d->now, from);
    if (!is_root(from) && (!inode || !inode->is_directory))
        return ERR_NOT_FOUND;
    sim_disk_sync_dir(d, from[0] ? from : ".");
    return ERR_OK;
}

enum err
dir_sync(struct io_world *world, const char *path)
{
    return change(world, path, NULL, act_sync);
}

enum err
dir_list(struct io_world *world, const char *path, void (*on_name)(void *arg, const char *name), void *arg)
{
    struct sim_disk *d = world->disk;
    if (sim_disk_is_down(d))
        return ERR_IO;
    char *dir = sim_path(path);
    const struct sim_inode *inode = sim_names_find(&d->now, dir);
    enum err e = is_root(dir) || (inode && inode->is_directory) ? ERR_OK : ERR_NOT_FOUND;
    char **names = malloc((d->now.count + 1) * sizeof *names);
    size_t count = 0;
    CHECK(names);
    for (size_t i = 0; e == ERR_OK && i < d->now.count; i++) {
        const char *name = d->now.names[i].path, *slash = strrchr(name, '/');
        if (!sim_is_inside(name, dir[0] ? dir : ".", true))
            continue;
        names[count] = strdup(slash ? slash + 1 : name);
        CHECK(names[count++]);
    }
    for (size_t i = 0; i < count; i++) {
        on_name(arg, names[i]);
        free(names[i]);
    }
    free(names);
    free(dir);
    return e;
}

enum err
disk_space(struct io_world *world, const char *path, uint64_t *free_bytes, uint64_t *total_bytes)
{
    const struct sim_disk *d = world->disk;
    if (sim_disk_is_down(d))
        return ERR_IO;
    uint64_t used = sim_disk_used(d);
    *total_bytes = d->faults.capacity_bytes ? d->faults.capacity_bytes : SIM_DISK_BYTES;
    *free_bytes = *total_bytes > used ? *total_bytes - used : 0;
    return ERR_OK;
}
