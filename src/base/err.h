/*
 * Errors of the world outside: one table. A function that can meet one returns `enum err` and is marked
 * ERR_USE. What a peer did wrong on the protocol is not here: that is an AMQP reply code (wire/amqp.h).
 */
#ifndef LEVERET_BASE_ERR_H
#define LEVERET_BASE_ERR_H

#define ERR_TABLE(X)                                                                                         \
    X(ERR_OK, "no error")                                                                                    \
    X(ERR_AGAIN, "would block; try again when ready")                                                        \
    X(ERR_CLOSED, "closed by the other side")                                                                \
    X(ERR_LIMIT, "a named limit was reached")                                                                \
    X(ERR_MEMORY, "a memory budget is used up")                                                              \
    X(ERR_SYNTAX, "malformed input")                                                                         \
    X(ERR_ENCODING, "not valid UTF-8")                                                                       \
    X(ERR_TRUNCATED, "input ends too early")                                                                 \
    X(ERR_NOT_FOUND, "not found")                                                                            \
    X(ERR_EXISTS, "exists already")                                                                          \
    X(ERR_REFUSED, "refused")                                                                                \
    X(ERR_UNREACHABLE, "cannot be reached")                                                                  \
    X(ERR_DIRECTORY, "is a directory")                                                                       \
    X(ERR_TYPE, "wrong type")                                                                                \
    X(ERR_RANGE, "out of range")                                                                             \
    X(ERR_IO, "input/output error")                                                                          \
    X(ERR_NO_SPACE, "no space left on the device")                                                           \
    X(ERR_NO_DESCRIPTORS, "out of file descriptors")                                                         \
    X(ERR_ADDRESS_IN_USE, "address already in use")                                                          \
    X(ERR_PERMISSION, "permission denied")                                                                   \
    X(ERR_READ_ONLY, "read-only file system")                                                                \
    X(ERR_CORRUPT, "checksum or structure does not match")                                                   \
    X(ERR_UNSUPPORTED, "not supported")                                                                      \
    X(ERR_TIMEOUT, "timed out")

enum err {
#define X(name, text) name,
    ERR_TABLE(X)
#undef X
};

#define ERR_USE __attribute__((warn_unused_result))

/* A static English text without a full stop; never NULL. */
const char *err_text(enum err e);

#endif
