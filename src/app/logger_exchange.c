/* The lines that wait stand in one buffer: each a head, and its text behind it. */
#include "app/logger_exchange.h"

#include "base/check.h"
#include "broker/event.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct head {
    uint64_t time_s;
    uint32_t len;
    uint8_t level; /* enum log_level */
};

void
logger_exchange_open(struct logger_exchange *x, const char *vhost, bool is_json)
{
    *x = (struct logger_exchange){
        .lock = PTHREAD_MUTEX_INITIALIZER, .vhost = strdup(vhost), .is_json = is_json};
    int n = asprintf(&x->location, "exchange:{resource,<<\"%s\">>,exchange,<<\"" LOG_EXCHANGE "\">>}", vhost);
    CHECK(x->vhost && n > 0);
}

void
logger_exchange_close(struct logger_exchange *x)
{
    pthread_mutex_destroy(&x->lock);
    buffer_fini(&x->lines);
    free(x->vhost);
    free(x->location);
}

int
logger_exchange_put(struct logger_exchange *x, const struct logger_record *r, const char *line, size_t len)
{
    const struct head head = {.time_s = (uint64_t)r->when.tv_sec, .len = (uint32_t)len, .level = r->level};
    pthread_mutex_lock(&x->lock);
    bool is_first = x->lines.len == 0, is_full = x->lines.len + sizeof head + len > LOGGER_EXCHANGE_BYTES;
    if (x->wake && !is_full) {
        buffer_add(&x->lines, &head, sizeof head);
        buffer_add(&x->lines, line, len);
        if (is_first)
            x->wake(x->arg);
    }
    pthread_mutex_unlock(&x->lock);
    return is_full ? ENOBUFS : 0;
}

void
logger_exchange_connect(struct logger_exchange *x, void (*wake)(void *arg), void *arg)
{
    pthread_mutex_lock(&x->lock);
    x->wake = wake;
    x->arg = arg;
    buffer_clear(&x->lines);
    pthread_mutex_unlock(&x->lock);
}

struct buffer
logger_exchange_take(struct logger_exchange *x)
{
    pthread_mutex_lock(&x->lock);
    struct buffer lines = x->lines;
    x->lines = (struct buffer){0};
    pthread_mutex_unlock(&x->lock);
    return lines;
}

bool
logger_exchange_next(struct slice *lines, struct logger_exchange_line *line)
{
    struct head head;
    if (lines->len == 0)
        return false;
    memcpy(&head, lines->data, sizeof head);
    *line = (struct logger_exchange_line){
        .time_s = head.time_s, .level = head.level, .text = slice_of(lines->data + sizeof head, head.len)};
    *lines = slice_of(lines->data + sizeof head + head.len, lines->len - sizeof head - head.len);
    return true;
}
