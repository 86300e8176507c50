/* Files on Linux: thin, with every short count and interruption handled here. */
#include "io/file.h"

#include "base/check.h"
#include "io/oserr.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct file {
    int fd;
};

static enum err
result(int failed)
{
    return failed ? oserr_of(errno) : ERR_OK;
}

enum err
file_open(struct io_world *world, const char *path, unsigned flags, struct file **file)
{
    CHECK(!world && flags & (FILE_READ | FILE_WRITE));
    int mode = O_CLOEXEC;
    mode |= !(flags & FILE_WRITE) ? O_RDONLY : flags & FILE_READ ? O_RDWR : O_WRONLY;
    mode |= flags & FILE_CREATE ? O_CREAT : 0;
    mode |= flags & FILE_EXCLUSIVE ? O_EXCL : 0;
    mode |= flags & FILE_TRUNCATE ? O_TRUNC : 0;
    int fd;
    do
        fd = open(path, mode, flags & FILE_PRIVATE ? 0600 : 0640);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return oserr_of(errno);
    *file = malloc(sizeof **file);
    CHECK(*file);
    (*file)->fd = fd;
    return ERR_OK;
}

void
file_close(struct file *f)
{
    if (!f)
        return;
    close(f->fd);
    free(f);
}

enum err
file_pread(struct file *f, void *data, size_t len, uint64_t offset, size_t *got)
{
    *got = 0;
    while (*got < len) {
        ssize_t n = pread(f->fd, (char *)data + *got, len - *got, (off_t)(offset + *got));
        if (n == 0)
            break;
        if (n < 0 && errno != EINTR)
            return oserr_of(errno);
        if (n > 0)
            *got += (size_t)n;
    }
    return ERR_OK;
}

enum err
file_pwrite(struct file *f, const void *data, size_t len, uint64_t offset)
{
    while (len > 0) {
        ssize_t n = pwrite(f->fd, data, len, (off_t)offset);
        if (n < 0 && errno != EINTR)
            return oserr_of(errno);
        if (n > 0) {
            data = (const char *)data + n;
            len -= (size_t)n;
            offset += (uint64_t)n;
        }
    }
    return ERR_OK;
}

enum err
file_pwritev(struct file *f, const struct iovec *iov, int n, uint64_t offset)
{
    size_t skip = 0; /* bytes of iov[0] that are written */
    while (n > 0) {
        if (skip > 0 || iov[0].iov_len == 0) {
            size_t rest = iov[0].iov_len - skip;
            enum err e = file_pwrite(f, (const char *)iov[0].iov_base + skip, rest, offset);
            if (e != ERR_OK)
                return e;
            offset += rest;
            skip = 0;
            iov++;
            n--;
            continue;
        }
        ssize_t written = pwritev(f->fd, iov, n < IOV_MAX ? n : IOV_MAX, (off_t)offset);
        if (written < 0 && errno != EINTR)
            return oserr_of(errno);
        if (written < 0)
            continue;
        offset += (uint64_t)written;
        for (skip = (size_t)written; n > 0 && skip >= iov[0].iov_len; iov++, n--)
            skip -= iov[0].iov_len;
    }
    return ERR_OK;
}

enum err
file_sync(struct file *f)
{
    return result(fsync(f->fd));
}

enum err
file_datasync(struct file *f)
{
    return result(fdatasync(f->fd));
}

enum err
file_allocate(struct file *f, uint64_t offset, uint64_t len)
{
    int failed;
    do
        failed = posix_fallocate(f->fd, (off_t)offset, (off_t)len);
    while (failed == EINTR);
    return oserr_of(failed);
}

enum err
file_truncate(struct file *f, uint64_t size)
{
    int failed;
    do
        failed = ftruncate(f->fd, (off_t)size);
    while (failed && errno == EINTR);
    return result(failed);
}

enum err
file_size(struct file *f, uint64_t *size)
{
    struct stat st;
    if (fstat(f->fd, &st) != 0)
        return oserr_of(errno);
    *size = (uint64_t)st.st_size;
    return ERR_OK;
}

enum err
file_lock(struct file *f)
{
    if (flock(f->fd, LOCK_EX | LOCK_NB) == 0)
        return ERR_OK;
    return errno == EWOULDBLOCK ? ERR_REFUSED : oserr_of(errno);
}

enum err
file_stat(struct io_world *world, const char *path, struct file_stat *out)
{
    CHECK(!world);
    struct stat st;
    if (stat(path, &st) != 0)
        return oserr_of(errno);
    *out = (struct file_stat){
        .size = (uint64_t)st.st_size,
        .modified_ms = (uint64_t)st.st_mtim.tv_sec * 1000 + (uint64_t)st.st_mtim.tv_nsec / 1000000,
        .is_directory = S_ISDIR(st.st_mode),
        .is_readable_by_others = st.st_mode & S_IROTH,
    };
    return ERR_OK;
}

enum err
file_rename(struct io_world *world, const char *from, const char *to)
{
    CHECK(!world);
    return result(rename(from, to));
}

enum err
file_unlink(struct io_world *world, const char *path)
{
    CHECK(!world);
    return result(unlink(path));
}

enum err
dir_create(struct io_world *world, const char *path)
{
    CHECK(!world);
    return result(mkdir(path, 0750));
}

enum err
dir_remove(struct io_world *world, const char *path)
{
    CHECK(!world);
    return result(rmdir(path));
}

enum err
dir_sync(struct io_world *world, const char *path)
{
    CHECK(!world);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return oserr_of(errno);
    enum err e = result(fsync(fd));
    close(fd);
    return e;
}

static int
is_not_dots(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int
by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

enum err
dir_list(struct io_world *world, const char *path, void (*on_name)(void *arg, const char *name), void *arg)
{
    CHECK(!world);
    struct dirent **entries;
    int n = scandir(path, &entries, is_not_dots, by_bytes);
    if (n < 0)
        return oserr_of(errno);
    for (int i = 0; i < n; i++) {
        on_name(arg, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return ERR_OK;
}

enum err
disk_space(struct io_world *world, const char *path, uint64_t *free_bytes, uint64_t *total_bytes)
{
    CHECK(!world);
    struct statvfs st;
    if (statvfs(path, &st) != 0)
        return oserr_of(errno);
    *free_bytes = (uint64_t)st.f_bavail * st.f_frsize;
    *total_bytes = (uint64_t)st.f_blocks * st.f_frsize;
    return ERR_OK;
}
