/*
 * The cookie is RabbitMQ's: 20 capital letters. It is created by writing a private file beside it and linking
 * that to the name, so that it is never seen half-written and an existing one is never replaced.
 */
#include "app/data_dir.h"

#include "io/random.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { COOKIE_SIZE = 20, PATH_SIZE = 4096 };

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
        *slash = kept;
        if (!kept)
            return true;
    }
}

/* Names that only RabbitMQ's own data has. */
static bool
is_rabbitmqs(const char *path)
{
    static const char *const names[] = {"schema.DAT", "rabbit_durable_queue.DCD", "coordination"};
    char file[PATH_SIZE];
    struct file_stat st;
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(file, sizeof file, "%s/%s", path, names[i]);
        if (file_stat(NULL, file, &st) == ERR_OK)
            return true;
    }
    return false;
}

static bool
make_cookie(const char *path, char *why, size_t why_size)
{
    char name[PATH_SIZE + 32], fresh[PATH_SIZE + 32];
    snprintf(name, sizeof name, "%s/.erlang.cookie", path);
    snprintf(fresh, sizeof fresh, "%s/.erlang.cookie.%d", path, (int)getpid());
    if (access(name, F_OK) == 0)
        return true;
    uint8_t random[COOKIE_SIZE];
    char text[COOKIE_SIZE];
    random_bytes(NULL, random, sizeof random);
    for (unsigned i = 0; i < COOKIE_SIZE; i++)
        text[i] = (char)('A' + random[i] % 26);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
    bool good = fd >= 0 && write(fd, text, sizeof text) == sizeof text && fsync(fd) == 0;
    int reason = errno;
    if (fd >= 0)
        close(fd);
    if (good && link(fresh, name) != 0 && errno != EEXIST) {
        good = false;
        reason = errno;
    }
    unlink(fresh);
    if (!good)
        snprintf(why, why_size, "cannot create the cookie %s: %s", name, strerror(reason));
    return good;
}

bool
data_dir_open(struct data_dir *d, const char *path, char *why, size_t why_size)
{
    *d = (struct data_dir){0};
    if (!make_dirs(path, why, why_size))
        return false;
    if (is_rabbitmqs(path)) {
        snprintf(why, why_size,
                 "%s holds a RabbitMQ node's own data, which Leveret cannot read; choose another --data-dir "
                 "(and bring the declared things over with an export of RabbitMQ's definitions)",
                 path);
        return false;
    }
    char lock[PATH_SIZE + 32];
    snprintf(lock, sizeof lock, "%s/lock", path);
    enum err e = file_open(NULL, lock, FILE_READ | FILE_WRITE | FILE_CREATE | FILE_PRIVATE, &d->lock);
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
    if (!make_cookie(path, why, why_size)) {
        data_dir_close(d);
        return false;
    }
    return true;
}

void
data_dir_close(struct data_dir *d)
{
    if (d->lock)
        file_close(d->lock);
    d->lock = NULL;
}
