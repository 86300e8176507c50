/*
 * What the two players share: options, reading files, one process per transcript, counting, the closing line.
 */
#ifndef LEVERET_TEST_TRANSCRIPT_SUITE_H
#define LEVERET_TEST_TRANSCRIPT_SUITE_H

#include "transcript.h"

struct suite {
    char provides[96];   /* words with a blank before and after each */
    bool is_rabbitmq;    /* a transcript that says `differs:` must fail, every other must pass */
    bool expect_failure; /* every transcript must fail: the player's own test */
    bool is_verbose;
    int timeout_ms;
    int jobs; /* transcripts at once, each in a process of its own */

    /* The player's: the network for the file of this name, and the end of it. */
    const struct transcript_net *(*net_open)(void *ctx, const char *name);
    void (*net_close)(void *ctx);
    void *ctx;
};

void suite_init(struct suite *s);
/* Takes one of the common options from argv[0]; returns how many words it was, 0 when it is none of them. */
int suite_option(struct suite *s, char **argv, int left);
/* Runs the files; returns the exit code. */
int suite_run(const struct suite *s, char **paths, int count);

#endif
