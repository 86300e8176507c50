/* What is made of file.h's other calls: the same for both implementations. */
#include "io/file.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

/* Reads in growing steps, since files under /proc and pipes do not tell their size. */
static enum err
read_rest(struct file *f, size_t max, char **data, size_t *len)
{
    size_t capacity = 4096, got;
    *data = NULL;
    *len = 0;
    for (;;) {
        *data = realloc(*data, capacity + 1);
        CHECK(*data);
        enum err e = file_pread(f, *data + *len, capacity - *len, *len, &got);
        if (e != ERR_OK)
            return e;
        *len += got;
        (*data)[*len] = 0;
        if (*len > max)
            return ERR_LIMIT;
        if (*len < capacity)
            return ERR_OK;
        capacity *= 2;
    }
}

enum err
file_read_all(struct io_world *world, const char *path, size_t max, char **data, size_t *len)
{
    struct file *f;
    enum err e = file_open(world, path, FILE_READ, &f);
    if (e != ERR_OK)
        return e;
    e = read_rest(f, max, data, len);
    file_close(f);
    if (e != ERR_OK) {
        free(*data);
        *data = NULL;
        *len = 0;
    }
    return e;
}

enum err
dir_sync_parent(struct io_world *world, const char *path)
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    while (len > 0 && path[len - 1] != '/')
        len--;
    char *parent = len > 0 ? strndup(path, len) : strdup(".");
    CHECK(parent);
    enum err e = dir_sync(world, parent);
    free(parent);
    return e;
}
