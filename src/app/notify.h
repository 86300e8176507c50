/*
 * Tells the service manager how the process is doing (systemd's Type=notify): lines over the datagram socket
 * that $NOTIFY_SOCKET names. Without one nothing happens. Main thread, but for notify_ready() and
 * notify_stopping().
 */
#ifndef LEVERET_APP_NOTIFY_H
#define LEVERET_APP_NOTIFY_H

#include <pthread.h>
#include <stdbool.h>

enum {
    NOTIFY_PERIOD_S = 5,  /* how often a long start is told */
    NOTIFY_EXTEND_S = 30, /* how much longer the manager is to wait, each time */
};

struct notify {
    int fd; /* -1: nobody wants to know */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_started;
};

/* The process starts: from now until notify_ready() the manager is told every NOTIFY_PERIOD_S that this takes
 * longer. */
void notify_begin(struct notify *n);
/* Any thread, any number of times. `text`: one line for `systemctl status`. */
void notify_ready(struct notify *n, const char *text);
/* Any thread. */
void notify_stopping(struct notify *n);
void notify_end(struct notify *n);

#endif
