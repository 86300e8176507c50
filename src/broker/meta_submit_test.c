/* Commands from several shards, in the simulated world: answered on their shard, in order, with the change
 * visible there. */
#include "base/epoch.h"
#include "broker/durability.h"
#include "broker/meta.h"
#include "io/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SHARDS = 3, COMMANDS = 50 };

struct world {
    struct node *node;
    struct broker brokers[SHARDS];
    unsigned done[SHARDS];
    bool within_submit, wrong, refused;
};

static void
on_done(struct broker *b, struct meta_request *r)
{
    struct world *w = b->server;
    w->wrong |= w->within_submit || r->origin != b->index || r->cookie[0] != w->done[b->index]++;
    if (w->refused)
        w->wrong |= r->result.code != 541;
    else
        w->wrong |= r->result.code != 0 || !queue_def_find_id(b->node->meta, r->result.queue_id);
    meta_request_free(r);
}

static void
on_start(struct shard *s, void *owner)
{
    struct world *w = owner;
    struct broker *b = &w->brokers[shard_index(s)];
    *b = (struct broker){.node = w->node, .shard = s, .index = shard_index(s), .server = w};
    char name[32];
    w->within_submit = true;
    for (unsigned i = 0; i < COMMANDS; i++) {
        snprintf(name, sizeof name, "q%u-%u", b->index, i);
        struct meta_request *r = meta_request_new(&(struct meta_command){
            .kind = META_QUEUE_DECLARE, .vhost = slice_str("/"), .name = slice_str(name)});
        memset(name, 'x', sizeof name - 1); /* the request has its own copy */
        r->on_done = on_done;
        r->cookie[0] = i;
        meta_submit(b, r);
    }
    w->within_submit = false;
}

static void
on_mail(struct shard *s, void *owner, const struct mail *m)
{
    struct world *w = owner;
    meta_on_mail(&w->brokers[shard_index(s)], m);
}

static bool keeper_turn(struct shard *s, void *owner);

static bool
on_turn(struct shard *s, void *owner)
{
    return ((struct world *)owner)->node->durability && keeper_turn(s, owner);
}

static void
on_discard(void *owner, const struct mail *m)
{
    meta_on_discard(m);
}

static bool
all_done(void *arg)
{
    struct world *w = arg;
    for (unsigned i = 0; i < SHARDS; i++)
        if (w->done[i] < COMMANDS)
            return false;
    return true;
}

static struct shards *
start(struct sim *sim, struct world *w)
{
    const struct shard_hooks hooks = {
        .on_start = on_start, .on_mail = on_mail, .on_turn = on_turn, .on_discard = on_discard};
    struct shards *shards = shards_new(sim_node_new(sim, "a"), SHARDS, &hooks, w);
    *w = (struct world){.node = calloc(1, sizeof *w->node)};
    w->node->shards = shards;
    w->node->epoch = shards_epoch(shards);
    w->node->meta = meta_new(w->node);
    struct meta_result r;
    meta_apply(w->node->meta, &(struct meta_command){.kind = META_VHOST_ADD, .name = slice_str("/")}, &r);
    return shards;
}

static void
commands_are_answered_on_their_shard_in_order(void **state)
{
    struct sim *sim = sim_new(3);
    static struct world w;
    struct shards *shards = start(sim, &w);
    assert_int_equal(shards_start(shards), ERR_OK);
    assert_true(sim_run_until(sim, all_done, &w, 5000));
    assert_false(w.wrong);
    shards_stop(shards);
    shards_join(shards);
    meta_free(w.node->meta);
    shards_free(shards);
    free(w.node);
    sim_free(sim);
}

/* ---- a node that keeps its declared things ---- */

struct keeper {
    struct world *world;
    struct meta_request *taken[SHARDS * COMMANDS];
    unsigned count, given;
    bool refuses;
};

static void
keeper_submit(void *arg, struct broker *b, struct meta_request *r)
{
    struct keeper *k = arg;
    k->world->wrong |= b->index != 0;
    k->taken[k->count++] = r;
}

/* One of each turn, in order. */
static bool
keeper_turn(struct shard *s, void *owner)
{
    struct world *w = owner;
    struct keeper *k = w->node->durability_arg;
    if (shard_index(s) != 0 || k->given == k->count)
        return false;
    struct meta_request *r = k->taken[k->given++];
    w->wrong |= w->node->meta && queue_def_find(vhost_find(w->node->meta, slice_str("/")), r->command.name);
    if (k->refuses)
        r->result.code = 541;
    if (k->refuses)
        meta_answer(&w->brokers[0], r);
    else
        meta_commit(&w->brokers[0], r);
    return true;
}

static void
whoever_keeps_them_decides_when_commands_are_applied(void **state)
{
    static const struct durability durability = {.submit = keeper_submit};
    for (unsigned refuses = 0; refuses < 2; refuses++) {
        struct sim *sim = sim_new(3);
        static struct world w;
        static struct keeper k;
        struct shards *shards = start(sim, &w);
        k = (struct keeper){.world = &w, .refuses = refuses};
        w.node->durability = &durability;
        w.node->durability_arg = &k;
        w.refused = refuses;
        assert_int_equal(shards_start(shards), ERR_OK);
        assert_true(sim_run_until(sim, all_done, &w, 5000));
        assert_false(w.wrong);
        assert_int_equal(k.given, SHARDS * COMMANDS);
        shards_stop(shards);
        shards_join(shards);
        meta_free(w.node->meta);
        shards_free(shards);
        free(w.node);
        sim_free(sim);
    }
}

/* Under the address sanitizer: nothing leaks. */
static void
commands_that_were_never_answered_are_freed(void **state)
{
    struct sim *sim = sim_new(3);
    static struct world w;
    struct shards *shards = start(sim, &w);
    assert_int_equal(shards_start(shards), ERR_OK);
    while (w.done[0] == 0 && sim_step(sim))
        ;
    shards_stop(shards);
    shards_join(shards);
    meta_free(w.node->meta);
    shards_free(shards);
    free(w.node);
    sim_free(sim);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_are_answered_on_their_shard_in_order),
        cmocka_unit_test(whoever_keeps_them_decides_when_commands_are_applied),
        cmocka_unit_test(commands_that_were_never_answered_are_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
