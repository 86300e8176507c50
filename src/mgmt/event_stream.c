/* One lock for all streams: events are rare, and so are those who watch. */
#include "mgmt/event_stream.h"

#include "base/check.h"
#include "base/list.h"
#include "broker/event.h"
#include "broker/regex.h"
#include "mgmt/definitions_table.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct event_streams {
    struct event_watch watch; /* first */
    pthread_mutex_t lock;
    struct list open; /* struct event_stream.node */
};

struct event_stream {
    struct list node;
    struct event_streams *all;
    struct regex *pattern;
    struct buffer lines;
    uint64_t lost;
};

/* RabbitMQ's line: {"event":"queue.created","name":"q",...}. */
static char *
line_of(const char *key, struct slice headers)
{
    json_t *line = json_pack("{s:s}", "event", key), *fields = definitions_table_to_json(headers);
    json_object_update(line, fields);
    char *text = json_dumps(line, JSON_COMPACT);
    CHECK(text);
    json_decref(fields);
    json_decref(line);
    return text;
}

static void
add(struct event_stream *s, const char *line)
{
    if (s->lines.len + strlen(line) + 1 > EVENT_STREAM_BYTES) {
        s->lost++;
        return;
    }
    buffer_add_str(&s->lines, line);
    buffer_add_u8(&s->lines, '\n');
}

static void
told(struct event_watch *w, const char *key, struct slice headers)
{
    struct event_streams *all = (struct event_streams *)w;
    char *line = NULL;
    pthread_mutex_lock(&all->lock);
    LIST_FOREACH (at, &all->open) {
        struct event_stream *s = LIST_ENTRY(at, struct event_stream, node);
        if (s->pattern && !regex_matches(s->pattern, slice_str(key)))
            continue;
        line = line ? line : line_of(key, headers);
        add(s, line);
    }
    pthread_mutex_unlock(&all->lock);
    free(line);
}

struct event_streams *
event_streams_new(void)
{
    struct event_streams *all = calloc(1, sizeof *all);
    CHECK(all);
    all->watch.told = told;
    pthread_mutex_init(&all->lock, NULL);
    list_init(&all->open);
    return all;
}

void
event_streams_free(struct event_streams *all)
{
    if (!all)
        return;
    CHECK(list_is_empty(&all->open));
    pthread_mutex_destroy(&all->lock);
    free(all);
}

struct event_watch *
event_streams_watch(struct event_streams *all)
{
    return &all->watch;
}

struct event_stream *
event_stream_open(struct event_streams *all, struct regex *pattern)
{
    struct event_stream *s = calloc(1, sizeof *s);
    CHECK(s);
    s->all = all;
    s->pattern = pattern;
    pthread_mutex_lock(&all->lock);
    list_push_back(&all->open, &s->node);
    pthread_mutex_unlock(&all->lock);
    atomic_fetch_add(&all->watch.watchers, 1);
    return s;
}

void
event_stream_close(struct event_stream *s)
{
    atomic_fetch_sub(&s->all->watch.watchers, 1);
    pthread_mutex_lock(&s->all->lock);
    list_remove(&s->node);
    pthread_mutex_unlock(&s->all->lock);
    regex_free(s->pattern);
    buffer_fini(&s->lines);
    free(s);
}

void
event_stream_take(struct event_stream *s, struct buffer *out)
{
    pthread_mutex_lock(&s->all->lock);
    buffer_add_slice(out, buffer_slice(&s->lines));
    buffer_clear(&s->lines);
    if (s->lost)
        buffer_add_fmt(out, "{\"event\":\"leveret.lost\",\"count\":%llu}\n", (unsigned long long)s->lost);
    s->lost = 0;
    pthread_mutex_unlock(&s->all->lock);
}
