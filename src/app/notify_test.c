/* The service manager is told, over a socket of the test's own. */
#include "app/notify.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
/* after its own prerequisites */
#include <cmocka.h>

enum { DEADLINE_MS = 20000 };

/* An abstract socket, and $NOTIFY_SOCKET for it. */
static int
manager(void)
{
    char name[64];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0),
        len = snprintf(name, sizeof name, "@leveret-notify-%d", (int)getpid());
    memcpy(address.sun_path, name, (size_t)len);
    address.sun_path[0] = 0;
    assert_int_equal(bind(fd, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)len)),
                     0);
    setenv("NOTIFY_SOCKET", name, 1);
    return fd;
}

static void
expect(int fd, const char *expected)
{
    char got[2048];
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, DEADLINE_MS), 1);
    ssize_t n = recv(fd, got, sizeof got - 1, 0);
    assert_true(n > 0);
    got[n] = 0;
    assert_string_equal(got, expected);
}

static void
readiness_and_the_end(void **state)
{
    struct notify n;
    int fd = manager();
    notify_begin(&n);
    assert_null(getenv("NOTIFY_SOCKET"));
    notify_ready(&n, "serving");
    expect(fd, "READY=1\nSTATUS=serving\n");
    notify_stopping(&n);
    expect(fd, "STOPPING=1\nSTATUS=stopping\n");
    notify_end(&n);
    close(fd);
}

static void
a_long_start_asks_for_time(void **state)
{
    struct notify n;
    int fd = manager();
    notify_begin(&n);
    expect(
        fd,
        "STATUS=starting for 5 s: taking up what the data directory holds\nEXTEND_TIMEOUT_USEC=30000000\n");
    notify_end(&n); /* the start has failed */
    close(fd);
}

static void
without_a_manager_nothing_happens(void **state)
{
    static const char *const names[] = {NULL, "", "@", "relative", "/nowhere/notify"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct notify n;
        if (names[i])
            setenv("NOTIFY_SOCKET", names[i], 1);
        notify_begin(&n);
        assert_int_equal(n.fd, -1);
        notify_ready(&n, "serving");
        notify_stopping(&n);
        notify_end(&n);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readiness_and_the_end),
        cmocka_unit_test(a_long_start_asks_for_time),
        cmocka_unit_test(without_a_manager_nothing_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
