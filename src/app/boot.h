/* Starts a node from its configuration, runs it until it is asked to stop, and takes it down in order. */
#ifndef LEVERET_APP_BOOT_H
#define LEVERET_APP_BOOT_H

#include "app/config.h"

struct boot_request {
    const struct config *config;
    const char *log_file; /* used when the configuration names none; NULL: none */
    /* Once, on a shard's thread: every listener accepts. `text` is a line for people with the word "ready".
     */
    void (*on_ready)(void *arg, const char *text);
    void *arg;
};

/* The process's exit code: 0 after a clean stop. What went wrong before the log was there is on standard
 * error. */
int boot_run(const struct boot_request *request);

#endif
