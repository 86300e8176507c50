/* Requests about the log: levels, rotation, its end. */
#include "base/log.h"
#include "mgmt/control_table.h"
#include "mgmt/node_host.h"

enum { LOG_TAIL_LINES = 50, LOG_TAIL_LINES_MAX = 100000, LOG_TAIL_PIECE = 16384 };

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

static void
tail(struct control_call *call)
{
    const struct node_host *host = host_of(call);
    json_t *lines = control_argument(call, "lines");
    json_int_t n = lines ? json_integer_value(lines) : LOG_TAIL_LINES;
    if (!host)
        return;
    if (n < 1 || n > LOG_TAIL_LINES_MAX) {
        control_fail(call, CONTROL_BAD_ARGUMENT, "the number of lines must be from 1 to %u",
                     LOG_TAIL_LINES_MAX);
        return;
    }
    struct buffer text = {0};
    enum err e = host->log_tail(host->arg, (unsigned)n, &text);
    if (e) {
        if (e == ERR_NOT_FOUND)
            control_fail(call, CONTROL_REFUSED,
                         "the node's log goes to no file that could be read (log.file)");
        else
            control_fail(call, CONTROL_REFUSED, "the log's file cannot be read: %s", err_text(e));
        buffer_fini(&text);
        return;
    }
    for (size_t at = 0; at < text.len; at += LOG_TAIL_PIECE)
        control_text(
            call, slice_of(text.data + at, text.len - at < LOG_TAIL_PIECE ? text.len - at : LOG_TAIL_PIECE));
    buffer_fini(&text);
    control_done(call, NULL);
}

const struct control_command command_log_table[] = {
    {"set_log_level", set_level, CONTROL_AUDITED},
    {"rotate_logs", rotate, CONTROL_AUDITED},
    {"log_tail", tail, 0},
    {0},
};
