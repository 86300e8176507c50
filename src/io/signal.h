/* SIGTERM, SIGINT and SIGHUP as a callback on a shard (the first one, by custom). */
#ifndef LEVERET_IO_SIGNAL_H
#define LEVERET_IO_SIGNAL_H

#include "base/err.h"

struct shard;
struct signal_watch;

enum signal_kind {
    SIGNAL_TERMINATE, /* SIGTERM, SIGINT */
    SIGNAL_RELOAD,    /* SIGHUP */
};

/* Until signal_watch_close() or the shard's end. One watch per process (per node, simulated). */
ERR_USE enum err signal_watch_open(struct shard *s, void (*on_signal)(void *arg, enum signal_kind kind),
                                   void *arg, struct signal_watch **watch);
void signal_watch_close(struct signal_watch *w);

#endif
