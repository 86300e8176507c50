/* A socket in the file system: served on a shard, dialled from this thread. */
#include "io/local.h"

#include "base/check.h"
#include "io/dial.h"
#include "io/shard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { DEADLINE_S = 30, DEADLINE_MS = 30000 };

struct fixture {
    char dir[64], path[512];
    struct shards *shards;
    struct net_listener *listener;
    struct local_peer peer; /* the last one */
    char why[256];
    enum err error;
};

/* Whoever connects hears who he is, and goes. */
static void
on_accept(void *arg, struct net_socket *socket)
{
    struct fixture *f = arg;
    struct net_conn *c;
    char text[64];
    CHECK(local_peer(socket, &f->peer));
    CHECK(net_attach(shards_get(f->shards, 0), socket, NULL, NULL, &c) == ERR_OK);
    int len = snprintf(text, sizeof text, "%u %u", f->peer.user_id, f->peer.process_id);
    struct iovec some = {text, (size_t)len};
    CHECK(net_writev(c, &some, 1) == len);
    net_close(c);
}

static void
on_start(struct shard *s, void *owner)
{
    struct fixture *f = owner;
    f->error = local_listen(s, f->path, on_accept, NULL, f, &f->listener, f->why, sizeof f->why);
}

static const struct shard_hooks hooks = {.on_start = on_start};

/* Serves at DIR/name; connecting waits until it does. */
static struct fixture *
start(const char *name)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    snprintf(f->dir, sizeof f->dir, "/tmp/leveret-local.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/%s", f->dir, name);
    char *slash = strrchr(f->path, '/');
    *slash = 0;
    if (strcmp(f->path, f->dir) != 0)
        assert_int_equal(mkdir(f->path, 0700), 0);
    *slash = '/';
    alarm(DEADLINE_S);
    f->shards = shards_new(NULL, 1, &hooks, f);
    assert_int_equal(shards_start(f->shards), ERR_OK);
    return f;
}

static void
stop(struct fixture *f)
{
    shards_stop(f->shards);
    shards_join(f->shards);
    shards_free(f->shards);
    local_unlink(f->path);
    assert_int_not_equal(access(f->path, F_OK), 0);
    *strrchr(f->path, '/') = 0;
    if (strcmp(f->path, f->dir) != 0)
        assert_int_equal(rmdir(f->path), 0);
    assert_int_equal(rmdir(f->dir), 0);
    free(f);
    alarm(0);
}

/* Connects and expects to be told who this process is. */
static void
expect_served(const struct fixture *f)
{
    struct dial *d;
    char want[64], got[64];
    size_t len = 0, more;
    enum err e;
    while (dial_local(f->path, DEADLINE_MS, &d) != ERR_OK) /* the alarm is the deadline */
        ;
    while ((e = dial_read(d, got + len, sizeof got - len, &more)) == ERR_OK)
        len += more;
    assert_int_equal(e, ERR_CLOSED);
    snprintf(want, sizeof want, "%u %u", (unsigned)getuid(), (unsigned)getpid());
    assert_int_equal(len, strlen(want));
    assert_memory_equal(got, want, len);
    dial_close(d);
}

static void
only_the_owner_may_connect_and_is_known(void **state)
{
    struct fixture *f = start("a.sock");
    struct stat st;
    expect_served(f);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    stop(f);
}

static void
a_path_may_be_longer_than_an_address(void **state)
{
    char name[256];
    struct dial *d;
    memset(name, 'd', 200);
    snprintf(name + 200, sizeof name - 200, "/a.sock");
    struct fixture *f = start(name);
    expect_served(f);
    stop(f);
    assert_int_equal(dial_local("/nowhere/at/all", DEADLINE_MS, &d), ERR_NOT_FOUND);
}

static void
a_left_over_socket_is_replaced_and_refuses_before(void **state)
{
    struct fixture *f = start("a.sock");
    struct dial *d;
    expect_served(f);
    shards_stop(f->shards);
    shards_join(f->shards);
    shards_free(f->shards); /* as after a kill: the name is still there */
    assert_int_equal(dial_local(f->path, DEADLINE_MS, &d), ERR_REFUSED);
    f->shards = shards_new(NULL, 1, &hooks, f);
    assert_int_equal(shards_start(f->shards), ERR_OK);
    expect_served(f);
    stop(f);
}

static void
what_cannot_listen_says_where(void **state)
{
    struct fixture *f = start("a.sock");
    struct fixture bad = {.error = ERR_OK};
    expect_served(f);
    snprintf(bad.path, sizeof bad.path, "%s/missing/a.sock", f->dir);
    bad.shards = shards_new(NULL, 1, &hooks, &bad);
    assert_int_equal(shards_start(bad.shards), ERR_OK);
    shards_stop(bad.shards);
    shards_join(bad.shards);
    shards_free(bad.shards);
    assert_int_equal(bad.error, ERR_NOT_FOUND);
    assert_non_null(strstr(bad.why, "missing/a.sock"));
    stop(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_owner_may_connect_and_is_known),
        cmocka_unit_test(a_path_may_be_longer_than_an_address),
        cmocka_unit_test(a_left_over_socket_is_replaced_and_refuses_before),
        cmocka_unit_test(what_cannot_listen_says_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
