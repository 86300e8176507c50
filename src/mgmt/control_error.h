/* Why a request failed: the word on the wire, and the exit code of the tool (RabbitMQ's: sysexits.h). */
#ifndef LEVERET_MGMT_CONTROL_ERROR_H
#define LEVERET_MGMT_CONTROL_ERROR_H

#define CONTROL_ERROR_TABLE(X)                                                                               \
    X(BAD_REQUEST, "bad_request", 70)   /* not a request, or arguments of the wrong shape */                 \
    X(USAGE, "usage", 64)               /* what the tool should have refused */                              \
    X(BAD_ARGUMENT, "bad_argument", 65) /* a value that the node refuses: pattern, JSON, file */             \
    X(NOT_FOUND, "not_found", 65)       /* queue, policy, parameter */                                       \
    X(NO_SUCH_VHOST, "no_such_vhost", 65)                                                                    \
    X(NO_SUCH_USER, "no_such_user", 67)                                                                      \
    X(EXISTS, "exists", 70)                                                                                  \
    X(REFUSED, "refused", 69)         /* not in this state, not supported yet */                             \
    X(NOT_RUNNING, "not_running", 69) /* the application is stopped */                                       \
    X(WRONG_COOKIE, "wrong_cookie", 69)                                                                      \
    X(UNAVAILABLE, "unavailable", 69)                                                                        \
    X(FAILED, "failed", 70)                                                                                  \
    X(TIMEOUT, "timeout", 75)

enum control_error {
#define X(name, word, exit_code) CONTROL_##name,
    CONTROL_ERROR_TABLE(X)
#undef X
};

#endif
