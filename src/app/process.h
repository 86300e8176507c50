/*
 * The process: what is there from its start to its end, whatever the application (boot.h) does meanwhile: the
 * lock of the data directory, the log, the pid file, signals, control (doc/control.md).
 */
#ifndef LEVERET_APP_PROCESS_H
#define LEVERET_APP_PROCESS_H

#include "app/config.h"
#include "app/reload.h"

struct process_request {
    const struct config *config;
    struct slice warnings; /* lines about the configuration, for the log */
    reload_load_fn *load;  /* reads the configuration again */
    void *load_arg;
    const char *log_file; /* used when the configuration names none; NULL: none */
    /* Once, on another thread: the application serves for the first time. `line` is for people, with the word
     * "ready". */
    void (*on_ready)(void *arg, const char *line);
    /* On another thread: the application is told to stop, and the process will end with it. */
    void (*on_stopping)(void *arg);
    void *arg;
};

/* The process's exit code: 0 after a clean stop. What went wrong before the log was there is on standard
 * error. */
int process_run(const struct process_request *request);

#endif
