/*
 * Requests of local_serve(), one table of them. A backup belongs to the connection that asked for it: when
 * that ends, in whatever way, the backup does.
 */
#include "app/control.h"

#include "base/check.h"
#include "durable/backup.h"
#include "io/local.h"

#include <stdio.h>
#include <stdlib.h>

enum { PATH_SIZE = 4096 };

struct control {
    struct local_server *server;
    struct backup *backup;
    struct local_peer *backup_peer; /* who has the backup, or waits for its cut */
    struct local_peer *ending_peer; /* who waits for the end of its own */
};

static void
answer_error(struct local_peer *p, const char *what)
{
    struct buffer line = {0};
    buffer_add_fmt(&line, "error %s", what);
    local_answer(p, buffer_slice(&line));
    buffer_fini(&line);
}

/* ---- backup ---- */

static void
on_cut(void *arg, enum err e, const struct store_cut *cut, const char *why)
{
    struct control *c = arg;
    struct local_peer *p = c->backup_peer;
    if (e != ERR_OK) {
        c->backup_peer = NULL;
        answer_error(p, why);
        return;
    }
    struct buffer line = {0};
    buffer_add_str(&line, "ok ");
    store_cut_format(cut, &line);
    local_answer(p, buffer_slice(&line));
    buffer_fini(&line);
}

static void
begin_backup(struct control *c, struct local_peer *p)
{
    if (c->backup_peer) {
        answer_error(p, "another backup is under way");
        return;
    }
    c->backup_peer = p;
    backup_begin(c->backup, on_cut, c);
}

static void
on_ended(void *arg)
{
    struct control *c = arg;
    struct local_peer *p = c->ending_peer;
    c->ending_peer = NULL;
    if (p)
        local_answer(p, slice_str("ok"));
}

static void
end_backup(struct control *c, struct local_peer *p)
{
    if (c->backup_peer != p) {
        answer_error(p, "this connection has no backup");
        return;
    }
    c->backup_peer = NULL;
    c->ending_peer = p;
    backup_end(c->backup, on_ended, c);
}

/* ---- requests ---- */

static const struct {
    const char *words;
    void (*run)(struct control *c, struct local_peer *p);
} requests[] = {
    {"backup", begin_backup},
    {"backup-end", end_backup},
};

static void
on_line(void *arg, struct local_peer *p, struct slice line)
{
    struct control *c = arg;
    for (unsigned i = 0; i < sizeof requests / sizeof *requests; i++)
        if (slice_eq_str(line, requests[i].words)) {
            requests[i].run(c, p);
            return;
        }
    answer_error(p, "there is no such request");
}

static void
on_end(void *arg, struct local_peer *p)
{
    struct control *c = arg;
    if (c->ending_peer == p)
        c->ending_peer = NULL;
    if (c->backup_peer != p)
        return;
    c->backup_peer = NULL;
    backup_end(c->backup, NULL, NULL);
}

static const struct local_events events = {on_line, on_end};

enum err
control_open(struct shard *s, const char *dir, struct backup *backup, struct control **control, char *why,
             size_t why_size)
{
    char path[PATH_SIZE];
    struct control *c = calloc(1, sizeof *c);
    CHECK(c);
    *c = (struct control){.backup = backup};
    snprintf(path, sizeof path, "%s/" CONTROL_SOCKET, dir);
    enum err e = local_serve(s, path, &events, c, &c->server, why, why_size);
    if (e != ERR_OK) {
        free(c);
        return e;
    }
    *control = c;
    return ERR_OK;
}

void
control_free(struct control *c)
{
    if (!c)
        return;
    local_free(c->server);
    free(c);
}
