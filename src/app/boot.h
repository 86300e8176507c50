/*
 * The application: a node with its shards, store and listeners. It comes and goes while the process
 * (process.h) stays.
 *
 * All but boot_stop() and boot_reload() are the main thread's.
 */
#ifndef LEVERET_APP_BOOT_H
#define LEVERET_APP_BOOT_H

#include "app/config.h"
#include "base/log.h"

#include <stdbool.h>

struct boot;
struct event_watch;
struct logger_exchange;
struct reload;
struct server;

enum { BOOT_WHY_SIZE = 512 };

struct boot_request {
    const struct config *config;
    struct log *log;
    struct logger_exchange *log_exchange; /* NULL: the log is not published */
    struct event_watch *event_watch;      /* who is told of events */
    const char *name, *cluster_name;
    /* Once, on a shard's thread: every listener accepts. `line` is for people, with the word "ready". */
    void (*on_ready)(void *arg, const char *line);
    void *arg;
};

/* Nothing runs yet, nothing is read. What the request points to stays. NULL: `why` (BOOT_WHY_SIZE bytes) says
 * why not. */
struct boot *boot_new(const struct boot_request *request, char *why);
struct server *boot_server(const struct boot *b);
/* From the store's recovery to the end of the shards. False: it did not start, or did not end well; `why` is
 * empty where the log has said it. */
bool boot_run(struct boot *b, char *why);
void boot_free(struct boot *b);

/* Any thread, between boot_new() and the end of boot_run(): the application ends once it can; asked a second
 * time it does not wait for clients. */
void boot_stop(struct boot *b);
/* Likewise: goes by this configuration from now on, as far as reload.h says. Holds it. */
void boot_reload(struct boot *b, struct reload *r);

#endif
