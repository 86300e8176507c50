/* Sections, their order and their words are RabbitMQ's: scripts read them. */
#include "ctl/status.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- numbers ---- */

static const struct {
    const char *name;
    double bytes;
} units[] = {
    {"bytes", 1}, {"byte", 1},   {"kb", 1e3},        {"mb", 1e6},           {"gb", 1e9},
    {"tb", 1e12}, {"kib", 1024}, {"mib", 1048576.0}, {"gib", 1073741824.0}, {"tib", 1099511627776.0},
};

static double
unit_bytes(const char *unit)
{
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcasecmp(units[i].name, unit) == 0)
            return units[i].bytes;
    return 0;
}

int
status_check_unit(struct ctl *c)
{
    const char *unit = ctl_text(c, "unit", "gb");
    return unit_bytes(unit) > 0
               ? 0
               : ctl_invalid(c, "\"unit '%s' is not supported. Please use one of: bytes, mb, gb\"", unit);
}

/* As Erlang prints a rounded float: no zeros at the end but the one behind the point. */
static const char *
real_text(double value, int digits, char out[40])
{
    int n = snprintf(out, 40, "%.*f", digits, value);
    while (n > 2 && out[n - 1] == '0' && out[n - 2] != '.')
        out[--n] = 0;
    return out;
}

static const char *
amount_text(double bytes, const char *unit, char out[80])
{
    char number[40];
    if (unit_bytes(unit) == 1)
        snprintf(out, 80, "%.0f %s", bytes, unit);
    else
        snprintf(out, 80, "%s %s", real_text(bytes / unit_bytes(unit), 4, number), unit);
    return out;
}

static double
number_of(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static void
heading(struct ctl *c, const char *title, bool is_first)
{
    if (!is_first)
        ctl_print(c, "\n");
    ctl_heading(c, title);
}

/* ---- sections ---- */

static void
print_runtime(struct ctl *c, const json_t *s)
{
    const json_t *processes = json_object_get(s, "processes");
    heading(c, "Runtime", true);
    ctl_print(c, "OS PID: %.0f\n", number_of(s, "pid"));
    ctl_print(c, "OS: %s\n", ctl_member(s, "os"));
    ctl_print(c, "Uptime (seconds): %.0f\n", number_of(s, "uptime"));
    ctl_print(c, "Is under maintenance?: %s\n",
              json_is_true(json_object_get(s, "is_under_maintenance")) ? "true" : "false");
    ctl_print(c, "RabbitMQ version: %s\n", ctl_member(s, "rabbitmq_version"));
    ctl_print(c, "RabbitMQ release series support status: %s\n",
              ctl_member(s, "release_series_support_status"));
    ctl_print(c, "Product name: %s\nProduct version: %s\n", ctl_member(s, "product_name"),
              ctl_member(s, "product_version"));
    ctl_print(c, "Node name: %s\n", ctl_member(s, "node"));
    ctl_print(c, "Erlang configuration: %s\n", ctl_member(s, "erlang_version"));
    ctl_print(c, "Crypto library: %s\n", ctl_member(s, "crypto_lib_version"));
    ctl_print(c, "Erlang processes: %.0f used, %.0f limit\n", number_of(processes, "used"),
              number_of(processes, "limit"));
    ctl_print(c, "Scheduler run queue: %.0f\n", number_of(s, "run_queue"));
    ctl_print(c, "Cluster heartbeat timeout (net_ticktime): %.0f\n", number_of(s, "net_ticktime"));
}

static void
print_names(struct ctl *c, const json_t *names)
{
    size_t i;
    json_t *name;
    json_array_foreach(names, i, name) ctl_print(c, " * %s\n", json_string_value(name));
}

static void
print_files(struct ctl *c, const json_t *s)
{
    heading(c, "Plugins", false);
    ctl_print(c, "Enabled plugin file: %s\nEnabled plugins:\n\n", ctl_member(s, "enabled_plugin_file"));
    print_names(c, json_object_get(s, "active_plugins"));
    heading(c, "Data directory", false);
    ctl_print(c, "Node data directory: %s\nRaft data directory: %s\n", ctl_member(s, "data_directory"),
              ctl_member(s, "raft_data_directory"));
    heading(c, "Config files", false);
    print_names(c, json_object_get(s, "config_files"));
    heading(c, "Log file(s)", false);
    print_names(c, json_object_get(s, "log_files"));
}

void
status_alarm_lines(struct buffer *out, const json_t *alarms)
{
    size_t i;
    json_t *alarm;
    json_array_foreach(alarms, i, alarm)
    {
        bool is_memory = strcmp(ctl_member(alarm, "resource"), "memory") == 0;
        buffer_add_fmt(out, "%s%s alarm on node %s", i ? "\n" : "", is_memory ? "Memory" : "Free disk space",
                       ctl_member(alarm, "node"));
    }
}

static void
print_alarms(struct ctl *c, const json_t *s)
{
    struct buffer lines = {0};
    status_alarm_lines(&lines, json_object_get(s, "alarms"));
    heading(c, "Alarms", false);
    if (lines.len == 0)
        buffer_add_str(&lines, "(none)");
    ctl_print(c, "%.*s\n", SLICE_FMT(buffer_slice(&lines)));
    buffer_fini(&lines);
}

struct part {
    const char *name;
    double bytes;
};

static int
compare_parts(const void *a, const void *b)
{
    const struct part *x = a, *y = b;
    return x->bytes < y->bytes ? 1 : x->bytes > y->bytes ? -1 : strcmp(x->name, y->name);
}

void
status_print_memory(struct ctl *c, const json_t *memory, const char *unit, const char *percent)
{
    enum { PARTS_MAX = 64 };
    struct part parts[PARTS_MAX];
    size_t count = 0;
    const char *name;
    json_t *value;
    double total = number_of(json_object_get(memory, "total"), "rss");
    json_object_foreach((json_t *)memory, name, value) if (json_is_number(value) && count < PARTS_MAX)
        parts[count++] = (struct part){name, json_number_value(value)};
    qsort(parts, count, sizeof *parts, compare_parts);
    for (size_t i = 0; i < count; i++) {
        char amount[80], share[40];
        ctl_print(c, "%s: %s (%s%s)\n", parts[i].name, amount_text(parts[i].bytes, unit, amount),
                  real_text(total > 0 ? 100 * parts[i].bytes / total : 0, 2, share), percent);
    }
}

static void
print_memory(struct ctl *c, const json_t *s, const char *unit)
{
    const json_t *memory = json_object_get(s, "memory"), *setting;
    char amount[80], number[40];
    setting = json_object_get(s, "vm_memory_high_watermark_setting");
    heading(c, "Memory", false);
    ctl_print(c, "Total memory used: %s\n",
              amount_text(number_of(json_object_get(memory, "total"), "rss"), unit, amount));
    ctl_print(c, "Calculation strategy: %s\n", ctl_member(s, "vm_memory_calculation_strategy"));
    amount_text(number_of(s, "vm_memory_high_watermark_limit"), unit, amount);
    if (json_object_get(setting, "relative"))
        ctl_print(c, "Memory high watermark setting: %s of available memory, computed to: %s\n\n",
                  real_text(number_of(setting, "relative"), 4, number), amount);
    else
        ctl_print(c, "Memory high watermark setting: %s\n\n", amount);
    status_print_memory(c, memory, unit, " %");
}

static void
print_resources(struct ctl *c, const json_t *s, const char *unit)
{
    const json_t *files = json_object_get(s, "file_descriptors"), *totals = json_object_get(s, "totals");
    char amount[80];
    heading(c, "File Descriptors", false);
    ctl_print(c, "Total: %.0f, limit: %.0f\nSockets: %.0f, limit: %.0f\n", number_of(files, "total_used"),
              number_of(files, "total_limit"), number_of(files, "sockets_used"),
              number_of(files, "sockets_limit"));
    heading(c, "Free Disk Space", false);
    ctl_print(c, "Low free disk space watermark: %s\n",
              amount_text(number_of(s, "disk_free_limit"), unit, amount));
    ctl_print(c, "Free disk space: %s\n", amount_text(number_of(s, "disk_free"), unit, amount));
    heading(c, "Totals", false);
    ctl_print(c, "Connection count: %.0f\nQueue count: %.0f\nVirtual host count: %.0f\n",
              number_of(totals, "connection_count"), number_of(totals, "queue_count"),
              number_of(totals, "virtual_host_count"));
}

void
status_print_listeners(struct ctl *c, const json_t *listeners)
{
    size_t i;
    json_t *l;
    json_array_foreach(listeners, i, l)
        ctl_print(c, "Interface: %s, port: %.0f, protocol: %s, purpose: %s\n", ctl_member(l, "interface"),
                  number_of(l, "port"), ctl_member(l, "protocol"), ctl_member(l, "purpose"));
}

void
status_print(struct ctl *c, const json_t *status, const char *unit)
{
    print_runtime(c, status);
    print_files(c, status);
    print_alarms(c, status);
    print_memory(c, status, unit);
    print_resources(c, status, unit);
    heading(c, "Listeners", false);
    status_print_listeners(c, json_object_get(status, "listeners"));
}
