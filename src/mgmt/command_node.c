/*
 * Requests that look at the node as a whole. "status" asks one shard after the other for what it alone knows,
 * and puts it together with what the process and the machine say; the tools' pages, health checks and the
 * report are all made of its result.
 */
#include "base/check.h"
#include "broker/alarm.h"
#include "broker/meta_view.h"
#include "io/clock.h"
#include "io/system.h"
#include "io/tls_certificate.h"
#include "mgmt/ask.h"
#include "mgmt/control_table.h"
#include "mgmt/node_host.h"
#include "mgmt/plugins.h"
#include "server/channel.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

/* What the things of a node take in memory, roughly, beside their blobs. */
enum {
    NODE_CONNECTION_COST = 480,
    NODE_CHANNEL_COST = 112,
    NODE_QUEUE_COST = 256,
    NODE_ENTRY_COST = 16,
    NODE_DECLARED_COST = 220,
    NODE_PATH_MAX = 4096,
    NODE_COMMAND_LINE_MAX = 16384,
    NODE_NAMES_PLACES = 256,      /* of the vhosts' table, looked at in one turn */
    NODE_PROCESSES_MAX = 1 << 20, /* RabbitMQ's limit of processes: connections, channels and queues */
};

/* Gathered from the shards. */
struct node_facts {
    unsigned shard, shard_count;
    uint64_t pool_used, pool_mapped;
    uint64_t connections, channels, queues_open, messages;
    struct meta_view_counts declared;
    uint64_t memory_limit, disk_free, disk_limit, started_ms, descriptors_kept;
    double memory_share;
    unsigned alarms;
    char version[64];
    json_t *listeners;
};

static void
facts_free(void *data)
{
    struct node_facts *f = data;
    json_decref(f->listeners);
    free(f);
}

/* ---- on a shard ---- */

static void
add_listener(void *arg, const char *addr, uint16_t port, bool is_tls)
{
    struct node_facts *f = arg;
    char interface[80];
    bool is_v6 = strchr(addr, ':') != NULL;
    snprintf(interface, sizeof interface, is_v6 ? "[%s]" : "%s", addr);
    json_array_append_new(f->listeners,
                          json_pack("{s:s, s:i, s:s, s:s}", "interface", interface, "port", port, "protocol",
                                    is_tls ? "amqp/ssl" : "amqp", "purpose",
                                    is_tls ? "AMQP 0-9-1 and AMQP 1.0 over TLS" : "AMQP 0-9-1 and AMQP 1.0"));
}

/* What only the first shard knows. */
static void
gather_node(struct node_facts *f, struct server_shard *home)
{
    const struct node *node = home->server->node;
    f->declared = meta_view_counts(node->meta);
    f->alarms = alarm_state(home->broker);
    f->started_ms = home->server->started_ms;
    snprintf(f->version, sizeof f->version, "%s", home->server->config.product_version);
    if (node->memory_watch) {
        f->memory_limit = node->memory_watch->limit;
        f->memory_share = node->memory_watch->share;
    }
    if (node->disk_watch) {
        f->disk_free = node->disk_watch->known_free_bytes;
        f->disk_limit = node->disk_watch->limit;
    }
    server_listen_each(home->server, add_listener, f);
}

static void
gather(void *arg, struct server_shard *home)
{
    struct node_facts *f = arg;
    f->pool_used += pool_bytes_used(home->broker->pool);
    f->pool_mapped += pool_bytes_mapped(home->broker->pool);
    f->connections += slots_count(&home->connections);
    f->queues_open += home->broker->queues_opened;
    f->messages += home->broker->messages_ready + home->broker->messages_unacked;
    if (home->index == 0)
        gather_node(f, home);
}

/* ---- the result ---- */

static json_t *
describe_memory(const struct node_facts *f, uint64_t used)
{
    struct {
        const char *name;
        uint64_t bytes;
    } parts[] = {
        {"binary", f->pool_used},
        {"allocated_unused", f->pool_mapped - f->pool_used},
        {"connection_readers", f->connections * NODE_CONNECTION_COST},
        {"connection_channels", f->connections * NODE_CHANNEL_COST},
        {"queue_procs", f->queues_open * NODE_QUEUE_COST + f->messages * NODE_ENTRY_COST},
        {"mnesia", (f->declared.queues + f->declared.bindings) * NODE_DECLARED_COST},
    };
    json_t *memory = json_object();
    uint64_t rest = used;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        uint64_t bytes = parts[i].bytes < rest ? parts[i].bytes : rest;
        rest -= bytes;
        json_object_set_new(memory, parts[i].name, json_integer((json_int_t)bytes));
    }
    json_object_set_new(memory, "other_system", json_integer((json_int_t)rest));
    json_object_set_new(memory, "strategy", json_string("rss"));
    json_object_set_new(memory, "total",
                        json_pack("{s:I, s:I, s:I}", "erlang", (json_int_t)used, "rss", (json_int_t)used,
                                  "allocated", (json_int_t)used));
    return memory;
}

static json_t *
describe_alarms(const struct node_facts *f, const char *node_name)
{
    json_t *alarms = json_array();
    bool memory = f->alarms & 1u << ALARM_MEMORY;
    bool disk = f->alarms & (1u << ALARM_DISK | 1u << ALARM_STORE | 1u << ALARM_FAILED);
    if (memory)
        json_array_append_new(alarms, json_pack("{s:s, s:s, s:s}", "type", "resource_limit", "resource",
                                                "memory", "node", node_name));
    if (disk)
        json_array_append_new(alarms, json_pack("{s:s, s:s, s:s}", "type", "resource_limit", "resource",
                                                "disk", "node", node_name));
    return alarms;
}

static json_t *
describe_logs(const struct node_host *host)
{
    json_t *files = json_array();
    const char *path;
    for (unsigned i = 0; host && (path = host->log_location(host->arg, i)); i++)
        json_array_append_new(files, json_string(path));
    return files;
}

/* Clients do not get the last descriptors: limits.descriptors (server/listener.c) keeps an eighth, 64 at
 * most. */
static json_t *
describe_descriptors(const struct node_facts *f)
{
    uint64_t limit = system_descriptors_limit(NULL), kept = limit / 8 < 64 ? limit / 8 : 64;
    return json_pack("{s:I, s:I, s:I, s:I}", "total_limit", (json_int_t)limit, "total_used",
                     (json_int_t)system_descriptors_used(NULL), "sockets_limit", (json_int_t)(limit - kept),
                     "sockets_used", (json_int_t)f->connections);
}

static json_t *
describe_listeners(struct control_call *call, const struct node_facts *f)
{
    const struct control *c = control_of(call);
    const char *node_name = control_hosts(c)->node_name;
    size_t i;
    json_t *l, *all = json_array();
    if (control_peer_port(c))
        json_array_append_new(all, json_pack("{s:s, s:i, s:s, s:s}", "interface", "[::]", "port",
                                             control_peer_port(c), "protocol", "clustering", "purpose",
                                             "inter-node and CLI tool communication"));
    json_array_extend(all, f->listeners);
    json_array_foreach(all, i, l) json_object_set_new(l, "node", json_string(node_name));
    return all;
}

static json_t *
describe_watermark(const struct node_facts *f)
{
    if (f->memory_share > 0) /* as it was written: without the noise of binary fractions */
        return json_pack("{s:f}", "relative", (double)(int64_t)(f->memory_share * 1e9 + 0.5) / 1e9);
    return json_pack("{s:I}", "absolute", (json_int_t)f->memory_limit);
}

static void
set(json_t *result, const char *name, json_t *value)
{
    json_object_set_new(result, name, value);
}

static void
set_number(json_t *result, const char *name, uint64_t n)
{
    set(result, name, json_integer((json_int_t)n));
}

/* What the file of enabled plugins says, and what that needs; a file that cannot be read enables nothing. */
static json_t *
active_plugins(const struct control_host *host)
{
    char path[PLUGINS_PATH_SIZE];
    plugins_set enabled;
    plugins_path_of(host, path, sizeof path);
    return plugins_load(path, &enabled) == ERR_OK ? plugins_names(plugins_with_needs(enabled)) : json_array();
}

static void
describe_process(json_t *result, struct control_call *call)
{
    const struct control_host *host = control_hosts(control_of(call));
    const struct node_host *node = host->node;
    json_t *files = node ? node->config_files(node->arg) : NULL;
    set(result, "node", json_string(host->node_name));
    set_number(result, "pid", system_process_id(NULL));
    set(result, "os", json_string("Linux"));
    set(result, "product_name", json_string("Leveret"));
    set(result, "product_version", json_string(LEVERET_VERSION));
    set(result, "erlang_version", json_string("none (Leveret " LEVERET_VERSION ", a C program)"));
    set(result, "crypto_lib_version", json_string(OpenSSL_version(OPENSSL_VERSION)));
    set(result, "release_series_support_status", json_string("supported"));
    set(result, "is_under_maintenance", json_false());
    set(result, "net_ticktime", json_integer(60));
    set(result, "run_queue", json_integer(0));
    set(result, "data_directory", json_string(host->data_dir));
    set(result, "raft_data_directory", json_string(host->data_dir));
    set(result, "config_files", files ? files : json_array());
    set(result, "log_files", describe_logs(node));
    set(result, "enabled_plugin_file",
        json_string(node && node->enabled_plugins_file ? node->enabled_plugins_file : ""));
    set(result, "active_plugins", active_plugins(host));
}

static json_t *
describe(struct control_call *call, const struct node_facts *f)
{
    json_t *result = json_object();
    uint64_t used = system_memory_used(NULL), now = clock_wall_ms(NULL);
    describe_process(result, call);
    set_number(result, "uptime", now > f->started_ms ? (now - f->started_ms) / 1000 : 0);
    set(result, "rabbitmq_version", json_string(f->version));
    set(result, "processes",
        json_pack("{s:I, s:i}", "used", (json_int_t)(2 * f->connections + f->queues_open), "limit",
                  NODE_PROCESSES_MAX));
    set(result, "alarms", describe_alarms(f, control_hosts(control_of(call))->node_name));
    set(result, "memory", describe_memory(f, used));
    set(result, "vm_memory_calculation_strategy", json_string("rss"));
    set(result, "vm_memory_high_watermark_setting", describe_watermark(f));
    set_number(result, "vm_memory_high_watermark_limit", f->memory_limit);
    set_number(result, "disk_free", f->disk_free);
    set_number(result, "disk_free_limit", f->disk_limit);
    set(result, "file_descriptors", describe_descriptors(f));
    set(result, "totals",
        json_pack("{s:I, s:I, s:I}", "connection_count", (json_int_t)f->connections, "queue_count",
                  (json_int_t)f->declared.queues, "virtual_host_count", (json_int_t)f->declared.vhosts));
    set(result, "listeners", describe_listeners(call, f));
    return result;
}

static void
gathered(struct control_call *call, void *arg, bool discarded)
{
    struct node_facts *f = arg;
    if (discarded || control_is_gone(call))
        return;
    if (++f->shard < f->shard_count)
        control_ask(call, f->shard, gather, f, gathered);
    else
        control_done(call, describe(call, f));
}

static void
run_status(struct control_call *call)
{
    struct node_facts *f = calloc(1, sizeof *f);
    CHECK(f);
    f->shard_count = asker_shard_count(control_asker(control_of(call)));
    f->listeners = json_array();
    control_set_data(call, f, facts_free);
    control_ask(call, 0, gather, f, gathered);
}

/* ---- what the process says ---- */

static void
run_version(struct control_call *call)
{
    control_done(call, json_pack("{s:s, s:s}", "product", "Leveret", "product_version", LEVERET_VERSION));
}

static void
run_environment(struct control_call *call)
{
    const struct node_host *host = control_hosts(control_of(call))->node;
    control_done(call, host ? host->environment(host->arg) : json_object());
}

static void
run_log_location(struct control_call *call)
{
    control_done(call, json_pack("{s:o}", "files", describe_logs(control_hosts(control_of(call))->node)));
}

static void
run_command_line(struct control_call *call)
{
    char text[NODE_COMMAND_LINE_MAX];
    size_t size = system_command_line(NULL, text, sizeof text - 1);
    json_t *arguments = json_array();
    text[size] = 0;
    for (size_t at = 0; at < size; at += strlen(text + at) + 1)
        json_array_append_new(arguments, json_string(text + at));
    control_done(call, json_pack("{s:o}", "arguments", arguments));
}

/* Those that are ours, but for what may be a secret. */
static void
add_variable(void *arg, const char *variable)
{
    static const char *const secret[] = {"PASS", "COOKIE", "SECRET"};
    const char *equals = strchr(variable, '=');
    bool is_ours = strncmp(variable, "RABBITMQ_", 9) == 0 || strncmp(variable, "LEVERET_", 8) == 0;
    if (!is_ours || !equals)
        return;
    for (size_t i = 0; i < sizeof secret / sizeof *secret; i++)
        if (memmem(variable, (size_t)(equals - variable), secret[i], strlen(secret[i])))
            return;
    char name[256];
    snprintf(name, sizeof name, "%.*s", (int)(equals - variable), variable);
    json_object_set_new(arg, name, json_string(equals + 1));
}

static void
run_os_env(struct control_call *call)
{
    json_t *variables = json_object();
    system_environment(NULL, add_variable, variables);
    control_done(call, variables);
}

/* RabbitMQ's: the base64 of an MD5. It tells whether two nodes have the same cookie, and nothing else. */
static void
run_cookie_hash(struct control_call *call)
{
    const struct node_host *host = control_hosts(control_of(call))->node;
    unsigned char digest[EVP_MAX_MD_SIZE], text[2 * EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (!host || !EVP_Digest(host->cookie.data, host->cookie.len, digest, &size, EVP_md5(), NULL)) {
        control_fail(call, CONTROL_REFUSED, "the cookie's hash cannot be had");
        return;
    }
    EVP_EncodeBlock(text, digest, (int)size);
    control_done(call, json_pack("{s:s}", "hash", (const char *)text));
}

static void
run_set_variable(struct control_call *call)
{
    const struct node_host *host = control_hosts(control_of(call))->node;
    const char *name = control_string(call, "name", NULL);
    json_t *value = control_argument(call, "value");
    if (!name)
        return;
    if (host && value && host->set_variable(host->arg, name, value))
        control_done(call, NULL);
    else
        control_fail(call, CONTROL_REFUSED, "the variable %s cannot be set to that while the node runs",
                     name);
}

/* ---- certificates ---- */

struct certificate_file {
    json_t *all;
    const char *path, *kind;
};

static void
add_certificate(void *arg, const struct tls_certificate *c)
{
    const struct certificate_file *f = arg;
    json_array_append_new(f->all,
                          json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "file", f->path, "kind", f->kind,
                                    "subject", c->subject, "issuer", c->issuer, "not_before", c->not_before,
                                    "not_after", c->not_after, "seconds_left", (json_int_t)c->seconds_left));
}

static void
run_certificates(struct control_call *call)
{
    const struct node_host *host = control_hosts(control_of(call))->node;
    json_t *all = json_array();
    for (int is_authority = 0; host && is_authority < 2; is_authority++) {
        char path[NODE_PATH_MAX];
        struct certificate_file f = {all, path, is_authority ? "authority" : "server"};
        if (!host->certificate_file(host->arg, is_authority, path, sizeof path))
            continue;
        enum err e = tls_certificate_each(path, add_certificate, &f);
        if (e) {
            control_fail(call, CONTROL_FAILED, "cannot read the certificates in %s: %s", path, err_text(e));
            json_decref(all);
            return;
        }
    }
    control_done(call, json_pack("{s:o}", "certificates", all));
}

/* ---- vhosts ---- */

struct vhost_names {
    uint64_t position;
    bool is_over;
    json_t *names;
};

static void
names_free(void *data)
{
    struct vhost_names *n = data;
    json_decref(n->names);
    free(n);
}

static void
add_name(void *arg, void *item)
{
    const struct vhost_names *n = arg;
    const struct vhost *v = item;
    json_array_append_new(n->names, json_stringn(v->name, v->name_size));
}

static void
gather_names(void *arg, struct server_shard *home)
{
    struct vhost_names *n = arg;
    for (unsigned i = 0; i < NODE_NAMES_PLACES && !n->is_over; i++)
        n->is_over = !meta_view_vhosts(home->server->node->meta, &n->position, add_name, n);
}

static void
names_gathered(struct control_call *call, void *arg, bool discarded)
{
    struct vhost_names *n = arg;
    if (discarded || control_is_gone(call))
        return;
    if (n->is_over)
        control_done(call, json_pack("{s:O}", "names", n->names));
    else
        control_ask(call, 0, gather_names, n, names_gathered);
}

static void
run_vhost_names(struct control_call *call)
{
    struct vhost_names *n = calloc(1, sizeof *n);
    CHECK(n);
    n->names = json_array();
    control_set_data(call, n, names_free);
    control_ask(call, 0, gather_names, n, names_gathered);
}

const struct control_command command_node_table[] = {
    {"status", run_status, CONTROL_NEEDS_APP},
    {"product", run_version, 0},
    {"environment", run_environment, 0},
    {"log_location", run_log_location, 0},
    {"command_line", run_command_line, 0},
    {"os_env", run_os_env, 0},
    {"cookie_hash", run_cookie_hash, 0},
    {"certificates", run_certificates, 0},
    {"set_variable", run_set_variable, CONTROL_NEEDS_APP | CONTROL_AUDITED},
    {"vhost_names", run_vhost_names, CONTROL_NEEDS_APP},
    {0},
};
