/*
 * The same steps as src/app/boot.c, with a simulated world in the place of the machine: node, server, shards,
 * declared things, start; the listener opens from on_started on shard 0. SIGTERM is how it stops.
 */
#include "sim/sim_broker.h"

#include "base/check.h"
#include "broker/meta.h"
#include "broker/user.h"
#include "durable/durable.h"
#include "io/file.h"
#include "io/signal.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    SIM_BROKER_SAMPLE_MS = 100,
    SIM_BROKER_START_MS = 10000,
    SIM_BROKER_STOP_MS = 5000,
    SIM_BROKER_BACKLOG = 128,
    SIM_BROKER_WHY_SIZE = 512,
};

static const char data_dir[] = "/data";

void
sim_broker_options_init(struct sim_broker_options *options)
{
    *options = (struct sim_broker_options){
        .name = "leveret",
        .shards = 1,
        .limits = broker_limits_default(),
    };
    server_config_init(&options->server);
    options->server.limits.consumer_timeout_ms = 0; /* in some worlds an acknowledgement takes an hour */
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
    if (b->disk_free_limit)
        alarm_disk_start(&b->disk, b->node.brokers[0], "/", b->disk_free_limit);
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

/* ---- what outlives it ---- */

#ifdef SIM_BROKER_DURABLE
void
sim_broker_durable_init(struct durable_config *config)
{
    durable_config_init(config);
    config->store.dir = data_dir;
    config->store.log_file_bytes = 65536;
    config->store.log_files_max = 2;
    config->store.segment_bytes = 65536;
    config->resident_bytes = 16384;
    config->pressure_bytes = 32768;
    config->snapshot_bytes = 8192;
}

static enum err
begin_durable(struct sim_broker *b, const struct durable_config *config, char *why, size_t why_size)
{
    if (!config) {
        declare_first_things(b);
        return ERR_OK;
    }
    enum err e = dir_create(b->world, data_dir);
    if (e == ERR_OK || e == ERR_EXISTS)
        e = dir_sync(b->world, "/");
    if (e != ERR_OK) {
        snprintf(why, why_size, "%s: %s", data_dir, err_text(e));
        return e;
    }
    e = durable_open(&b->node, b->world, config, &b->durable, why, why_size);
    if (e != ERR_OK)
        return e;
    if (durable_is_new(b->durable))
        declare_first_things(b);
    return durable_begin(b->durable, why, why_size);
}

static void
end_durable(struct sim_broker *b)
{
    if (b->durable)
        durable_close(b->durable);
}

static enum err
find_problem(struct sim_broker *b, char *why, size_t why_size)
{
    return b->durable ? durable_problem(b->durable, why, why_size) : ERR_OK;
}

enum err
sim_broker_failure(const struct sim_broker *b)
{
    return b->durable ? store_failure(durable_store(b->durable)) : ERR_OK;
}
#else /* until there is one: nothing outlives it */
void
sim_broker_durable_init(struct durable_config *config)
{
    *config = (struct durable_config){.store.dir = data_dir};
}

static enum err
begin_durable(struct sim_broker *b, const struct durable_config *config, char *why, size_t why_size)
{
    declare_first_things(b);
    return ERR_OK;
}

static void
end_durable(struct sim_broker *b)
{
}

static enum err
find_problem(struct sim_broker *b, char *why, size_t why_size)
{
    return ERR_OK;
}

enum err
sim_broker_failure(const struct sim_broker *b)
{
    return ERR_OK;
}
#endif

/* ---- life ---- */

static void
release(struct sim_broker *b)
{
    alarm_disk_stop(&b->disk);
    meta_free(b->node.meta); /* its epoch is the shards' */
    shards_free(b->node.shards);
    server_free(b->server);
    free(b);
}

/* The dead process's memory is taken apart as if it stopped; what it wants to write the disk does not take.
 */
void
sim_broker_bury(struct sim_broker *b)
{
    for (unsigned i = 0; i < b->server->shard_count; i++)
        if (b->server->parts[i])
            server_hooks()->on_stop(shards_get(b->node.shards, i), b->server);
    end_durable(b);
    release(b);
}

void
sim_broker_free(struct sim_broker *b)
{
    sim_node_signal(b->world, SIGNAL_TERMINATE);
    shards_join(b->node.shards);
    if (sim_node_crashes(b->world) != b->crashes) {
        sim_broker_bury(b);
        return;
    }
    end_durable(b);
    if (sim_node_crashes(b->world) != b->crashes)
        sim_node_crash(b->world); /* it went down in there, outside of any event */
    release(b);
}

struct sim_broker *
sim_broker_try(struct sim *sim, const struct sim_broker_options *options, char *why, size_t why_size)
{
    struct sim_broker *b = calloc(1, sizeof *b);
    CHECK(b);
    b->sim = sim;
    b->world = options->world ? options->world : sim_node_new(sim, options->name);
    b->crashes = sim_node_crashes(b->world);
    b->memory_watermark = options->memory_watermark;
    b->disk_free_limit = options->disk_free_limit;
    b->node = (struct node){
        .log = options->log, .name = "rabbit@sim", .cluster_name = "sim", .limits = options->limits};
    struct server_config config = options->server;
    config.on_started = on_started;
    config.arg = b;
    b->server = server_new(&b->node, &config, options->shards);
    b->node.shards = shards_new(b->world, options->shards, server_hooks(), b->server);
    b->node.epoch = shards_epoch(b->node.shards);
    b->node.meta = meta_new(&b->node);
    if (begin_durable(b, options->durable, why, why_size) != ERR_OK) {
        end_durable(b);
        release(b);
        return NULL;
    }
    CHECK(shards_start(b->node.shards) == ERR_OK);
    if (!sim_run_until(sim, is_up, b, SIM_BROKER_START_MS)) {
        snprintf(why, why_size, "it did not come up");
        sim_node_kill(b->world);
        sim_broker_bury(b);
        return NULL;
    }
    if (find_problem(b, why, why_size) == ERR_OK)
        return b;
    sim_broker_free(b);
    return NULL;
}

struct sim_broker *
sim_broker_new(struct sim *sim, const struct sim_broker_options *options)
{
    char why[SIM_BROKER_WHY_SIZE] = "";
    struct sim_broker *b = sim_broker_try(sim, options, why, sizeof why);
    if (!b)
        check_failed(__FILE__, __LINE__, why);
    return b;
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
