/*
 * Backups (doc/storage.md): `backup` answers with the cut, whose files the node keeps until `backup_end`, or
 * until the connection ends, in whatever way. What the connection keeps meanwhile is a ticket: with it the
 * backup is ended once, and only the one that it was given for, since an application that has stopped has
 * taken its backup with it.
 */
#include "mgmt/control_table.h"

#include "base/check.h"
#include "durable/backup.h"
#include "durable/durable.h"
#include "mgmt/ask.h"
#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>

struct ticket {
    struct ask ask; /* first: of the end that nobody waits for */
    struct asker *asker;
    uint64_t boot; /* of the application that keeps the files: struct ask's */
    struct ask *answer;
    enum err error;
    char why[256];
    struct buffer cut;
};

static void
ticket_free(struct ticket *t)
{
    buffer_fini(&t->cut);
    free(t);
}

/* The node's, whose durability is durable.c's. */
static struct durable *
durable_of(const struct server_shard *home)
{
    return home->server->node->durability_arg;
}

/* ---- an end that nobody waits for ---- */

static bool
run_drop(struct ask *a, struct server_shard *home)
{
    backup_end(durable_backup(durable_of(home)), NULL, NULL);
    return true;
}

static void
on_dropped(struct ask *a)
{
    ticket_free((struct ticket *)a);
}

static void
ticket_drop(void *data)
{
    struct ticket *t = data;
    t->ask.boot = t->boot;
    t->ask.run = run_drop;
    t->ask.done = on_dropped;
    ask_post(t->asker, 0, &t->ask);
}

/* ---- backup ---- */

static void
on_cut(void *arg, enum err e, const struct store_cut *cut, const char *why)
{
    struct ticket *t = arg;
    t->error = e;
    if (e == ERR_OK)
        store_cut_format(cut, &t->cut);
    else
        snprintf(t->why, sizeof t->why, "%s", why);
    ask_answer(t->answer);
}

static void
run_begin(void *arg, struct server_shard *home, struct ask *answer)
{
    struct ticket *t = arg;
    t->answer = answer;
    t->boot = answer->boot;
    backup_begin(durable_backup(durable_of(home)), on_cut, t);
}

static void
then_begun(struct control_call *call, void *arg, bool discarded)
{
    struct ticket *t = arg;
    if (discarded || t->error != ERR_OK) {
        if (!discarded)
            control_fail(call, t->error == ERR_REFUSED ? CONTROL_REFUSED : CONTROL_FAILED, "%s", t->why);
        ticket_free(t);
        return;
    }
    control_keep(call, t, ticket_drop);
    control_done(call, json_pack("{s:s%}", "cut", t->cut.data, t->cut.len));
}

static void
run_backup(struct control_call *call)
{
    if (control_kept(call)) {
        control_fail(call, CONTROL_REFUSED, "this connection has a backup already");
        return;
    }
    struct ticket *t = calloc(1, sizeof *t);
    CHECK(t);
    t->asker = control_asker(control_of(call));
    control_ask_late(call, 0, run_begin, t, then_begun);
}

/* ---- backup_end ---- */

static void
on_ended(void *arg)
{
    struct ticket *t = arg;
    ask_answer(t->answer);
}

static void
run_end(void *arg, struct server_shard *home, struct ask *answer)
{
    struct ticket *t = arg;
    t->answer = answer;
    if (answer->boot == t->boot)
        backup_end(durable_backup(durable_of(home)), on_ended, t);
    else
        ask_answer(answer);
}

static void
then_ended(struct control_call *call, void *arg, bool discarded)
{
    if (!discarded)
        control_done(call, NULL);
    ticket_free(arg);
}

static void
run_backup_end(struct control_call *call)
{
    struct ticket *t = control_kept(call);
    if (!t) {
        control_fail(call, CONTROL_REFUSED, "this connection has no backup");
        return;
    }
    control_unkeep(call);
    control_ask_late(call, 0, run_end, t, then_ended);
}

const struct control_command command_backup_table[] = {
    {"backup", run_backup, CONTROL_NEEDS_APP},
    {"backup_end", run_backup_end, 0},
    {0},
};
