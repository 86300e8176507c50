/* What is added to a log file from now on, though it is rotated or moved away meanwhile. */
#ifndef LEVERET_APP_LOGGER_FOLLOW_H
#define LEVERET_APP_LOGGER_FOLLOW_H

#include "base/buffer.h"

#include <stddef.h>

struct logger_follow;

/* From the file's present end on. NULL: it cannot be opened (errno). */
struct logger_follow *logger_follow_open(const char *path);
/* Appends what is new, `most` bytes at most. */
void logger_follow_read(struct logger_follow *f, size_t most, struct buffer *out);
void logger_follow_close(struct logger_follow *f);

#endif
