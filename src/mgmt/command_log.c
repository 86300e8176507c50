/* Requests about the log: levels, rotation, its end. */
#include "base/check.h"
#include "base/log.h"
#include "mgmt/argument.h"
#include "mgmt/control_table.h"
#include "mgmt/node_host.h"

#include <stdlib.h>

enum {
    LOG_TAIL_LINES = 50,
    LOG_TAIL_LINES_MAX = 100000,
    LOG_TAIL_PIECE = 16384,
    UTF8_CHAR_MAX = 4, /* bytes */
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

const struct control_command command_log_table[] = {
    {"set_log_level", set_level, CONTROL_AUDITED},
    {"rotate_logs", rotate, CONTROL_AUDITED},
    {"log_tail", tail, 0},
    {0},
};
