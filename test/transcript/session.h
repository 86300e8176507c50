/* The connections of one running transcript: frames sent, frames received and not yet expected. */
#ifndef LEVERET_TEST_TRANSCRIPT_SESSION_H
#define LEVERET_TEST_TRANSCRIPT_SESSION_H

#include "notation.h"
#include "transcript.h"

enum { SESSION_CONNECTIONS_MAX = 26, SESSION_CONFIRMS_MAX = 4096, SESSION_CHANNELS_MAX = 32 };

struct session_frame {
    struct session_frame *next;
    unsigned type;
    unsigned channel;
    struct bytes payload;
};

struct session_channel {
    unsigned number;
    bool is_open;     /* open-ok has come, and no close in either direction */
    unsigned covered; /* publishes 1..covered are all confirmed */
    bool is_confirmed[SESSION_CONFIRMS_MAX];
};

struct session_connection {
    bool is_open;
    bool is_ended;   /* the peer has closed */
    bool is_started; /* the first frame was seen: octets are frames, not a protocol header */
    int handle;
    uint32_t frame_max; /* of what we send and accept */
    struct bytes input;
    struct session_frame *first;
    struct session_frame **last;
    bool is_ready; /* open-ok has come, and no close in either direction */
    unsigned channel_count;
    struct session_channel *channels[SESSION_CHANNELS_MAX];
};

enum {
    SESSION_FRAME_METHOD = 1,
    SESSION_FRAME_HEADER = 2,
    SESSION_FRAME_BODY = 3,
    SESSION_FRAME_HEARTBEAT = 8,
    SESSION_FRAME_PROTOCOL = 'A'
};

bool
session_connect(struct session_connection *c, const struct transcript_options *options, struct bytes *why);
void
session_drop(struct session_connection *c, const struct transcript_options *options);

/* Sends octets as they are. */
void
session_send(struct session_connection *c, const struct transcript_options *options,
             const struct bytes *data);

/* Appends a frame with the end octet `end` (0xCE unless the test is about that). */
void
session_frame_encode(struct bytes *out, unsigned type, unsigned channel, const struct bytes *payload,
                     unsigned end);

/*
 * The next frame of `channel`, owned by the caller; NULL with a reason when none comes in time. Heartbeats
 * are skipped unless `heartbeats`. A channel.close or connection.close in the way is a reason too.
 */
struct session_frame *
session_next(struct session_connection *c, const struct transcript_options *options, unsigned channel,
             bool heartbeats, struct bytes *why);

/* Waits for the end of the stream; false when frames or time stand before it. */
bool
session_expect_end(struct session_connection *c, const struct transcript_options *options, struct bytes *why);

void
session_frame_free(struct session_frame *frame);

/* Whether it is a method frame of that method. */
bool
session_frame_is(const struct session_frame *frame, const char *name);

/* A frame for people: "basic.ack delivery-tag=1 multiple=0". */
void
session_frame_describe(const struct session_frame *frame, struct bytes *text);

/* The state of a channel, made when first asked for. */
struct session_channel *
session_channel(struct session_connection *c, unsigned number);
/* Follows the methods that open and close connections and channels, in either direction. */
void
session_observe(struct session_connection *c, unsigned channel, const char *method);
/* Marks what a basic.ack or basic.nack covers; false when something was confirmed twice. */
bool
session_confirm(struct session_channel *channel, uint64_t tag, bool multiple, struct bytes *why);

#endif
