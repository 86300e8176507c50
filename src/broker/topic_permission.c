/* Finding topic permissions, and asking them. They come and go in meta_topic_permission.c. */
#include "broker/topic_permission.h"

#include "broker/meta_impl.h"
#include "broker/regex.h"

static bool
entry_eq(const void *item, const void *key)
{
    const struct topic_permission *p = item, *k = key;
    return p->vhost == k->vhost && slice_eq(p->user, k->user) && slice_eq(p->exchange, k->exchange);
}

const struct topic_permission *
topic_permission_find(const struct meta *m, struct slice user, const struct vhost *v, struct slice exchange)
{
    struct topic_permission key = {.vhost = v, .user = user, .exchange = exchange};
    return cmap_find(&m->topic_permissions, meta_topic_permission_hash(&key), entry_eq, &key);
}

bool
topic_permission_is_granted(const struct meta *m, struct slice user, const struct vhost *v,
                            struct slice exchange, enum permission kind, struct slice routing_key)
{
    if (cmap_count(&m->topic_permissions) == 0)
        return true;
    const struct topic_permission *p = topic_permission_find(m, user, v, exchange);
    return !p || regex_matches(p->regex[kind == PERMISSION_READ], routing_key);
}

struct each {
    void (*fn)(void *arg, const struct topic_permission *p);
    void *arg;
};

static void
each_item(void *arg, void *item)
{
    const struct each *e = arg;
    e->fn(e->arg, item);
}

void
topic_permission_each(const struct meta *m, void (*fn)(void *arg, const struct topic_permission *p),
                      void *arg)
{
    cmap_foreach(&m->topic_permissions, each_item, &(struct each){fn, arg});
}
