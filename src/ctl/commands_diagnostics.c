/*
 * rabbitmq-diagnostics: health checks, and what else is asked about a node. A check that fails says why on
 * standard error and exits with 69, as RabbitMQ's do.
 */
#include "base/text.h"
#include "ctl/commands.h"
#include "ctl/node.h"
#include "ctl/status.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECT_TIMEOUT_MS = 5000 };

/* Passed: the text, {"result":"ok"} in JSON. */
static int
pass(struct ctl *c, const char *text)
{
    if (!ctl_is_for_people(c))
        return ctl_show(c, json_pack("{s:s, s:s}", "result", "ok", "node", ctl_node(c)));
    if (!c->is_silent)
        ctl_say(c, "%s", text);
    return EX_OK;
}

/* ---- versions ---- */

static int
server_version(struct ctl *c)
{
    ctl_banner(c, "Asking node %s for its RabbitMQ version...", ctl_node(c));
    json_t *result = ctl_ask(c, "status", NULL);
    if (!result)
        return ctl_failed(c);
    ctl_say(c, "%s", ctl_member(result, "rabbitmq_version"));
    json_decref(result);
    return EX_OK;
}

static int
erlang_version(struct ctl *c)
{
    ctl_banner(c, "Asking node %s for its Erlang/OTP version...", ctl_node(c));
    json_t *result = ctl_ask(c, "product", NULL);
    if (!result)
        return ctl_failed(c);
    ctl_say(c, "none: %s %s is a C program", ctl_member(result, "product"),
            ctl_member(result, "product_version"));
    json_decref(result);
    return EX_OK;
}

/* ---- is it there? ---- */

static int
report_running(struct ctl *c, bool fails)
{
    const char *node = ctl_node(c);
    json_t *result = ctl_ask(c, "is_running", NULL);
    if (!result)
        return ctl_failed(c);
    bool is_running = json_is_true(json_object_get(result, "running"));
    json_decref(result);
    if (!ctl_is_for_people(c) && (is_running || !fails))
        return ctl_show(c, json_pack("{s:s, s:b, s:s}", "result", "ok", "running", is_running, "node", node));
    if (is_running)
        ctl_say(c, "RabbitMQ on node %s is fully booted and running", node);
    else if (fails)
        return ctl_error(c, EX_UNAVAILABLE,
                         "RabbitMQ is not running or has not fully booted on node %s (check with is_booting)",
                         node);
    else
        ctl_say(c, "RabbitMQ on node %s is not running or has not fully booted yet (check with is_booting)",
                node);
    return EX_OK;
}

static int
check_running(struct ctl *c)
{
    ctl_banner(c, "Checking if RabbitMQ is running on node %s ...", ctl_node(c));
    return report_running(c, true);
}

static int
is_running(struct ctl *c)
{
    ctl_banner(c, "Asking node %s for its status ...", ctl_node(c));
    return report_running(c, false);
}

static int
is_booting(struct ctl *c)
{
    const char *node = ctl_node(c);
    ctl_banner(c, "Asking node %s for its boot status ...", node);
    json_t *result = ctl_ask(c, "is_booting", NULL);
    if (!result)
        return ctl_failed(c);
    bool is_so = json_is_true(json_object_get(result, "booting"));
    json_decref(result);
    if (!ctl_is_for_people(c))
        return ctl_show(c, json_pack("{s:s, s:b, s:s}", "result", "ok", "booting", is_so, "node", node));
    if (is_so)
        ctl_say(c, "RabbitMQ on node %s is booting", node);
    else
        ctl_say(c,
                "RabbitMQ on node %s is fully booted (check with is_running), stopped or has not started "
                "booting yet",
                node);
    return EX_OK;
}

static int
check_virtual_hosts(struct ctl *c)
{
    char text[400];
    ctl_banner(c, "Checking if all vhosts are running on node %s ...", ctl_node(c));
    json_t *result = ctl_ask(c, "vhost_names", NULL);
    if (!result)
        return ctl_failed(c);
    json_decref(result);
    snprintf(text, sizeof text, "Node %s reported all vhosts as running", ctl_node(c));
    return pass(c, text);
}

/* ---- alarms ---- */

static int
report_alarms(struct ctl *c, const char *none, bool fails)
{
    struct buffer lines = {0};
    char text[400];
    json_t *result = ctl_ask(c, "status", NULL);
    if (!result)
        return ctl_failed(c);
    json_t *alarms = json_object_get(result, "alarms");
    int code = EX_OK;
    status_alarm_lines(&lines, alarms);
    snprintf(text, sizeof text, "Node %s reported no %s", ctl_node(c), none);
    if (!ctl_is_for_people(c))
        code = ctl_show(c, json_pack("{s:s, s:s, s:O}", "result", lines.len && fails ? "error" : "ok", "node",
                                     ctl_node(c), "alarms", alarms));
    else if (lines.len == 0)
        code = pass(c, text);
    else if (!fails)
        ctl_say(c, "%.*s", SLICE_FMT(buffer_slice(&lines)));
    if (lines.len && fails)
        code = ctl_is_for_people(c) ? ctl_error(c, EX_UNAVAILABLE, "%.*s", SLICE_FMT(buffer_slice(&lines)))
                                    : EX_UNAVAILABLE;
    json_decref(result);
    buffer_fini(&lines);
    return code;
}

static int
alarms(struct ctl *c)
{
    ctl_banner(c, "Asking node %s to report any known resource alarms ...", ctl_node(c));
    return report_alarms(c, "alarms, local or clusterwide", false);
}

static int
check_alarms(struct ctl *c)
{
    ctl_banner(c, "Asking node %s to report any local resource alarms ...", ctl_node(c));
    return report_alarms(c, "alarms, local or clusterwide", true);
}

static int
check_local_alarms(struct ctl *c)
{
    ctl_banner(c, "Asking node %s to report any local resource alarms ...", ctl_node(c));
    return report_alarms(c, "local alarms", true);
}

/* ---- listeners ---- */

static int
listeners(struct ctl *c)
{
    ctl_banner(c, "Asking node %s to report its protocol listeners ...", ctl_node(c));
    json_t *result = ctl_ask(c, "status", NULL);
    if (!result)
        return ctl_failed(c);
    json_t *all = json_object_get(result, "listeners");
    int code = EX_OK;
    if (ctl_is_for_people(c))
        status_print_listeners(c, all);
    else
        code =
            ctl_show(c, json_pack("{s:s, s:s, s:O}", "result", "ok", "node", ctl_node(c), "listeners", all));
    json_decref(result);
    return code;
}

/* "5672, 25672", in their order. */
static void
add_ports(struct buffer *out, const json_t *all)
{
    size_t i;
    json_t *l;
    json_array_foreach(all, i, l) buffer_add_fmt(out, "%s%lld", i ? ", " : "",
                                                 (long long)json_integer_value(json_object_get(l, "port")));
}

static int
check_port_argument(struct ctl *c)
{
    uint64_t port;
    return text_to_u64_within(slice_str(c->args[0]), 1, UINT16_MAX, &port)
               ? ctl_bad_argument(c, "Argument must be a positive integer")
               : 0;
}

static int
check_port_listener(struct ctl *c)
{
    size_t i;
    json_t *l;
    bool is_there = false;
    struct buffer ports = {0};
    char text[400];
    ctl_banner(c, "Asking node %s if there's an active listener on port %s ...", ctl_node(c), c->args[0]);
    json_t *result = ctl_ask(c, "status", NULL);
    if (!result)
        return ctl_failed(c);
    json_array_foreach(json_object_get(result, "listeners"), i, l) is_there |=
        json_integer_value(json_object_get(l, "port")) == atoll(c->args[0]);
    add_ports(&ports, json_object_get(result, "listeners"));
    json_decref(result);
    snprintf(text, sizeof text, "A listener for port %s is running on node %s.", c->args[0], ctl_node(c));
    int code = is_there
                   ? pass(c, text)
                   : ctl_error(c, EX_UNAVAILABLE,
                               "No listener for port %s is active on node %s. Found listeners that use the "
                               "following ports: %.*s",
                               c->args[0], ctl_node(c), SLICE_FMT(buffer_slice(&ports)));
    buffer_fini(&ports);
    return code;
}

/* amqp091, amqps, ...: other words for a protocol. */
static const char *
protocol_of(const char *word)
{
    static const char *const same[][2] = {
        {"amqp091", "amqp"}, {"amqp10", "amqp"}, {"amqps", "amqp/ssl"}, {"amqp+ssl", "amqp/ssl"}};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (strcmp(same[i][0], word) == 0)
            return same[i][1];
    return word;
}

static int
check_protocol_listener(struct ctl *c)
{
    size_t i;
    json_t *l;
    bool is_there = false;
    struct buffer found = {0};
    char text[400];
    ctl_banner(c, "Asking node %s if there's an active listener for protocol %s ...", ctl_node(c),
               c->args[0]);
    json_t *result = ctl_ask(c, "status", NULL);
    if (!result)
        return ctl_failed(c);
    json_array_foreach(json_object_get(result, "listeners"), i, l)
    {
        is_there |= strcmp(ctl_member(l, "protocol"), protocol_of(c->args[0])) == 0;
        buffer_add_fmt(&found, "%s%s", i ? ", " : "", ctl_member(l, "protocol"));
    }
    json_decref(result);
    snprintf(text, sizeof text, "A listener for protocol %s is running on node %s.", c->args[0], ctl_node(c));
    int code = is_there
                   ? pass(c, text)
                   : ctl_error(c, EX_UNAVAILABLE,
                               "No listener for protocol %s is active on node %s. Found listeners for the "
                               "following protocols: %.*s",
                               c->args[0], ctl_node(c), SLICE_FMT(buffer_slice(&found)));
    buffer_fini(&found);
    return code;
}

/* ---- can it be reached? ---- */

static bool
connects_to(const struct addrinfo *to)
{
    int fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error = 0;
    socklen_t size = sizeof error;
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    if (fd < 0)
        return false;
    bool is_good = connect(fd, to->ai_addr, to->ai_addrlen) == 0 ||
                   (poll(&p, 1, CONNECT_TIMEOUT_MS) == 1 &&
                    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0);
    close(fd);
    return is_good;
}

static bool
can_connect(const char *host, long long port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    char service[16];
    bool is_good = false;
    snprintf(service, sizeof service, "%lld", port);
    if (getaddrinfo(host, service, &hints, &list) != 0)
        return false;
    for (const struct addrinfo *at = list; at && !is_good; at = at->ai_next)
        is_good = connects_to(at);
    freeaddrinfo(list);
    return is_good;
}

/* Where a listener is to be reached: the address that it listens on, or for all addresses the one that was
 * asked for or the node's host. */
static void
target_of(struct ctl *c, const json_t *l, char *out, size_t size)
{
    const char *interface = ctl_member(l, "interface"), *host = ctl_text(c, "address", NULL);
    size_t len = strlen(interface);
    if (host)
        snprintf(out, size, "%s", host);
    else if (strcmp(interface, "[::]") == 0 || strcmp(interface, "0.0.0.0") == 0)
        snprintf(out, size, "%s", c->at->is_local ? "localhost" : c->at->host);
    else if (*interface == '[' && len > 2)
        snprintf(out, size, "%.*s", (int)len - 2, interface + 1);
    else
        snprintf(out, size, "%s", interface);
}

static int
check_port_connectivity(struct ctl *c)
{
    size_t i;
    json_t *l;
    struct buffer ports = {0}, failed = {0};
    char text[600], host[300];
    ctl_banner(c, "Testing TCP connections to all active listeners on node %s ...", ctl_node(c));
    json_t *result = ctl_ask(c, "status", NULL);
    if (!result)
        return ctl_failed(c);
    json_t *all = json_object_get(result, "listeners");
    add_ports(&ports, all);
    json_array_foreach(all, i, l)
    {
        target_of(c, l, host, sizeof host);
        if (!can_connect(host, json_integer_value(json_object_get(l, "port"))))
            buffer_add_fmt(&failed, "\nInterface: %s, port: %lld, protocol: %s", ctl_member(l, "interface"),
                           (long long)json_integer_value(json_object_get(l, "port")),
                           ctl_member(l, "protocol"));
    }
    json_decref(result);
    snprintf(text, sizeof text, "Successfully connected to ports %.*s on node %s.",
             SLICE_FMT(buffer_slice(&ports)), ctl_node(c));
    int code = failed.len == 0
                   ? pass(c, text)
                   : ctl_error(c, EX_UNAVAILABLE,
                               "Connection to ports of the following listeners on node %s failed: %.*s",
                               ctl_node(c), SLICE_FMT(buffer_slice(&failed)));
    buffer_fini(&ports);
    buffer_fini(&failed);
    return code;
}

/* ---- memory, the log ---- */

static int
memory_breakdown(struct ctl *c)
{
    ctl_banner(c, "Reporting memory breakdown on node %s...", ctl_node(c));
    json_t *result = ctl_ask(c, "status", NULL);
    if (!result)
        return ctl_failed(c);
    json_t *memory = json_object_get(result, "memory");
    int code = EX_OK;
    if (ctl_is_for_people(c)) {
        status_print_memory(c, memory, ctl_text(c, "unit", "gb"), "%");
        ctl_print(c, "\n");
    } else {
        code = ctl_show(c, json_incref(memory));
    }
    json_decref(result);
    return code;
}

static int
log_location(struct ctl *c)
{
    size_t i;
    json_t *path;
    ctl_banner(c, "Log file location(s) on node %s ...", ctl_node(c));
    json_t *result = ctl_ask(c, "log_location", NULL);
    if (!result)
        return ctl_failed(c);
    json_t *files = json_object_get(result, "files");
    int code = EX_OK;
    if (!ctl_is_for_people(c))
        code = ctl_show(c, json_incref(files));
    else
        json_array_foreach(files, i, path) if (i == 0 || ctl_has(c, "all"))
            ctl_print(c, "%s\n", json_string_value(path));
    json_decref(result);
    return code;
}

static void
print_text(struct ctl *c, const char *text, size_t len)
{
    ctl_print(c, "%.*s", (int)len, text);
}

static int
log_tail(struct ctl *c)
{
    ctl_banner(c, "Last %lld log lines on node %s ...", ctl_number(c, "number", 50), ctl_node(c));
    json_t *result =
        ctl_ask_body(c, "log_tail", json_pack("{s:I}", "lines", (json_int_t)ctl_number(c, "number", 50)),
                     NULL, 0, print_text);
    if (!result)
        return ctl_failed(c);
    json_decref(result);
    return EX_OK;
}

/* As it comes, for whoever reads through a pipe. */
static void
print_text_now(struct ctl *c, const char *text, size_t len)
{
    print_text(c, text, len);
    fflush(c->out.file);
}

static int
log_tail_stream(struct ctl *c)
{
    long long duration = ctl_number(c, "duration", 0);
    if (duration > 0)
        ctl_banner(c, "Streaming logs from node %s for %lld seconds ...", ctl_node(c), duration);
    else
        ctl_banner(c, "Streaming logs from node %s ...", ctl_node(c));
    json_t *result =
        ctl_ask_body(c, "log_tail_stream", json_pack("{s:I}", "duration_s", (json_int_t)duration), NULL, 0,
                     print_text_now);
    if (!result)
        return ctl_failed(c);
    json_decref(result);
    return EX_OK;
}

/* Lines of JSON whatever the format: made for programs that read them one by one. */
static int
consume_event_stream(struct ctl *c)
{
    json_t *result =
        ctl_ask_body(c, "consume_event_stream",
                     json_pack("{s:I, s:s}", "duration_s", (json_int_t)ctl_number(c, "duration", 0),
                               "pattern", ctl_text(c, "pattern", "")),
                     NULL, 0, print_text_now);
    if (!result)
        return ctl_failed(c);
    json_decref(result);
    ctl_print(c, "\n");
    return EX_OK;
}

/* ---- the process ---- */

static int
os_env(struct ctl *c)
{
    const char *name;
    json_t *value;
    ctl_banner(c, "Listing RabbitMQ-specific environment variables defined on node %s...", ctl_node(c));
    json_t *result = ctl_ask(c, "os_env", NULL);
    if (!result)
        return ctl_failed(c);
    if (!ctl_is_for_people(c))
        return ctl_show(c, result);
    json_object_foreach(result, name, value) ctl_print(c, "%s=%s\n", name, json_string_value(value));
    ctl_print(c, "\n");
    json_decref(result);
    return EX_OK;
}

static int
command_line_arguments(struct ctl *c)
{
    ctl_banner(c, "Command line arguments of node %s ...", ctl_node(c));
    json_t *result = ctl_ask(c, "command_line", NULL);
    if (!result)
        return ctl_failed(c);
    json_t *arguments = json_incref(json_object_get(result, "arguments"));
    json_decref(result);
    return ctl_show(c, arguments);
}

static int
erlang_cookie_hash(struct ctl *c)
{
    ctl_banner(c, "Asking node %s its Erlang cookie hash...", ctl_node(c));
    json_t *result = ctl_ask(c, "cookie_hash", NULL);
    if (!result)
        return ctl_failed(c);
    ctl_say(c, "%s", ctl_member(result, "hash"));
    json_decref(result);
    return EX_OK;
}

/* ---- TLS ---- */

static int
tls_versions(struct ctl *c)
{
    ctl_banner(c, "Listing all TLS versions supported by the runtime...");
    int code = ctl_do(c, "ping", NULL);
    if (code != EX_OK)
        return code;
    if (!ctl_is_for_people(c))
        return ctl_show(c, json_pack("[s, s]", "tlsv1.3", "tlsv1.2"));
    ctl_print(c, "tlsv1.3\ntlsv1.2\n");
    return EX_OK;
}

/* Of the library that the tool shares with the node. */
static int
cipher_suites(struct ctl *c)
{
    ctl_banner(c, "Listing available cipher suites in OpenSSL format");
    int code = ctl_do(c, "ping", NULL);
    if (code != EX_OK)
        return code;
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    STACK_OF(SSL_CIPHER) *all = context ? SSL_CTX_get_ciphers(context) : NULL;
    json_t *names = json_array();
    for (int i = 0; i < sk_SSL_CIPHER_num(all); i++)
        json_array_append_new(names, json_string(SSL_CIPHER_get_name(sk_SSL_CIPHER_value(all, i))));
    SSL_CTX_free(context);
    if (!ctl_is_for_people(c))
        return ctl_show(c, json_pack("{s:s, s:o}", "format", "openssl", "cipher_suites", names));
    for (size_t i = 0; i < json_array_size(names); i++)
        ctl_print(c, "%s\n", json_string_value(json_array_get(names, i)));
    json_decref(names);
    return EX_OK;
}

/* A map by file; RabbitMQ prints an empty one as it is. */
static int
certificates(struct ctl *c)
{
    size_t i;
    json_t *x;
    ctl_banner(c, "Certificates of node %s ...", ctl_node(c));
    json_t *result = ctl_ask(c, "certificates", NULL);
    if (!result)
        return ctl_failed(c);
    json_t *all = json_object_get(result, "certificates");
    int code = EX_OK;
    if (!ctl_is_for_people(c))
        code = ctl_show(c, json_incref(all));
    else if (json_array_size(all) == 0)
        ctl_print(c, "#{}\n");
    else
        json_array_foreach(all, i, x)
            ctl_print(c, "%sFile: %s (%s)\nSubject: %s\nIssuer: %s\nValidity: %s - %s\n", i ? "\n" : "",
                      ctl_member(x, "file"), ctl_member(x, "kind"), ctl_member(x, "subject"),
                      ctl_member(x, "issuer"), ctl_member(x, "not_before"), ctl_member(x, "not_after"));
    json_decref(result);
    return code;
}

static const struct {
    const char *name;
    int days;
} periods[] = {{"days", 1}, {"weeks", 7}, {"months", 30}, {"years", 365}};

static int
days_of(const char *unit)
{
    for (size_t i = 0; i < sizeof periods / sizeof *periods; i++)
        if (strcmp(periods[i].name, unit) == 0)
            return periods[i].days;
    return 0;
}

static int
check_period(struct ctl *c)
{
    const char *unit = ctl_text(c, "unit", "weeks");
    long long within = ctl_number(c, "within", 4);
    if (within < 0 || within > 100000)
        return ctl_bad_argument(c, NULL);
    return days_of(unit)
               ? 0
               : ctl_invalid(c,
                             "\"unit '%s' is not supported. Please use one of: days, weeks, months, years\"",
                             unit);
}

static int
check_certificate_expiration(struct ctl *c)
{
    size_t i;
    json_t *x;
    char text[200];
    const char *unit = ctl_text(c, "unit", "weeks");
    long long within = ctl_number(c, "within", 4);
    struct buffer expiring = {0};
    ctl_banner(c, "Checking certificate expiration on node %s ...", ctl_node(c));
    json_t *result = ctl_ask(c, "certificates", NULL);
    if (!result)
        return ctl_failed(c);
    json_array_foreach(json_object_get(result, "certificates"), i,
                       x) if (json_integer_value(json_object_get(x, "seconds_left")) <=
                              within * days_of(unit) * 86400)
        buffer_add_fmt(&expiring, "%s%s in %s expires at %s", expiring.len ? "\n" : "",
                       ctl_member(x, "subject"), ctl_member(x, "file"), ctl_member(x, "not_after"));
    json_decref(result);
    snprintf(text, sizeof text, "No certificates are expiring within %lld %.*s.", within,
             (int)strlen(unit) - (within == 1), unit);
    int code = expiring.len ? ctl_error(c, EX_UNAVAILABLE, "%.*s", SLICE_FMT(buffer_slice(&expiring)))
                            : pass(c, text);
    buffer_fini(&expiring);
    return code;
}

/* ---- this machine ---- */

/* Addresses as the tool's machine sees them. */
static int
resolve_hostname(struct ctl *c)
{
    const char *family = ctl_text(c, "address-family", "ipv4");
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_family = strcmp(family, "ipv6") == 0 ? AF_INET6 : AF_INET};
    struct addrinfo *list = NULL;
    ctl_banner(c, "Asking node %s to resolve hostname %s to %s addresses...", ctl_node(c), c->args[0],
               strcmp(family, "ipv4") == 0 ? "IPv4" : family);
    int code = getaddrinfo(c->args[0], NULL, &hints, &list);
    if (code != 0)
        return ctl_error(c, EX_DATAERR, "%s cannot be resolved: %s", c->args[0], gai_strerror(code));
    for (const struct addrinfo *at = list; at; at = at->ai_next) {
        char text[NI_MAXHOST];
        if (getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0)
            ctl_print(c, "%s\n", text);
    }
    freeaddrinfo(list);
    return EX_OK;
}

static int
resolver_info(struct ctl *c)
{
    ctl_banner(c, "Asking node %s for its effective hostname resolver (inetrc) configuration...",
               ctl_node(c));
    int code = ctl_do(c, "ping", NULL);
    if (code != EX_OK)
        return code;
    ctl_heading(c, "Runtime Hostname Resolver (inetrc) Settings");
    ctl_print(c, "Lookup order: native\nHosts file: /etc/hosts\nResolver conf file: /etc/resolv.conf\nCache "
                 "size: \n\n");
    ctl_heading(c, "inetrc File Host Entries");
    ctl_print(c, "(none)\n");
    return EX_OK;
}

static void
add_address(struct buffer *out, const char *name, const struct sockaddr *addr)
{
    char text[NI_MAXHOST];
    socklen_t size =
        addr && addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    if (addr && getnameinfo(addr, size, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0)
        buffer_add_fmt(out, "%s: %.*s\n", name, (int)strcspn(text, "%"), text);
}

static void
add_flags(struct buffer *out, unsigned flags)
{
    static const struct {
        unsigned bit;
        const char *name;
    } names[] = {{IFF_UP, "up"},
                 {IFF_BROADCAST, "broadcast"},
                 {IFF_LOOPBACK, "loopback"},
                 {IFF_RUNNING, "running"},
                 {IFF_MULTICAST, "multicast"}};
    const char *separator = "flags: ";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!(flags & names[i].bit))
            continue;
        buffer_add_fmt(out, "%s%s", separator, names[i].name);
        separator = ", ";
    }
    buffer_add_str(out, "\n");
}

/* Everything about one interface: the list has an entry for each of its addresses. */
static void
print_interface(struct ctl *c, const struct ifaddrs *all, const struct ifaddrs *of)
{
    struct buffer text = {0};
    char title[64];
    for (const struct ifaddrs *at = all; at; at = at->ifa_next) {
        if (strcmp(at->ifa_name, of->ifa_name) != 0 || !at->ifa_addr || at->ifa_addr->sa_family == AF_PACKET)
            continue;
        add_address(&text, "netmask", at->ifa_netmask);
        add_address(&text, "addr", at->ifa_addr);
        if (at->ifa_flags & IFF_BROADCAST && at->ifa_addr->sa_family == AF_INET)
            add_address(&text, "broadaddr", at->ifa_broadaddr);
    }
    add_flags(&text, of->ifa_flags);
    snprintf(title, sizeof title, "Interface %s", of->ifa_name);
    ctl_heading(c, title);
    ctl_print(c, "%.*s\n\n", SLICE_FMT(buffer_slice(&text)));
    buffer_fini(&text);
}

static bool
is_first_of_interface(const struct ifaddrs *all, const struct ifaddrs *of)
{
    for (; all != of; all = all->ifa_next)
        if (strcmp(all->ifa_name, of->ifa_name) == 0)
            return false;
    return true;
}

static int
list_network_interfaces(struct ctl *c)
{
    struct ifaddrs *all;
    ctl_banner(c, "Asking node %s to report its network interfaces ...", ctl_node(c));
    int code = ctl_do(c, "ping", NULL);
    if (code != EX_OK)
        return code;
    if (!c->at->is_local)
        return ctl_missing(c,
                           "network interfaces are those of the tool's machine, and the node is on another");
    if (getifaddrs(&all) != 0)
        return ctl_error(c, EX_OSERR, "the network interfaces cannot be had: %s", strerror(errno));
    for (const struct ifaddrs *at = all; at; at = at->ifa_next)
        if (is_first_of_interface(all, at))
            print_interface(c, all, at);
    freeifaddrs(all);
    return EX_OK;
}

/* "status" asks every shard: when it is answered none is stuck. */
static int
maybe_stuck(struct ctl *c)
{
    ctl_banner(c, "Asking node %s to detect potentially stuck Erlang processes...", ctl_node(c));
    int code = ctl_do(c, "status", NULL);
    if (code == EX_OK)
        ctl_say(c, "There are 0 suspicious processes: every shard answers.");
    return code;
}

/* ---- the table ---- */

static const struct ctl_option unit_options[] = {{"unit", 0, CTL_TEXT}, {0}};
static const struct ctl_option address_options[] = {{"address", 0, CTL_TEXT}, {0}};
static const struct ctl_option location_options[] = {{"all", 'a', CTL_FLAG}, {0}};
static const struct ctl_option event_options[] = {
    {"duration", 'd', CTL_NUMBER}, {"pattern", 0, CTL_TEXT}, {0}};
static const struct ctl_option stream_options[] = {{"duration", 'd', CTL_NUMBER}, {0}};
static const struct ctl_option tail_options[] = {{"number", 'N', CTL_NUMBER}, {0}};
static const struct ctl_option family_options[] = {
    {"address-family", 0, CTL_TEXT}, {"offline", 0, CTL_FLAG}, {0}};
static const struct ctl_option period_options[] = {{"within", 0, CTL_NUMBER}, {"unit", 0, CTL_TEXT}, {0}};
static const struct ctl_option suites_options[] = {{"format", 0, CTL_TEXT}, {"all", 0, CTL_FLAG}, {0}};

#define DIAGNOSTIC(name_, group_, usage_, summary_, run_, ...)                                               \
    {                                                                                                        \
        .name = name_, .tools = CTL_DIAGNOSTICS, .group = CTL_GROUP_##group_, .usage = usage_,               \
        .summary = summary_, .run = run_, __VA_ARGS__                                                        \
    }

const struct ctl_command commands_diagnostics[] = {
    DIAGNOSTIC("server_version", MONITORING, "", "Prints the version that the node reports to clients",
               server_version, .flags = CTL_NEEDS_APP | CTL_TIMED),
    DIAGNOSTIC("erlang_version", MONITORING, "", "Says what stands in Erlang's place", erlang_version,
               .flags = CTL_TIMED),
    DIAGNOSTIC("check_running", MONITORING, "", "Fails when the node's application does not run",
               check_running, .flags = CTL_TIMED),
    DIAGNOSTIC("is_running", MONITORING, "", "Says whether the node's application runs", is_running,
               .flags = CTL_TIMED),
    DIAGNOSTIC("is_booting", MONITORING, "", "Says whether the node's application is starting", is_booting,
               .flags = CTL_TIMED),
    DIAGNOSTIC("check_virtual_hosts", MONITORING, "", "Fails when a virtual host does not work",
               check_virtual_hosts, .flags = CTL_NEEDS_APP | CTL_TIMED),
    DIAGNOSTIC("alarms", MONITORING, "", "Lists the alarms of memory and disk that are raised", alarms,
               .flags = CTL_NEEDS_APP | CTL_TIMED),
    DIAGNOSTIC("check_alarms", MONITORING, "", "Fails when an alarm is raised", check_alarms,
               .flags = CTL_NEEDS_APP | CTL_TIMED),
    DIAGNOSTIC("check_local_alarms", MONITORING, "", "Fails when an alarm of this node is raised",
               check_local_alarms, .flags = CTL_NEEDS_APP | CTL_TIMED),
    DIAGNOSTIC("listeners", MONITORING, "", "Lists where the node accepts connections", listeners,
               .flags = CTL_NEEDS_APP | CTL_TIMED),
    DIAGNOSTIC("check_port_listener", MONITORING, "<port>", "Fails when nothing listens on that port",
               check_port_listener, .check = check_port_argument, .args_min = 1, .args_max = 1,
               .flags = CTL_NEEDS_APP | CTL_TIMED),
    DIAGNOSTIC("check_protocol_listener", MONITORING, "<protocol>",
               "Fails when nothing listens for that protocol", check_protocol_listener, .args_min = 1,
               .args_max = 1, .flags = CTL_NEEDS_APP | CTL_TIMED),
    DIAGNOSTIC("check_port_connectivity", MONITORING, "[--address <ip-address>]",
               "Connects to every port that the node listens on", check_port_connectivity,
               .options = address_options, .flags = CTL_NEEDS_APP | CTL_TIMED),
    DIAGNOSTIC("memory_breakdown", MONITORING, "[--unit <unit>]", "Shows what the node's memory is used for",
               memory_breakdown, .check = status_check_unit, .options = unit_options,
               .flags = CTL_NEEDS_APP | CTL_TIMED),
    DIAGNOSTIC("log_location", CONFIGURATION, "[--all|-a]", "Prints where the node's log is", log_location,
               .options = location_options, .flags = CTL_TIMED),
    DIAGNOSTIC("log_tail", MONITORING, "[--number|-N <number>]", "Prints the end of the node's log", log_tail,
               .options = tail_options, .flags = CTL_TIMED),
    DIAGNOSTIC("log_tail_stream", MONITORING, "[--duration|-d <seconds>]",
               "Prints the node's log as it grows, for ever or for so long", log_tail_stream,
               .options = stream_options, .flags = CTL_TIMED | CTL_PATIENT),
    DIAGNOSTIC("consume_event_stream", MONITORING, "[--duration|-d <seconds>] [--pattern <pattern>]",
               "Prints events as they happen, as lines of JSON", consume_event_stream,
               .options = event_options, .flags = CTL_NEEDS_APP | CTL_TIMED | CTL_PATIENT),
    DIAGNOSTIC("os_env", CONFIGURATION, "", "Lists the environment variables that the node has looked at",
               os_env, .flags = CTL_TIMED),
    DIAGNOSTIC("command_line_arguments", CONFIGURATION, "", "Prints the command line of the node's process",
               command_line_arguments, .flags = CTL_TIMED),
    DIAGNOSTIC("erlang_cookie_hash", CONFIGURATION, "",
               "Prints a hash of the node's cookie, to compare with others", erlang_cookie_hash,
               .flags = CTL_TIMED),
    DIAGNOSTIC("certificates", CONFIGURATION, "", "Lists the certificates of TLS listeners", certificates,
               .flags = CTL_TIMED),
    DIAGNOSTIC("check_certificate_expiration", MONITORING, "[--within <period>] [--unit <unit>]",
               "Fails when a certificate of a TLS listener expires soon, or has",
               check_certificate_expiration,
               .details = "--within <period>\n\ta number of units; 4 by default\n\n"
                          "--unit <unit>\n\tdays, weeks, months or years; weeks by default\n",
               .check = check_period, .options = period_options, .flags = CTL_TIMED),
    DIAGNOSTIC("resolve_hostname", CONFIGURATION, "<hostname> [--address-family <ipv4 | ipv6>]",
               "Resolves a host's name on the tool's machine", resolve_hostname, .options = family_options,
               .args_min = 1, .args_max = 1, .flags = CTL_LOCAL),
    DIAGNOSTIC("resolver_info", CONFIGURATION, "", "Says how the node resolves names: as its system does",
               resolver_info, .flags = CTL_TIMED),
    DIAGNOSTIC("list_network_interfaces", MONITORING, "",
               "Lists the network interfaces of the node's machine", list_network_interfaces,
               .flags = CTL_TIMED),
    DIAGNOSTIC("maybe_stuck", MONITORING, "", "Asks every shard of the node for an answer", maybe_stuck,
               .flags = CTL_NEEDS_APP | CTL_TIMED),
    DIAGNOSTIC("tls_versions", MONITORING, "", "Lists the versions of TLS that there are", tls_versions,
               .flags = CTL_TIMED),
    DIAGNOSTIC("cipher_suites", MONITORING, "[--format <openssl | erlang | map>] [--all]",
               "Lists the cipher suites that there are", cipher_suites, .options = suites_options,
               .flags = CTL_TIMED),
    {0},
};
