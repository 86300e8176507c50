/*
 * The steps: everything is parsed and tried out here, on the control thread; shard 0 is asked, in pieces,
 * whether the node has what the definitions refer to; then it gets the commands in batches. A batch is one
 * sync of the log, and shard 0 serves everybody else between two. What lies between judging and applying can
 * change: a command that fails all the same ends the import, whose answer says how far it got.
 *
 * The digest of what was imported last is a global parameter (RabbitMQ's name), so that a deployment may
 * import the same file at each of its runs.
 */
#include "mgmt/definitions_import.h"

#include "base/check.h"
#include "broker/event.h"
#include "broker/parameter.h"
#include "io/shard.h"
#include "mgmt/ask.h"
#include "mgmt/control.h"
#include "mgmt/definitions.h"
#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    IMPORT_BATCH = 512,   /* commands */
    IMPORT_LOOKUPS = 512, /* needs that one question looks up */
};

/* One command of a batch, and what became of it. */
struct import_item {
    struct meta_request *request; /* until it is submitted */
    unsigned section;
    struct meta_command about; /* kind, name, vhost, user: for messages; in `texts` */
    char texts[3][256];
    struct meta_result result;
};

struct import {
    struct control_call *call;
    struct definitions *definitions;
    struct definitions_place at;
    struct definitions_tally tally;
    size_t needs_seen;
    bool is_skipped_if_unchanged, is_unchanged, is_last;
    char digest[DEFINITIONS_DIGEST_SIZE];
    char why[DEFINITIONS_WHY_SIZE];
    /* the batch: shard 0's while it is there */
    struct import_item items[IMPORT_BATCH];
    unsigned count, open;
    struct ask *answer;
};

static void
import_free(void *data)
{
    struct import *i = data;
    definitions_free(i->definitions);
    json_decref(i->tally.left_names);
    for (unsigned n = 0; n < i->count; n++)
        meta_request_free(i->items[n].request);
    free(i);
}

/* ---- the batch, on shard 0 ---- */

static void
on_command_done(struct broker *b, struct meta_request *r)
{
    struct import *i = (struct import *)(uintptr_t)r->cookie[0];
    i->items[r->cookie[1]].result = r->result;
    meta_request_free(r);
    if (--i->open == 0)
        ask_answer(i->answer);
}

static void
run_batch(void *arg, struct server_shard *home, struct ask *answer)
{
    struct import *i = arg;
    i->answer = answer;
    i->open = i->count;
    for (unsigned n = 0; n < i->count; n++) {
        struct meta_request *r = i->items[n].request;
        i->items[n].request = NULL;
        r->cookie[0] = (uintptr_t)i;
        r->cookie[1] = n;
        r->on_done = on_command_done;
        meta_submit(home->broker, r);
    }
}

/* ---- the batch, on the control thread ---- */

static void next_batch(struct import *i);

static struct slice
keep_text(char to[256], struct slice s)
{
    size_t len = s.len < 255 ? s.len : 255;
    if (len > 0)
        memcpy(to, s.data, len);
    return slice_of(to, len);
}

static void
add_item(struct import *i, unsigned section, const struct meta_command *cmd)
{
    struct import_item *item = &i->items[i->count++];
    struct meta_command by_tool = *cmd;
    by_tool.actor = slice_str(EVENT_BY_TOOL);
    item->request = meta_request_new(&by_tool);
    item->section = section;
    item->about = (struct meta_command){.kind = cmd->kind,
                                        .vhost = keep_text(item->texts[0], cmd->vhost),
                                        .name = keep_text(item->texts[1], cmd->name),
                                        .user = keep_text(item->texts[2], cmd->user)};
}

/* After everything else: what was imported. Not counted. */
static void
add_digest(struct import *i)
{
    add_item(i, DEFINITIONS_SECTIONS,
             &(struct meta_command){.kind = META_PARAMETER_SET,
                                    .name = slice_str(DEFINITIONS_DIGEST_PARAMETER),
                                    .value = slice_str(i->digest)});
}

static void
fail_midway(struct import *i)
{
    json_t *done = definitions_tally_result(&i->tally);
    char *text = json_dumps(done, JSON_COMPACT);
    json_decref(done);
    control_fail(i->call, CONTROL_BAD_ARGUMENT, "%s. Until then this was imported: %s", i->why, text);
    free(text);
}

static void
on_batch(struct control_call *call, void *arg, bool discarded)
{
    struct import *i = arg;
    unsigned count = i->count;
    if (discarded) /* those that were not submitted are still ours */
        return;
    i->count = 0;
    for (unsigned n = 0; n < count; n++) {
        const struct import_item *item = &i->items[n];
        if (item->section < DEFINITIONS_SECTIONS &&
            !definitions_count(&i->tally, item->section, &item->about, &item->result, i->why)) {
            fail_midway(i);
            return;
        }
    }
    if (i->is_last)
        control_done(call, definitions_tally_result(&i->tally));
    else
        next_batch(i);
}

static void
next_batch(struct import *i)
{
    struct meta_command cmd;
    while (i->count < IMPORT_BATCH && !i->is_last) {
        if (definitions_next(i->definitions, &i->at, &cmd)) {
            add_item(i, i->at.section, &cmd);
        } else {
            add_digest(i);
            i->is_last = true;
        }
    }
    control_ask_late(i->call, 0, run_batch, i, on_batch);
}

/* ---- what the node must have ---- */

static void look_up(struct import *i);

static void
run_look_up(void *arg, struct server_shard *home)
{
    struct import *i = arg;
    const struct meta *m = home->server->node->meta;
    const struct definitions *d = i->definitions;
    const struct parameter *last = parameter_find_global(m, DEFINITIONS_DIGEST_PARAMETER);
    i->is_unchanged = i->is_skipped_if_unchanged && last && slice_eq_str(last->value, i->digest);
    for (unsigned n = 0; n < IMPORT_LOOKUPS && i->needs_seen < d->need_count && !i->why[0]; n++)
        (void)definitions_has_need(m, &d->needs[i->needs_seen++], i->why);
}

static void
on_looked_up(struct control_call *call, void *arg, bool discarded)
{
    struct import *i = arg;
    if (discarded)
        return;
    if (i->is_unchanged)
        control_done(call, json_pack("{s:b}", "unchanged", 1));
    else if (i->why[0])
        control_fail(call, CONTROL_BAD_ARGUMENT, "%s. Nothing was imported", i->why);
    else if (i->needs_seen < i->definitions->need_count)
        look_up(i);
    else
        next_batch(i);
}

static void
look_up(struct import *i)
{
    control_ask(i->call, 0, run_look_up, i, on_looked_up);
}

/* ---- the beginning ---- */

void
definitions_import(struct control_call *call, struct slice body, const char *vhost,
                   bool is_skipped_if_unchanged)
{
    char why[DEFINITIONS_WHY_SIZE];
    struct io_world *world = shards_world(shard_all(control_shard(control_of(call))));
    struct definitions *d = definitions_parse(body, vhost, world, why);
    if (!d) {
        control_fail(call, CONTROL_BAD_ARGUMENT, "%s. Nothing was imported", why);
        return;
    }
    struct import *i = calloc(1, sizeof *i);
    CHECK(i);
    i->call = call;
    i->definitions = d;
    i->is_skipped_if_unchanged = is_skipped_if_unchanged;
    definitions_digest(body, i->digest);
    control_set_data(call, i, import_free);
    look_up(i);
}
