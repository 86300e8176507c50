/* Syslog and journald, against sockets of the test's own. */
#include "app/logger_journald.h"
#include "app/logger_syslog.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
/* after its own prerequisites */
#include <cmocka.h>

enum { DEADLINE_MS = 20000, FACILITY_DAEMON = 3, FACILITY_LOCAL7 = 23 };

static const struct logger_record record = {.when = {.tv_sec = 1795904793, .tv_nsec = 123456789},
                                            .thread = 4711,
                                            .category = LOG_CONNECTION,
                                            .level = LOG_LEVEL_WARNING,
                                            .len = 7,
                                            .text = "closing"};

static struct config
config(char *socket_path)
{
    return (struct config){.log_syslog_socket = socket_path,
                           .log_syslog_identity = (char *)"leveret",
                           .log_syslog_facility = FACILITY_DAEMON,
                           .log_syslog_protocol = CONFIG_SYSLOG_RFC3164};
}

struct place {
    char dir[64], path[96];
    int fd;
};

static void
listen_unix(struct place *p)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    p->fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    memcpy(address.sun_path, p->path, strlen(p->path));
    assert_int_equal(bind(p->fd, (struct sockaddr *)&address, sizeof address), 0);
}

static void
make_place(struct place *p)
{
    snprintf(p->dir, sizeof p->dir, "/tmp/leveret-syslog.XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->path, sizeof p->path, "%s/socket", p->dir);
    listen_unix(p);
}

static void
drop_place(struct place *p)
{
    close(p->fd);
    unlink(p->path);
    rmdir(p->dir);
}

static void
expect_received(int fd, const char *format)
{
    char got[8192], expected[1024], host[256];
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, DEADLINE_MS), 1);
    ssize_t n = recv(fd, got, sizeof got - 1, 0);
    assert_true(n >= 0);
    got[n] = 0;
    assert_int_equal(gethostname(host, sizeof host), 0);
    size_t len = 0;
    for (const char *f = format; *f; f++) {
        if (*f == '@' || *f == '#')
            len += (size_t)(*f == '@' ? snprintf(expected + len, sizeof expected - len, "%s", host)
                                      : snprintf(expected + len, sizeof expected - len, "%d", (int)getpid()));
        else
            expected[len++] = *f;
    }
    expected[len] = 0;
    assert_string_equal(got, expected);
}

static void
the_local_socket_gets_rfc_3164_without_a_host(void **state)
{
    struct place p;
    struct logger_syslog s;
    make_place(&p);
    struct config c = config(p.path);
    logger_syslog_open(&s, &c);
    assert_int_equal(logger_syslog_put(&s, &record, "closing", 1), 0);
    expect_received(p.fd, "<28>Nov 28 22:26:33 leveret[#]: closing");
    logger_syslog_close(&s);
    drop_place(&p);
}

static void
a_daemon_that_comes_back_is_found_again(void **state)
{
    struct place p;
    struct logger_syslog s;
    make_place(&p);
    struct config c = config(p.path);
    logger_syslog_open(&s, &c);
    assert_int_equal(logger_syslog_put(&s, &record, "one", 1), 0);
    close(p.fd);
    unlink(p.path);
    assert_int_equal(logger_syslog_put(&s, &record, "two", 2), ECONNREFUSED);
    assert_int_equal(logger_syslog_put(&s, &record, "three", 2), ENOENT);
    listen_unix(&p);
    assert_int_equal(logger_syslog_put(&s, &record, "too early", 3), ENOTCONN);
    assert_int_equal(logger_syslog_put(&s, &record, "four", 2 + LOGGER_SYSLOG_RETRY_S), 0);
    expect_received(p.fd, "<28>Nov 28 22:26:33 leveret[#]: four");
    logger_syslog_close(&s);
    drop_place(&p);
}

static void
a_daemon_that_does_not_read_costs_lines_only(void **state)
{
    struct place p;
    struct logger_syslog s;
    make_place(&p);
    struct config c = config(p.path);
    logger_syslog_open(&s, &c);
    int number = 0;
    for (int i = 0; i < 100000 && !number; i++)
        number = logger_syslog_put(&s, &record, "closing", 1);
    assert_int_equal(number, EAGAIN);
    expect_received(p.fd, "<28>Nov 28 22:26:33 leveret[#]: closing");
    assert_int_equal(logger_syslog_put(&s, &record, "closing", 1), 0);
    logger_syslog_close(&s);
    drop_place(&p);
}

static int
listen_inet(int type, struct config *c)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, type, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    if (type == SOCK_STREAM)
        assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    c->log_syslog_ip = (char *)"127.0.0.1";
    c->log_syslog_port = ntohs(address.sin_port);
    return fd;
}

static void
udp_carries_rfc_5424(void **state)
{
    struct config c = config(NULL);
    struct logger_syslog s;
    c.log_syslog_socket = (char *)"";
    c.log_syslog_protocol = CONFIG_SYSLOG_RFC5424;
    c.log_syslog_facility = FACILITY_LOCAL7;
    int fd = listen_inet(SOCK_DGRAM, &c);
    logger_syslog_open(&s, &c);
    assert_int_equal(logger_syslog_put(&s, &record, "closing", 1), 0);
    expect_received(fd, "<188>1 2026-11-28T22:26:33.123456+00:00 @ leveret # connection - closing");
    logger_syslog_close(&s);
    close(fd);
}

static void
tcp_messages_say_how_long_they_are(void **state)
{
    struct config c = config(NULL);
    struct logger_syslog s;
    char expected[512], host[256];
    c.log_syslog_socket = (char *)"";
    c.log_syslog_transport = CONFIG_SYSLOG_TCP;
    int fd = listen_inet(SOCK_STREAM, &c);
    logger_syslog_open(&s, &c);
    assert_int_equal(logger_syslog_put(&s, &record, "closing", 1), 0);
    int peer = accept(fd, NULL, NULL);
    assert_int_equal(gethostname(host, sizeof host), 0);
    snprintf(expected, sizeof expected, "<28>Nov 28 22:26:33 %s leveret[%d]: closing", host, (int)getpid());
    size_t len = strlen(expected);
    snprintf(expected, sizeof expected, "%zu <28>Nov 28 22:26:33 @ leveret[#]: closing", len);
    expect_received(peer, expected);
    close(peer);
    close(fd);
    int number = 0; /* the first after a close may still be taken */
    for (int i = 0; i < 100000 && !number; i++)
        number = logger_syslog_put(&s, &record, "closing", 2);
    assert_true(number == EPIPE || number == ECONNRESET);
    assert_int_equal(logger_syslog_put(&s, &record, "closing", 2), ENOTCONN);
    assert_int_equal(logger_syslog_put(&s, &record, "closing", 2 + LOGGER_SYSLOG_RETRY_S), ECONNREFUSED);
    logger_syslog_close(&s);
}

static void
journald_gets_fields(void **state)
{
    struct place p;
    struct logger_journald j;
    make_place(&p);
    logger_journald_open(&j, p.path, "leveret");
    assert_int_equal(logger_journald_put(&j, &record, "connection: closing"), 0);
    expect_received(
        p.fd, "PRIORITY=4\nSYSLOG_IDENTIFIER=leveret\nSYSLOG_PID=#\nTID=4711\nLEVERET_CATEGORY=connection\n"
              "MESSAGE=connection: closing\n");
    close(p.fd);
    unlink(p.path);
    assert_int_equal(logger_journald_put(&j, &record, "lost"), ENOENT);
    listen_unix(&p);
    assert_int_equal(logger_journald_put(&j, &record, "back"), 0);
    logger_journald_close(&j);
    drop_place(&p);
}

int
main(void)
{
    setenv("TZ", "UTC", 1);
    tzset();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_local_socket_gets_rfc_3164_without_a_host),
        cmocka_unit_test(a_daemon_that_comes_back_is_found_again),
        cmocka_unit_test(a_daemon_that_does_not_read_costs_lines_only),
        cmocka_unit_test(udp_carries_rfc_5424),
        cmocka_unit_test(tcp_messages_say_how_long_they_are),
        cmocka_unit_test(journald_gets_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
