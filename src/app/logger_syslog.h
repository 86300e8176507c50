/* To the machine's syslog over its socket, or to another machine's over UDP or TCP. */
#ifndef LEVERET_APP_LOGGER_SYSLOG_H
#define LEVERET_APP_LOGGER_SYSLOG_H

#include "app/config.h"
#include "app/logger_format.h"

enum {
    LOGGER_SYSLOG_WAIT_MS = 1000, /* for a connection, and for a peer that is slow to read */
    LOGGER_SYSLOG_RETRY_S = 5,    /* between two tries to connect */
    LOGGER_SYSLOG_REST = 20,      /* a try that took a second is followed by that many more */
};

struct logger_syslog {
    char socket[108], target[256]; /* the machine's own, used when `target` is empty */
    char host[256], identity[49];  /* this machine's name, the program's */
    int facility, port;
    bool is_tcp, is_rfc3164;
    int fd; /* -1: not connected */
    time_t retry_at;
};

/* Connects with the first line: a syslog that is not there yet does not keep a node from starting. */
void logger_syslog_open(struct logger_syslog *s, const struct config *c);
void logger_syslog_close(struct logger_syslog *s);
/* 0, or errno: then the line is lost. */
int logger_syslog_put(struct logger_syslog *s, const struct logger_record *r, const char *message,
                      time_t now);

#endif
