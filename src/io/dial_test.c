/* Deadlines and ends of a dialled connection. The other side is a plain socket of this thread. */
#include "io/dial.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { DEADLINE_MS = 30000, SHORT_MS = 20 };

/* A listener on a port of its own. */
static int
listen_here(uint16_t *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

static void
bytes_go_both_ways_until_the_end(void **state)
{
    uint16_t port;
    char got[16];
    size_t len;
    struct dial *d;
    int fd = listen_here(&port);
    assert_int_equal(dial_tcp("localhost", port, DEADLINE_MS, &d), ERR_OK);
    int other = accept(fd, NULL, NULL);
    assert_int_equal(dial_write(d, "hello", 5), ERR_OK);
    assert_int_equal(read(other, got, sizeof got), 5);
    assert_int_equal(write(other, "you", 3), 3);
    assert_int_equal(dial_read(d, got, sizeof got, &len), ERR_OK);
    assert_int_equal(len, 3);
    assert_memory_equal(got, "you", 3);
    close(other);
    assert_int_equal(dial_read(d, got, sizeof got, &len), ERR_CLOSED);
    dial_close(d);
    close(fd);
}

static void
nobody_there_is_told_apart(void **state)
{
    uint16_t port;
    struct dial *d;
    int fd = listen_here(&port);
    close(fd);
    assert_int_equal(dial_tcp("127.0.0.1", port, DEADLINE_MS, &d), ERR_REFUSED);
    assert_int_equal(dial_tcp("no-such-host.invalid", port, DEADLINE_MS, &d), ERR_NOT_FOUND);
}

static void
silence_ends_at_the_deadline_and_so_does_a_full_pipe(void **state)
{
    static char much[1 << 20];
    uint16_t port;
    char got[16];
    size_t len;
    struct dial *d;
    int fd = listen_here(&port);
    assert_int_equal(dial_tcp("127.0.0.1", port, SHORT_MS, &d), ERR_OK);
    assert_int_equal(dial_read(d, got, sizeof got, &len), ERR_TIMEOUT);
    dial_set_timeout(d, SHORT_MS);
    enum err e = ERR_OK;
    while (e == ERR_OK)
        e = dial_write(d, much, sizeof much);
    assert_int_equal(e, ERR_TIMEOUT);
    dial_close(d);
    close(fd);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_both_ways_until_the_end),
        cmocka_unit_test(nobody_there_is_told_apart),
        cmocka_unit_test(silence_ends_at_the_deadline_and_so_does_a_full_pipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
