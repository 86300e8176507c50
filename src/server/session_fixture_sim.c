/* The simulated world: nothing happens but inside these calls, so that a test that waits in vain ends at
 * once. */
#include "base/check.h"
#include "io/sim.h"
#include "server/session_fixture.h"

#include <stdlib.h>

enum { SESSION_PATIENCE_MS = 5000 };

struct session_world {
    struct sim *sim;
    struct io_world *machine;
    struct session_node node;
};

struct session_client {
    struct session_frames frames;
    struct session_world *world;
    struct sim_client *sim;
    size_t wanted;
};

static bool
session_is_listening(void *arg)
{
    struct session_node *n = arg;
    return n->is_listening;
}

struct session_world *
session_world_new(unsigned shards, const struct server_config *config, unsigned seed)
{
    struct session_world *w = calloc(1, sizeof *w);
    CHECK(w);
    w->sim = sim_new(seed);
    w->machine = sim_node_new(w->sim, "node");
    session_node_init(&w->node, w->machine, shards, config);
    CHECK(sim_run_until(w->sim, session_is_listening, &w->node, SESSION_PATIENCE_MS));
    return w;
}

void
session_world_free(struct session_world *w)
{
    shards_stop(w->node.node.shards);
    shards_join(w->node.node.shards);
    session_node_fini(&w->node);
    sim_free(w->sim);
    free(w);
}

struct session_node *
session_world_node(struct session_world *w)
{
    return &w->node;
}

void
session_world_wait(struct session_world *w, unsigned ms)
{
    sim_run_for(w->sim, ms);
}

bool
session_world_step(struct session_world *w)
{
    return sim_step(w->sim);
}

static bool
session_is_settled(void *arg)
{
    struct session_node *n = arg;
    return server_connection_count(n->server) == 0;
}

bool
session_world_settle(struct session_world *w)
{
    return sim_run_until(w->sim, session_is_settled, &w->node, SESSION_PATIENCE_MS);
}

static struct session_client *
session_client_new(struct session_world *w, struct sim_client *sim)
{
    struct session_client *c = calloc(1, sizeof *c);
    CHECK(c);
    c->world = w;
    c->sim = sim;
    return c;
}

struct session_client *
session_client_open(struct session_world *w)
{
    return session_client_new(w, sim_client_open(w->sim, w->machine, w->node.port));
}

struct session_client *
session_client_open_from(struct session_world *w, const struct net_addr *from)
{
    return session_client_new(w, sim_client_open_from(w->sim, w->machine, w->node.port, from));
}

void
session_client_free(struct session_client *c)
{
    sim_client_close(c->sim);
    sim_client_free(c->sim);
    buffer_fini(&c->frames.payload);
    buffer_fini(&c->frames.content);
    buffer_fini(&c->frames.properties);
    free(c);
}

void
session_client_send(struct session_client *c, const void *data, size_t len)
{
    sim_client_send(c->sim, data, len);
}

static bool
session_has_bytes(void *arg)
{
    struct session_client *c = arg;
    return sim_client_received(c->sim).len >= c->wanted || sim_client_is_ended(c->sim) ||
           sim_client_is_reset(c->sim);
}

struct slice
session_client_peek(struct session_client *c, size_t n)
{
    c->wanted = n;
    sim_run_until(c->world->sim, session_has_bytes, c, SESSION_PATIENCE_MS);
    return sim_client_received(c->sim);
}

void
session_client_consume(struct session_client *c, size_t n)
{
    sim_client_consume(c->sim, n);
}

void
session_client_set_reading(struct session_client *c, bool reading)
{
    sim_client_set_reading(c->sim, reading);
}

static bool
session_has_ended(void *arg)
{
    struct session_client *c = arg;
    return sim_client_is_ended(c->sim) || sim_client_is_reset(c->sim);
}

bool
session_client_is_ended(struct session_client *c)
{
    return sim_run_until(c->world->sim, session_has_ended, c, SESSION_PATIENCE_MS);
}
