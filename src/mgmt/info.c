/*
 * A query goes over the shards, pass by pass, and within a shard step by step. Between two slices nothing of
 * it is held by anyone: positions are numbers that mean the same whatever has changed (cmap_walk(),
 * slots_next()).
 */
/* exports: info_query_ info_slice info_emit */
#include "mgmt/info.h"

#include "base/check.h"
#include "broker/user.h"
#include "broker/vhost.h"
#include "io/clock.h"
#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>

enum { INFO_STEPS_PER_CLOCK = 64 }; /* the clock is read once in so many */

void
info_query_init(struct info_query *q, const struct info_kind *kind)
{
    *q = (struct info_query){.kind = kind};
}

void
info_query_fini(struct info_query *q)
{
    buffer_fini(&q->rows);
    idmap_fini(&q->seen);
    free(q->channel_bits);
}

enum err
info_query_column(struct info_query *q, const char *name)
{
    if (q->column_count == INFO_COLUMNS_MAX)
        return ERR_LIMIT;
    for (const struct info_column *c = q->kind->columns; c->name; c++) {
        if (strcmp(c->name, name) != 0)
            continue;
        q->columns[q->column_count++] = c;
        return ERR_OK;
    }
    return ERR_NOT_FOUND;
}

void
info_query_all_columns(struct info_query *q)
{
    q->column_count = 0;
    for (const struct info_column *c = q->kind->columns; c->name; c++) {
        CHECK(q->column_count < INFO_COLUMNS_MAX);
        q->columns[q->column_count++] = c;
    }
}

void
info_query_vhost(struct info_query *q, const char *vhost)
{
    snprintf(q->vhost, sizeof q->vhost, "%s", strlen(vhost) < sizeof q->vhost ? vhost : "");
}

void
info_query_user(struct info_query *q, const char *user)
{
    snprintf(q->user, sizeof q->user, "%s", user);
}

bool
info_query_next(struct info_query *q, unsigned shard_count, unsigned *shard)
{
    if (q->is_over_here) {
        q->is_over_here = false;
        q->position = q->inner = q->innermost = q->current = 0;
        q->shard++;
    }
    bool is_sharded = q->kind->is_sharded && !q->foreign;
    if (q->shard >= (is_sharded ? shard_count : 1)) {
        q->shard = 0;
        q->pass++;
    }
    *shard = is_sharded ? q->shard : q->first_shard;
    return q->pass < q->kind->passes;
}

void
info_slice(struct info_query *q, struct server_shard *home)
{
    struct io_world *world = shards_world(shard_all(home->shard));
    uint64_t end = clock_now_ns(world) + INFO_SLICE_NS, rows = q->row_count;
    q->home = home;
    q->meta = home->server->node->meta;
    q->found_vhost = *q->vhost ? vhost_find(q->meta, slice_str(q->vhost)) : NULL;
    q->is_vhost_missing = q->kind->is_strict && !q->found_vhost;
    q->is_user_missing = q->kind->is_per_user && !user_find(q->meta, slice_str(q->user));
    if ((q->kind->is_per_vhost && !q->found_vhost) || q->is_user_missing) {
        q->is_over_here = true;
        return;
    }
    for (unsigned steps = 1; !q->is_over_here; steps++) {
        q->is_over_here = !q->kind->step(q);
        if (q->row_count - rows >= INFO_SLICE_ROWS || q->rows.len >= INFO_SLICE_BYTES)
            return;
        if (steps % INFO_STEPS_PER_CLOCK == 0 && clock_now_ns(world) >= end)
            return;
    }
}

void
info_emit(struct info_query *q, struct info_subject *s)
{
    s->home = q->home;
    buffer_add_str(&q->rows, "r [");
    for (unsigned i = 0; i < q->column_count; i++) {
        if (i > 0)
            buffer_add_u8(&q->rows, ',');
        q->columns[i]->put(&q->rows, s);
    }
    buffer_add_str(&q->rows, "]\n");
    q->row_count++;
}
