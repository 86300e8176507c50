/*
 * A path of any length: an address of a unix socket has room for 107 bytes, so it names the directory by its
 * descriptor, /proc/self/fd/N. The mode is set on the socket before it has a name: Linux gives it to the
 * name, and nobody can connect in between.
 */
#include "io/local.h"

#include "io/local_inside.h"
#include "io/net_uv.h"
#include "io/oserr.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 128, PATH_SIZE = 4096 };

bool
local_address(const char *path, struct sockaddr_un *to, int *dir)
{
    char parent[PATH_SIZE];
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t len = slash ? (size_t)(slash - path) : 0;
    *to = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (len >= sizeof parent) {
        errno = ENAMETOOLONG;
        return false;
    }
    snprintf(parent, sizeof parent, "%.*s", (int)(len ? len : 1), slash ? len ? path : "/" : ".");
    *dir = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*dir < 0)
        return false;
    int n = snprintf(to->sun_path, sizeof to->sun_path, "/proc/self/fd/%d/%s", *dir, name);
    if (n > 0 && (size_t)n < sizeof to->sun_path)
        return true;
    close(*dir);
    errno = ENAMETOOLONG;
    return false;
}

/* A listening descriptor, or -1 and errno. */
static int
open_listening(const char *path)
{
    struct sockaddr_un to;
    int dir, number, fd;
    if (!local_address(path, &to, &dir))
        return -1;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)unlink(path);
    bool good = fd >= 0 && fchmod(fd, 0600) == 0 && bind(fd, (const struct sockaddr *)&to, sizeof to) == 0 &&
                listen(fd, BACKLOG) == 0;
    number = errno;
    close(dir);
    if (!good && fd >= 0)
        close(fd);
    errno = number;
    return good ? fd : -1;
}

enum err
local_listen(struct shard *s, const char *path, net_on_accept *on_accept, net_on_problem *on_problem,
             void *arg, struct net_listener **listener, char *why, size_t why_size)
{
    int fd = open_listening(path);
    enum err e = fd < 0 ? oserr_of(errno) : net_listener_of(s, fd, on_accept, on_problem, arg, listener);
    if (e == ERR_OK)
        net_listener_use_reserve(*listener);
    else
        snprintf(why, why_size, "cannot listen on the socket %s: %s", path, err_text(e));
    return e;
}

void
local_unlink(const char *path)
{
    (void)unlink(path); /* the next one who listens would remove it, too */
}

bool
local_peer(const struct net_socket *k, struct local_peer *peer)
{
    struct ucred who;
    socklen_t len = sizeof who;
    if (getsockopt(k->fd, SOL_SOCKET, SO_PEERCRED, &who, &len) != 0)
        return false;
    *peer = (struct local_peer){.user_id = who.uid, .process_id = (uint32_t)who.pid};
    return true;
}
