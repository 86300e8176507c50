/* See node.h. The explanation of a failure keeps the shape of RabbitMQ's: tools look for its first line. */
#include "ctl/node.h"

#include "base/check.h"
#include "base/text.h"
#include "ctl/environment.h"
#include "ctl/options.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEBIAN_BASE "/var/lib/rabbitmq/mnesia"

/* ---- the name ---- */

static void
own_host(bool is_long, char *out, size_t size)
{
    if (gethostname(out, size) != 0)
        snprintf(out, size, "localhost");
    out[size - 1] = 0;
    if (!is_long)
        out[strcspn(out, ".")] = 0;
}

static bool
wants_long_names(void)
{
    char text[16];
    return environment_get("USE_LONGNAME", text, sizeof text) &&
           (strcmp(text, "1") == 0 || strcasecmp(text, "yes") == 0 || strcasecmp(text, "true") == 0);
}

/* "name", "name@host" or "name@host:port". */
static void
set_name(struct node *n, const char *text, bool is_long)
{
    char copy[NODE_NAME_SIZE], host[NODE_NAME_SIZE];
    snprintf(copy, sizeof copy, "%s", text);
    char *at = strchr(copy, '@'), *colon = at ? strchr(at, ':') : NULL;
    uint64_t port;
    if (colon && text_to_u64_within(slice_str(colon + 1), 1, UINT16_MAX, &port) == ERR_OK) {
        n->port = (uint16_t)port;
        *colon = 0;
    }
    if (at)
        snprintf(host, sizeof host, "%s", at + 1);
    else
        own_host(is_long, host, sizeof host);
    if (at)
        *at = 0;
    snprintf(n->host, sizeof n->host, "%s", host);
    if (snprintf(n->name, sizeof n->name, "%s@%s", copy, host) >= (int)sizeof n->name)
        n->name[sizeof n->name - 1] = 0;
}

static uint16_t
find_port(void)
{
    char text[16];
    uint64_t port;
    if (environment_get("DIST_PORT", text, sizeof text) &&
        text_to_u64_within(slice_str(text), 1, UINT16_MAX, &port) == ERR_OK)
        return (uint16_t)port;
    if (environment_get("NODE_PORT", text, sizeof text) &&
        text_to_u64_within(slice_str(text), 1, UINT16_MAX - 20000, &port) == ERR_OK)
        return (uint16_t)(port + 20000);
    return NODE_PORT_DEFAULT;
}

/* ---- the cookie ---- */

static bool
cookie_from(struct node *n, const char *dir)
{
    FILE *f = NULL;
    if (snprintf(n->cookie_path, sizeof n->cookie_path, "%s/.erlang.cookie", dir) <
        (int)sizeof n->cookie_path)
        f = fopen(n->cookie_path, "re");
    size_t len = f ? fread(n->cookie, 1, sizeof n->cookie - 1, f) : 0;
    if (f)
        fclose(f);
    n->cookie[len] = 0;
    n->cookie[strcspn(n->cookie, "\r\n")] = 0;
    if (n->cookie[0] == 0)
        n->cookie_path[0] = 0;
    return n->cookie[0] != 0;
}

static void
find_cookie(struct node *n, const struct options *o)
{
    char beside[NODE_PATH_SIZE + 8];
    const char *given = options_text(o, "erlang-cookie", NULL), *home = getenv("HOME");
    if (given)
        snprintf(n->cookie, sizeof n->cookie, "%s", given);
    else if (environment_get("ERLANG_COOKIE", n->cookie, sizeof n->cookie))
        return;
    else if (!(home && cookie_from(n, home)) && !cookie_from(n, "/var/lib/rabbitmq") &&
             !cookie_from(n, n->data_dir)) {
        snprintf(beside, sizeof beside, "%s/..", n->data_dir);
        cookie_from(n, beside);
    }
}

/* ---- the data directory ---- */

static bool
has_socket(const char *dir)
{
    char path[NODE_PATH_SIZE + 16];
    snprintf(path, sizeof path, "%s/" CONTROL_SOCKET, dir);
    return access(path, F_OK) == 0;
}

/*
 * The directory where somebody happens to stand: a socket that another user has put there would get their
 * passwords.
 */
static bool
is_own(const char *dir)
{
    char path[NODE_PATH_SIZE + 16];
    struct stat directory, sock;
    snprintf(path, sizeof path, "%s/" CONTROL_SOCKET, dir);
    return stat(dir, &directory) == 0 && stat(path, &sock) == 0 && directory.st_uid == geteuid() &&
           sock.st_uid == geteuid();
}

/* An explicit directory is taken as it is; of the usual ones the first with a socket. */
static void
find_data_dir(struct node *n, const struct options *o)
{
    char base[NODE_PATH_SIZE];
    const char *given = options_text(o, "data-dir", options_text(o, "mnesia-dir", NULL));
    if (given) {
        snprintf(n->data_dir, sizeof n->data_dir, "%s", given);
        return;
    }
    if (environment_get("DATA_DIR", n->data_dir, sizeof n->data_dir) ||
        environment_get("MNESIA_DIR", n->data_dir, sizeof n->data_dir))
        return;
    if (environment_get("MNESIA_BASE", base, sizeof base)) {
        if (snprintf(n->data_dir, sizeof n->data_dir, "%s/%s", base, n->name) >= (int)sizeof n->data_dir)
            n->data_dir[0] = 0;
        return;
    }
    if (is_own("data")) {
        snprintf(n->data_dir, sizeof n->data_dir, "data");
        return;
    }
    snprintf(n->data_dir, sizeof n->data_dir, DEBIAN_BASE "/%s", n->name);
    if (!has_socket(n->data_dir) && has_socket("/var/lib/leveret"))
        snprintf(n->data_dir, sizeof n->data_dir, "/var/lib/leveret");
}

void
node_init(struct node *n, const struct options *o)
{
    char name[NODE_NAME_SIZE];
    *n = (struct node){.port = find_port()};
    bool is_long = options_has(o, "longnames") || wants_long_names();
    const char *given = options_text(o, "node", NULL);
    n->is_named = given || environment_get("NODENAME", name, sizeof name);
    set_name(n, given ? given : n->is_named ? name : "rabbit", is_long);
    find_data_dir(n, o);
    find_cookie(n, o);
}

void
node_fini(struct node *n)
{
    control_client_close(n->client);
    n->client = NULL;
}

/* ---- connecting ---- */

const char *
node_socket(const struct node *n, char path[NODE_PATH_SIZE])
{
    if (snprintf(path, NODE_PATH_SIZE, "%s/" CONTROL_SOCKET, n->data_dir) >= NODE_PATH_SIZE)
        path[0] = 0;
    return path;
}

/* What the node behind a local socket calls itself; false: it does not answer. */
static bool
ask_name(struct node *n, char *name, size_t size)
{
    static const char request[] = "{\"command\":\"ping\",\"arguments\":{}}";
    char kind;
    struct slice line;
    if (control_client_ask(n->client, slice_str(request), slice_of(NULL, 0)) != ERR_OK ||
        control_client_next(n->client, &kind, &line) != ERR_OK || kind != 'o')
        return false;
    json_t *answer = json_loadb((const char *)line.data, line.len, 0, NULL);
    const char *text = json_string_value(json_object_get(answer, "node"));
    snprintf(name, size, "%s", text ? text : "");
    json_decref(answer);
    return name[0] != 0;
}

static bool
connect_local(struct node *n, uint64_t timeout_ms)
{
    char path[NODE_PATH_SIZE], name[NODE_NAME_SIZE];
    n->why = control_client_local(node_socket(n, path), timeout_ms, &n->client, n->why_text);
    if (n->why != ERR_OK)
        return false;
    n->is_local = true;
    if (!ask_name(n, name, sizeof name)) {
        n->why = ERR_CLOSED;
        snprintf(n->why_text, sizeof n->why_text, "what listens at %.200s does not answer", path);
    } else if (n->is_named && strcmp(name, n->name) != 0) {
        n->why = ERR_NOT_FOUND;
        snprintf(n->why_text, sizeof n->why_text, "the node at %.200s is %.200s", path, name);
    } else {
        set_name(n, name, true);
        return true;
    }
    control_client_close(n->client);
    n->client = NULL;
    n->is_local = false;
    return false;
}

static bool
is_own_host(const struct node *n)
{
    char host[NODE_NAME_SIZE];
    own_host(true, host, sizeof host);
    if (strcmp(n->host, host) == 0 || strcmp(n->host, "localhost") == 0)
        return true;
    host[strcspn(host, ".")] = 0;
    return strcmp(n->host, host) == 0;
}

/* Hosts have several names; the part before the @ is the node's own. */
static bool
same_own_name(const char *a, const char *b)
{
    size_t len = strcspn(a, "@");
    return len == strcspn(b, "@") && memcmp(a, b, len) == 0;
}

static bool
connect_tcp(struct node *n, uint64_t timeout_ms)
{
    n->why = control_client_tcp(n->host, n->port, slice_str(n->cookie), timeout_ms, &n->client, n->why_text);
    if (n->why != ERR_OK)
        return false;
    const char *name = control_client_node(n->client);
    if (!n->is_named || same_own_name(name, n->name))
        return true;
    n->why = ERR_NOT_FOUND;
    snprintf(n->why_text, sizeof n->why_text, "the node at %.200s, port %u, is %.200s", n->host, n->port,
             name);
    control_client_close(n->client);
    n->client = NULL;
    return false;
}

bool
node_connect(struct node *n, uint64_t timeout_ms)
{
    if (n->client || n->has_failed)
        return n->client != NULL;
    n->has_failed = true;
    bool has_dir = has_socket(n->data_dir);
    if (has_dir && (!n->is_named || is_own_host(n)) && connect_local(n, timeout_ms)) {
        n->has_failed = false;
        return true;
    }
    snprintf(n->local_text, sizeof n->local_text, "%s", n->why_text);
    /* A socket that is there and refuses says more than a port where nobody may have listened ever. */
    if (has_dir && n->why != ERR_NOT_FOUND && !n->is_named)
        return false;
    n->has_failed = !connect_tcp(n, timeout_ms);
    return !n->has_failed;
}

void
node_forget(struct node *n)
{
    node_fini(n);
    n->has_failed = false;
    n->is_local = false;
}

/* ---- explaining ---- */

void
node_cookie_hash(const struct node *n, char out[32])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    out[0] = 0;
    if (EVP_Digest(n->cookie, strlen(n->cookie), digest, &len, EVP_md5(), NULL) == 1)
        EVP_EncodeBlock((unsigned char *)out, digest, (int)len);
}

static const char *
suggestion(const struct node *n)
{
    switch (n->why) {
    case ERR_PERMISSION:
        return n->is_local ? "run the tool as the user whom the data directory belongs to"
                           : "check if the Erlang cookie is identical for all server nodes and CLI tools";
    case ERR_SYNTAX: return "check the node's peer port; --node NAME@HOST:PORT says another one";
    case ERR_TIMEOUT:
        return "check the network between here and there, and whether the node is busy or stopped";
    case ERR_NOT_FOUND:
        return "check the node's name and its host; --data-dir DIR finds a node of this machine";
    default: return "start the node";
    }
}

void
node_explain(const struct node *n)
{
    char hash[32], path[NODE_PATH_SIZE];
    const struct passwd *user = getpwuid(geteuid());
    node_cookie_hash(n, hash);
    fprintf(
        stderr,
        "Error: unable to perform an operation on node '%s'. Please see diagnostics information and "
        "suggestions "
        "below.\n\n"
        "It may be stopped, out of reach (name, port, firewall), or know another cookie than this tool.\n\n"
        "DIAGNOSTICS\n===========\n\nattempted to contact: [%s]\n\n%s:\n",
        n->name, n->name, n->name);
    fprintf(stderr, "  * on this machine: %s %s\n", node_socket(n, path),
            has_socket(n->data_dir) ? "exists" : "does not exist");
    if (n->local_text[0] && strcmp(n->local_text, n->why_text) != 0)
        fprintf(stderr, "  * %s\n", n->local_text);
    fprintf(stderr, "  * %s\n  * suggestion: %s\n\n", n->why_text, suggestion(n));
    fprintf(stderr,
            "Current node details:\n * node name: '%s'\n * effective user's home directory: %s\n"
            " * Erlang cookie hash: %s\n\n",
            n->name, user ? user->pw_dir : "(unknown)", hash);
}
