/* Fanout: every binding matches. The router is the set of them. */
#include "base/check.h"
#include "broker/bindset.h"

#include <stdlib.h>

struct fanout {
    struct bindset all;
    struct epoch *epoch;
};

static void *
fanout_create(struct epoch *epoch, struct slice arguments)
{
    struct fanout *f = calloc(1, sizeof *f);
    CHECK(f);
    f->epoch = epoch;
    return f;
}

static void
fanout_destroy(void *router)
{
    struct fanout *f = router;
    bindset_fini(&f->all);
    free(f);
}

static void
fanout_add(void *router, struct binding *b)
{
    struct fanout *f = router;
    bindset_add(&f->all, b, f->epoch);
}

static void
fanout_remove(void *router, struct binding *b)
{
    struct fanout *f = router;
    CHECK(bindset_remove(&f->all, b, f->epoch));
}

static void
fanout_route(const void *router, const struct router_query *query, struct router_scratch *s)
{
    const struct fanout *f = router;
    bindset_collect(&f->all, s);
}

const struct router_ops exchange_fanout_ops = {
    .create = fanout_create,
    .destroy = fanout_destroy,
    .add = fanout_add,
    .remove = fanout_remove,
    .route = fanout_route,
};
