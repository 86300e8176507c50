/*
 * The rehearsal. Before each command what it refers to is looked for on the empty node; what is missing there
 * is made up, and noted as a need. A queue or exchange that is said twice, and differently, is no error: as
 * on a node that has it the first one stays.
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

static struct slice
copy(struct slice s)
{
    char *bytes = strndup(s.len > 0 ? (const char *)s.data : "", s.len);
    CHECK(bytes);
    return slice_of(bytes, s.len);
}

/* Makes it up by `cmd`, with an id of its own, so that no name is refused. */
static void
need(struct rehearsal *t, enum definitions_need_kind kind, struct meta_command cmd)
{
    struct definitions *d = t->d;
    struct meta_result r;
    if (d->need_count == d->need_capacity) {
        d->need_capacity = d->need_capacity ? d->need_capacity * 2 : 16;
        d->needs = realloc(d->needs, d->need_capacity * sizeof *d->needs);
        CHECK(d->needs);
    }
    d->needs[d->need_count++] =
        (struct definitions_need){.kind = kind, .vhost = copy(cmd.vhost), .name = copy(cmd.name)};
    cmd.forced_id = meta_id_last(t->meta) + 1;
    meta_apply(t->meta, &cmd, &r);
    CHECK(r.code == 0);
}

static const struct vhost *
need_vhost(struct rehearsal *t, struct slice name)
{
    if (!vhost_find(t->meta, name))
        need(t, DEFINITIONS_NEED_VHOST, (struct meta_command){.kind = META_VHOST_ADD, .name = name});
    return vhost_find(t->meta, name);
}

static void
need_exchange(struct rehearsal *t, const struct vhost *v, struct slice name)
{
    if (!exchange_find(v, name))
        need(t, DEFINITIONS_NEED_EXCHANGE,
             (struct meta_command){.kind = META_EXCHANGE_DECLARE,
                                   .vhost = slice_of(v->name, v->name_size),
                                   .name = name,
                                   .type = slice_str("fanout"),
                                   .durable = true});
}

static void
need_all(struct rehearsal *t, const struct meta_command *cmd)
{
    const struct vhost *v = cmd->vhost.len > 0 ? need_vhost(t, cmd->vhost) : NULL;
    bool is_binding = cmd->kind == META_QUEUE_BIND || cmd->kind == META_EXCHANGE_BIND;
    if (cmd->user.len > 0 && !user_find(t->meta, cmd->user))
        need(t, DEFINITIONS_NEED_USER, (struct meta_command){.kind = META_USER_PUT, .name = cmd->user});
    if (is_binding)
        need_exchange(t, v, cmd->source);
    if (cmd->kind == META_EXCHANGE_BIND)
        need_exchange(t, v, cmd->name);
    if (cmd->kind == META_QUEUE_BIND && !queue_def_find(v, cmd->name))
        need(t, DEFINITIONS_NEED_QUEUE,
             (struct meta_command){.kind = META_QUEUE_DECLARE, .vhost = cmd->vhost, .name = cmd->name});
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
        need_all(t, &cmd);
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
    static const char *const names[] = {"vhost", "user", "exchange", "queue"};
    const struct vhost *v = vhost_find(m, n->vhost.len > 0 ? n->vhost : n->name);
    bool is_there = false;
    switch (n->kind) {
    case DEFINITIONS_NEED_VHOST: is_there = v; break;
    case DEFINITIONS_NEED_USER: is_there = user_find(m, n->name); break;
    case DEFINITIONS_NEED_EXCHANGE: is_there = v && exchange_find(v, n->name); break;
    case DEFINITIONS_NEED_QUEUE: is_there = v && queue_def_find(v, n->name); break;
    }
    if (!is_there)
        snprintf(why, DEFINITIONS_WHY_SIZE,
                 "the definitions refer to %s '%.*s'%s%.*s%s, which is neither in them nor on the node",
                 names[n->kind], SLICE_FMT(n->name), n->vhost.len > 0 ? " in vhost '" : "",
                 SLICE_FMT(n->vhost), n->vhost.len > 0 ? "'" : "");
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
    bool is_left = is_declare && r->existed && r->code;
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
