/*
 * The order: TLS, node, what it has kept (declared things; on an empty node
 * the first vhost and user), shards, which take up their queues, listeners; then ready. Stopping goes the
 * other way: listeners, connections, shards, what is left to write, the rest.
 *
 * Other threads tell it something by mail to shard 0, which may wait there until the shards start.
 */
#include "app/boot.h"

#include "app/logger_exchange.h"
#include "app/logger_publish.h"
#include "app/reload.h"
#include "app/setup.h"
#include "base/buffer.h"
#include "base/check.h"
#include "broker/alarm.h"
#include "broker/meta.h"
#include "broker/vhost_defaults.h"
#include "io/system.h"
#include "mgmt/ask.h"
#include "mgmt/definitions.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    BOOT_STOP_MS = 5000,  /* how long clients have to answer connection.close */
    BOOT_SAMPLE_MS = 100, /* between two looks at the memory */
};

enum boot_mail { MAIL_BOOT_STOP = MAIL_APP, MAIL_BOOT_RELOAD, MAIL_BOOT_LOG };

struct boot {
    struct boot_request request;
    const struct config *config;
    struct log *log;
    struct node node;
    struct server *server;
    struct tls_slot *tls;
    struct durable *durable;
    struct vhost_defaults *vhost_defaults;
    struct alarm_watch memory;
    struct alarm_disk disk;
    uint64_t watermark;
    _Atomic(struct reload *) pending; /* for shard 0 to apply */
    struct buffer ready;              /* the addresses for the ready line */
    char why[BOOT_WHY_SIZE];          /* shard 0's: why it cannot serve */
    bool failed, stopping;
};

/* ---- on shard 0 ---- */

static void
reload(struct boot *b)
{
    const struct reload_target target = {b->server, b->tls, &b->memory, &b->disk};
    struct reload *r = atomic_exchange(&b->pending, NULL);
    if (r)
        reload_apply(r, &target);
    reload_drop(r);
}

static void
stop(struct boot *b)
{
    log_info(b->log, LOG_GLOBAL, b->stopping ? "stopping at once" : "stopping");
    server_stop(b->server, b->stopping ? 0 : BOOT_STOP_MS);
    b->stopping = true;
}

static void
on_mail(void *arg, struct shard *s, const struct mail *m)
{
    struct boot *b = arg;
    if (m->type == MAIL_BOOT_STOP)
        stop(b);
    else if (m->type == MAIL_BOOT_RELOAD)
        reload(b);
    else if (m->type == MAIL_BOOT_LOG)
        logger_publish(b->request.log_exchange, b->node.brokers[0]);
    else
        CHECK(ask_on_mail(NULL, s, m));
}

static void
tell(struct boot *b, enum boot_mail what)
{
    shards_post_external(b->node.shards, 0, &(struct mail){.type = what});
}

static void
tell_log(void *arg)
{
    tell(arg, MAIL_BOOT_LOG);
}

void
boot_stop(struct boot *b)
{
    tell(b, MAIL_BOOT_STOP);
}

/* One that is still pending is overtaken: each is whole. */
void
boot_reload(struct boot *b, struct reload *r)
{
    reload_drop(atomic_exchange(&b->pending, reload_hold(r)));
    tell(b, MAIL_BOOT_RELOAD);
}

/* "::" means all addresses of both families; a machine without IPv6 has only those of IPv4. */
static bool
listen_on(struct boot *b, const struct config_address *a, bool is_tls)
{
    uint16_t port = a->port;
    const char *host = *a->host ? a->host : "::";
    struct tls_slot *tls = is_tls ? b->tls : NULL;
    int backlog = (int)b->config->tcp_backlog;
    enum err e = server_listen(b->server, host, a->port, backlog, tls, &port, b->why, sizeof b->why);
    if (e && !*a->host && e != ERR_ADDRESS_IN_USE)
        e = server_listen(b->server, host = "0.0.0.0", a->port, backlog, tls, &port, b->why, sizeof b->why);
    if (e)
        return false;
    *b->why = 0; /* of the first attempt */
    bool is_v6 = strchr(host, ':') != NULL;
    log_info(b->log, LOG_GLOBAL, "accepting %s on %s%s%s:%u", is_tls ? "AMQP over TLS" : "AMQP",
             is_v6 ? "[" : "", host, is_v6 ? "]" : "", port);
    buffer_add_fmt(&b->ready, ", %s on %s%s%s:%u", is_tls ? "AMQPS" : "AMQP", is_v6 ? "[" : "", host,
                   is_v6 ? "]" : "", port);
    return true;
}

static void
on_started(void *arg)
{
    struct boot *b = arg;
    const struct config *c = b->config;
    bool good = durable_problem(b->durable, b->why, sizeof b->why) == ERR_OK;
    for (size_t i = 0; good && i < c->listeners_tcp.count; i++)
        good = listen_on(b, &c->listeners_tcp.items[i].address, false);
    for (size_t i = 0; good && i < c->listeners_ssl.count; i++)
        good = listen_on(b, &c->listeners_ssl.items[i].address, true);
    if (!good) {
        b->failed = true;
        server_stop(b->server, 0);
        return;
    }
    alarm_watch_start(&b->memory, b->node.brokers[0], b->watermark, BOOT_SAMPLE_MS);
    b->memory.share = c->memory_watermark_bytes ? 0 : c->memory_watermark_ratio;
    alarm_disk_start(&b->disk, b->node.brokers[0], c->data_dir, setup_disk_free_limit(c));
    if (b->request.log_exchange)
        logger_exchange_connect(b->request.log_exchange, tell_log, b);
    struct buffer line = {0};
    buffer_add_fmt(&line, "leveret " LEVERET_VERSION " ready: node %s%.*s, %u shard%s", b->request.name,
                   (int)b->ready.len, (const char *)b->ready.data, shards_count(b->node.shards),
                   shards_count(b->node.shards) == 1 ? "" : "s");
    b->request.on_ready(b->request.arg, (const char *)line.data);
    buffer_fini(&line);
}

/* ---- up and down ---- */

static void
make_node(struct boot *b)
{
    const struct config *c = b->config;
    unsigned shards = c->shards ? (unsigned)c->shards : system_cpu_count(NULL);
    if (shards > SHARDS_COUNT_MAX) /* the machine has more cores; the configuration's range ends there */
        shards = SHARDS_COUNT_MAX;
    struct server_config config;
    setup_server(&config, c);
    config.on_started = on_started;
    config.on_mail = on_mail;
    config.arg = b;
    b->vhost_defaults = setup_vhost_defaults(c);
    b->node = (struct node){.log = b->log,
                            .vhost_defaults = b->vhost_defaults,
                            .name = b->request.name,
                            .cluster_name = b->request.cluster_name,
                            .event_vhost = c->event_vhost,
                            .event_watch = b->request.event_watch,
                            .limits = setup_limits(c)};
    b->server = server_new(&b->node, &config, shards);
    b->node.shards = shards_new(NULL, shards, server_hooks(), b->server);
    b->node.epoch = shards_epoch(b->node.shards);
    b->node.meta = meta_new(&b->node);
    b->watermark = setup_memory_watermark(c);
    log_info(b->log, LOG_GLOBAL, "leveret " LEVERET_VERSION ", node %s, data in %s", b->request.name,
             c->data_dir);
    log_info(b->log, LOG_GLOBAL,
             "%u shards, %llu descriptors, memory watermark %llu MiB, disk free limit %llu MB", shards,
             (unsigned long long)system_descriptors_limit(NULL), (unsigned long long)(b->watermark >> 20),
             (unsigned long long)(setup_disk_free_limit(c) / 1000000));
}

struct boot *
boot_new(const struct boot_request *request, char *why)
{
    *why = 0;
    struct tls_context *context = setup_tls(request->config, why, BOOT_WHY_SIZE);
    if (!context && *why)
        return NULL;
    struct boot *b = calloc(1, sizeof *b);
    CHECK(b);
    *b = (struct boot){.request = *request, .config = request->config, .log = request->log};
    b->tls = tls_slot_new(context);
    make_node(b);
    return b;
}

struct server *
boot_server(const struct boot *b)
{
    return b->server;
}

/* Definitions that are loaded at the start take the place of an empty node's first things, as in RabbitMQ. */
static bool
load_definitions(struct boot *b, char *why)
{
    const struct config *c = b->config;
    json_t *result;
    if (!c->load_definitions)
        return true;
    if (!definitions_load(b->node.meta, NULL, c->load_definitions, c->definitions_skip, &result, why))
        return false;
    char *text = json_dumps(result, JSON_COMPACT);
    log_info(b->log, LOG_GLOBAL, "definitions loaded from %s: %s", c->load_definitions, text);
    free(text);
    json_decref(result);
    return true;
}

/* What the node has kept comes back, or the first things of an empty one are made; then it is kept. */
static bool
restore_node(struct boot *b, char *why)
{
    struct durable_config config;
    durable_config_init(&config);
    setup_durable(&config, b->config);
    if (durable_open(&b->node, NULL, &config, &b->durable, why, BOOT_WHY_SIZE))
        return false;
    if (!setup_cluster_id(b->node.meta, why, BOOT_WHY_SIZE))
        return false;
    bool is_bare = durable_is_new(b->durable) && !b->config->load_definitions;
    if (is_bare && !setup_first_things(b->node.meta, b->config, why, BOOT_WHY_SIZE))
        return false;
    if (!setup_exchanges(b->node.meta, b->config, why, BOOT_WHY_SIZE) || !load_definitions(b, why) ||
        !setup_exchanges(b->node.meta, b->config, why, BOOT_WHY_SIZE)) /* they may have its vhost */
        return false;
    return durable_begin(b->durable, why, BOOT_WHY_SIZE) == ERR_OK;
}

/* From the start of the shards to their end, and what they left to write. */
static bool
serve(struct boot *b, char *why)
{
    if (shards_start(b->node.shards)) {
        snprintf(why, BOOT_WHY_SIZE, "cannot start the shards");
        return false;
    }
    shards_join(b->node.shards);
    alarm_disk_stop(&b->disk);
    bool is_kept = store_failure(durable_store(b->durable)) == ERR_OK;
    durable_close(b->durable);
    b->durable = NULL;
    if (b->failed)
        snprintf(why, BOOT_WHY_SIZE, "%s", b->why);
    else if (!is_kept)
        log_error(b->log, LOG_GLOBAL, "stopped, with a failed store: what was confirmed is kept");
    else
        log_info(b->log, LOG_GLOBAL, "stopped");
    return is_kept && !b->failed;
}

bool
boot_run(struct boot *b, char *why)
{
    *why = 0;
    bool good = restore_node(b, why) && serve(b, why);
    if (*why)
        log_critical(b->log, LOG_GLOBAL, "%s", why);
    return good;
}

void
boot_free(struct boot *b)
{
    if (b->request.log_exchange)
        logger_exchange_connect(b->request.log_exchange, NULL, NULL);
    if (b->durable)
        durable_close(b->durable);
    meta_free(b->node.meta); /* the epoch, which is the shards', frees what it held */
    shards_free(b->node.shards);
    server_free(b->server);
    vhost_defaults_free(b->vhost_defaults);
    tls_slot_free(b->tls);
    reload_drop(atomic_load(&b->pending));
    buffer_fini(&b->ready);
    free(b);
}
