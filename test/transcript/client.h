/* The connections of one running transcript: frames sent, frames received and not yet expected. */
#ifndef LEVERET_TEST_TRANSCRIPT_CLIENT_H
#define LEVERET_TEST_TRANSCRIPT_CLIENT_H

#include "notation.h"
#include "transcript.h"

enum { CLIENT_CONNECTIONS_MAX = 26, CLIENT_CONFIRMS_MAX = 4096, CLIENT_CHANNELS_MAX = 32 };

struct client_frame {
    struct client_frame *next;
    unsigned type;
    unsigned channel;
    struct bytes payload;
};

struct client_channel {
    unsigned number;
    bool is_open;     /* open-ok has come, and no close in either direction */
    unsigned covered; /* publishes 1..covered are all confirmed */
    bool is_confirmed[CLIENT_CONFIRMS_MAX];
};

struct client {
    bool is_open;
    bool is_ended;   /* the peer has closed */
    bool is_started; /* the first frame was seen: octets are frames, not a protocol header */
    int handle;
    uint32_t frame_max; /* of what we send and accept */
    struct bytes input;
    struct client_frame *first;
    struct client_frame **last;
    bool is_ready; /* open-ok has come, and no close in either direction */
    unsigned channel_count;
    struct client_channel *channels[CLIENT_CHANNELS_MAX];
};

enum {
    CLIENT_FRAME_METHOD = 1,
    CLIENT_FRAME_HEADER = 2,
    CLIENT_FRAME_BODY = 3,
    CLIENT_FRAME_HEARTBEAT = 8,
    CLIENT_FRAME_PROTOCOL = 'A'
};

bool client_connect(struct client *c, const struct transcript_options *options, struct bytes *why);
void client_drop(struct client *c, const struct transcript_options *options);

/* Sends octets as they are. */
void client_send(struct client *c, const struct transcript_options *options, const struct bytes *data);

/* Appends a frame with the end octet `end` (0xCE unless the test is about that). */
void client_frame_encode(struct bytes *out, unsigned type, unsigned channel, const struct bytes *payload,
                         unsigned end);

/*
 * The next frame of `channel`, owned by the caller; NULL with a reason when none comes in time. Heartbeats
 * are skipped unless `heartbeats`. A channel.close or connection.close in the way is a reason too.
 */
struct client_frame *client_next(struct client *c, const struct transcript_options *options, unsigned channel,
                                 bool heartbeats, struct bytes *why);

/* Waits for the end of the stream; false when frames or time stand before it. */
bool client_expect_end(struct client *c, const struct transcript_options *options, struct bytes *why);

void client_frame_free(struct client_frame *frame);

/* Whether it is a method frame of that method. */
bool client_frame_is(const struct client_frame *frame, const char *name);

/* A frame for people: "basic.ack delivery-tag=1 multiple=0". */
void client_frame_describe(const struct client_frame *frame, struct bytes *text);

/* The state of a channel, made when first asked for. */
struct client_channel *client_channel(struct client *c, unsigned number);
/* Follows the methods that open and close connections and channels, in either direction. */
void client_observe(struct client *c, unsigned channel, const char *method);
/* Marks what a basic.ack or basic.nack covers; false when something was confirmed twice. */
bool client_confirm(struct client_channel *channel, uint64_t tag, bool multiple, struct bytes *why);

#endif
