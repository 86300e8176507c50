/*
 * The declared things as text: one line each, sorted, everything that clients can see and the identities. Two
 * nodes that applied the same commands give the same text, whatever the order in their tables.
 */
#include "base/check.h"
#include "broker/meta_impl.h"
#include "broker/parameter.h"
#include "broker/permission.h"
#include "broker/policy.h"
#include "broker/topic_permission.h"
#include "wire/table.h"

#include <stdio.h>
#include <stdlib.h>

struct lines {
    char **items;
    size_t count, capacity;
};

static void
add_line(struct lines *l, struct buffer *line)
{
    if (l->count == l->capacity) {
        l->capacity = l->capacity ? l->capacity * 2 : 64;
        l->items = realloc(l->items, l->capacity * sizeof *l->items);
        CHECK(l->items);
    }
    buffer_add_str(line, "\n");
    l->items[l->count++] = strndup((const char *)line->data, line->len);
    buffer_fini(line);
}

static void
add_table(struct buffer *line, const char *name, struct slice table)
{
    if (table.len == 0)
        return;
    buffer_add_fmt(line, " %s=", name);
    table_describe(table, line);
}

static void
add_flag(struct buffer *line, bool on, const char *name)
{
    if (on)
        buffer_add_fmt(line, " %s", name);
}

static void
dump_vhost(struct lines *l, const struct vhost *v)
{
    struct buffer line = {0};
    const struct vhost_metadata *d = vhost_metadata(v);
    buffer_add_fmt(&line, "vhost '%s' id=%llu description='%.*s' tags='%.*s' type='%.*s' limits=", v->name,
                   (unsigned long long)v->id, SLICE_FMT(d->description), SLICE_FMT(d->tags),
                   SLICE_FMT(d->default_queue_type));
    vhost_limits_add(&line, v);
    add_flag(&line, d->is_protected, "protected");
    add_flag(&line, vhost_is_tracing(v), "tracing");
    add_line(l, &line);
}

static void
dump_user(void *arg, const struct user *u)
{
    struct buffer line = {0};
    buffer_add_fmt(&line, "user '%s' id=%llu tags='%.*s' password=", u->name, (unsigned long long)u->id,
                   SLICE_FMT(u->tags_text));
    for (size_t i = 0; i < u->password_hash.len; i++)
        buffer_add_fmt(&line, "%02x", u->password_hash.data[i]);
    buffer_add_str(&line, " limits=");
    user_limits_add(&line, u);
    add_line(arg, &line);
}

static void
dump_permission(struct lines *l, const struct permission_entry *e)
{
    struct buffer line = {0};
    buffer_add_fmt(&line, "permission '%s' in '%s'", e->user, e->vhost->name);
    for (int i = 0; i < PERMISSION_KINDS; i++)
        buffer_add_fmt(&line, " '%.*s'", SLICE_FMT(e->patterns[i].text));
    add_line(l, &line);
}

static void
dump_topic_permission(void *arg, const struct topic_permission *p)
{
    struct buffer line = {0};
    buffer_add_fmt(&line, "topic permission '%.*s' in '%s' on '%.*s' '%.*s' '%.*s'", SLICE_FMT(p->user),
                   p->vhost->name, SLICE_FMT(p->exchange), SLICE_FMT(p->write), SLICE_FMT(p->read));
    add_line(arg, &line);
}

static void
dump_parameter(void *arg, void *item)
{
    const struct parameter *p = item;
    struct buffer line = {0};
    buffer_add_fmt(&line, "parameter '%.*s' '%.*s' in '%s': %.*s", SLICE_FMT(p->component),
                   SLICE_FMT(p->name), p->vhost ? p->vhost->name : "", SLICE_FMT(p->value));
    add_line(arg, &line);
}

static void
dump_policy(void *arg, const struct policy *p)
{
    struct buffer line = {0};
    buffer_add_fmt(&line, "%s '%s' in '%s' '%.*s' for %s priority=%lld: %.*s",
                   p->is_operator ? "operator policy" : "policy", p->name, p->vhost->name,
                   SLICE_FMT(p->pattern), policy_applies_name(p->apply_to), (long long)p->priority,
                   SLICE_FMT(p->definition));
    add_line(arg, &line);
}

static void
dump_exchange(struct lines *l, const struct exchange *x)
{
    struct buffer line = {0};
    buffer_add_fmt(&line, "exchange '%s' in '%s' id=%llu %s", x->name, x->vhost->name,
                   (unsigned long long)x->id, exchange_type_name(x->type));
    add_flag(&line, x->durable, "durable");
    add_flag(&line, x->auto_delete, "auto_delete");
    add_flag(&line, x->internal, "internal");
    add_table(&line, "arguments", x->arguments);
    add_line(l, &line);
}

static void
dump_queue(struct lines *l, const struct queue_def *q)
{
    struct buffer line = {0};
    buffer_add_fmt(&line, "queue '%s' in '%s' id=%llu", q->name, q->vhost->name, (unsigned long long)q->id);
    add_flag(&line, q->durable, "durable");
    add_flag(&line, q->auto_delete, "auto_delete");
    if (q->exclusive_owner)
        buffer_add_fmt(&line, " exclusive=%llu", (unsigned long long)q->exclusive_owner);
    add_table(&line, "arguments", q->arguments);
    add_line(l, &line);
}

static void
dump_binding(struct lines *l, const struct binding *b)
{
    struct buffer line = {0};
    const struct exchange *to = b->to_exchange ? b->destination : NULL;
    const struct queue_def *queue = b->to_exchange ? NULL : b->destination;
    buffer_add_fmt(&line, "binding in '%s' from '%s' to %s '%s' key='%.*s'", b->source->vhost->name,
                   b->source->name, to ? "exchange" : "queue", to ? to->name : queue->name,
                   SLICE_FMT(binding_routing_key(b)));
    add_table(&line, "arguments", binding_arguments(b));
    add_line(l, &line);
}

static int
compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void
meta_dump(const struct meta *m, struct buffer *out)
{
    struct lines l = {0};
    const void *item, *x;
    for (size_t at = 0; (item = cmap_next(&m->vhosts, &at));) {
        dump_vhost(&l, item);
        const struct vhost *v = item;
        policy_each(v, false, dump_policy, &l);
        policy_each(v, true, dump_policy, &l);
        for (size_t i = 0; (x = cmap_next(&v->exchanges, &i));)
            dump_exchange(&l, x);
    }
    meta_each_user(m, dump_user, &l);
    for (size_t at = 0; (item = cmap_next(&m->permissions, &at));)
        dump_permission(&l, item);
    topic_permission_each(m, dump_topic_permission, &l);
    cmap_foreach(&m->parameters, dump_parameter, &l);
    for (size_t at = 0; (item = cmap_next(&m->queues, &at));)
        dump_queue(&l, item);
    for (size_t at = 0; (item = cmap_next(&m->bindings, &at));)
        dump_binding(&l, item);
    if (l.count > 0)
        qsort(l.items, l.count, sizeof *l.items, compare_lines);
    for (size_t i = 0; i < l.count; i++) {
        buffer_add_str(out, l.items[i]);
        free(l.items[i]);
    }
    free(l.items);
}
