/* For tests of declared things: a node without shards, its metadata, one reader, and commands in one line. */
#ifndef LEVERET_BROKER_META_TEST_H
#define LEVERET_BROKER_META_TEST_H

#include "base/epoch.h"
#include "broker/meta.h"
#include "broker/route.h"
#include "wire/table.h"

#include <stdlib.h>

struct fixture {
    struct epoch epoch;
    struct node node;
    struct broker broker;
    struct meta_result r; /* of the last command */
};

static inline struct fixture *
fixture_new(unsigned readers)
{
    struct fixture *f = calloc(1, sizeof *f);
    epoch_init(&f->epoch, readers);
    f->node.epoch = &f->epoch;
    f->node.meta = meta_new(&f->node);
    f->broker.node = &f->node;
    f->broker.routes = route_cache_new(64);
    struct meta_command c = {.kind = META_VHOST_ADD, .name = slice_str("/")};
    meta_apply(f->node.meta, &c, &f->r);
    return f;
}

static inline void
fixture_free(struct fixture *f)
{
    route_cache_free(f->broker.routes);
    meta_free(f->node.meta);
    epoch_fini(&f->epoch);
    free(f);
}

/* Applies { .kind = KIND, ... } and gives the code. */
static inline uint16_t
apply(struct fixture *f, struct meta_command c)
{
    if (!c.vhost.data)
        c.vhost = slice_str("/");
    meta_apply(f->node.meta, &c, &f->r);
    return f->r.code;
}

static inline const struct vhost *
root(const struct fixture *f)
{
    return vhost_find(f->node.meta, slice_str("/"));
}

static inline const struct exchange *
exchange(const struct fixture *f, const char *name)
{
    return exchange_find(root(f), slice_str(name));
}

static inline const struct queue_def *
queue(const struct fixture *f, const char *name)
{
    return queue_def_find(root(f), slice_str(name));
}

static inline uint16_t
declare_exchange(struct fixture *f, const char *name, const char *type)
{
    return apply(f, (struct meta_command){
                        .kind = META_EXCHANGE_DECLARE, .name = slice_str(name), .type = slice_str(type)});
}

static inline uint16_t
declare_queue(struct fixture *f, const char *name)
{
    return apply(f, (struct meta_command){.kind = META_QUEUE_DECLARE, .name = slice_str(name)});
}

static inline uint16_t
delete_queue(struct fixture *f, const char *name)
{
    const struct queue_def *q = queue(f, name);
    return apply(f, (struct meta_command){.kind = META_QUEUE_DELETE, .queue_id = q ? q->id : 0});
}

static inline uint16_t
bind_args(struct fixture *f, enum meta_kind kind, const char *source, const char *to, const char *key,
          struct slice arguments)
{
    return apply(f, (struct meta_command){.kind = kind,
                                          .source = slice_str(source),
                                          .name = slice_str(to),
                                          .routing_key = slice_str(key),
                                          .arguments = arguments});
}

static inline uint16_t
bind_queue(struct fixture *f, const char *source, const char *to, const char *key)
{
    return bind_args(f, META_QUEUE_BIND, source, to, key, slice_of(NULL, 0));
}

static inline uint16_t
unbind_queue(struct fixture *f, const char *source, const char *to, const char *key)
{
    return bind_args(f, META_QUEUE_UNBIND, source, to, key, slice_of(NULL, 0));
}

static inline uint16_t
bind_exchange(struct fixture *f, const char *source, const char *to, const char *key)
{
    return bind_args(f, META_EXCHANGE_BIND, source, to, key, slice_of(NULL, 0));
}

static inline uint16_t
unbind_exchange(struct fixture *f, const char *source, const char *to, const char *key)
{
    return bind_args(f, META_EXCHANGE_UNBIND, source, to, key, slice_of(NULL, 0));
}

#endif
