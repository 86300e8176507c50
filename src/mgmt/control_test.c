/*
 * Control in a simulated world: clients on the socket and on the peer port, requests that this file defines,
 * and an application that comes and goes. Nothing happens but inside of sim_run_until(), so what waits in
 * vain ends at once.
 */
#include "mgmt/control_impl.h"

#include "base/check.h"
#include "io/local.h"
#include "io/shard.h"
#include "io/sim.h"
#include "mgmt/ask.h"
#include "server/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PEER_PORT = 25672, PATIENCE_MS = 30000, APP_SHARDS = 3, ROWS = 20000 };
#define COOKIE "ABCDEFGHIJKLMNOPQRST"
#define NODE   "rabbit@here"

struct world {
    struct sim *sim;
    struct io_world *machine;
    struct shards *own;
    struct asker *asker;
    struct control *control;
    struct control_host host;
    struct log log;
    bool is_open;
    struct node node; /* the application, while there is one */
    struct server server;
    struct ask *late;            /* asked of the application and not answered */
    struct control_call *paused; /* between two questions */
    unsigned freed, discarded, told, streamed, warned;
};

/* ---- the requests of this file ---- */

static struct world *
world_of(struct control_call *call)
{
    return control_hosts(control_of(call))->arg;
}

static void
run_echo(struct control_call *call)
{
    const char *text = control_string(call, "text", "nothing");
    if (text)
        control_done(call, json_pack("{s:s, s:I}", "text", text, "body", (json_int_t)control_body(call).len));
}

/* As a text may be that repeats what came from a file: no UTF-8. */
static void
run_fail(struct control_call *call)
{
    control_fail(call, CONTROL_BAD_ARGUMENT, "\"%s\"", "\xfe");
}

static void
run_text(struct control_call *call)
{
    control_text(call, slice_str("a\"\\\n\xc3\xa4\xff"));
    control_done(call, NULL);
}

static void
count_freed(void *data)
{
    struct world *w = data;
    w->freed++;
}

static void
stream(struct control_call *call)
{
    struct world *w = world_of(call);
    char row[64];
    while (w->streamed < ROWS && control_has_room(call)) {
        int len = snprintf(row, sizeof row, "[%u,\"%020u\"]", w->streamed, w->streamed);
        control_row(call, slice_of(row, (size_t)len));
        w->streamed++;
    }
    if (w->streamed < ROWS)
        control_when_room(call, stream);
    else
        control_done(call, NULL);
}

static void
run_stream(struct control_call *call)
{
    control_set_data(call, world_of(call), count_freed);
    stream(call);
}

static void
on_shard(void *arg, struct server_shard *home)
{
    struct world *w = arg;
    w->told++;
}

static void
then_asked(struct control_call *call, void *arg, bool discarded)
{
    struct world *w = arg;
    w->discarded += discarded;
    control_done(call, json_pack("{s:i}", "told", w->told)); /* counts for nothing when it was discarded */
}

static void
run_ask(struct control_call *call)
{
    control_set_data(call, world_of(call), count_freed);
    control_ask(call, APP_SHARDS - 1, on_shard, world_of(call), then_asked);
}

static void
on_shard_late(void *arg, struct server_shard *home, struct ask *answer)
{
    struct world *w = arg;
    w->late = answer;
}

static void
run_ask_late(struct control_call *call)
{
    control_set_data(call, world_of(call), count_freed);
    control_ask_late(call, 0, on_shard_late, world_of(call), then_asked);
}

static void
then_paused(struct control_call *call, void *arg, bool discarded)
{
    struct world *w = arg;
    w->paused = call;
    control_hold(call);
}

static void
run_pause(struct control_call *call)
{
    control_ask(call, 0, on_shard, world_of(call), then_paused);
}

static void
run_wait(struct control_call *call)
{
    control_set_data(call, world_of(call), count_freed);
}

static void
run_keep(struct control_call *call)
{
    control_keep(call, world_of(call), count_freed);
    control_done(call, NULL);
}

const struct control_command *
control_table_find(const char *name)
{
    static const struct control_command table[] = {
        {"echo", run_echo, 0},         {"text", run_text, 0},
        {"stream", run_stream, 0},     {"ask", run_ask, 0},
        {"wait", run_wait, 0},         {"pause", run_pause, 0},
        {"ask_late", run_ask_late, 0}, {"app", run_echo, CONTROL_NEEDS_APP},
        {"keep", run_keep, 0},         {"fail", run_fail, 0},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

/* ---- the world ---- */

static bool
is_running(void *arg)
{
    struct world *w = arg;
    return asker_shard_count(w->asker) > 0;
}

static void
on_start(struct shard *s, void *owner)
{
    struct world *w = owner;
    char why[256];
    struct control_config config = {.socket_path = "control.sock",
                                    .peer_address = "",
                                    .peer_port = PEER_PORT,
                                    .cookie = slice_str(COOKIE),
                                    .log = &w->log,
                                    .host = &w->host};
    CHECK(control_open(s, w->asker, &config, &w->control, why, sizeof why) == ERR_OK);
    w->is_open = true;
}

static void
on_mail(struct shard *s, void *owner, const struct mail *m)
{
    struct world *w = owner;
    CHECK(ask_on_mail(w->asker, s, m));
}

static bool
on_turn(struct shard *s, void *owner)
{
    struct world *w = owner;
    control_turn(w->control);
    return false;
}

static void
on_app_mail(struct shard *s, void *owner, const struct mail *m)
{
    CHECK(ask_on_mail(NULL, s, m));
}

static void
count_warnings(void *arg, enum log_category category, enum log_level level, const char *text)
{
    struct world *w = arg;
    w->warned += level == LOG_LEVEL_WARNING;
}

static bool
has_opened(void *arg)
{
    const struct world *w = arg;
    return w->is_open;
}

static struct world *
world_new_of(unsigned seed)
{
    static const struct shard_hooks hooks = {.on_start = on_start, .on_mail = on_mail, .on_turn = on_turn};
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->sim = sim_new(seed);
    w->machine = sim_node_new(w->sim, "here");
    w->host = (struct control_host){.arg = w, .node_name = NODE, .is_running = is_running};
    log_init(&w->log, count_warnings, w, LOG_LEVEL_INFO);
    w->own = shards_new(w->machine, 1, &hooks, w);
    w->asker = asker_new(shards_get(w->own, 0));
    assert_int_equal(shards_start(w->own), ERR_OK);
    assert_true(sim_run_until(w->sim, has_opened, w, PATIENCE_MS));
    return w;
}

static struct world *
world_new(void)
{
    return world_new_of(1);
}

static void
app_start(struct world *w)
{
    static const struct shard_hooks hooks = {.on_mail = on_app_mail};
    w->node.shards = shards_new(w->machine, APP_SHARDS, &hooks, NULL);
    w->server.node = &w->node;
    asker_set_server(w->asker, &w->server);
    assert_int_equal(shards_start(w->node.shards), ERR_OK);
}

static void
app_stop(struct world *w)
{
    shards_stop(w->node.shards);
    shards_join(w->node.shards);
    asker_set_server(w->asker, NULL);
    shards_free(w->node.shards);
}

static void
world_free(struct world *w)
{
    if (asker_shard_count(w->asker) > 0)
        app_stop(w);
    shards_stop(w->own);
    shards_join(w->own);
    control_free(w->control);
    shards_free(w->own);
    asker_free(w->asker);
    sim_free(w->sim);
    free(w);
}

/* ---- clients ---- */

struct client {
    struct world *w;
    struct sim_client *sim;
    char line[CONTROL_LINE_MAX];
};

static struct client *
client_open(struct world *w, uint16_t port)
{
    struct client *c = calloc(1, sizeof *c);
    assert_non_null(c);
    c->w = w;
    c->sim = sim_client_open(w->sim, w->machine, port);
    return c;
}

static void
client_free(struct client *c)
{
    sim_client_free(c->sim);
    free(c);
}

static void
say(struct client *c, const char *text)
{
    sim_client_send(c->sim, text, strlen(text));
}

static bool
has_line_or_end(void *arg)
{
    struct client *c = arg;
    struct slice got = sim_client_received(c->sim);
    return (got.len > 0 && memchr(got.data, '\n', got.len)) || sim_client_is_ended(c->sim) ||
           sim_client_is_reset(c->sim);
}

static bool
has_ended(void *arg)
{
    struct client *c = arg;
    return sim_client_is_ended(c->sim) || sim_client_is_reset(c->sim);
}

/* The next line, or "" at the end of the connection. */
static const char *
hear(struct client *c)
{
    assert_true(sim_run_until(c->w->sim, has_line_or_end, c, PATIENCE_MS));
    struct slice got = sim_client_received(c->sim);
    const uint8_t *end = got.len ? memchr(got.data, '\n', got.len) : NULL;
    size_t len = end ? (size_t)(end - got.data) : 0;
    assert_true(len < sizeof c->line);
    snprintf(c->line, sizeof c->line, "%.*s", (int)len, (const char *)got.data);
    if (end)
        sim_client_consume(c->sim, len + 1);
    return c->line;
}

static void
expect(struct client *c, const char *line)
{
    assert_string_equal(hear(c), line);
}

/* A failure of that kind, whatever it says. */
static void
expect_failure(struct client *c, const char *kind)
{
    char want[64];
    snprintf(want, sizeof want, "e {\"kind\":\"%s\",", kind);
    assert_memory_equal(hear(c), want, strlen(want));
}

static void
expect_end(struct client *c)
{
    assert_true(sim_run_until(c->w->sim, has_ended, c, PATIENCE_MS));
    assert_int_equal(sim_client_received(c->sim).len, 0);
}

static bool
has_no_peers(void *arg)
{
    const struct world *w = arg;
    return list_is_empty(&w->control->peers);
}

/* Everything that belonged to connections is gone. */
static void
expect_nobody(struct world *w)
{
    assert_true(sim_run_until(w->sim, has_no_peers, w, PATIENCE_MS));
    assert_int_equal(w->control->local_count, 0);
    assert_int_equal(w->control->tcp_count, 0);
    assert_int_equal(w->control->stranger_count, 0);
    assert_int_equal(w->control->bodies.used, 0);
}

/* ---- requests and answers ---- */

static void
requests_of_one_write_are_answered_in_order(void **state)
{
    struct world *w = world_new();
    struct client *c = client_open(w, LOCAL_SIM_PORT);
    say(c, "{\"command\":\"echo\",\"arguments\":{\"text\":\"one\"}}\n{\"command\":\"none\"}\n"
           "{\"command\":\"echo\",\"body\":5}\nab\ncd{\"command\":\"text\"}\n{\"command\":\"fail\"}\n");
    expect(c, "o {\"text\":\"one\",\"body\":0}");
    expect_failure(c, "bad_request");
    expect(c, "o {\"text\":\"nothing\",\"body\":5}");
    expect(c, "d \"a\\\"\\\\\\u000a\xc3\xa4\\ufffd\"");
    expect(c, "o {}");
    expect(c, "e {\"kind\":\"bad_argument\",\"text\":\"\\\"\\ufffd\\\"\"}");
    client_free(c);
    expect_nobody(w);
    world_free(w);
}

static void
what_is_no_request_ends_the_connection(void **state)
{
    static const char *const bad[] = {
        "\n",
        "hello\n",
        "[1]\n",
        "{\"command\":1}\n",
        "{\"command\":\"\"}\n",
        "{\"command\":\"echo\",\"arguments\":[]}\n",
        "{\"command\":\"echo\",\"user\":7}\n",
        "{\"command\":\"echo\",\"body\":-1}\n",
        "{\"command\":\"echo\",\"body\":268435457}\n",
        "{\"command\":\"echo\",\"command\":\"echo\"}\n",
        "{\"command\":\"echo\"} {}\n",
        "{\"command\":\"echo\\u0000\"}\n",
        "{\"command\":\"\xff\"}\n",
    };
    struct world *w = world_new();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct client *c = client_open(w, LOCAL_SIM_PORT);
        say(c, bad[i]);
        expect_failure(c, "bad_request");
        expect_end(c);
        client_free(c);
    }
    expect_nobody(w);
    world_free(w);
}

static void
a_line_without_end_ends_the_connection(void **state)
{
    struct world *w = world_new();
    struct client *c = client_open(w, LOCAL_SIM_PORT);
    char *line = malloc(CONTROL_LINE_MAX + 2);
    assert_non_null(line);
    memset(line, ' ', CONTROL_LINE_MAX + 1);
    memcpy(line, "{\"command\":\"echo\"}", 18);
    sim_client_send(c->sim, line, CONTROL_LINE_MAX);
    say(c, "\n");
    expect(c, "o {\"text\":\"nothing\",\"body\":0}");
    sim_client_send(c->sim, line, CONTROL_LINE_MAX + 1);
    expect_failure(c, "bad_request");
    expect_end(c);
    free(line);
    client_free(c);
    expect_nobody(w);
    world_free(w);
}

static void
a_body_that_pauses_too_long_gives_its_room_back(void **state)
{
    struct world *w = world_new();
    struct client *c = client_open(w, LOCAL_SIM_PORT);
    say(c, "{\"command\":\"echo\",\"body\":4}\n");
    for (unsigned i = 0; i < 4; i++) { /* slow is not too long */
        sim_run_for(w->sim, CONTROL_BODY_MS - 1000);
        say(c, "x");
    }
    expect(c, "o {\"text\":\"nothing\",\"body\":4}");
    sim_run_for(w->sim, 2 * CONTROL_BODY_MS); /* nothing is awaited */
    say(c, "{\"command\":\"echo\",\"body\":4}\nx");
    sim_run_for(w->sim, CONTROL_BODY_MS - 1000);
    assert_int_equal(w->control->bodies.used, 4);
    sim_run_for(w->sim, 2000);
    assert_int_equal(w->control->bodies.used, 0);
    expect_end(c);
    client_free(c);
    expect_nobody(w);
    world_free(w);
}

static void
bodies_together_have_a_limit(void **state)
{
    struct world *w = world_new();
    struct client *c = client_open(w, LOCAL_SIM_PORT), *d = client_open(w, LOCAL_SIM_PORT);
    say(c, "{\"command\":\"echo\",\"body\":268435456}\nsome");
    say(c, " more");
    sim_run_for(w->sim, 100);
    say(d, "{\"command\":\"echo\",\"body\":1}\n");
    expect_failure(d, "unavailable");
    expect_end(d);
    client_free(d);
    client_free(c); /* in the middle of its body */
    expect_nobody(w);
    c = client_open(w, LOCAL_SIM_PORT);
    say(c, "{\"command\":\"echo\",\"body\":1}\nx");
    expect(c, "o {\"text\":\"nothing\",\"body\":1}");
    client_free(c);
    world_free(w);
}

/* ---- streams ---- */

static void
a_slow_reader_holds_up_nobody_but_its_own_stream(void **state)
{
    struct world *w = world_new();
    struct client *c = client_open(w, LOCAL_SIM_PORT), *d = client_open(w, LOCAL_SIM_PORT);
    char want[64];
    sim_client_set_reading(c->sim, false);
    say(c, "{\"command\":\"stream\"}\n");
    sim_run_for(w->sim, 1000);
    unsigned before = w->streamed;
    assert_in_range(before, 1, ROWS - 1);
    LIST_FOREACH (at, &w->control->peers)
        assert_true(LIST_ENTRY(at, struct control_peer, in_control)->out.len < CONTROL_BUFFERED_MAX + 64);
    say(d, "{\"command\":\"echo\"}\n");
    expect(d, "o {\"text\":\"nothing\",\"body\":0}");
    assert_int_equal(w->streamed, before);
    sim_client_set_reading(c->sim, true);
    for (unsigned i = 0; i < ROWS; i++) {
        snprintf(want, sizeof want, "r [%u,\"%020u\"]", i, i);
        expect(c, want);
    }
    expect(c, "o {}");
    assert_int_equal(w->freed, 1);
    client_free(c);
    client_free(d);
    expect_nobody(w);
    world_free(w);
}

static void
a_client_that_leaves_in_the_middle_ends_its_stream(void **state)
{
    struct world *w = world_new();
    struct client *c = client_open(w, LOCAL_SIM_PORT);
    sim_client_set_reading(c->sim, false);
    say(c, "{\"command\":\"stream\"}\n");
    sim_run_for(w->sim, 1000);
    assert_int_equal(w->freed, 0);
    client_free(c);
    expect_nobody(w);
    assert_int_equal(w->freed, 1);
    assert_true(w->streamed < ROWS);
    world_free(w);
}

static void
a_client_that_leaves_ends_a_call_that_waits_and_what_it_kept(void **state)
{
    struct world *w = world_new();
    struct client *c = client_open(w, LOCAL_SIM_PORT);
    say(c, "{\"command\":\"keep\"}\n");
    expect(c, "o {}");
    say(c, "{\"command\":\"wait\"}\n");
    sim_run_for(w->sim, 100);
    assert_int_equal(w->freed, 0);
    client_free(c);
    expect_nobody(w);
    assert_int_equal(w->freed, 2);
    world_free(w);
}

/* ---- the application ---- */

static void
shards_are_asked_and_answer(void **state)
{
    struct world *w = world_new();
    struct client *c = client_open(w, LOCAL_SIM_PORT);
    say(c, "{\"command\":\"app\"}\n");
    expect_failure(c, "not_running");
    say(c, "{\"command\":\"ask\"}\n");
    expect_failure(c, "not_running");
    assert_int_equal(w->discarded, 1);
    app_start(w);
    say(c, "{\"command\":\"app\"}\n{\"command\":\"ask\"}\n");
    expect(c, "o {\"text\":\"nothing\",\"body\":0}");
    expect(c, "o {\"told\":1}");
    assert_int_equal(w->discarded, 1);
    assert_int_equal(w->freed, 2);
    client_free(c);
    expect_nobody(w);
    world_free(w);
}

static bool
is_late_asked(void *arg)
{
    const struct world *w = arg;
    return w->late;
}

static void
what_the_applications_end_overtakes_fails(void **state)
{
    struct world *w = world_new();
    struct client *c = client_open(w, LOCAL_SIM_PORT);
    app_start(w);
    say(c, "{\"command\":\"ask_late\"}\n");
    assert_true(sim_run_until(w->sim, is_late_asked, w, PATIENCE_MS));
    app_stop(w);
    expect_failure(c, "not_running");
    assert_int_equal(w->discarded, 1);
    assert_int_equal(w->freed, 1);
    app_start(w);
    say(c, "{\"command\":\"ask\"}\n");
    expect(c, "o {\"told\":1}");
    assert_true(asker_is_idle(w->asker));
    client_free(c);
    expect_nobody(w);
    world_free(w);
}

static bool
has_paused(void *arg)
{
    const struct world *w = arg;
    return w->paused;
}

static void
a_request_never_goes_on_with_another_application(void **state)
{
    struct world *w = world_new();
    struct client *c = client_open(w, LOCAL_SIM_PORT);
    app_start(w);
    say(c, "{\"command\":\"pause\"}\n");
    assert_true(sim_run_until(w->sim, has_paused, w, PATIENCE_MS));
    app_stop(w);
    app_start(w);
    control_ask(w->paused, 0, on_shard, w, then_asked);
    control_release(w->paused);
    expect_failure(c, "not_running");
    assert_int_equal(w->told, 1);
    assert_int_equal(w->discarded, 1);
    say(c, "{\"command\":\"ask\"}\n"); /* the next request does */
    expect(c, "o {\"told\":2}");
    client_free(c);
    expect_nobody(w);
    world_free(w);
}

static void
a_question_keeps_the_call_of_a_client_that_has_left(void **state)
{
    struct world *w = world_new();
    struct client *c = client_open(w, LOCAL_SIM_PORT);
    app_start(w);
    say(c, "{\"command\":\"ask_late\"}\n");
    assert_true(sim_run_until(w->sim, is_late_asked, w, PATIENCE_MS));
    client_free(c);
    sim_run_for(w->sim, 1000);
    assert_int_equal(w->freed, 0);
    ask_answer(w->late);
    expect_nobody(w);
    assert_int_equal(w->freed, 1);
    assert_int_equal(w->discarded, 0);
    world_free(w);
}

/* ---- the peer port ---- */

/* The node's nonce. */
static void
hear_hello(struct client *c, char nonce[CONTROL_NONCE_SIZE])
{
    static const char begin[] = "leveret-control 1 " NODE " ";
    const char *line = hear(c);
    assert_memory_equal(line, begin, sizeof begin - 1);
    snprintf(nonce, CONTROL_NONCE_SIZE, "%s", line + sizeof begin - 1);
    assert_true(control_proof_is_nonce(slice_str(nonce)));
}

static void
say_proof(struct client *c, const char *cookie, const char *role, const char *nonce, const char *own)
{
    char proof[CONTROL_PROOF_SIZE], line[512];
    control_proof_make(slice_str(cookie), role, NODE, nonce, own, proof);
    snprintf(line, sizeof line, "auth %s %s\n", own, proof);
    say(c, line);
}

static const char own_nonce[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

static void
who_has_the_cookie_may_command_over_tcp_and_sees_that_the_node_has_it(void **state)
{
    struct world *w = world_new();
    struct client *c = client_open(w, PEER_PORT), *d = client_open(w, PEER_PORT);
    char nonce[CONTROL_NONCE_SIZE], other[CONTROL_NONCE_SIZE], proof[CONTROL_PROOF_SIZE], want[128];
    hear_hello(c, nonce);
    hear_hello(d, other);
    assert_string_not_equal(nonce, other);
    say_proof(c, COOKIE, "client", nonce, own_nonce);
    control_proof_make(slice_str(COOKIE), "server", NODE, nonce, own_nonce, proof);
    snprintf(want, sizeof want, "ok %s", proof);
    expect(c, want);
    sim_run_for(w->sim, 2 * CONTROL_AUTH_MS); /* who is known may be silent */
    say(c, "{\"command\":\"echo\"}\n");
    expect(c, "o {\"text\":\"nothing\",\"body\":0}");
    expect_end(d); /* who is not may not */
    client_free(c);
    client_free(d);
    expect_nobody(w);
    world_free(w);
}

static void
who_has_not_is_refused(void **state)
{
    struct world *w = world_new();
    char nonce[CONTROL_NONCE_SIZE], last[CONTROL_NONCE_SIZE];
    snprintf(last, sizeof last, "%s", own_nonce);
    for (unsigned i = 0; i < 6; i++) {
        struct client *c = client_open(w, PEER_PORT);
        hear_hello(c, nonce);
        switch (i) {
        case 0: say_proof(c, "ANOTHER", "client", nonce, own_nonce); break;
        case 1: say_proof(c, COOKIE, "server", nonce, own_nonce); break; /* as the node itself would say it */
        case 2: say_proof(c, COOKIE, "client", last, own_nonce); break;  /* an earlier connection's */
        case 3: say(c, "{\"command\":\"echo\"}\n"); break;
        case 4: say(c, "auth \n"); break;
        default: sim_client_send(c->sim, (char[300]){0}, 300); break; /* no line at all */
        }
        expect_failure(c, "wrong_cookie");
        expect_end(c);
        client_free(c);
        snprintf(last, sizeof last, "%s", nonce);
    }
    expect_nobody(w);
    world_free(w);
}

static void
refusals_do_not_fill_the_log(void **state)
{
    struct world *w = world_new();
    uint64_t begin = sim_now_ms(w->sim);
    for (unsigned i = 0; i < 100; i++) {
        struct client *c = client_open(w, PEER_PORT);
        assert_memory_equal(hear(c), "leveret-control", 15);
        say(c, "auth\n");
        expect_failure(c, "wrong_cookie");
        client_free(c);
    }
    assert_true(sim_now_ms(w->sim) - begin < 1000);
    assert_int_equal(w->warned, 1);
    expect_nobody(w);
    world_free(w);
}

static void
a_flood_of_strangers_shuts_nobody_out(void **state)
{
    enum { MANY = 200 };
    struct world *w = world_new();
    struct client *flood[MANY];
    char nonce[CONTROL_NONCE_SIZE];
    for (unsigned i = 0; i < MANY; i++)
        flood[i] = client_open(w, PEER_PORT);
    sim_run_for(w->sim, 100);
    assert_int_equal(w->control->stranger_count, CONTROL_STRANGERS_MAX);
    struct client *local = client_open(w, LOCAL_SIM_PORT), *known = client_open(w, PEER_PORT);
    hear_hello(known, nonce);
    say_proof(known, COOKIE, "client", nonce, own_nonce);
    assert_memory_equal(hear(known), "ok ", 3);
    say(local, "{\"command\":\"echo\"}\n");
    expect(local, "o {\"text\":\"nothing\",\"body\":0}");
    for (unsigned i = 0; i < MANY; i++)
        client_free(flood[i]);
    client_free(local);
    client_free(known);
    expect_nobody(w);
    world_free(w);
}

static void
connections_have_a_limit(void **state)
{
    struct world *w = world_new();
    struct client *all[CONTROL_PEERS_MAX + 1];
    for (unsigned i = 0; i <= CONTROL_PEERS_MAX; i++) {
        all[i] = client_open(w, LOCAL_SIM_PORT);
        sim_run_for(w->sim, 1);
    }
    expect_end(all[CONTROL_PEERS_MAX]);
    say(all[0], "{\"command\":\"echo\"}\n");
    expect(all[0], "o {\"text\":\"nothing\",\"body\":0}");
    for (unsigned i = 0; i <= CONTROL_PEERS_MAX; i++)
        client_free(all[i]);
    expect_nobody(w);
    world_free(w);
}

static void
known_connections_to_the_peer_port_have_a_limit(void **state)
{
    struct world *w = world_new();
    struct client *all[CONTROL_PEERS_MAX + 1];
    char nonce[CONTROL_NONCE_SIZE];
    for (unsigned i = 0; i <= CONTROL_PEERS_MAX; i++) {
        all[i] = client_open(w, PEER_PORT);
        hear_hello(all[i], nonce);
        say_proof(all[i], COOKIE, "client", nonce, own_nonce);
        assert_memory_equal(hear(all[i]), "ok ", 3);
    }
    expect_failure(all[CONTROL_PEERS_MAX], "unavailable");
    expect_end(all[CONTROL_PEERS_MAX]);
    say(all[0], "{\"command\":\"echo\"}\n");
    expect(all[0], "o {\"text\":\"nothing\",\"body\":0}");
    for (unsigned i = 0; i <= CONTROL_PEERS_MAX; i++)
        client_free(all[i]);
    expect_nobody(w);
    world_free(w);
}

static bool
is_idle(void *arg)
{
    const struct world *w = arg;
    return control_is_idle(w->control);
}

static void
the_end_lets_answers_out_and_no_request_in(void **state)
{
    struct world *w = world_new();
    struct client *c = client_open(w, LOCAL_SIM_PORT), *idle = client_open(w, LOCAL_SIM_PORT);
    app_start(w);
    say(c, "{\"command\":\"ask_late\"}\n{\"command\":\"echo\"}\n");
    assert_true(sim_run_until(w->sim, is_late_asked, w, PATIENCE_MS));
    control_quiesce(w->control);
    sim_run_for(w->sim, 100);
    assert_false(control_is_idle(w->control));
    ask_answer(w->late);
    expect(c, "o {\"told\":0}");
    expect_end(c);
    expect_end(idle);
    assert_true(sim_run_until(w->sim, is_idle, w, PATIENCE_MS));
    client_free(c);
    client_free(idle);
    world_free(w);
}

/* ---- anything, in any order ---- */

enum { CLIENTS = 8, STEPS = 300, SEEDS = 30 };

/* As a client of either door that has come so far: the challenge is passed, or not even looked at. */
static struct client *
random_client(struct world *w)
{
    char nonce[CONTROL_NONCE_SIZE];
    if (sim_random(w->sim, 2))
        return client_open(w, LOCAL_SIM_PORT);
    struct client *c = client_open(w, PEER_PORT);
    if (sim_random(w->sim, 4) == 0)
        return c;
    hear_hello(c, nonce);
    say_proof(c, sim_random(w->sim, 4) ? COOKIE : "ANOTHER", "client", nonce, own_nonce);
    return c;
}

static void
random_words(struct client *c)
{
    static const char *const words[] = {
        "{\"command\":\"echo\"}\n",
        "{\"command\":\"stream\"}\n",
        "{\"command\":\"ask\"}\n",
        "{\"command\":\"wait\"}\n",
        "{\"command\":\"ask_late\"}\n",
        "{\"command\":\"keep\"}\n",
        "{\"command\":\"app\"}\n",
        "{\"command\":\"echo\",\"body\":9}\n1",
        "234567",
        "{\"command\":\"text\"}\n{",
        "\"command\":\"fail\"}\n",
        "nonsense\n",
    };
    say(c, words[sim_random(c->w->sim, sizeof words / sizeof *words)]);
}

static void
random_step(struct world *w, struct client **c)
{
    struct sim *sim = w->sim;
    if (!*c) {
        *c = random_client(w);
        return;
    }
    switch (sim_random(sim, 10)) {
    case 0:
        client_free(*c);
        *c = NULL;
        break;
    case 1: sim_client_shutdown((*c)->sim); break;
    case 2: sim_client_set_reading((*c)->sim, sim_random(sim, 2)); break;
    case 3: sim_client_consume((*c)->sim, sim_client_received((*c)->sim).len); break;
    case 4: w->streamed = 0; break;
    default: random_words(*c); break;
    }
}

static void
whatever_clients_and_the_application_do_nothing_is_left_behind(void **state)
{
    for (unsigned seed = 1; seed <= SEEDS; seed++) {
        struct world *w = world_new_of(seed);
        struct client *clients[CLIENTS] = {0};
        for (unsigned i = 0; i < STEPS; i++) {
            if (sim_random(w->sim, 20) > 0)
                random_step(w, &clients[sim_random(w->sim, CLIENTS)]);
            else if (is_running(w))
                app_stop(w);
            else
                app_start(w);
            sim_run_for(w->sim, sim_random(w->sim, 3));
        }
        for (unsigned i = 0; i < CLIENTS; i++)
            if (clients[i])
                client_free(clients[i]);
        if (is_running(w))
            app_stop(w);
        expect_nobody(w);
        assert_true(asker_is_idle(w->asker));
        world_free(w);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_of_one_write_are_answered_in_order),
        cmocka_unit_test(what_is_no_request_ends_the_connection),
        cmocka_unit_test(a_line_without_end_ends_the_connection),
        cmocka_unit_test(a_body_that_pauses_too_long_gives_its_room_back),
        cmocka_unit_test(bodies_together_have_a_limit),
        cmocka_unit_test(a_slow_reader_holds_up_nobody_but_its_own_stream),
        cmocka_unit_test(a_client_that_leaves_in_the_middle_ends_its_stream),
        cmocka_unit_test(a_client_that_leaves_ends_a_call_that_waits_and_what_it_kept),
        cmocka_unit_test(shards_are_asked_and_answer),
        cmocka_unit_test(what_the_applications_end_overtakes_fails),
        cmocka_unit_test(a_request_never_goes_on_with_another_application),
        cmocka_unit_test(a_question_keeps_the_call_of_a_client_that_has_left),
        cmocka_unit_test(who_has_the_cookie_may_command_over_tcp_and_sees_that_the_node_has_it),
        cmocka_unit_test(who_has_not_is_refused),
        cmocka_unit_test(refusals_do_not_fill_the_log),
        cmocka_unit_test(a_flood_of_strangers_shuts_nobody_out),
        cmocka_unit_test(connections_have_a_limit),
        cmocka_unit_test(known_connections_to_the_peer_port_have_a_limit),
        cmocka_unit_test(whatever_clients_and_the_application_do_nothing_is_left_behind),
        cmocka_unit_test(the_end_lets_answers_out_and_no_request_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
