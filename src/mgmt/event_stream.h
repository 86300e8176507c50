/*
 * Events for operators, as they happen: lines of JSON that wait for the control thread.
 *
 *   any shard: event ─► each stream whose pattern fits: lines (bounded) ─► control thread, a few times a
 * second
 */
/* exports: event_streams_ event_stream_ */
#ifndef LEVERET_MGMT_EVENT_STREAM_H
#define LEVERET_MGMT_EVENT_STREAM_H

#include "base/buffer.h"

struct event_stream;
struct event_streams;
struct event_watch;
struct regex;

enum { EVENT_STREAM_BYTES = 1 << 20 }; /* lines of one stream that wait; what comes on top is lost */

struct event_streams *event_streams_new(void);
/* All are closed, and no node is left. */
void event_streams_free(struct event_streams *all);
/* What nodes tell of events. */
struct event_watch *event_streams_watch(struct event_streams *all);

/* From now on. Takes `pattern`, which keys are matched with; NULL: all. */
struct event_stream *event_stream_open(struct event_streams *all, struct regex *pattern);
void event_stream_close(struct event_stream *s);
/* Appends the lines that have come. What was lost is a line, too: {"event":"leveret.lost","count":N}. */
void event_stream_take(struct event_stream *s, struct buffer *out);

#endif
