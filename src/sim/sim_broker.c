/*
 * The same steps as src/app/boot.c, with a simulated world in the place of the machine: node, server, shards,
 * declared things, start; the listener opens from on_started on shard 0. SIGTERM is how it stops.
 */
#include "sim/sim_broker.h"

#include "base/check.h"
#include "broker/meta.h"
#include "broker/user.h"
#include "io/signal.h"

#include <stdlib.h>

enum {
    SIM_BROKER_SAMPLE_MS = 100,
    SIM_BROKER_START_MS = 1000,
    SIM_BROKER_STOP_MS = 5000,
    SIM_BROKER_BACKLOG = 128,
    SIM_BROKER_WHY_SIZE = 512,
};

void
sim_broker_options_init(struct sim_broker_options *options)
{
    *options = (struct sim_broker_options){
        .name = "leveret",
        .shards = 1,
        .limits = broker_limits_default(),
    };
    server_config_init(&options->server);
}

static void
on_signal(void *arg, enum signal_kind kind)
{
    struct sim_broker *b = arg;
    server_stop(b->server, SIM_BROKER_STOP_MS);
}

static void
on_started(void *arg)
{
    struct sim_broker *b = arg;
    char why[SIM_BROKER_WHY_SIZE];
    struct shard *first = shards_get(b->node.shards, 0);
    CHECK(server_listen(b->server, "::", SIM_BROKER_PORT, SIM_BROKER_BACKLOG, NULL, NULL, why, sizeof why) ==
          ERR_OK);
    struct signal_watch *until_the_end;
    CHECK(signal_watch_open(first, on_signal, b, &until_the_end) == ERR_OK);
    if (b->memory_watermark)
        alarm_watch_start(&b->memory, b->node.brokers[0], b->memory_watermark, SIM_BROKER_SAMPLE_MS);
}

static void
apply(struct sim_broker *b, const struct meta_command *cmd)
{
    struct meta_result result;
    meta_apply(b->node.meta, cmd, &result);
    CHECK(result.code == 0);
}

static void
declare_first_things(struct sim_broker *b)
{
    static const uint8_t salt[4] = {1, 2, 3, 4};
    uint8_t hash[36];
    struct slice all = slice_str(".*");
    user_password_hash(slice_str("guest"), salt, hash);
    apply(b, &(struct meta_command){.kind = META_VHOST_ADD, .name = slice_str("/")});
    apply(b, &(struct meta_command){.kind = META_USER_PUT,
                                    .name = slice_str("guest"),
                                    .password_hash = slice_of(hash, sizeof hash),
                                    .tags = slice_str("administrator")});
    apply(b, &(struct meta_command){.kind = META_PERMISSION_SET,
                                    .vhost = slice_str("/"),
                                    .user = slice_str("guest"),
                                    .configure = all,
                                    .write = all,
                                    .read = all});
}

static bool
is_up(void *arg)
{
    const struct sim_broker *b = arg;
    for (unsigned i = 0; i < b->server->shard_count; i++)
        if (!b->server->parts[i])
            return false;
    return true;
}

struct sim_broker *
sim_broker_new(struct sim *sim, const struct sim_broker_options *options)
{
    struct sim_broker *b = calloc(1, sizeof *b);
    CHECK(b);
    b->sim = sim;
    b->world = sim_node_new(sim, options->name);
    b->memory_watermark = options->memory_watermark;
    b->node = (struct node){
        .log = options->log, .name = "rabbit@sim", .cluster_name = "sim", .limits = options->limits};
    struct server_config config = options->server;
    config.on_started = on_started;
    config.arg = b;
    b->server = server_new(&b->node, &config, options->shards);
    b->node.shards = shards_new(b->world, options->shards, server_hooks(), b->server);
    b->node.epoch = shards_epoch(b->node.shards);
    b->node.meta = meta_new(&b->node);
    declare_first_things(b);
    CHECK(shards_start(b->node.shards) == ERR_OK);
    CHECK(sim_run_until(sim, is_up, b, SIM_BROKER_START_MS));
    return b;
}

void
sim_broker_bury(struct sim_broker *b)
{
    meta_free(b->node.meta); /* its epoch is the shards' */
    shards_free(b->node.shards);
    server_free(b->server);
    free(b);
}

void
sim_broker_free(struct sim_broker *b)
{
    sim_node_signal(b->world, SIGNAL_TERMINATE);
    shards_join(b->node.shards);
    sim_broker_bury(b);
}

void
sim_broker_check(const struct sim_broker *b)
{
    for (unsigned i = 0; i < b->server->shard_count; i++)
        broker_check(b->node.brokers[i]);
}

size_t
sim_broker_pool_bytes(const struct sim_broker *b)
{
    size_t sum = 0;
    for (unsigned i = 0; i < b->server->shard_count; i++)
        sum += pool_bytes_used(b->node.brokers[i]->pool);
    return sum;
}

uint64_t
sim_broker_connections(const struct sim_broker *b)
{
    return server_connection_count(b->server);
}

const char *
sim_broker_residue(const struct sim_broker *b)
{
    if (server_connection_count(b->server) != 0)
        return "counted connections";
    for (unsigned i = 0; i < b->server->shard_count; i++) {
        const struct server_shard *part = b->server->parts[i];
        const struct broker *broker = b->node.brokers[i];
        if (slots_count(&part->connections))
            return "connections";
        if (!list_is_empty(&part->confirming) || part->flush_first || part->waiting_for_room.count)
            return "connections with work left";
        if (broker->messages_ready || broker->messages_unacked)
            return "messages";
        if (slots_count(&broker->consumers) || slots_count(&broker->subscriptions))
            return "consumers";
        if (pool_bytes_used(broker->pool))
            return "message memory";
        if (!broker_is_idle(broker))
            return "broker work";
    }
    return NULL;
}

void
sim_broker_dump(const struct sim_broker *b, struct buffer *out)
{
    meta_dump(b->node.meta, out);
}
