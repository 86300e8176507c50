/*
 * Requests about the machine's resources: watermarks of memory and disk, and alarms raised by hand. What they
 * set is gone with the application, as in RabbitMQ; the configuration's values are back then.
 */
#include "base/check.h"
#include "broker/alarm.h"
#include "io/system.h"
#include "mgmt/argument.h"
#include "mgmt/control_table.h"
#include "server/server.h"

#include <math.h>
#include <stdlib.h>

/* On shard 0. */
struct resource_change {
    double share; /* of the memory; 0: bytes */
    uint64_t bytes;
    enum alarm_source source;
    bool is_on;
    void (*apply)(const struct resource_change *r, const struct node *node);
    bool is_watched; /* out: there was something to change */
};

static void
change(void *arg, struct server_shard *home)
{
    struct resource_change *r = arg;
    const struct node *node = home->server->node;
    r->is_watched = node->memory_watch && node->disk_watch;
    if (r->is_watched)
        r->apply(r, node);
}

static void
changed(struct control_call *call, void *arg, bool discarded)
{
    const struct resource_change *r = arg;
    if (discarded)
        return;
    if (r->is_watched)
        control_done(call, NULL);
    else
        control_fail(call, CONTROL_REFUSED, "the node does not watch its memory and disk yet");
}

static void
begin(struct control_call *call, const struct resource_change *change_of)
{
    struct resource_change *r = malloc(sizeof *r);
    CHECK(r);
    *r = *change_of;
    control_set_data(call, r, free);
    control_ask(call, 0, change, r, changed);
}

/* {"relative": 0.4} or {"absolute": BYTES}. False: it was answered. */
static bool
parse_amount(struct control_call *call, double share_max, struct resource_change *r)
{
    json_t *relative = control_argument(call, "relative"), *absolute = control_argument(call, "absolute");
    if (json_is_number(relative)) {
        r->share = json_number_value(relative);
        if (!isfinite(r->share) || r->share < 0 || r->share > share_max) {
            control_fail(call, CONTROL_BAD_ARGUMENT, "the fraction must be from 0 to %g", share_max);
            return false;
        }
        r->bytes = (uint64_t)(r->share * (double)system_memory_total(NULL));
        return true;
    }
    if (!json_is_integer(absolute) || json_integer_value(absolute) < 0) {
        control_fail(call, CONTROL_BAD_REQUEST, "either a fraction or a number of bytes is needed");
        return false;
    }
    r->bytes = (uint64_t)json_integer_value(absolute);
    return true;
}

/* A watermark of 0 raises the alarm at once, as in RabbitMQ: that is how publishers are stopped by hand. */
static void
apply_memory(const struct resource_change *r, const struct node *node)
{
    alarm_watch_set(node->memory_watch, r->bytes ? r->bytes : 1, r->share);
}

static void
set_memory(struct control_call *call)
{
    struct resource_change r = {.apply = apply_memory};
    if (parse_amount(call, 1.0, &r))
        begin(call, &r);
}

static void
apply_disk(const struct resource_change *r, const struct node *node)
{
    alarm_disk_set(node->disk_watch, r->bytes);
}

static void
set_disk(struct control_call *call)
{
    struct resource_change r = {.apply = apply_disk};
    if (parse_amount(call, 1000.0, &r))
        begin(call, &r);
}

static void
apply_monitoring(const struct resource_change *r, const struct node *node)
{
    alarm_disk_switch(node->disk_watch, r->is_on);
}

static void
set_monitoring(struct control_call *call)
{
    struct resource_change r = {.apply = apply_monitoring};
    if (argument_flag(call, "on", &r.is_on))
        begin(call, &r);
}

static void
apply_alarm(const struct resource_change *r, const struct node *node)
{
    alarm_force(node->brokers[0], r->source, r->is_on);
}

static void
set_alarm(struct control_call *call)
{
    const char *resource = control_string(call, "resource", NULL);
    struct resource_change r = {.apply = apply_alarm};
    if (!resource || !argument_flag(call, "on", &r.is_on))
        return;
    bool is_disk = strcmp(resource, "disk") == 0;
    if (!is_disk && strcmp(resource, "memory") != 0) {
        control_fail(call, CONTROL_BAD_ARGUMENT, "there is no alarm for '%s'", resource);
        return;
    }
    r.source = is_disk ? ALARM_DISK : ALARM_MEMORY;
    begin(call, &r);
}

const struct control_command command_resource_table[] = {
    {"set_vm_memory_high_watermark", set_memory, CONTROL_NEEDS_APP | CONTROL_AUDITED},
    {"set_disk_free_limit", set_disk, CONTROL_NEEDS_APP | CONTROL_AUDITED},
    {"free_disk_space_monitoring", set_monitoring, CONTROL_NEEDS_APP | CONTROL_AUDITED},
    {"set_alarm", set_alarm, CONTROL_NEEDS_APP | CONTROL_AUDITED},
    {0},
};
