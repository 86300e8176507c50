/*
 * A rotated file NAME becomes NAME.0, what was NAME.0 becomes NAME.1, and so on up to `count` of them, as
 * RabbitMQ does. Once a second at most, before a line is written, the path is looked at: when it names
 * another file or none (logrotate without a signal, a plain `mv`), it is opened anew.
 */
#include "app/logger_file.h"

#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int
open_path(struct logger_file *f, time_t now)
{
    /* Without waiting: a pipe that nobody reads is refused, or costs lines. */
    int fd = open(f->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640);
    struct stat st;
    if (fd < 0)
        return errno;
    if (fstat(fd, &st) != 0) {
        int number = errno;
        close(fd);
        return number;
    }
    if (f->fd >= 0)
        close(f->fd);
    f->fd = fd;
    f->device = st.st_dev;
    f->inode = st.st_ino;
    f->size = (uint64_t)st.st_size;
    f->looked_at = now;
    f->is_torn = false;
    return 0;
}

/* The directories above the file, as far as they are missing; what cannot be made shows when it is opened. */
static void
make_directories(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        (void)!mkdir(path, 0750);
        *slash = '/';
    }
}

int
logger_file_open(struct logger_file *f, char *path, const struct logger_rotation *rotation, time_t now)
{
    *f = (struct logger_file){.path = path, .fd = -1, .rotation = *rotation};
    f->rotate_at = rotation->has_date ? logger_rotation_next(rotation, now) : 0;
    int number = open_path(f, now);
    if (number != ENOENT)
        return number;
    make_directories(path);
    return open_path(f, now);
}

void
logger_file_close(struct logger_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    free(f->path);
}

void
logger_file_reopen(struct logger_file *f, time_t now)
{
    int number = open_path(f, now);
    f->looked_at = now;
    if (number)
        snprintf(f->note, sizeof f->note, "cannot reopen the log file %s: %s; the old one stays in use",
                 f->path, strerror(number));
}

/* NAME.n; n < 0: NAME itself. Freed by the caller; NULL: no memory. */
static char *
name_of(const struct logger_file *f, int n)
{
    char *name = NULL;
    if ((n < 0 ? asprintf(&name, "%s", f->path) : asprintf(&name, "%s.%d", f->path, n)) < 0)
        return NULL;
    return name;
}

/* From NAME.n, or NAME, to the number behind it. What is not there needs no move. */
static int
move_up(const struct logger_file *f, int n)
{
    char *from = name_of(f, n), *to = name_of(f, n + 1);
    int number = !from || !to ? ENOMEM : rename(from, to) == 0 || errno == ENOENT ? 0 : errno;
    free(from);
    free(to);
    return number;
}

void
logger_file_rotate(struct logger_file *f, time_t now)
{
    int number = 0;
    f->rotate_at = f->rotation.has_date ? logger_rotation_next(&f->rotation, now) : 0;
    if (f->rotation.count == 0 && unlink(f->path) != 0 && errno != ENOENT)
        number = errno;
    for (int n = (int)f->rotation.count - 2; n >= -1 && !number; n--)
        number = move_up(f, n);
    if (!number)
        number = open_path(f, now);
    if (number) {
        f->size = 0; /* the next try after as much again */
        snprintf(f->note, sizeof f->note, "cannot rotate the log file %s: %s; it goes on growing", f->path,
                 strerror(number));
    }
}

static bool
is_moved_away(struct logger_file *f, time_t now)
{
    struct stat st;
    if (f->looked_at == now)
        return false;
    f->looked_at = now;
    return stat(f->path, &st) != 0 || st.st_dev != f->device || st.st_ino != f->inode;
}

static void
make_room(struct logger_file *f, size_t len, time_t now)
{
    const struct logger_rotation *r = &f->rotation;
    if (is_moved_away(f, now))
        logger_file_reopen(f, now);
    bool is_full = r->size_max && f->size && f->size + len > r->size_max;
    if (is_full || (f->rotate_at && now >= f->rotate_at))
        logger_file_rotate(f, now);
}

int
logger_file_put(struct logger_file *f, const char *line, size_t len, time_t now)
{
    make_room(f, len, now);
    if (f->is_torn && write(f->fd, "\n", 1) != 1)
        return errno;
    f->is_torn = false;
    ssize_t n = write(f->fd, line, len);
    if (n < 0)
        return errno;
    f->size += (size_t)n;
    f->is_torn = (size_t)n != len;
    return f->is_torn ? ENOSPC : 0;
}

/* Where the last `lines` lines begin. */
static size_t
tail_begin(const char *text, size_t len, unsigned lines)
{
    size_t at = len;
    while (at > 0 && lines > 0) {
        const char *end = memrchr(text, '\n', at - 1);
        at = end ? (size_t)(end - text) + 1 : 0;
        lines--;
    }
    return at;
}

enum err
logger_file_tail(const char *path, unsigned lines, size_t most, struct buffer *out)
{
    struct file *file;
    uint64_t size;
    size_t got = 0;
    enum err e = file_open(NULL, path, FILE_READ, &file);
    if (e)
        return e;
    e = file_size(file, &size);
    size_t len = size < most ? (size_t)size : most;
    char *text = e ? NULL : malloc(len + 1);
    if (!e && !text)
        e = ERR_MEMORY;
    if (!e)
        e = file_pread(file, text, len, size - len, &got);
    file_close(file);
    if (!e) {
        size_t begin = tail_begin(text, got, lines);
        buffer_add(out, text + begin, got - begin);
    }
    free(text);
    return e;
}
