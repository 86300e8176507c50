/*
 * Pins: a count, and the paths that were to be deleted meanwhile. A path is never used twice for another
 * content (numbers and ids go up), so that one that waits can be deleted at any later time; after a crash
 * the next start deletes it.
 */
#include "store/store_pin.h"

#include "base/check.h"
#include "io/file.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct store_pins {
    pthread_mutex_t lock;
    unsigned count;
    char **paths;
    size_t path_count, capacity;
};

struct store_pins *
store_pin_new(void)
{
    struct store_pins *p = calloc(1, sizeof *p);
    CHECK(p && pthread_mutex_init(&p->lock, NULL) == 0);
    return p;
}

void
store_pin_free(struct store_pins *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->path_count; i++)
        free(p->paths[i]);
    free(p->paths);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

void
store_pin(struct store *s)
{
    pthread_mutex_lock(&s->pins->lock);
    s->pins->count++;
    pthread_mutex_unlock(&s->pins->lock);
}

bool
store_is_pinned(struct store *s)
{
    pthread_mutex_lock(&s->pins->lock);
    bool is_pinned = s->pins->count > 0;
    pthread_mutex_unlock(&s->pins->lock);
    return is_pinned;
}

static void
delete_waiting(struct store *s, char **paths, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        enum err e = file_unlink(s->world, paths[i]);
        if (e != ERR_OK && e != ERR_NOT_FOUND)
            log_warning(s->log, LOG_STORAGE, "cannot delete %s: %s; the next start will try again", paths[i],
                        err_text(e));
        free(paths[i]);
    }
    free(paths);
}

void
store_unpin(struct store *s)
{
    struct store_pins *p = s->pins;
    char **paths = NULL;
    size_t count = 0;
    pthread_mutex_lock(&p->lock);
    CHECK(p->count > 0);
    if (--p->count == 0) {
        paths = p->paths;
        count = p->path_count;
        p->paths = NULL;
        p->path_count = p->capacity = 0;
    }
    pthread_mutex_unlock(&p->lock);
    delete_waiting(s, paths, count);
}

static void
add_path(struct store_pins *p, const char *path)
{
    if (p->path_count == p->capacity) {
        p->capacity = p->capacity ? p->capacity * 2 : 16;
        p->paths = realloc(p->paths, p->capacity * sizeof *p->paths);
        CHECK(p->paths);
    }
    p->paths[p->path_count] = strdup(path);
    CHECK(p->paths[p->path_count]);
    p->path_count++;
}

enum err
store_unlink(struct store *s, const char *path)
{
    struct store_pins *p = s->pins;
    pthread_mutex_lock(&p->lock);
    bool waits = p->count > 0;
    if (waits)
        add_path(p, path);
    pthread_mutex_unlock(&p->lock);
    return waits ? ERR_OK : file_unlink(s->world, path);
}
