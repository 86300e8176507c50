/* Finding parameters. They come and go in meta_parameter.c. */
#include "broker/parameter.h"

#include "base/hash.h"
#include "broker/jsontext.h"
#include "broker/meta_impl.h"

static bool
parameter_eq(const void *item, const void *key)
{
    const struct parameter *p = item, *k = key;
    return p->vhost == k->vhost && slice_eq(p->component, k->component) && slice_eq(p->name, k->name);
}

const struct parameter *
parameter_find(const struct meta *m, const struct vhost *v, struct slice component, struct slice name)
{
    struct parameter key = {.vhost = v, .component = component, .name = name};
    return cmap_find(&m->parameters, meta_parameter_hash(&key), parameter_eq, &key);
}

const struct parameter *
parameter_find_global(const struct meta *m, const char *name)
{
    return parameter_find(m, NULL, slice_of(NULL, 0), slice_str(name));
}

struct each {
    const struct vhost *vhost;
    void (*fn)(void *arg, const struct parameter *p);
    void *arg;
};

static void
each_of_vhost(void *arg, void *item)
{
    const struct each *e = arg;
    const struct parameter *p = item;
    if (p->vhost == e->vhost)
        e->fn(e->arg, p);
}

void
parameter_each(const struct meta *m, const struct vhost *v, void (*fn)(void *arg, const struct parameter *p),
               void *arg)
{
    cmap_foreach(&m->parameters, each_of_vhost, &(struct each){v, fn, arg});
}

/* A JSON string that needs no escape is its own text between the quotes; any other is not taken for a name.
 */
struct slice
parameter_cluster_name(const struct meta *m)
{
    const struct parameter *p = parameter_find_global(m, "cluster_name");
    if (p && p->value.len > 2 && p->value.data[0] == '"' && !memchr(p->value.data, '\\', p->value.len))
        return slice_of(p->value.data + 1, p->value.len - 2);
    return slice_str(m->node->cluster_name ? m->node->cluster_name : m->node->name);
}
