/*
 * The asking side against nodes that are none, or that go: each is a thread that accepts one connection and
 * says what a script says. Against a real node it is tested by test/app and test/ctl.
 */
#include "mgmt/control_client.h"

#include "mgmt/control_proof.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { DEADLINE_MS = 30000, SHORT_MS = 50 };
#define COOKIE "ABCDEFGHIJKLMNOPQRST"
#define NODE   "rabbit@here"
#define NONCE  "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define HELLO  "leveret-control 1 " NODE " " NONCE "\n"

struct impostor {
    int listening, fd;
    uint16_t port;
    pthread_t thread;
    const char *hello;
    const char *cookie; /* NULL: it does not go on behind its hello */
    const char *role;   /* as which it proves itself */
    const char *answer; /* to what is asked then */
    bool stays;         /* until the client hangs up */
};

/* The client's next line; false at its end. */
static bool
read_line(int fd, char *line, size_t size)
{
    size_t len = 0;
    while (len + 1 < size && read(fd, line + len, 1) == 1)
        if (line[len++] == '\n') {
            line[len - 1] = 0;
            return true;
        }
    return false;
}

static void
write_text(int fd, const char *text)
{
    size_t len = strlen(text);
    while (len > 0) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* the client has seen enough */
        text += n;
        len -= (size_t)n;
    }
}

static void *
run(void *arg)
{
    struct impostor *f = arg;
    char line[512], proof[CONTROL_PROOF_SIZE], nonce[CONTROL_NONCE_SIZE] = "", answer[128];
    f->fd = accept(f->listening, NULL, NULL);
    write_text(f->fd, f->hello);
    if (f->cookie && read_line(f->fd, line, sizeof line)) {
        snprintf(nonce, sizeof nonce, "%.*s", CONTROL_NONCE_SIZE - 1, line + 5);
        control_proof_make(slice_str(f->cookie), f->role, NODE, NONCE, nonce, proof);
        snprintf(answer, sizeof answer, "ok %s\n", proof);
        write_text(f->fd, answer);
        if (f->answer && read_line(f->fd, line, sizeof line))
            write_text(f->fd, f->answer);
    }
    while (f->stays && read_line(f->fd, line, sizeof line))
        ;
    close(f->fd);
    return NULL;
}

static void
start(struct impostor *f)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    f->listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(f->listening, (const struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(f->listening, 1), 0);
    assert_int_equal(getsockname(f->listening, (struct sockaddr *)&at, &len), 0);
    f->port = ntohs(at.sin_port);
    assert_int_equal(pthread_create(&f->thread, NULL, run, f), 0);
}

static void
stop(struct impostor *f)
{
    pthread_join(f->thread, NULL);
    close(f->listening);
}

static enum err
open_to(struct impostor *f, uint64_t timeout_ms, struct control_client **client)
{
    char why[CONTROL_CLIENT_WHY_SIZE] = "";
    enum err e = control_client_tcp("127.0.0.1", f->port, slice_str(COOKIE), timeout_ms, client, why);
    assert_true(e == ERR_OK || *why);
    return e;
}

/* Opening ends with that, whatever the node does. */
static void
expect_refused(struct impostor f, uint64_t timeout_ms, enum err want)
{
    struct control_client *c;
    start(&f);
    assert_int_equal(open_to(&f, timeout_ms, &c), want);
    stop(&f);
}

static void
a_node_without_the_cookie_is_not_believed(void **state)
{
    expect_refused((struct impostor){.hello = HELLO, .cookie = "ANOTHER", .role = "server"}, DEADLINE_MS,
                   ERR_PERMISSION);
    /* one that sends our own proof back */
    expect_refused((struct impostor){.hello = HELLO, .cookie = COOKIE, .role = "client"}, DEADLINE_MS,
                   ERR_PERMISSION);
}

static void
what_is_no_node_is_told_apart(void **state)
{
    static const char *const hellos[] = {
        "HTTP/1.1 400 Bad Request\r\n",
        "leveret-control 2 " NODE " " NONCE "\n",
        "leveret-control 1 " NODE " short\n",
        "leveret-control 1 " NODE "\n",
        "\n",
    };
    for (size_t i = 0; i < sizeof hellos / sizeof *hellos; i++)
        expect_refused((struct impostor){.hello = hellos[i]}, DEADLINE_MS, ERR_SYNTAX);
    char *endless = malloc(1 << 20);
    assert_non_null(endless);
    memset(endless, 'x', 1 << 20);
    endless[(1 << 20) - 1] = 0;
    expect_refused((struct impostor){.hello = endless}, DEADLINE_MS, ERR_SYNTAX);
    free(endless);
    expect_refused((struct impostor){.hello = "leveret"}, DEADLINE_MS, ERR_CLOSED);
}

static void
a_silent_node_costs_the_deadline_and_no_more(void **state)
{
    expect_refused((struct impostor){.hello = "", .stays = true}, SHORT_MS, ERR_TIMEOUT);
    expect_refused((struct impostor){.hello = HELLO, .stays = true}, SHORT_MS, ERR_TIMEOUT);
}

static void
an_answer_is_read_line_by_line_to_its_end_or_the_nodes(void **state)
{
    struct impostor f = {
        .hello = HELLO, .cookie = COOKIE, .role = "server", .answer = "r [1]\nr [2]\no {}\nr [\n?\n"};
    static const char *const lines[] = {"[1]", "[2]", "{}", "["};
    struct control_client *c;
    struct slice json;
    char kind;
    start(&f);
    assert_int_equal(open_to(&f, DEADLINE_MS, &c), ERR_OK);
    assert_string_equal(control_client_node(c), NODE);
    assert_int_equal(control_client_ask(c, slice_str("{}"), slice_of(NULL, 0)), ERR_OK);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        assert_int_equal(control_client_next(c, &kind, &json), ERR_OK);
        assert_int_equal(kind, i == 2 ? 'o' : 'r');
        assert_true(slice_eq_str(json, lines[i]));
    }
    assert_int_equal(control_client_next(c, &kind, &json), ERR_SYNTAX);
    assert_int_equal(control_client_next(c, &kind, &json), ERR_CLOSED);
    control_client_close(c);
    stop(&f);
}

static void
nobody_there_is_told_apart(void **state)
{
    struct control_client *c;
    char why[CONTROL_CLIENT_WHY_SIZE];
    assert_int_equal(control_client_local("/nowhere/control.sock", DEADLINE_MS, &c, why), ERR_NOT_FOUND);
    assert_non_null(strstr(why, "/nowhere/control.sock"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_without_the_cookie_is_not_believed),
        cmocka_unit_test(what_is_no_node_is_told_apart),
        cmocka_unit_test(a_silent_node_costs_the_deadline_and_no_more),
        cmocka_unit_test(an_answer_is_read_line_by_line_to_its_end_or_the_nodes),
        cmocka_unit_test(nobody_there_is_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
