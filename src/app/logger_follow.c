/*
 * The file stays open and is read to its end; only then is looked whether its path names another one by now,
 * or it was emptied where it is (logrotate's copytruncate): what is there now is read from its beginning.
 */
#include "app/logger_follow.h"

#include "base/check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct logger_follow {
    int fd;
    char path[];
};

static int
open_file(const char *path)
{
    return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

struct logger_follow *
logger_follow_open(const char *path)
{
    int fd = open_file(path);
    if (fd < 0)
        return NULL;
    (void)!lseek(fd, 0, SEEK_END);
    struct logger_follow *f = malloc(sizeof *f + strlen(path) + 1);
    CHECK(f);
    f->fd = fd;
    memcpy(f->path, path, strlen(path) + 1);
    return f;
}

static bool
is_emptied(struct logger_follow *f, const struct stat *own)
{
    return own->st_size < lseek(f->fd, 0, SEEK_CUR) && lseek(f->fd, 0, SEEK_SET) == 0 && own->st_size > 0;
}

/* True: there is another one, from whose beginning is read now. */
static bool
is_replaced(struct logger_follow *f)
{
    struct stat own, named;
    if (fstat(f->fd, &own) != 0)
        return false;
    if (is_emptied(f, &own))
        return true;
    if (stat(f->path, &named) != 0 || (own.st_dev == named.st_dev && own.st_ino == named.st_ino))
        return false;
    int fd = open_file(f->path);
    if (fd < 0)
        return false;
    close(f->fd);
    f->fd = fd;
    return true;
}

void
logger_follow_read(struct logger_follow *f, size_t most, struct buffer *out)
{
    for (size_t left = most; left > 0;) {
        ssize_t got = read(f->fd, buffer_reserve(out, left), left);
        if (got > 0) {
            out->len += (size_t)got;
            left -= (size_t)got;
        } else if (!is_replaced(f)) {
            return;
        }
    }
}

void
logger_follow_close(struct logger_follow *f)
{
    if (f)
        close(f->fd);
    free(f);
}
