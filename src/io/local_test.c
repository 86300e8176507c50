/* Lines over a socket in the file system: asked from this thread, answered on a shard's. */
#include "io/local.h"

#include "base/check.h"
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

enum { DEADLINE_S = 30 };

struct fixture {
    char dir[64], path[512];
    struct shards *shards;
    struct local_server *server;
    struct local_peer *waiting; /* asked "wait" */
    atomic_uint ended;
    char why[256];
    enum err error;
};

static void
on_line(void *arg, struct local_peer *p, struct slice line)
{
    struct fixture *f = arg;
    char text[64];
    if (slice_eq_str(line, "wait")) {
        f->waiting = p;
        return;
    }
    if (slice_eq_str(line, "release")) {
        CHECK(f->waiting);
        local_answer(f->waiting, slice_str("released"));
    }
    if (slice_eq_str(line, "ended?")) {
        snprintf(text, sizeof text, "%u", atomic_load(&f->ended));
        local_answer(p, slice_str(text));
        return;
    }
    local_answer(p, line);
}

static void
on_end(void *arg, struct local_peer *p)
{
    struct fixture *f = arg;
    if (f->waiting == p)
        f->waiting = NULL;
    atomic_fetch_add(&f->ended, 1);
}

static void
on_start(struct shard *s, void *owner)
{
    static const struct local_events events = {on_line, on_end};
    struct fixture *f = owner;
    f->error = local_serve(s, f->path, &events, f, &f->server, f->why, sizeof f->why);
}

/* Serves at DIR/name; connecting waits until it does. */
static struct fixture *
start(const char *name)
{
    static const struct shard_hooks hooks = {.on_start = on_start};
    struct fixture *f = calloc(1, sizeof *f);
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
    local_free(f->server);
    shards_free(f->shards);
    assert_int_not_equal(access(f->path, F_OK), 0);
    *strrchr(f->path, '/') = 0;
    if (strcmp(f->path, f->dir) != 0)
        assert_int_equal(rmdir(f->path), 0);
    assert_int_equal(rmdir(f->dir), 0);
    free(f);
    alarm(0);
}

static struct local_client *
connect_to(const struct fixture *f)
{
    struct local_client *c;
    while (local_connect(f->path, &c) != ERR_OK) /* the alarm is the deadline */
        ;
    return c;
}

static void
expect(struct local_client *c, const char *line, const char *answer)
{
    struct buffer got = {0};
    assert_int_equal(local_ask(c, line, &got), ERR_OK);
    assert_true(slice_eq_str(buffer_slice(&got), answer));
    buffer_fini(&got);
}

static void
a_line_is_answered_and_only_the_owner_may_ask(void **state)
{
    (void)state;
    struct fixture *f = start("a.sock");
    struct local_client *c = connect_to(f), *d = connect_to(f);
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    expect(c, "hello", "hello");
    expect(d, "", "");
    expect(c, "again", "again");
    local_disconnect(c);
    local_disconnect(d);
    stop(f);
}

static void
a_path_may_be_longer_than_an_address(void **state)
{
    (void)state;
    struct fixture *f =
        start("a-directory-with-a-long-name-so-that-the-path-of-the-socket-is-longer-than-the-"
              "hundred-and-seven-bytes-of-an-address/a.sock");
    struct local_client *c = connect_to(f);
    expect(c, "x", "x");
    local_disconnect(c);
    stop(f);
    assert_int_equal(local_connect("/nowhere/at/all", &c), ERR_NOT_FOUND);
}

static void
a_left_over_socket_is_replaced_and_refuses_before(void **state)
{
    (void)state;
    struct fixture *f = start("a.sock");
    struct local_client *c = connect_to(f);
    local_disconnect(c);
    shards_stop(f->shards);
    shards_join(f->shards);
    shards_free(f->shards); /* as after a kill: the name is still there */
    assert_int_equal(local_connect(f->path, &c), ERR_REFUSED);
    struct local_server *old = f->server;
    static const struct shard_hooks hooks = {.on_start = on_start};
    f->shards = shards_new(NULL, 1, &hooks, f);
    assert_int_equal(shards_start(f->shards), ERR_OK);
    c = connect_to(f);
    expect(c, "new", "new");
    local_disconnect(c);
    stop(f);
    local_free(old);
}

static void
an_answer_may_come_later_and_a_hangup_is_noticed_before_it(void **state)
{
    (void)state;
    struct fixture *f = start("a.sock");
    struct local_client *c = connect_to(f), *d = connect_to(f);
    struct buffer got = {0};
    /* several lines at once; the second waits for the first one's answer */
    assert_int_equal(local_ask(c, "first\nwait\nlast", &got), ERR_OK);
    expect(d, "release", "release");
    assert_int_equal(local_ask(c, "more", &got), ERR_OK);
    assert_true(slice_eq_str(buffer_slice(&got), "released"));
    assert_int_equal(local_ask(c, "wait", &got), ERR_OK);
    assert_true(slice_eq_str(buffer_slice(&got), "last"));
    local_disconnect(c); /* in the middle of its question */
    for (;;) {
        assert_int_equal(local_ask(d, "ended?", &got), ERR_OK);
        if (slice_eq_str(buffer_slice(&got), "1"))
            break;
    }
    buffer_fini(&got);
    local_disconnect(d);
    stop(f);
}

static void
a_line_without_end_ends_the_connection(void **state)
{
    (void)state;
    struct fixture *f = start("a.sock");
    struct local_client *c = connect_to(f);
    char *line = malloc(LOCAL_LINE_MAX * 2);
    struct buffer got = {0};
    assert_non_null(line);
    memset(line, 'x', LOCAL_LINE_MAX * 2);
    line[LOCAL_LINE_MAX - 1] = 0;
    expect(c, line, line);
    line[LOCAL_LINE_MAX - 1] = 'x';
    line[LOCAL_LINE_MAX * 2 - 1] = 0;
    assert_int_not_equal(local_ask(c, line, &got), ERR_OK);
    buffer_fini(&got);
    local_disconnect(c);
    free(line);
    stop(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_answered_and_only_the_owner_may_ask),
        cmocka_unit_test(a_path_may_be_longer_than_an_address),
        cmocka_unit_test(a_left_over_socket_is_replaced_and_refuses_before),
        cmocka_unit_test(an_answer_may_come_later_and_a_hangup_is_noticed_before_it),
        cmocka_unit_test(a_line_without_end_ends_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
