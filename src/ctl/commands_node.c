/*
 * The node as a whole: ping, status, environment, report; what of it can be changed while it runs; and the
 * few expressions of `eval` that stand for something here.
 */
#include "base/text.h"
#include "ctl/commands.h"
#include "ctl/status.h"
#include "mgmt/info_columns.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int
ping(struct ctl *c)
{
    ctl_banner(c,
               "Will ping %s. This only checks if the OS process is running and registered with epmd. "
               "Timeout: %d ms.",
               ctl_node(c), (c->timeout_s ? c->timeout_s : 60) * 1000);
    int code = ctl_do(c, "ping", NULL);
    if (code == EX_OK)
        ctl_say(c, "Ping succeeded");
    return code;
}

/* ---- status, environment ---- */

static int
status(struct ctl *c)
{
    ctl_banner(c, "Status of node %s ...", ctl_node(c));
    json_t *result = ctl_ask(c, "status", NULL);
    if (!result)
        return ctl_failed(c);
    if (!ctl_is_for_people(c))
        return ctl_show(c, result);
    status_print(c, result, ctl_text(c, "unit", "gb"));
    json_decref(result);
    return EX_OK;
}

/* An atom, in quotes unless it is a plain word. */
static void
add_atom(struct buffer *out, const char *name)
{
    bool is_plain =
        *name >= 'a' && *name <= 'z' &&
        name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@")] == 0;
    buffer_add_fmt(out, is_plain ? "%s" : "'%s'", name);
}

/* {rabbit, [{heartbeat,60}, ...]}: a variable a line. */
static void
add_application(struct buffer *out, const char *name, json_t *variables)
{
    const char *key;
    json_t *value;
    size_t i = 0, count = json_object_size(variables);
    buffer_add_u8(out, '{');
    add_atom(out, name);
    buffer_add_str(out, ",\n     [");
    json_object_foreach(variables, key, value)
    {
        buffer_add_u8(out, '{');
        add_atom(out, key);
        buffer_add_u8(out, ',');
        format_term(out, value);
        buffer_add_str(out, ++i < count ? "},\n      " : "}");
    }
    buffer_add_str(out, "]}");
}

static int
environment(struct ctl *c)
{
    const char *name;
    json_t *variables;
    size_t i = 0;
    ctl_banner(c, "Application environment of node %s ...", ctl_node(c));
    json_t *result = ctl_ask(c, "environment", NULL);
    if (!result)
        return ctl_failed(c);
    if (!ctl_is_for_people(c))
        return ctl_show(c, result);
    struct buffer text = {0};
    buffer_add_u8(&text, '[');
    json_object_foreach(result, name, variables)
    {
        add_application(&text, name, variables);
        buffer_add_str(&text, ++i < json_object_size(result) ? ",\n " : "]");
    }
    ctl_print(c, "%.*s\n", SLICE_FMT(buffer_slice(&text)));
    buffer_fini(&text);
    json_decref(result);
    return EX_OK;
}

/* ---- report ---- */

#define COLUMN_WORD(name, type) #name " "

/* Another command's page within this one; `columns`: of a list, between blanks. */
static void
print_page(struct ctl *c, const char *name, const char *columns)
{
    const char *const args[] = {columns, NULL}, *const *args_before = c->args;
    const struct ctl_command *before = c->command;
    int count_before = c->arg_count;
    c->command = commands_find(name, CTL_ALL);
    if (c->command) {
        c->args = args;
        c->arg_count = columns != NULL;
        ctl_print(c, "\n");
        (void)c->command->run(c); /* what one page cannot say is told on standard error; the others follow */
    }
    c->command = before;
    c->args = args_before;
    c->arg_count = count_before;
}

/* Of parameters only the names: values may hold URIs with passwords. */
static void
print_pages_of_vhost(struct ctl *c)
{
    print_page(c, "list_queues", INFO_QUEUE_COLUMNS(COLUMN_WORD));
    print_page(c, "list_exchanges", INFO_EXCHANGE_COLUMNS(COLUMN_WORD));
    print_page(c, "list_bindings", NULL);
    print_page(c, "list_consumers", NULL);
    print_page(c, "list_permissions", NULL);
    print_page(c, "list_topic_permissions", NULL);
    print_page(c, "list_policies", NULL);
    print_page(c, "list_operator_policies", NULL);
    print_page(c, "list_vhost_limits", NULL);
    ctl_print(c, "\nListing runtime parameters for vhost \"%s\" ...\n", c->vhost);
    (void)ctl_list(c, "list_parameters", json_pack("{s:s}", "vhost", c->vhost), "component name", false);
}

static int
report(struct ctl *c)
{
    ctl_banner(c, "Reporting server status of node %s ...", ctl_node(c));
    json_t *vhosts = ctl_ask(c, "vhost_names", NULL), *vhost;
    if (!vhosts)
        return ctl_failed(c);
    const char *before = c->vhost;
    size_t i;
    print_page(c, "status", NULL);
    print_page(c, "cluster_status", NULL);
    print_page(c, "environment", NULL);
    print_page(c, "list_connections", INFO_CONNECTION_COLUMNS(COLUMN_WORD));
    print_page(c, "list_channels", INFO_CHANNEL_COLUMNS(COLUMN_WORD));
    print_page(c, "command_line_arguments", NULL);
    print_page(c, "os_env", NULL);
    print_page(c, "list_vhosts", INFO_VHOST_COLUMNS(COLUMN_WORD));
    print_page(c, "list_users", NULL);
    json_array_foreach(json_object_get(vhosts, "names"), i, vhost)
    {
        c->vhost = json_string_value(vhost);
        print_pages_of_vhost(c);
    }
    c->vhost = before;
    ctl_print(c, "\nListing global runtime parameters ...\n");
    (void)ctl_list(c, "list_global_parameters", NULL, "name", false);
    print_page(c, "list", NULL); /* plugins */
    print_page(c, "log_tail", NULL);
    json_decref(vhosts);
    return EX_OK;
}

static int
node_health_check(struct ctl *c)
{
    ctl_note(
        c,
        "This command is DEPRECATED and will be removed in a future version.\n"
        "It performs intrusive, opinionated health checks and requires a fully booted node.\n"
        "Use one of the options covered in https://www.rabbitmq.com/monitoring.html#health-checks instead.");
    ctl_note(c, "Timeout: %d seconds ...", c->timeout_s ? c->timeout_s : 70);
    ctl_banner(c, "Checking health of node %s ...", ctl_node(c));
    json_t *result = ctl_ask(c, "status", NULL);
    if (!result)
        return ctl_failed(c);
    struct buffer alarms = {0};
    status_alarm_lines(&alarms, json_object_get(result, "alarms"));
    json_decref(result);
    int code = alarms.len ? ctl_error(c, EX_SOFTWARE, "%.*s", SLICE_FMT(buffer_slice(&alarms))) : EX_OK;
    buffer_fini(&alarms);
    if (code == EX_OK)
        ctl_say(c, "Health check passed");
    return code;
}

/* ---- resources ---- */

/* A whole number with RabbitMQ's units. */
static bool
parse_bytes(const char *text, uint64_t *bytes)
{
    return text_to_bytes(slice_str(text), bytes) == ERR_OK && *bytes <= INT64_MAX;
}

static bool
parse_fraction(const char *text, double *value)
{
    char *end;
    *value = strtod(text, &end);
    return *text && !*end && isfinite(*value);
}

static int
check_watermark(struct ctl *c)
{
    uint64_t bytes;
    double fraction;
    bool is_absolute = strcmp(c->args[0], "absolute") == 0;
    if (is_absolute && c->arg_count < 2)
        return ctl_invalid(c, "not enough arguments.");
    if (!is_absolute && c->arg_count > 1)
        return ctl_invalid(c, "too many arguments.");
    if (is_absolute ? !parse_bytes(c->args[1], &bytes) : !parse_fraction(c->args[0], &fraction))
        return ctl_bad_argument(c, NULL);
    if (!is_absolute && (fraction < 0 || fraction > 1))
        return ctl_bad_argument(c, "The threshold should be a fraction between 0.0 and 1.0");
    return EX_OK;
}

static int
set_watermark(struct ctl *c)
{
    uint64_t bytes;
    double fraction;
    if (strcmp(c->args[0], "absolute") == 0) {
        ctl_banner(c, "Setting memory threshold on %s to %s bytes ...", ctl_node(c), c->args[1]);
        if (!parse_bytes(c->args[1], &bytes))
            return EX_USAGE;
        return ctl_do(c, "set_vm_memory_high_watermark", json_pack("{s:I}", "absolute", (json_int_t)bytes));
    }
    ctl_banner(c, "Setting memory threshold on %s to %s ...", ctl_node(c), c->args[0]);
    if (!parse_fraction(c->args[0], &fraction))
        return EX_USAGE;
    return ctl_do(c, "set_vm_memory_high_watermark", json_pack("{s:f}", "relative", fraction));
}

static int
check_disk_limit(struct ctl *c)
{
    uint64_t bytes;
    double fraction;
    bool is_relative = strcmp(c->args[0], "mem_relative") == 0;
    if (is_relative && c->arg_count < 2)
        return ctl_invalid(c, "not enough arguments.");
    if (!is_relative && c->arg_count > 1)
        return ctl_invalid(c, "too many arguments.");
    bool is_good = is_relative ? parse_fraction(c->args[1], &fraction) && fraction >= 0
                               : parse_bytes(c->args[0], &bytes);
    return is_good ? 0 : ctl_bad_argument(c, NULL);
}

static int
set_disk_limit(struct ctl *c)
{
    uint64_t bytes;
    double fraction;
    if (strcmp(c->args[0], "mem_relative") == 0) {
        ctl_banner(c, "Setting disk free limit on %s to %s times the total RAM ...", ctl_node(c), c->args[1]);
        if (!parse_fraction(c->args[1], &fraction))
            return EX_USAGE;
        return ctl_do(c, "set_disk_free_limit", json_pack("{s:f}", "relative", fraction));
    }
    ctl_banner(c, "Setting disk free limit on %s to %s bytes ...", ctl_node(c), c->args[0]);
    if (!parse_bytes(c->args[0], &bytes))
        return EX_USAGE;
    return ctl_do(c, "set_disk_free_limit", json_pack("{s:I}", "absolute", (json_int_t)bytes));
}

static int
activate_disk(struct ctl *c)
{
    ctl_banner(c, "Activating free disk space monitoring on node %s ...", ctl_node(c));
    return ctl_do(c, "free_disk_space_monitoring", json_pack("{s:b}", "on", true));
}

static int
deactivate_disk(struct ctl *c)
{
    ctl_banner(c, "Deactivating free disk space monitoring on node %s ...", ctl_node(c));
    return ctl_do(c, "free_disk_space_monitoring", json_pack("{s:b}", "on", false));
}

/* ---- the log ---- */

static int
set_log_level(struct ctl *c)
{
    ctl_banner(c, "Setting log level to \"%s\" ...", c->args[0]);
    return ctl_do(c, "set_log_level", json_pack("{s:s}", "level", c->args[0]));
}

static int
rotate_logs(struct ctl *c)
{
    ctl_banner(c, "Rotating logs of node %s ...", ctl_node(c));
    return ctl_do(c, "rotate_logs", NULL);
}

static int
force_gc(struct ctl *c)
{
    ctl_banner(c, "Will ask all processes on node %s to schedule a full sweep GC", ctl_node(c));
    int code = ctl_do(c, "ping", NULL);
    if (code == EX_OK)
        ctl_note(c, "Nothing to do: this node has no garbage collector.");
    return code;
}

/* ---- eval ---- */

/* Without blanks and the full stop; false: it is too long to be one of those that are known. */
static bool
squeeze(const char *text, char *out, size_t size)
{
    size_t n = 0;
    for (; *text; text++) {
        if (strchr(" \t\r\n", *text))
            continue;
        if (n + 1 >= size)
            return false;
        out[n++] = *text;
    }
    while (n > 0 && out[n - 1] == '.')
        n--;
    out[n] = 0;
    return true;
}

/* What stands for an alarm of this node: {resource_limit,memory,node()}. */
static bool
is_alarm(const char *at, const char *before, const char *behind, const char *node, const char **resource)
{
    static const char *const resources[] = {"memory", "disk"};
    char wanted[600];
    for (size_t i = 0; i < 2; i++) {
        const char *const names[] = {"node()", node};
        for (size_t n = 0; n < 3; n++) {
            snprintf(wanted, sizeof wanted,
                     n == 2 ? "%s{resource_limit,%s,'%s'}%s" : "%s{resource_limit,%s,%s}%s", before,
                     resources[i], names[n ? 1 : 0], behind);
            if (strcmp(at, wanted) == 0) {
                *resource = resources[i];
                return true;
            }
        }
    }
    return false;
}

static int
eval_alarm(struct ctl *c, const char *resource, bool is_on)
{
    int code = ctl_do(c, "set_alarm", json_pack("{s:s, s:b}", "resource", resource, "on", is_on));
    if (code == EX_OK)
        ctl_print(c, "ok\n");
    return code;
}

/* A number, or a list of <<"names">>, as they stand in the squeezed text; NULL: neither. */
static json_t *
parse_term(const char *text)
{
    char json[1024];
    size_t n = 0;
    for (; *text && n + 2 < sizeof json; text++)
        if (*text != '<' && *text != '>')
            json[n++] = *text;
    json[n] = 0;
    return *text ? NULL : json_loads(json, JSON_DECODE_ANY, NULL);
}

/* application:set_env(rabbit,NAME,VALUE). False: it is not that. */
static bool
eval_set_env(struct ctl *c, const char *text, int *code)
{
    static const char start[] = "application:set_env(rabbit,";
    char name[64], value[1024];
    size_t len = strlen(text);
    const char *comma = NULL;
    if (strncmp(text, start, sizeof start - 1) == 0)
        comma = strchr(text + sizeof start - 1, ',');
    if (!comma || text[len - 1] != ')')
        return false;
    snprintf(name, sizeof name, "%.*s", (int)(comma - text - (ptrdiff_t)(sizeof start - 1)),
             text + sizeof start - 1);
    snprintf(value, sizeof value, "%.*s", (int)(text + len - 1 - comma - 1), comma + 1);
    json_t *term = parse_term(value);
    if (!term)
        return false;
    *code = ctl_do(c, "set_variable", json_pack("{s:s, s:o}", "name", name, "value", term));
    if (*code == EX_OK)
        ctl_print(c, "ok\n");
    return true;
}

static int
eval(struct ctl *c)
{
    char text[1024];
    const char *resource, *node = ctl_node(c);
    if (!squeeze(c->args[0], text, sizeof text))
        text[0] = 0;
    if (is_alarm(text, "rabbit_alarm:set_alarm({", ",[]})", node, &resource))
        return eval_alarm(c, resource, true);
    if (is_alarm(text, "rabbit_alarm:clear_alarm(", ")", node, &resource))
        return eval_alarm(c, resource, false);
    int code;
    if (eval_set_env(c, text, &code))
        return code;
    code = ctl_do(c, "ping", NULL);
    if (code != EX_OK)
        return code;
    if (strcmp(text, "1+1") == 0)
        ctl_print(c, "2\n");
    else if (strcmp(text, "node()") == 0)
        ctl_print(c, "%s\n", node);
    else
        return ctl_error(
            c, EX_UNAVAILABLE,
            "There is no Erlang here to evaluate it. What is understood: "
            "rabbit_alarm:set_alarm({{resource_limit, memory|disk, node()}, []}), "
            "rabbit_alarm:clear_alarm({resource_limit, memory|disk, node()}), "
            "application:set_env(rabbit, channel_max | heartbeat | loopback_users, ...), node().");
    return EX_OK;
}

static int
check_eval(struct ctl *c)
{
    return *c->args[0] ? 0 : ctl_invalid(c, "\"Expression must not be blank\"");
}

/* ---- the table ---- */

static const struct ctl_option unit_options[] = {{"unit", 0, CTL_TEXT}, {0}};

const struct ctl_command commands_node[] = {
    {
        .name = "ping",
        .tools = CTL_CTL | CTL_DIAGNOSTICS,
        .group = CTL_GROUP_MONITORING,
        .usage = "",
        .summary = "Checks that the node's process runs and answers, whatever its application does",
        .run = ping,
        .flags = CTL_TIMED,
    },
    {
        .name = "status",
        .tools = CTL_CTL | CTL_DIAGNOSTICS,
        .group = CTL_GROUP_MONITORING,
        .usage = "[--unit <unit>]",
        .summary = "Tells what the node is, where its files are, and what it uses",
        .details = "--unit <unit>\n\tfor memory and disk space: bytes, mb, gb, ...; gb by default\n",
        .run = status,
        .check = status_check_unit,
        .options = unit_options,
        .flags = CTL_NEEDS_APP | CTL_TIMED,
    },
    {
        .name = "environment",
        .tools = CTL_CTL | CTL_DIAGNOSTICS,
        .group = CTL_GROUP_CONFIGURATION,
        .usage = "",
        .summary = "Shows every key of the configuration with the value that is in force; no secrets",
        .run = environment,
        .flags = CTL_NEEDS_APP | CTL_TIMED,
    },
    {
        .name = "report",
        .tools = CTL_CTL | CTL_DIAGNOSTICS,
        .group = CTL_GROUP_MONITORING,
        .usage = "",
        .summary =
            "Everything that helps to understand a node, in one text: status, configuration, lists, log",
        .run = report,
        .flags = CTL_NEEDS_APP | CTL_TIMED,
    },
    {
        .name = "node_health_check",
        .tools = CTL_CTL | CTL_DIAGNOSTICS,
        .group = CTL_GROUP_DEPRECATED,
        .usage = "",
        .summary = "Fails when the node does not answer or has an alarm; use the check_ commands instead",
        .run = node_health_check,
        .flags = CTL_NEEDS_APP | CTL_TIMED,
    },
    {
        .name = "set_vm_memory_high_watermark",
        .tools = CTL_CTL,
        .group = CTL_GROUP_CONFIGURATION,
        .usage = "<fraction> | absolute <value>",
        .summary = "Sets the use of memory from which publishers are blocked, until the node starts anew",
        .details = "<fraction>\n\tof the memory that the node may use, from 0 to 1\n\n"
                   "absolute <value>\n\tbytes, or a number with a unit: 512MB, 2GiB\n",
        .run = set_watermark,
        .check = check_watermark,
        .args_min = 1,
        .args_max = 2,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "set_disk_free_limit",
        .tools = CTL_CTL,
        .group = CTL_GROUP_CONFIGURATION,
        .usage = "<disk_limit> | mem_relative <fraction>",
        .summary = "Sets the free disk space below which publishers are blocked, until the node starts anew",
        .details = "<disk_limit>\n\tbytes, or a number with a unit: 50MB, 1GiB\n\n"
                   "mem_relative <fraction>\n\ta multiple of the memory that the node may use\n",
        .run = set_disk_limit,
        .check = check_disk_limit,
        .args_min = 1,
        .args_max = 2,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "activate_free_disk_space_monitoring",
        .tools = CTL_CTL,
        .group = CTL_GROUP_MONITORING,
        .usage = "",
        .summary = "Lets free disk space raise an alarm again",
        .run = activate_disk,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "deactivate_free_disk_space_monitoring",
        .tools = CTL_CTL,
        .group = CTL_GROUP_MONITORING,
        .usage = "",
        .summary =
            "Free disk space raises no alarm any more, until that is activated or the node starts anew",
        .run = deactivate_disk,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "set_log_level",
        .tools = CTL_CTL,
        .group = CTL_GROUP_CONFIGURATION,
        .usage = "<log_level>",
        .summary =
            "Sets the least level that is logged, for all categories and outputs, until the process ends",
        .details = "<log_level>\n\tdebug, info, notice, warning, error, critical or none\n",
        .run = set_log_level,
        .args_min = 1,
        .args_max = 1,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "rotate_logs",
        .tools = CTL_CTL,
        .group = CTL_GROUP_NODES,
        .usage = "",
        .summary = "Opens the log files anew, and rotates those that the node rotates itself",
        .run = rotate_logs,
    },
    {
        .name = "force_gc",
        .tools = CTL_CTL,
        .group = CTL_GROUP_OPERATIONS,
        .usage = "",
        .summary = "Does nothing: there is no garbage to collect",
        .run = force_gc,
        .flags = CTL_TIMED,
    },
    {
        .name = "eval",
        .tools = CTL_CTL,
        .group = CTL_GROUP_OPERATIONS,
        .usage = "<expression>",
        .summary = "Understands the few Erlang expressions that test suites use",
        .details = "<expression>\n\trabbit_alarm:set_alarm({{resource_limit, memory, node()}, []}).\n"
                   "\trabbit_alarm:clear_alarm({resource_limit, memory, node()}).\n"
                   "\tapplication:set_env(rabbit, channel_max, 100).\n"
                   "\tapplication:set_env(rabbit, loopback_users, []).\n\tnode().\n",
        .run = eval,
        .check = check_eval,
        .args_min = 1,
        .args_max = 1,
        .flags = CTL_NEEDS_APP | CTL_TIMED,
    },
    {0},
};
