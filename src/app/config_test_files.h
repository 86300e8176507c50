/* Files that exist only in a test: pairs of path and text, ended by NULL; a struct config_io over them. */
#ifndef LEVERET_APP_CONFIG_TEST_FILES_H
#define LEVERET_APP_CONFIG_TEST_FILES_H

#include "app/config.h"

static inline const char *
test_file_text(const char *const *pairs, const char *path)
{
    for (size_t i = 0; pairs[i]; i += 2)
        if (strcmp(pairs[i], path) == 0)
            return pairs[i + 1];
    return NULL;
}

static inline enum err
test_file_read(void *arg, const char *path, struct buffer *text)
{
    const char *found = test_file_text(arg, path);
    if (!found)
        return ERR_NOT_FOUND;
    buffer_add_str(text, found);
    return ERR_OK;
}

static inline enum err
test_file_probe(void *arg, const char *path)
{
    return test_file_text(arg, path) ? ERR_OK : ERR_NOT_FOUND;
}

static inline enum err
test_file_list(void *arg, const char *dir, void (*each)(void *to, const char *name), void *to)
{
    const char *const *pairs = arg;
    size_t len = strlen(dir), found = 0;
    for (size_t i = 0; pairs[i]; i += 2) {
        const char *path = pairs[i];
        if (strncmp(path, dir, len) != 0 || path[len] != '/' || strchr(path + len + 1, '/'))
            continue;
        each(to, path + len + 1);
        found++;
    }
    return found > 0 ? ERR_OK : ERR_NOT_FOUND;
}

static inline struct config_io
test_files_io(const char *const *pairs)
{
    return (struct config_io){test_file_read, test_file_probe, test_file_list, (void *)pairs};
}

#endif
