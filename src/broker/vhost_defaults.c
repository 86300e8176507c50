/*
 * A list of commands with a pattern each, in the order of the configuration. The vhost's name and the actor
 * are filled in when a vhost is made; so is the decision whether a user is there already.
 */
#include "broker/vhost_defaults.h"

#include "base/check.h"
#include "broker/meta.h"
#include "broker/regex.h"

#include <stdlib.h>

struct vhost_default {
    struct regex *pattern;
    struct meta_request *request; /* the command, with its texts */
};

struct vhost_defaults {
    const char *queue_type;
    size_t count;
    struct vhost_default *items;
};

struct vhost_defaults *
vhost_defaults_new(const char *queue_type)
{
    struct vhost_defaults *d = calloc(1, sizeof *d);
    CHECK(d);
    d->queue_type = queue_type ? queue_type : "";
    return d;
}

void
vhost_defaults_free(struct vhost_defaults *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->count; i++) {
        regex_free(d->items[i].pattern);
        meta_request_free(d->items[i].request);
    }
    free(d->items);
    free(d);
}

void
vhost_defaults_add(struct vhost_defaults *d, const char *pattern, const struct meta_command *cmd)
{
    struct regex_error error;
    struct vhost_default item = {regex_new(slice_str(pattern), &error), meta_request_new(cmd)};
    CHECK(item.pattern);
    d->items = realloc(d->items, (d->count + 1) * sizeof *d->items);
    CHECK(d->items);
    d->items[d->count++] = item;
}

struct slice
vhost_defaults_queue_type(const struct vhost_defaults *d, struct slice own)
{
    return own.len > 0 || !d ? own : slice_str(d->queue_type);
}

bool
vhost_defaults_begin(const struct vhost_defaults *d, const struct meta *m, struct meta_command *cmd)
{
    if (!d || cmd->kind != META_VHOST_ADD || cmd->name.len == 0 || cmd->name.len > UINT8_MAX ||
        meta_is_refused(cmd) || vhost_find(m, cmd->name))
        return false;
    cmd->default_queue_type = vhost_defaults_queue_type(d, cmd->default_queue_type);
    return true;
}

void
vhost_defaults_each(const struct vhost_defaults *d, const struct meta *m, const struct meta_command *add,
                    void (*fn)(void *arg, const struct meta_command *cmd), void *arg)
{
    bool has_limits = false;
    for (size_t i = 0; i < d->count; i++) {
        struct meta_command cmd = d->items[i].request->command;
        bool is_limits = cmd.kind == META_VHOST_LIMITS, is_user = cmd.kind == META_USER_PUT;
        if ((is_limits && has_limits) || !regex_matches(d->items[i].pattern, add->name) ||
            (is_user && user_find(m, cmd.name)))
            continue;
        has_limits = has_limits || is_limits;
        if (!is_user)
            cmd.vhost = add->name;
        cmd.actor = add->actor;
        fn(arg, &cmd);
    }
}

struct follow {
    struct meta *meta;
    struct meta_result *result;
};

static void
apply_next(void *arg, const struct meta_command *cmd)
{
    struct follow *f = arg;
    struct meta_result r;
    if (f->result->code)
        return;
    meta_apply(f->meta, cmd, &r);
    if (r.code)
        *f->result = r;
}

void
vhost_defaults_apply(struct meta *m, const struct meta_command *cmd, struct meta_result *result)
{
    const struct vhost_defaults *d = meta_vhost_defaults(m);
    struct meta_command add = *cmd;
    bool is_new = vhost_defaults_begin(d, m, &add);
    meta_apply(m, &add, result);
    if (is_new)
        vhost_defaults_each(d, m, &add, apply_next, &(struct follow){m, result});
}
