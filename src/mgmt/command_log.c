/* Requests about the log: levels, rotation, its end, and what is added to it. */
#include "base/check.h"
#include "base/log.h"
#include "io/timer.h"
#include "mgmt/argument.h"
#include "mgmt/control_table.h"
#include "mgmt/node_host.h"

#include <stdlib.h>

enum {
    LOG_TAIL_LINES = 50,
    LOG_TAIL_LINES_MAX = 100000,
    LOG_TAIL_PIECE = 16384,
    UTF8_CHAR_MAX = 4,        /* bytes */
    LOG_FOLLOW_BYTES = 65536, /* read at once */
    LOG_FOLLOW_MS = 100,      /* from one look at the file to the next */
    LOG_FOLLOW_S_MAX = 1000000000,
};

static const struct node_host *
host_of(struct control_call *call)
{
    const struct node_host *host = control_hosts(control_of(call))->node;
    if (!host)
        control_fail(call, CONTROL_REFUSED, "this node has no log of its own");
    return host;
}

/* RabbitMQ has two levels above `critical`. */
static bool
parse_level(const char *text, enum log_level *level)
{
    static const char *const names[] = {
#define X(name, text) text,
        LOG_LEVEL_TABLE(X)
#undef X
    };
    if (strcmp(text, "alert") == 0 || strcmp(text, "emergency") == 0)
        text = "critical";
    for (unsigned i = 0; i < LOG_LEVELS; i++) {
        if (strcmp(names[i], text) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

static void
set_level(struct control_call *call)
{
    const char *text = control_string(call, "level", NULL);
    enum log_level level;
    if (!text)
        return;
    if (!parse_level(text, &level)) {
        control_fail(call, CONTROL_REFUSED,
                     "level %s is not supported. Try one of debug, info, warning, error, critical, none",
                     text);
        return;
    }
    for (unsigned category = 0; category < LOG_CATEGORIES; category++)
        if (category != LOG_AUDIT) /* what was changed, and by whom, is told at any level */
            log_set_level(control_log(control_of(call)), (enum log_category)category, level);
    control_done(call, NULL);
}

static void
rotate(struct control_call *call)
{
    const struct node_host *host = host_of(call);
    if (!host)
        return;
    host->log_rotate(host->arg);
    control_done(call, NULL);
}

/* What is being told of the log's end. */
struct log_tail {
    struct buffer text;
    size_t at;
};

static void
tail_free(void *data)
{
    struct log_tail *t = data;
    buffer_fini(&t->text);
    free(t);
}

/* No more than a piece, and whole characters. */
static struct slice
next_piece(const struct log_tail *t)
{
    size_t rest = t->text.len - t->at, len = rest < LOG_TAIL_PIECE ? rest : LOG_TAIL_PIECE;
    const uint8_t *from = t->text.data + t->at;
    if (len < rest)
        for (size_t cut = len; cut + UTF8_CHAR_MAX > len; cut--)
            if ((from[cut] & 0xc0) != 0x80)
                return slice_of(from, cut);
    return slice_of(from, len);
}

static void
tail_go_on(struct control_call *call)
{
    struct log_tail *t = control_data(call);
    while (t->at < t->text.len && control_has_room(call)) {
        struct slice piece = next_piece(t);
        control_text(call, piece);
        t->at += piece.len;
    }
    if (t->at < t->text.len)
        control_when_room(call, tail_go_on);
    else
        control_done(call, NULL);
}

static void
tail(struct control_call *call)
{
    const struct node_host *host = host_of(call);
    int64_t lines = LOG_TAIL_LINES;
    if (!host || !argument_number(call, "lines", 1, LOG_TAIL_LINES_MAX, &lines))
        return;
    struct log_tail *t = calloc(1, sizeof *t);
    CHECK(t);
    control_set_data(call, t, tail_free);
    enum err e = host->log_tail(host->arg, (unsigned)lines, &t->text);
    if (e == ERR_NOT_FOUND)
        control_fail(call, CONTROL_REFUSED, "the node's log goes to no file that could be read (log.file)");
    else if (e)
        control_fail(call, CONTROL_REFUSED, "the log's file cannot be read: %s", err_text(e));
    else
        tail_go_on(call);
}

/* ---- as it grows ---- */

struct log_stream {
    struct control_call *call;
    const struct node_host *host;
    struct logger_follow *follow;
    struct wheel_timer timer;
    struct buffer text; /* of a line whose end has not come */
    uint64_t end_ms;    /* 0: it has none */
};

static void
stream_free(void *data)
{
    struct log_stream *s = data;
    timer_stop(&s->timer);
    if (s->follow)
        s->host->log_follow_close(s->follow);
    buffer_fini(&s->text);
    free(s);
}

/* Whole lines: no character is torn that was written in two pieces. */
static void
stream_tell(struct log_stream *s)
{
    const uint8_t *from = s->text.data, *last = memrchr(from, '\n', s->text.len);
    size_t whole = last ? (size_t)(last - from) + 1 : s->text.len < LOG_FOLLOW_BYTES ? 0 : s->text.len;
    for (size_t at = 0; at < whole;) {
        const struct log_tail t = {.text = {.data = s->text.data, .len = whole}, .at = at};
        struct slice piece = next_piece(&t);
        control_text(s->call, piece);
        at += piece.len;
    }
    memmove(s->text.data, s->text.data + whole, s->text.len - whole);
    s->text.len -= whole;
}

static void stream_wait(struct control_call *call);

static void
stream_look(void *arg)
{
    struct log_stream *s = arg;
    if (!control_has_room(s->call)) {
        control_when_room(s->call, stream_wait);
        return;
    }
    s->host->log_follow_read(s->follow, LOG_FOLLOW_BYTES, &s->text);
    if (s->text.len > 0)
        stream_tell(s);
    if (s->end_ms && shard_now_ms(control_shard(control_of(s->call))) >= s->end_ms)
        control_done(s->call, NULL);
    else
        stream_wait(s->call);
}

static void
stream_wait(struct control_call *call)
{
    struct log_stream *s = control_data(call);
    timer_start(control_shard(control_of(call)), &s->timer, LOG_FOLLOW_MS, stream_look, s);
}

/* An empty text first: it is being followed from now on. */
static void
stream(struct control_call *call)
{
    const struct node_host *host = host_of(call);
    int64_t duration_s = 0;
    if (!host || !argument_number(call, "duration_s", 0, LOG_FOLLOW_S_MAX, &duration_s))
        return;
    struct log_stream *s = calloc(1, sizeof *s);
    CHECK(s);
    *s = (struct log_stream){.call = call, .host = host, .follow = host->log_follow(host->arg)};
    control_set_data(call, s, stream_free);
    if (!s->follow) {
        control_fail(call, CONTROL_REFUSED, "the node's log goes to no file that could be read (log.file)");
        return;
    }
    if (duration_s > 0)
        s->end_ms = shard_now_ms(control_shard(control_of(call))) + (uint64_t)duration_s * 1000;
    control_text(call, slice_str(""));
    stream_wait(call);
}

const struct control_command command_log_table[] = {
    {"set_log_level", set_level, CONTROL_AUDITED},
    {"rotate_logs", rotate, CONTROL_AUDITED},
    {"log_tail", tail, 0},
    {"log_tail_stream", stream, 0},
    {0},
};
