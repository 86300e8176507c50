/*
 * The order: data directory, log, descriptors, TLS, node, what it has kept (declared things; on an empty node
 * the first vhost and user), shards, which take up their queues, listeners; then ready. Stopping goes the
 * other way: listeners, connections, shards, what is left to write, the rest.
 *
 * SIGTERM and SIGINT stop the node; a second one does not wait for clients. SIGHUP opens the log file anew
 * and loads the certificates again; running connections keep theirs.
 */
#include "app/boot.h"

#include "app/control.h"
#include "app/data_dir.h"
#include "app/logger.h"
#include "app/setup.h"
#include "base/buffer.h"
#include "broker/alarm.h"
#include "broker/meta.h"
#include "io/signal.h"
#include "io/system.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    BOOT_STOP_MS = 5000,  /* how long clients have to answer connection.close */
    BOOT_SAMPLE_MS = 100, /* between two looks at the memory */
    BOOT_WHY_SIZE = 512,
    BOOT_MMAP_BYTES = 128 * 1024, /* larger blocks go back to the system when they are freed */
};

struct boot {
    const struct boot_request *request;
    const struct config *config;
    struct data_dir data_dir;
    struct logger logger;
    struct node node;
    struct server *server;
    struct tls_slot *tls;
    struct signal_watch *signals;
    struct durable *durable;
    struct control *control;
    struct alarm_watch memory;
    struct alarm_disk disk;
    uint64_t watermark;
    char name[256], cluster_name[256];
    struct buffer ready; /* the addresses for the ready line */
    bool failed, stopping;
};

/* ---- on shard 0 ---- */

static void
reload(struct boot *b)
{
    log_info(&b->logger.log, LOG_GLOBAL,
             "SIGHUP: the log file is opened anew, certificates are loaded again");
    logger_reopen(&b->logger);
    char why[BOOT_WHY_SIZE];
    struct tls_context *context = setup_tls(b->config, why, sizeof why);
    if (context)
        tls_slot_set(b->tls, context);
    else if (*why)
        log_error(&b->logger.log, LOG_GLOBAL, "certificates not loaded, the old ones stay: %s", why);
}

static void
on_signal(void *arg, enum signal_kind kind)
{
    struct boot *b = arg;
    if (kind == SIGNAL_RELOAD) {
        reload(b);
        return;
    }
    log_info(&b->logger.log, LOG_GLOBAL, b->stopping ? "stopping at once" : "stopping");
    server_stop(b->server, b->stopping ? 0 : BOOT_STOP_MS);
    b->stopping = true;
}

/* "::" means all addresses of both families; a machine without IPv6 has only those of IPv4. */
static bool
listen_on(struct boot *b, const struct config_address *a, bool is_tls)
{
    char why[BOOT_WHY_SIZE];
    uint16_t port = a->port;
    const char *host = *a->host ? a->host : "::";
    struct tls_slot *tls = is_tls ? b->tls : NULL;
    int backlog = (int)b->config->tcp_backlog;
    enum err e = server_listen(b->server, host, a->port, backlog, tls, &port, why, sizeof why);
    if (e && !*a->host && e != ERR_ADDRESS_IN_USE)
        e = server_listen(b->server, host = "0.0.0.0", a->port, backlog, tls, &port, why, sizeof why);
    if (e) {
        log_critical(&b->logger.log, LOG_GLOBAL, "%s", why);
        fprintf(stderr, "leveret: %s\n", why);
        return false;
    }
    bool is_v6 = strchr(host, ':') != NULL;
    log_info(&b->logger.log, LOG_GLOBAL, "accepting %s on %s%s%s:%u", is_tls ? "AMQP over TLS" : "AMQP",
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
    struct shard *first = shards_get(b->node.shards, 0);
    char why[BOOT_WHY_SIZE];
    bool good =
        durable_problem(b->durable, why, sizeof why) == ERR_OK &&
        control_open(first, c->data_dir, durable_backup(b->durable), &b->control, why, sizeof why) == ERR_OK;
    if (!good) {
        log_critical(&b->logger.log, LOG_GLOBAL, "%s", why);
        fprintf(stderr, "leveret: %s\n", why);
    }
    for (size_t i = 0; good && i < c->listeners_tcp.count; i++)
        good = listen_on(b, &c->listeners_tcp.items[i].address, false);
    for (size_t i = 0; good && i < c->listeners_ssl.count; i++)
        good = listen_on(b, &c->listeners_ssl.items[i].address, true);
    if (good && signal_watch_open(first, on_signal, b, &b->signals)) {
        log_critical(&b->logger.log, LOG_GLOBAL, "cannot watch signals");
        good = false;
    }
    if (!good) {
        b->failed = true;
        server_stop(b->server, 0);
        return;
    }
    alarm_watch_start(&b->memory, b->node.brokers[0], b->watermark, BOOT_SAMPLE_MS);
    alarm_disk_start(&b->disk, b->node.brokers[0], c->data_dir, setup_disk_free_limit(c));
    struct buffer line = {0};
    buffer_add_fmt(&line, "leveret " LEVERET_VERSION " ready: node %s%.*s, %u shard%s", b->name,
                   (int)b->ready.len, (const char *)b->ready.data, shards_count(b->node.shards),
                   shards_count(b->node.shards) == 1 ? "" : "s");
    b->request->on_ready(b->request->arg, (const char *)line.data);
    buffer_fini(&line);
}

/* ---- up and down ---- */

static bool
name_node(struct boot *b)
{
    char host[128];
    if (b->config->node_name) {
        snprintf(b->name, sizeof b->name, "%s", b->config->node_name);
    } else {
        if (system_hostname(NULL, host, sizeof host))
            snprintf(host, sizeof host, "localhost");
        snprintf(b->name, sizeof b->name, "rabbit@%s", host);
    }
    snprintf(b->cluster_name, sizeof b->cluster_name, "%s",
             b->config->cluster_name ? b->config->cluster_name : b->name);
    return strlen(b->name) < sizeof b->name - 1;
}

static bool
prepare(struct boot *b, char *why)
{
    const struct config *c = b->config;
    if (!name_node(b)) {
        snprintf(why, BOOT_WHY_SIZE, "the node's name is too long");
        return false;
    }
    if (!data_dir_open(&b->data_dir, c->data_dir, why, BOOT_WHY_SIZE) ||
        !logger_init(&b->logger, c, b->request->log_file, why, BOOT_WHY_SIZE))
        return false;
    struct tls_context *context = setup_tls(c, why, BOOT_WHY_SIZE);
    if (!context && *why)
        return false;
    b->tls = tls_slot_new(context);
    return true;
}

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
    config.arg = b;
    b->node = (struct node){
        .log = &b->logger.log, .name = b->name, .cluster_name = b->cluster_name, .limits = setup_limits(c)};
    b->server = server_new(&b->node, &config, shards);
    b->node.shards = shards_new(NULL, shards, server_hooks(), b->server);
    b->node.epoch = shards_epoch(b->node.shards);
    b->node.meta = meta_new(&b->node);
    b->watermark = setup_memory_watermark(c);
    log_info(&b->logger.log, LOG_GLOBAL, "leveret " LEVERET_VERSION ", node %s, data in %s", b->name,
             c->data_dir);
    log_info(&b->logger.log, LOG_GLOBAL,
             "%u shards, %llu descriptors, memory watermark %llu MiB, disk free limit %llu MB", shards,
             (unsigned long long)system_descriptors_limit(NULL), (unsigned long long)(b->watermark >> 20),
             (unsigned long long)(setup_disk_free_limit(c) / 1000000));
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
    if (durable_is_new(b->durable) && !setup_first_things(b->node.meta, b->config, why, BOOT_WHY_SIZE))
        return false;
    return durable_begin(b->durable, why, BOOT_WHY_SIZE) == ERR_OK;
}

/* From the start of the shards to their end, and what they left to write. False with `why`: they did not
 * start; without: the store failed meanwhile, or nobody could be served. */
static bool
serve(struct boot *b, char *why)
{
    if (shards_start(b->node.shards)) {
        snprintf(why, BOOT_WHY_SIZE, "cannot start the shards");
        return false;
    }
    shards_join(b->node.shards);
    alarm_disk_stop(&b->disk);
    control_free(b->control);
    bool is_kept = store_failure(durable_store(b->durable)) == ERR_OK;
    durable_close(b->durable);
    b->durable = NULL;
    if (!is_kept)
        log_error(&b->logger.log, LOG_GLOBAL, "stopped, with a failed store: what was confirmed is kept");
    else if (!b->failed)
        log_info(&b->logger.log, LOG_GLOBAL, "stopped");
    return is_kept && !b->failed;
}

static void
take_down(struct boot *b)
{
    if (b->durable)
        durable_close(b->durable);
    if (b->node.meta)
        meta_free(b->node.meta); /* the epoch, which is the shards', frees what it held */
    if (b->node.shards)
        shards_free(b->node.shards);
    if (b->server)
        server_free(b->server);
    if (b->tls)
        tls_slot_free(b->tls);
    buffer_fini(&b->ready);
    data_dir_close(&b->data_dir);
    logger_fini(&b->logger);
}

int
boot_run(const struct boot_request *request)
{
    static struct boot boot; /* one node a process here; too large for a stack */
    struct boot *b = &boot;
    char why[BOOT_WHY_SIZE] = "";
    *b = (struct boot){.request = request, .config = request->config};
    mallopt(M_MMAP_THRESHOLD, BOOT_MMAP_BYTES);
    system_descriptors_raise(NULL);
    bool good = prepare(b, why);
    if (good) {
        make_node(b);
        good = restore_node(b, why) && serve(b, why);
        if (*why)
            log_critical(&b->logger.log, LOG_GLOBAL, "%s", why);
    }
    if (*why)
        fprintf(stderr, "leveret: %s\n", why);
    take_down(b);
    return good ? 0 : 1;
}
