/*
 * Parameters come and go; one that changes is replaced. Here a value is any JSON, and the component is one
 * that there is: whether the component would take the value was judged before the command was submitted
 * (parameter_check.h), so that a log is read back the same whatever is demanded of new values later.
 */
#include "base/check.h"
#include "base/hash.h"
#include "broker/jsontext.h"
#include "broker/meta_impl.h"
#include "broker/parameter.h"
#include "broker/parameter_check.h"
#include "wire/amqp.h"

#include <stdlib.h>

uint64_t
meta_parameter_hash(const void *item)
{
    const struct parameter *p = item;
    return hash_combine(hash_combine(hash_bytes(p->component), p->vhost ? p->vhost->id : 0),
                        hash_bytes(p->name));
}

/* One block: | struct parameter | component | name | value |. */
static struct parameter *
parameter_new(const struct vhost *v, const struct meta_command *cmd, const json_t *tree)
{
    struct buffer value = {0};
    jsontext_add(&value, tree);
    const struct slice texts[] = {cmd->component, cmd->name, buffer_slice(&value)};
    struct parameter *p = malloc(sizeof *p + texts[0].len + texts[1].len + texts[2].len);
    CHECK(p);
    p->vhost = v;
    struct slice *const to[] = {&p->component, &p->name, &p->value};
    uint8_t *at = (uint8_t *)(p + 1);
    for (size_t i = 0; i < sizeof to / sizeof *to; i++) {
        if (texts[i].len > 0)
            memcpy(at, texts[i].data, texts[i].len);
        *to[i] = slice_of(at, texts[i].len);
        at += texts[i].len;
    }
    buffer_fini(&value);
    return p;
}

/* The vhost that the command is about, NULL for a global one; false: there is none. */
static bool
find_vhost(struct meta *m, const struct meta_command *cmd, struct vhost **v, struct meta_result *r)
{
    *v = cmd->component.len > 0 ? meta_vhost_known(m, cmd, r) : NULL;
    return r->code == 0;
}

static bool
fits(const struct meta *m, const struct meta_command *cmd, struct meta_result *r)
{
    if (cmd->component.len > 0 && !parameter_check_knows(cmd->component))
        meta_fail(r, AMQP_REPLY_PRECONDITION_FAILED, "Validation failed\n\ncomponent %.*s not found\n",
                  SLICE_FMT(cmd->component));
    else if (cmd->name.len == 0 || cmd->name.len > UINT8_MAX)
        meta_fail(r, AMQP_REPLY_PRECONDITION_FAILED, "a parameter's name has 1 to 255 bytes, not %zu",
                  cmd->name.len);
    else if (cmd->value.len > PARAMETER_VALUE_MAX)
        meta_fail(r, AMQP_REPLY_PRECONDITION_FAILED, "a parameter's value has at most %d bytes, not %zu",
                  PARAMETER_VALUE_MAX, cmd->value.len);
    else if (cmap_count(&m->parameters) >= PARAMETERS_MAX)
        meta_fail(r, AMQP_REPLY_PRECONDITION_FAILED, "there are %d parameters, which is the most",
                  PARAMETERS_MAX);
    return r->code == 0;
}

void
meta_parameter_set(struct meta *m, const struct meta_command *cmd, struct meta_result *r)
{
    struct vhost *v;
    char why[128];
    if (!find_vhost(m, cmd, &v, r) || !fits(m, cmd, r))
        return;
    json_t *tree = jsontext_parse(cmd->value, PARAMETER_VALUE_MAX, why);
    if (!tree) {
        meta_fail(r, AMQP_REPLY_SYNTAX_ERROR, "JSON decoding error. Reason: badarg");
        return;
    }
    struct parameter *p = parameter_new(v, cmd, tree);
    struct parameter *old = (struct parameter *)parameter_find(m, v, cmd->component, cmd->name);
    json_decref(tree);
    r->existed = old != NULL;
    r->unchanged = old && slice_eq(old->value, p->value);
    if (old) {
        CHECK(cmap_replace(&m->parameters, meta_parameter_hash(p), old, p));
        epoch_defer(m->epoch, free, old);
    } else {
        cmap_insert(&m->parameters, meta_parameter_hash(p), p);
    }
}

static void
parameter_remove(struct meta *m, struct parameter *p)
{
    CHECK(cmap_remove(&m->parameters, meta_parameter_hash(p), p));
    epoch_defer(m->epoch, free, p);
}

void
meta_parameter_clear(struct meta *m, const struct meta_command *cmd, struct meta_result *r)
{
    struct vhost *v;
    if (!find_vhost(m, cmd, &v, r))
        return;
    struct parameter *p = (struct parameter *)parameter_find(m, v, cmd->component, cmd->name);
    if (p)
        parameter_remove(m, p);
    else
        meta_fail(r, AMQP_REPLY_NOT_FOUND, "Parameter does not exist");
}

void
meta_parameters_remove(struct meta *m, const struct vhost *v)
{
    struct parameter *p;
    for (size_t at = 0; (p = cmap_next(&m->parameters, &at));)
        if (p->vhost == v)
            parameter_remove(m, p);
}
