/*
 * RabbitMQ's is 20 capital letters. It is created by writing a private file beside it and linking that to the
 * name, so that it is never seen half-written and an existing one is never replaced.
 */
#include "app/cookie.h"

#include "io/file.h"
#include "io/random.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LETTERS = 20, PATH_SIZE = 4096 };

static bool
make(const char *path, const char *text, char *why, size_t why_size)
{
    char fresh[PATH_SIZE];
    size_t len = strlen(text);
    if ((size_t)snprintf(fresh, sizeof fresh, "%s.%d", path, (int)getpid()) >= sizeof fresh) {
        snprintf(why, why_size, "the cookie's path is too long");
        return false;
    }
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
    bool good = fd >= 0 && write(fd, text, len) == (ssize_t)len && fsync(fd) == 0;
    int reason = errno;
    if (fd >= 0)
        close(fd);
    if (good && link(fresh, path) != 0 && errno != EEXIST) {
        good = false;
        reason = errno;
    }
    unlink(fresh);
    if (!good)
        snprintf(why, why_size, "cannot create the cookie %s: %s", path, strerror(reason));
    return good;
}

static bool
read_text(const char *path, char cookie[COOKIE_SIZE], char *why, size_t why_size)
{
    char *text;
    size_t len;
    enum err e = file_read_all(NULL, path, COOKIE_SIZE - 1, &text, &len);
    if (e) {
        snprintf(why, why_size, "cannot read the cookie %s: %s", path, err_text(e));
        return false;
    }
    while (len > 0 &&
           (text[len - 1] == '\n' || text[len - 1] == '\r' || text[len - 1] == ' ')) /* an editor's */
        len--;
    snprintf(cookie, COOKIE_SIZE, "%.*s", (int)len, text);
    free(text);
    if (!*cookie)
        snprintf(why, why_size, "the cookie %s is empty", path);
    return *cookie;
}

bool
cookie_open(const char *path, const char *wanted, char cookie[COOKIE_SIZE], char *why, size_t why_size)
{
    struct file_stat st;
    if (access(path, F_OK) != 0) {
        uint8_t random[LETTERS];
        char text[LETTERS + 1] = "";
        random_bytes(NULL, random, sizeof random);
        for (unsigned i = 0; i < LETTERS; i++)
            text[i] = (char)('A' + random[i] % 26);
        if (!make(path, wanted ? wanted : text, why, why_size))
            return false;
    }
    if (!read_text(path, cookie, why, why_size))
        return false;
    if (file_stat(NULL, path, &st) == ERR_OK && st.is_readable_by_others) {
        snprintf(why, why_size, "the cookie %s can be read by others than its owner; chmod 400 it", path);
        return false;
    }
    if (wanted && strcmp(wanted, cookie) != 0) {
        snprintf(why, why_size,
                 "the cookie %s is not the one that is configured (leveret.cookie); remove one of them",
                 path);
        return false;
    }
    return true;
}
