/*
 * The rehearsal. Before each command what it refers to is looked for on the empty node; what is missing there
 * is made up, and, if it is a vhost or a user, noted as a need. A queue or exchange that is said twice, and
 * differently, is no error: as on a node that has it the first one stays.
 */
#include "base/check.h"
#include "mgmt/definitions_impl.h"
#include "wire/amqp.h"

#include <stdio.h>
#include <stdlib.h>

struct rehearsal {
    struct definitions *d;
    struct meta *meta;
};

/* Makes it up, with an id of its own, so that no name is refused. */
static void
make_up(struct rehearsal *t, struct meta_command cmd)
{
    struct meta_result r;
    cmd.forced_id = meta_id_last(t->meta) + 1;
    meta_apply(t->meta, &cmd, &r);
    CHECK(r.code == 0);
}

static void
need(struct rehearsal *t, bool is_user, struct slice name)
{
    struct definitions *d = t->d;
    if (d->need_count == d->need_capacity) {
        d->need_capacity = d->need_capacity ? d->need_capacity * 2 : 16;
        d->needs = realloc(d->needs, d->need_capacity * sizeof *d->needs);
        CHECK(d->needs);
    }
    char *copy = strndup((const char *)name.data, name.len);
    CHECK(copy);
    d->needs[d->need_count++] = (struct definitions_need){is_user, slice_of(copy, name.len)};
    make_up(t, (struct meta_command){.kind = is_user ? META_USER_PUT : META_VHOST_ADD, .name = name});
}

static void
find_exchange(struct rehearsal *t, const struct vhost *v, struct slice name)
{
    if (!exchange_find(v, name))
        make_up(t, (struct meta_command){.kind = META_EXCHANGE_DECLARE,
                                         .vhost = slice_of(v->name, v->name_size),
                                         .name = name,
                                         .type = slice_str("fanout"),
                                         .durable = true});
}

static void
find_all(struct rehearsal *t, const struct meta_command *cmd)
{
    if (cmd->vhost.len > 0 && !vhost_find(t->meta, cmd->vhost))
        need(t, false, cmd->vhost);
    if (cmd->user.len > 0 && !user_find(t->meta, cmd->user))
        need(t, true, cmd->user);
    const struct vhost *v = vhost_find(t->meta, cmd->vhost);
    if (cmd->kind == META_QUEUE_BIND || cmd->kind == META_EXCHANGE_BIND)
        find_exchange(t, v, cmd->source);
    if (cmd->kind == META_EXCHANGE_BIND)
        find_exchange(t, v, cmd->name);
    if (cmd->kind == META_QUEUE_BIND && !queue_def_find(v, cmd->name))
        make_up(t, (struct meta_command){.kind = META_QUEUE_DECLARE, .vhost = cmd->vhost, .name = cmd->name});
}

static bool
rehearse(struct rehearsal *t)
{
    struct definitions_tally tally = {0};
    struct definitions_place at = {0};
    struct meta_command cmd;
    bool ok = true;
    while (ok && definitions_next(t->d, &at, &cmd)) {
        struct meta_result r;
        find_all(t, &cmd);
        meta_apply(t->meta, &cmd, &r);
        ok = definitions_count(&tally, at.section, &cmd, &r, t->d->why);
    }
    json_decref(tally.left_names);
    return ok;
}

bool
definitions_try(struct definitions *d)
{
    struct epoch epoch;
    struct node node = {.epoch = &epoch};
    epoch_init(&epoch, 1);
    node.meta = meta_new(&node);
    bool ok = rehearse(&(struct rehearsal){.d = d, .meta = node.meta});
    meta_free(node.meta);
    epoch_fini(&epoch);
    return ok;
}

bool
definitions_has_need(const struct meta *m, const struct definitions_need *n, char why[DEFINITIONS_WHY_SIZE])
{
    bool is_there = n->is_user ? user_find(m, n->name) != NULL : vhost_find(m, n->name) != NULL;
    if (!is_there)
        snprintf(why, DEFINITIONS_WHY_SIZE,
                 "the definitions refer to %s '%.*s', which is neither in them nor on the node",
                 n->is_user ? "user" : "vhost", SLICE_FMT(n->name));
    return is_there;
}

/* ---- counting ---- */

/* "queue 'q' in vhost '/'", or without a vhost. */
static void
describe(struct buffer *out, unsigned section, const struct meta_command *cmd)
{
    static const char *const kinds[DEFINITIONS_SECTIONS] = {
        [DEFINITIONS_USERS] = "user",
        [DEFINITIONS_VHOSTS] = "vhost",
        [DEFINITIONS_PERMISSIONS] = "permission of user",
        [DEFINITIONS_EXCHANGES] = "exchange",
        [DEFINITIONS_TOPIC_PERMISSIONS] = "topic permission of user",
        [DEFINITIONS_GLOBAL_PARAMETERS] = "global parameter",
        [DEFINITIONS_POLICIES] = "policy",
        [DEFINITIONS_PARAMETERS] = "parameter",
        [DEFINITIONS_QUEUES] = "queue",
        [DEFINITIONS_BINDINGS] = "binding to",
    };
    struct slice name = cmd->user.len > 0 ? cmd->user : cmd->name;
    buffer_add_fmt(out, "%s '%.*s'", kinds[section], SLICE_FMT(name));
    if (cmd->vhost.len > 0)
        buffer_add_fmt(out, " in vhost '%.*s'", SLICE_FMT(cmd->vhost));
}

bool
definitions_count(struct definitions_tally *t, unsigned section, const struct meta_command *cmd,
                  const struct meta_result *r, char why[DEFINITIONS_WHY_SIZE])
{
    bool is_declare = cmd->kind == META_QUEUE_DECLARE || cmd->kind == META_EXCHANGE_DECLARE;
    bool is_binding = cmd->kind == META_QUEUE_BIND || cmd->kind == META_EXCHANGE_BIND;
    bool is_left = r->code && ((is_declare && r->existed) || (is_binding && r->code == AMQP_REPLY_NOT_FOUND));
    struct buffer text = {0};
    describe(&text, section, cmd);
    if (is_left) {
        t->left++;
        if (!t->left_names)
            t->left_names = json_array();
        buffer_add_fmt(&text, ": %s", r->text);
        json_t *s = json_stringn((const char *)text.data, text.len);
        if (s && t->left <= DEFINITIONS_LEFT_SHOWN)
            json_array_append(t->left_names, s);
        json_decref(s);
    } else if (r->code) {
        snprintf(why, DEFINITIONS_WHY_SIZE, "%.*s: %s", SLICE_FMT(buffer_slice(&text)), r->text);
    } else if (section != DEFINITIONS_VHOSTS || cmd->kind == META_VHOST_ADD) {
        t->done[section]++;
    }
    buffer_fini(&text);
    return is_left || !r->code;
}

json_t *
definitions_tally_result(struct definitions_tally *t)
{
    json_t *result = json_object();
    for (unsigned i = 0; i < DEFINITIONS_SECTIONS; i++)
        if (t->done[i] > 0)
            json_object_set_new(result, definitions_keys[i], json_integer((json_int_t)t->done[i]));
    json_object_set_new(result, "left", json_integer((json_int_t)t->left));
    json_object_set_new(result, "left_names", t->left_names ? t->left_names : json_array());
    *t = (struct definitions_tally){0};
    return result;
}
