/* See plugins.h. The rows are in the order of their names, which is the order that they are shown and written
 * in. */
#include "mgmt/plugins.h"

#include "base/buffer.h"
#include "base/check.h"
#include "io/file.h"
#include "mgmt/control.h"
#include "mgmt/node_host.h"
#include "wire/enabled_plugins.h"

#include <stdio.h>
#include <stdlib.h>

#define PACKAGED_BASE "/var/lib/rabbitmq/"
#define PACKAGED_FILE "/etc/rabbitmq/enabled_plugins"

enum { PATH_SIZE = 4096 };

const struct plugins_row plugins_rows[] = {
    {"amqp10_client", "", "AMQP 1.0 client library", true, true},
    {"amqp_client", "", "AMQP 0-9-1 client library", true, true},
    {"cowboy", "", "HTTP server library", true, true},
    {"cowlib", "", "HTTP protocol library", true, true},
    {"rabbitmq_amqp1_0", "", "AMQP 1.0", false, false},
    {"rabbitmq_auth_backend_cache", "", "Caches what other authentication backends answer", false, false},
    {"rabbitmq_auth_backend_http", "", "Authentication by HTTP requests", false, false},
    {"rabbitmq_auth_backend_ldap", "", "Authentication by LDAP", false, false},
    {"rabbitmq_auth_backend_oauth2", "", "Authentication by OAuth 2 tokens", false, false},
    {"rabbitmq_auth_mechanism_ssl", "", "Authentication by client certificates (EXTERNAL)", true, false},
    {"rabbitmq_consistent_hash_exchange", "", "Exchange type x-consistent-hash", true, false},
    {"rabbitmq_event_exchange", "", "Internal events as messages", true, false},
    {"rabbitmq_federation", "amqp_client", "Federated exchanges and queues", true, false},
    {"rabbitmq_federation_management", "rabbitmq_federation rabbitmq_management",
     "Federation in the management API", true, false},
    {"rabbitmq_jms_topic_exchange", "", "Exchange type for JMS topics", false, false},
    {"rabbitmq_management", "rabbitmq_management_agent rabbitmq_web_dispatch amqp_client",
     "Management HTTP API and pages", true, false},
    {"rabbitmq_management_agent", "", "What the management API shows of a node", true, false},
    {"rabbitmq_mqtt", "", "MQTT", false, false},
    {"rabbitmq_peer_discovery_aws", "rabbitmq_peer_discovery_common", "Finding nodes by AWS", false, false},
    {"rabbitmq_peer_discovery_common", "", "Finding nodes: what the ways have in common", true, false},
    {"rabbitmq_peer_discovery_consul", "rabbitmq_peer_discovery_common", "Finding nodes by Consul", false,
     false},
    {"rabbitmq_peer_discovery_etcd", "rabbitmq_peer_discovery_common", "Finding nodes by etcd", false, false},
    {"rabbitmq_peer_discovery_k8s", "rabbitmq_peer_discovery_common", "Finding nodes by Kubernetes", false,
     false},
    {"rabbitmq_prometheus", "rabbitmq_management_agent rabbitmq_web_dispatch", "Metrics for Prometheus", true,
     false},
    {"rabbitmq_random_exchange", "", "Exchange type x-random", true, false},
    {"rabbitmq_recent_history_exchange", "", "Exchange type x-recent-history", true, false},
    {"rabbitmq_sharding", "", "Exchange type x-modulus-hash and sharded queues", false, false},
    {"rabbitmq_shovel", "amqp_client amqp10_client", "Moving messages from one broker to another", true,
     false},
    {"rabbitmq_shovel_management", "rabbitmq_shovel rabbitmq_management", "Shovels in the management API",
     true, false},
    {"rabbitmq_stomp", "", "STOMP", false, false},
    {"rabbitmq_stream", "", "Stream protocol", false, false},
    {"rabbitmq_stream_management", "rabbitmq_stream rabbitmq_management", "Streams in the management API",
     false, false},
    {"rabbitmq_top", "rabbitmq_management", "Busiest processes in the management API", false, false},
    {"rabbitmq_tracing", "rabbitmq_management", "Message tracing into files", false, false},
    {"rabbitmq_trust_store", "", "Trusted certificates from a directory or URL", false, false},
    {"rabbitmq_web_dispatch", "cowboy cowlib", "HTTP listeners", true, false},
    {"rabbitmq_web_mqtt", "rabbitmq_mqtt rabbitmq_web_dispatch", "MQTT over WebSockets", false, false},
    {"rabbitmq_web_mqtt_examples", "rabbitmq_web_mqtt", "Examples of MQTT over WebSockets", false, false},
    {"rabbitmq_web_stomp", "rabbitmq_stomp rabbitmq_web_dispatch", "STOMP over WebSockets", false, false},
    {"rabbitmq_web_stomp_examples", "rabbitmq_web_stomp", "Examples of STOMP over WebSockets", false, false},
};
const unsigned plugins_row_count = sizeof plugins_rows / sizeof *plugins_rows;
_Static_assert(sizeof plugins_rows / sizeof *plugins_rows <= 64, "a set of plugins is 64 bits");

const char *const plugins_actions[] = {
#define X(name, word) [PLUGINS_##name] = word,
    PLUGINS_ACTION_TABLE(X)
#undef X
};

json_t *
plugins_names(plugins_set set)
{
    json_t *names = json_array();
    for (unsigned i = 0; i < plugins_row_count; i++)
        if (set >> i & 1)
            json_array_append_new(names, json_string(plugins_rows[i].name));
    return names;
}

int
plugins_find(struct slice name)
{
    for (unsigned i = 0; i < plugins_row_count; i++)
        if (slice_eq_str(name, plugins_rows[i].name))
            return (int)i;
    return -1;
}

static plugins_set
bit(int i)
{
    CHECK(i >= 0);
    return (plugins_set)1 << i;
}

/* What the row names, one step. */
static plugins_set
needs_of(unsigned row)
{
    plugins_set set = 0;
    for (const char *from = plugins_rows[row].needs; *from;) {
        size_t len = strcspn(from, " ");
        set |= bit(plugins_find(slice_of(from, len)));
        from += len + (from[len] == ' ');
    }
    return set;
}

plugins_set
plugins_with_needs(plugins_set set)
{
    for (plugins_set before = 0; before != set;) {
        before = set;
        for (unsigned i = 0; i < plugins_row_count; i++)
            if (set >> i & 1)
                set |= needs_of(i);
    }
    return set;
}

plugins_set
plugins_without(plugins_set set, plugins_set gone)
{
    for (unsigned i = 0; i < plugins_row_count; i++)
        if (plugins_with_needs((plugins_set)1 << i) & gone)
            set &= ~((plugins_set)1 << i);
    return set;
}

plugins_set
plugins_after(plugins_set before, enum plugins_action action, plugins_set named)
{
    switch (action) {
    case PLUGINS_LIST:
    case PLUGINS_ACTIONS: break;
    case PLUGINS_ENABLE: return before | (named & ~plugins_with_needs(before));
    case PLUGINS_DISABLE: return plugins_without(before, named);
    case PLUGINS_SET: return named;
    }
    return before;
}

plugins_set
plugins_shown(plugins_set set)
{
    for (unsigned i = 0; i < plugins_row_count; i++)
        if (plugins_rows[i].is_library)
            set &= ~((plugins_set)1 << i);
    return set;
}

/* ---- the file ---- */

void
plugins_path(const char *data_dir, char *path, size_t size)
{
    const char *given = getenv("RABBITMQ_ENABLED_PLUGINS_FILE");
    if (given && *given)
        snprintf(path, size, "%s", given);
    else if (strncmp(data_dir, PACKAGED_BASE, sizeof PACKAGED_BASE - 1) == 0)
        snprintf(path, size, "%s", PACKAGED_FILE);
    else
        snprintf(path, size, "%s/enabled_plugins", data_dir);
}

void
plugins_path_of(const struct control_host *host, char *path, size_t size)
{
    if (host->node && host->node->enabled_plugins_file)
        snprintf(path, size, "%s", host->node->enabled_plugins_file);
    else
        plugins_path(host->data_dir, path, size);
}

static void
on_name(void *arg, struct slice name)
{
    plugins_set *set = arg;
    int i = plugins_find(name);
    *set |= i >= 0 ? bit(i) : 0;
}

enum err
plugins_parse(struct slice text, plugins_set *set)
{
    struct erlang_error error;
    plugins_set found = 0;
    if (!enabled_plugins_read(text, on_name, &found, &error))
        return ERR_SYNTAX;
    *set = found;
    return ERR_OK;
}

enum err
plugins_load(const char *path, plugins_set *set)
{
    char *text;
    size_t len;
    *set = 0;
    enum err e = file_read_all(NULL, path, PLUGINS_FILE_MAX, &text, &len);
    if (e == ERR_NOT_FOUND)
        return ERR_OK;
    if (e != ERR_OK)
        return e;
    e = plugins_parse(slice_of(text, len), set);
    free(text);
    return e;
}

enum err
plugins_save(const char *path, plugins_set set)
{
    char fresh[PATH_SIZE];
    struct slice names[64];
    size_t count = 0;
    struct buffer text = {0};
    struct file *f;
    if (snprintf(fresh, sizeof fresh, "%s.new", path) >= (int)sizeof fresh)
        return ERR_LIMIT;
    for (unsigned i = 0; i < plugins_row_count; i++)
        if (set >> i & 1)
            names[count++] = slice_str(plugins_rows[i].name);
    enabled_plugins_write(&text, names, count);
    enum err e = file_open(NULL, fresh, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, &f);
    if (e == ERR_OK) {
        e = file_pwrite(f, text.data, text.len, 0);
        if (e == ERR_OK)
            e = file_sync(f);
        file_close(f);
        if (e == ERR_OK)
            e = file_rename(NULL, fresh, path);
        if (e == ERR_OK)
            e = dir_sync_parent(NULL, path);
    }
    buffer_fini(&text);
    return e;
}
