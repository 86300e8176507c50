/* A log file: appended to, rotated, and opened anew when somebody has moved it away. */
#ifndef LEVERET_APP_LOGGER_FILE_H
#define LEVERET_APP_LOGGER_FILE_H

#include "app/logger_rotation.h"
#include "base/buffer.h"
#include "base/err.h"

#include <sys/types.h>

struct logger_file {
    char *path;
    int fd;
    dev_t device; /* with inode: which file `fd` is */
    ino_t inode;
    uint64_t size;
    time_t looked_at; /* when the path was last compared with them */
    time_t rotate_at; /* 0: never for the date's sake */
    struct logger_rotation rotation;
    bool is_torn;   /* a full disk took only a part of the last line */
    char note[256]; /* something that the log should tell; the reader empties it */
};

/* Takes `path` (malloc'd) in any case; makes directories that are missing above it. 0, or errno. */
int logger_file_open(struct logger_file *f, char *path, const struct logger_rotation *rotation, time_t now);
void logger_file_close(struct logger_file *f);
/* 0, or errno: then the line is lost. */
int logger_file_put(struct logger_file *f, const char *line, size_t len, time_t now);
/* When the path cannot be opened the old file stays in use, and a note says so. */
void logger_file_reopen(struct logger_file *f, time_t now);
void logger_file_rotate(struct logger_file *f, time_t now);

/* Appends the last `lines` lines of a file, of its last `most` bytes. */
ERR_USE enum err logger_file_tail(const char *path, unsigned lines, size_t most, struct buffer *out);

#endif
