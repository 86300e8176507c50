/* consume_event_stream: events as they happen, for a while or until the client goes. */
#include "base/check.h"
#include "broker/regex.h"
#include "io/timer.h"
#include "mgmt/argument.h"
#include "mgmt/control_table.h"
#include "mgmt/event_stream.h"

#include <stdlib.h>

enum { EVENT_LOOK_MS = 100, EVENT_S_MAX = 1000000000, EVENT_PATTERN_MAX = 4096 };

struct event_call {
    struct control_call *call;
    struct event_stream *stream;
    struct wheel_timer timer;
    uint64_t end_ms; /* 0: it has none */
};

static void
event_free(void *data)
{
    struct event_call *e = data;
    timer_stop(&e->timer);
    if (e->stream)
        event_stream_close(e->stream);
    free(e);
}

static void event_wait(struct control_call *call);

/* Each line is a text of its own. */
static void
event_look(void *arg)
{
    struct event_call *e = arg;
    if (!control_has_room(e->call)) {
        control_when_room(e->call, event_wait);
        return;
    }
    struct buffer lines = {0};
    event_stream_take(e->stream, &lines);
    for (size_t at = 0; at < lines.len;) {
        const uint8_t *end = memchr(lines.data + at, '\n', lines.len - at);
        size_t len = (size_t)(end - (lines.data + at)) + 1;
        control_text(e->call, slice_of(lines.data + at, len));
        at += len;
    }
    buffer_fini(&lines);
    if (e->end_ms && shard_now_ms(control_shard(control_of(e->call))) >= e->end_ms)
        control_done(e->call, NULL);
    else
        event_wait(e->call);
}

static void
event_wait(struct control_call *call)
{
    struct event_call *e = control_data(call);
    timer_start(control_shard(control_of(call)), &e->timer, EVENT_LOOK_MS, event_look, e);
}

/* False: the call was answered. */
static bool
event_pattern(struct control_call *call, struct regex **pattern)
{
    struct slice text;
    struct regex_error error;
    *pattern = NULL;
    if (!argument_text(call, "pattern", "", EVENT_PATTERN_MAX, &text))
        return false;
    if (text.len == 0 || (*pattern = regex_new(text, &error)))
        return true;
    control_fail(call, CONTROL_BAD_ARGUMENT, "the pattern is no regular expression: %s", error.why);
    return false;
}

/* An empty text first: it is listened from now on. */
static void
run_consume(struct control_call *call)
{
    struct event_streams *all = control_hosts(control_of(call))->events;
    struct regex *pattern;
    int64_t duration_s = 0;
    if (!argument_number(call, "duration_s", 0, EVENT_S_MAX, &duration_s) || !event_pattern(call, &pattern))
        return;
    struct event_call *e = calloc(1, sizeof *e);
    CHECK(e);
    *e = (struct event_call){.call = call, .stream = event_stream_open(all, pattern)};
    control_set_data(call, e, event_free);
    if (duration_s > 0)
        e->end_ms = shard_now_ms(control_shard(control_of(call))) + (uint64_t)duration_s * 1000;
    control_text(call, slice_str(""));
    event_wait(call);
}

const struct control_command command_event_table[] = {
    {"consume_event_stream", run_consume, CONTROL_NEEDS_APP},
    {0},
};
