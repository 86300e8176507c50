/*
 * Replays one transcript against a broker. The language is described in test/transcripts/README.md; how bytes
 * travel is the business of whoever provides the transcript_net.
 */
#ifndef LEVERET_TEST_TRANSCRIPT_TRANSCRIPT_H
#define LEVERET_TEST_TRANSCRIPT_TRANSCRIPT_H

#include "bytes.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Connections are handles chosen by the transport. Nothing here may block longer than the given time. */
struct transcript_net {
    void *ctx;
    /* A handle >= 0, or -1 when the broker cannot be reached. */
    int (*connect)(void *ctx);
    /* Sends all of it; a peer that is gone shows in the next recv. */
    void (*send)(void *ctx, int handle, const void *data, size_t size);
    /* More than 0: octets received; 0: the peer has closed; -1: nothing came in time. */
    ssize_t (*recv)(void *ctx, int handle, void *data, size_t size, int timeout_ms);
    /* Closes at once, without ceremony. */
    void (*close)(void *ctx, int handle);
    /* Makes the broker believe that its "memory" or "disk" is short, or no longer; NULL where that cannot be
     * done. */
    bool (*resource)(void *ctx, const char *which, bool is_short);
};

struct transcript_options {
    const struct transcript_net *net;
    const char *unique;   /* makes the names of this run differ from those of others on the same broker */
    const char *provides; /* what `needs:` lines may ask for, e.g. " users " */
    int timeout_ms;       /* how long an expected event may take */
    bool verbose;         /* every line to standard error */
};

enum transcript_result {
    TRANSCRIPT_PASSED,
    TRANSCRIPT_FAILED,
    TRANSCRIPT_SKIPPED, /* needs something that the options do not provide */
};

struct transcript_report {
    enum transcript_result result;
    bool differs;        /* the transcript says that RabbitMQ 3.10.8 does otherwise */
    struct bytes reason; /* of a failure, with the line; released by the caller */
};

void transcript_run(const struct transcript_options *options, const char *name, const char *text,
                    struct transcript_report *report);

#endif
