/* The cookie: the secret that nodes and their tools share, in a file as RabbitMQ's. */
#ifndef LEVERET_APP_COOKIE_H
#define LEVERET_APP_COOKIE_H

#include <stdbool.h>
#include <stddef.h>

#define COOKIE_NAME ".erlang.cookie"
enum { COOKIE_SIZE = 256 }; /* the longest, with the terminator */

/*
 * Reads the file; makes it, with mode 0400, when it is not there: with `wanted`, or with a random text when
 * that is NULL. False: `why` names the file and the reason; a file that others than its owner may read, or
 * with another text than `wanted`, is one.
 */
bool cookie_open(const char *path, const char *wanted, char cookie[COOKIE_SIZE], char *why, size_t why_size);

#endif
