/* Requests about the process and the application in it. Those that take time are the process's (struct
 * control_host): it answers. */
#include "io/system.h"
#include "mgmt/control_table.h"

#include <unistd.h>

static void
run_ping(struct control_call *call)
{
    const struct control_host *h = control_hosts(control_of(call));
    control_done(call, json_pack("{s:s, s:i}", "node", h->node_name, "pid", (int)getpid()));
}

static void
run_is_running(struct control_call *call)
{
    const struct control_host *h = control_hosts(control_of(call));
    control_done(call, json_pack("{s:b}", "running", h->is_running(h->arg)));
}

static void
run_is_booting(struct control_call *call)
{
    const struct control_host *h = control_hosts(control_of(call));
    control_done(call, json_pack("{s:b}", "booting", h->is_booting(h->arg)));
}

static void
run_stop_app(struct control_call *call)
{
    const struct control_host *h = control_hosts(control_of(call));
    h->stop_app(h->arg, call);
}

static void
run_start_app(struct control_call *call)
{
    const struct control_host *h = control_hosts(control_of(call));
    h->start_app(h->arg, call);
}

static void
run_await_startup(struct control_call *call)
{
    const struct control_host *h = control_hosts(control_of(call));
    h->await_app(h->arg, call);
}

static void
run_reset(struct control_call *call)
{
    const struct control_host *h = control_hosts(control_of(call));
    h->reset(h->arg, call, false);
}

static void
run_force_reset(struct control_call *call)
{
    const struct control_host *h = control_hosts(control_of(call));
    h->reset(h->arg, call, true);
}

static void
run_stop(struct control_call *call)
{
    const struct control_host *h = control_hosts(control_of(call));
    h->stop(h->arg, call);
}

const struct control_command command_app_table[] = {
    {"ping", run_ping, 0},
    {"is_running", run_is_running, 0},
    {"is_booting", run_is_booting, 0},
    {"await_startup", run_await_startup, 0},
    {"stop_app", run_stop_app, CONTROL_AUDITED},
    {"start_app", run_start_app, CONTROL_AUDITED},
    {"reset", run_reset, CONTROL_AUDITED},
    {"force_reset", run_force_reset, CONTROL_AUDITED},
    {"stop", run_stop, CONTROL_AUDITED},
    {"shutdown", run_stop, CONTROL_AUDITED},
    {0},
};
