/*
 * transcript_sim: replays transcripts in this process, against a whole node in a simulated world.
 *
 *   transcript_sim [-v] [--shards N] [--seed N] [--expect-failure] [--provides "WORD ..."] FILE ...
 *
 * Every transcript has a world of its own, made from the seed and its name: how the streams are cut and
 * when segments arrive differs from one to the next and is the same whenever the seed is. Time is simulated,
 * so what waits in vain fails at once. The users of definitions.json are declared by hand below.
 */
#include "base/check.h"
#include "broker/event.h"
#include "broker/meta.h"
#include "broker/user.h"
#include "sim/sim_broker.h"
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENTS_MAX = 256, MEMORY_WATERMARK = 600 << 20, MEMORY_TOTAL = 1000 << 20, MEMORY_SAMPLE_MS = 1000 };
enum { DISK_FREE_LIMIT = 50000000, DISK_BYTES = 100000000, DISK_SAMPLE_MS = 11000 };

struct world {
    unsigned shards;
    uint64_t seed;
    struct sim *sim;
    struct sim_broker *broker;
    int client_count;
    struct sim_client *clients[CLIENTS_MAX];
    struct transcript_net net;
};

/* ---- the users that transcripts with `needs: users` speak of: see definitions.json ---- */

struct person {
    const char *name;
    const char *tags;
    const char *configure; /* on "/"; NULL: no permissions */
    const char *write;
    const char *read;
};

static const struct person people[] = {
    {"nobody", "", NULL, NULL, NULL},
    {"limited", "", "^c-", "^(c-|w-)", "^(c-|r-)"},
    {"impostor", "impersonator", ".*", ".*", ".*"},
    {"topical", "", ".*", ".*", ".*"},
};

static void
apply(struct world *w, const struct meta_command *command)
{
    struct meta_result result;
    meta_apply(w->broker->node.meta, command, &result);
    CHECK(result.code == 0);
}

static void
permit(struct world *w, const char *vhost, const struct person *p)
{
    apply(w, &(struct meta_command){.kind = META_PERMISSION_SET,
                                    .vhost = slice_str(vhost),
                                    .user = slice_str(p->name),
                                    .configure = slice_str(p->configure),
                                    .write = slice_str(p->write),
                                    .read = slice_str(p->read)});
}

static void
people_declare(struct world *w)
{
    static const uint8_t salt[4] = {1, 2, 3, 4};
    static const struct person guest = {"guest", "administrator", ".*", ".*", ".*"};
    apply(w, &(struct meta_command){.kind = META_VHOST_ADD, .name = slice_str("other")});
    permit(w, "other", &guest);
    apply(w, &(struct meta_command){.kind = META_VHOST_ADD, .name = slice_str("traced"), .is_tracing = true});
    permit(w, "traced", &guest);
    for (size_t i = 0; i < sizeof(people) / sizeof(people[0]); i++) {
        uint8_t hash[36];
        user_password_hash(slice_str(people[i].name), salt, hash);
        apply(w, &(struct meta_command){.kind = META_USER_PUT,
                                        .name = slice_str(people[i].name),
                                        .tags = slice_str(people[i].tags),
                                        .password_hash = slice_of(hash, sizeof(hash))});
        if (people[i].configure != NULL) {
            permit(w, "/", &people[i]);
        }
    }
    apply(w, &(struct meta_command){.kind = META_TOPIC_PERMISSION_SET,
                                    .vhost = slice_str("/"),
                                    .user = slice_str("topical"),
                                    .name = slice_str("amq.topic"),
                                    .write = slice_str("^{username}\\."),
                                    .read = slice_str("^open\\.")});
}

/* As with the plugin enabled. */
static void
event_exchange_declare(struct world *w)
{
    const struct meta_command command = {.kind = META_EXCHANGE_DECLARE,
                                         .vhost = slice_str("/"),
                                         .name = slice_str(EVENT_EXCHANGE),
                                         .type = slice_str("topic"),
                                         .durable = true,
                                         .internal = true,
                                         .is_judged = true};
    struct meta_result result;
    meta_apply(w->broker->node.meta, &command, &result);
    CHECK(result.code == 0);
}

/* ---- the network ---- */

static int
sim_connect(void *ctx)
{
    struct world *w = ctx;
    if (w->client_count == CLIENTS_MAX) {
        return -1;
    }
    w->clients[w->client_count] = sim_client_open(w->sim, w->broker->world, SIM_BROKER_PORT);
    return w->client_count++;
}

static void
sim_send(void *ctx, int handle, const void *data, size_t size)
{
    struct world *w = ctx;
    sim_client_send(w->clients[handle], data, size);
}

static bool
has_news(void *arg)
{
    const struct sim_client *c = arg;
    return sim_client_received(c).len > 0 || sim_client_is_ended(c) || sim_client_is_reset(c);
}

static ssize_t
sim_recv(void *ctx, int handle, void *data, size_t size, int timeout_ms)
{
    struct world *w = ctx;
    struct sim_client *c = w->clients[handle];
    if (!sim_run_until(w->sim, has_news, c, timeout_ms < 0 ? 0 : (uint64_t)timeout_ms)) {
        return -1;
    }
    struct slice in = sim_client_received(c);
    size_t n = in.len < size ? in.len : size;
    memcpy(data, in.data, n);
    sim_client_consume(c, n);
    return (ssize_t)n;
}

static void
sim_close(void *ctx, int handle)
{
    struct world *w = ctx;
    sim_client_close(w->clients[handle]);
}

/* The broker looks now and then. */
static bool
sim_resource(void *ctx, const char *which, bool is_short)
{
    struct world *w = ctx;
    if (strcmp(which, "disk") == 0) {
        uint64_t bytes = is_short ? DISK_FREE_LIMIT - 1 : DISK_BYTES;
        sim_disk_set_faults(w->broker->world, &(struct sim_disk_faults){.capacity_bytes = bytes});
        sim_run_for(w->sim, DISK_SAMPLE_MS);
        return true;
    }
    sim_node_set_memory(w->broker->world, is_short ? MEMORY_WATERMARK + 1 : 0, MEMORY_TOTAL);
    sim_run_for(w->sim, MEMORY_SAMPLE_MS);
    return true;
}

/* ---- the world ---- */

static const struct transcript_net *
world_open(void *ctx, const char *name)
{
    static const size_t chunks[] = {0, 11, 100, 4096};
    struct world *w = ctx;
    uint64_t seed = w->seed;
    for (const char *p = name; *p != 0; p++) {
        seed = seed * 1000003 + (uint8_t)*p;
    }
    w->sim = sim_new(seed);
    struct sim_net net = sim_net(w->sim);
    net.chunk_max = chunks[sim_random(w->sim, 4)];
    sim_set_net(w->sim, &net);
    struct sim_broker_options options;
    sim_broker_options_init(&options);
    options.shards = w->shards;
    options.memory_watermark = MEMORY_WATERMARK;
    options.disk_free_limit = DISK_FREE_LIMIT;
    w->broker = sim_broker_new(w->sim, &options);
    sim_node_set_memory(w->broker->world, 0, MEMORY_TOTAL);
    people_declare(w);
    event_exchange_declare(w);
    w->net = (struct transcript_net){.ctx = w,
                                     .connect = sim_connect,
                                     .send = sim_send,
                                     .recv = sim_recv,
                                     .close = sim_close,
                                     .resource = sim_resource};
    return &w->net;
}

static void
world_close(void *ctx)
{
    struct world *w = ctx;
    sim_broker_check(w->broker);
    for (int i = 0; i < w->client_count; i++) {
        sim_client_free(w->clients[i]);
    }
    sim_broker_free(w->broker);
    sim_free(w->sim);
}

int
main(int argc, char **argv)
{
    struct world world = {.shards = 1, .seed = 1};
    struct suite suite;
    suite_init(&suite);
    suite.ctx = &world;
    suite.net_open = world_open;
    suite.net_close = world_close;
    snprintf(suite.provides, sizeof(suite.provides), " users topic_permissions traced events memory disk ");
    int i = 1;
    for (int used = 1; i < argc && used > 0; i += used) {
        used = suite_option(&suite, argv + i, argc - i);
        if (used == 0 && argc - i >= 2 && strcmp(argv[i], "--shards") == 0) {
            world.shards = (unsigned)strtoul(argv[i + 1], NULL, 10);
            used = 2;
        } else if (used == 0 && argc - i >= 2 && strcmp(argv[i], "--seed") == 0) {
            world.seed = strtoull(argv[i + 1], NULL, 10);
            used = 2;
        }
    }
    if (i >= argc || argv[i][0] == '-' || world.shards == 0) {
        fprintf(stderr,
                "usage: transcript_sim [-v] [--shards N] [--seed N] [--provides WORDS] [--expect-failure]\n"
                "       [--timeout-ms N] [--jobs N] FILE ...\n");
        return 2;
    }
    return suite_run(&suite, argv + i, argc - i);
}
