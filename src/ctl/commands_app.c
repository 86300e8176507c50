/*
 * The process and the application in it. stop_app, start_app, reset and force_reset leave the process
 * running; stop and shutdown end it; await_startup and wait look on.
 *
 * Whoever asks for the end gets it: stop and shutdown come back when the process has gone, where it is one of
 * this machine, so that the node can be started again at once.
 */
#include "base/check.h"
#include "base/text.h"
#include "ctl/commands.h"
#include "ctl/node.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    POLL_MS = 50,
    GONE_WITHIN_MS = 120000,
    WAIT_DEFAULT_S = 10,
    STARTUP_DEFAULT_S = 300,
    SHUTDOWN_DEFAULT_S = 120,
};

static uint64_t
now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void
pause_ms(void)
{
    nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
}

/* One that has ended and whose parent has not looked yet is gone, too. */
static bool
is_alive(pid_t pid)
{
    char path[32], state = 0;
    if (kill(pid, 0) != 0 && errno != EPERM)
        return false;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "re");
    bool is_known = f && fscanf(f, "%*d (%*[^)]) %c", &state) == 1;
    if (f)
        fclose(f);
    return !is_known || state != 'Z';
}

static bool
wait_until_gone(pid_t pid, uint64_t within_ms)
{
    uint64_t end = now_ms() + within_ms;
    while (is_alive(pid)) {
        if (now_ms() >= end)
            return false;
        pause_ms();
    }
    return true;
}

/* The node's process; 0: it is on another machine, or does not say. */
static pid_t
ask_pid(struct ctl *c)
{
    json_t *result = ctl_ask(c, "ping", NULL);
    json_int_t pid = c->at->is_local ? json_integer_value(json_object_get(result, "pid")) : 0;
    json_decref(result);
    return (pid_t)pid;
}

/* ---- the application ---- */

static int
stop_app(struct ctl *c)
{
    ctl_banner(c, "Stopping rabbit application on node %s ...", ctl_node(c));
    return ctl_do(c, "stop_app", NULL);
}

static int
start_app(struct ctl *c)
{
    ctl_banner(c, "Starting node %s ...", ctl_node(c));
    return ctl_do(c, "start_app", NULL);
}

static int
do_reset(struct ctl *c, const char *request)
{
    json_t *result = ctl_ask(c, request, NULL);
    if (!result && strcmp(ctl_failure(c), "refused") == 0)
        return ctl_error(c, EX_SOFTWARE, "%s", ctl_failure_text(c));
    if (!result)
        return ctl_failed(c);
    json_decref(result);
    return EX_OK;
}

static int
reset(struct ctl *c)
{
    ctl_banner(c, "Resetting node %s ...", ctl_node(c));
    return do_reset(c, "reset");
}

static int
force_reset(struct ctl *c)
{
    ctl_banner(c, "Forcefully resetting node %s ...", ctl_node(c));
    return do_reset(c, "force_reset");
}

/* ---- the process ---- */

/* The number at the start of the file. False: said why. */
static bool
read_pid(struct ctl *c, const char *path, pid_t *pid, bool *is_missing)
{
    char text[32] = "";
    uint64_t number;
    FILE *f = fopen(path, "re");
    *is_missing = !f && errno == ENOENT;
    if (!f) {
        if (!*is_missing)
            ctl_error(c, EX_SOFTWARE, "Error: could not read pid. Detail: %s", strerror(errno));
        return false;
    }
    size_t len = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    len = strspn(text, "0123456789") < len ? strspn(text, "0123456789") : len;
    if (text_to_u64_within(slice_of(text, len), 1, INT32_MAX, &number) != ERR_OK) {
        ctl_error(c, EX_SOFTWARE, "Error: garbage in pid file.");
        return false;
    }
    *pid = (pid_t)number;
    return true;
}

static int
stop(struct ctl *c)
{
    const char *path = c->arg_count ? c->args[0] : NULL;
    bool is_missing = false;
    pid_t pid = 0;
    if (path && !read_pid(c, path, &pid, &is_missing))
        return is_missing
                   ? ctl_error(c, EX_UNAVAILABLE, "could not read pid from file %s. Error: enoent", path)
                   : EX_SOFTWARE;
    if (path)
        ctl_banner(c, "Stopping and halting node %s (will monitor pid file %s) ...", ctl_node(c), path);
    else
        ctl_banner(c, "Stopping and halting node %s ...", ctl_node(c));
    if (!path)
        pid = ask_pid(c);
    json_t *result = ctl_ask(c, "stop", NULL);
    if (!result && ctl_has(c, "idempotent") && strcmp(ctl_failure(c), "unreachable") == 0) {
        ctl_say(c, "Node %s is no longer running", ctl_node(c));
        return EX_OK;
    }
    if (!result && !(path && strcmp(ctl_failure(c), "unreachable") == 0 && !is_alive(pid)))
        return ctl_failed(c);
    json_decref(result);
    if (pid && !wait_until_gone(pid, GONE_WITHIN_MS))
        return ctl_error(c, EX_TEMPFAIL, "process %d has been told to stop and still runs", (int)pid);
    if (path)
        ctl_say(c, "process %d (take from pid file %s) is no longer running", (int)pid, path);
    return EX_OK;
}

static int
do_shutdown(struct ctl *c)
{
    bool must_wait = ctl_has(c, "wait") || !ctl_given(c, "wait");
    uint64_t within_ms = (uint64_t)(c->timeout_s ? c->timeout_s : SHUTDOWN_DEFAULT_S) * 1000;
    const char *node = ctl_node(c);
    pid_t pid = ask_pid(c);
    if (must_wait && c->at->client && !c->at->is_local)
        return ctl_invalid(
            c,
            "\nThis command can only --wait for shutdown of local nodes but node %s is another machine's.\n"
            "Pass --no-wait to shut node %s down without waiting.\n",
            node, node);
    if (must_wait && pid)
        ctl_say(c, "Shutting down RabbitMQ node %s running at PID %d", node, (int)pid);
    int code = ctl_do(c, "shutdown", NULL);
    if (code != EX_OK || !must_wait || !pid)
        return code;
    ctl_say(c, "Waiting for PID %d to terminate", (int)pid);
    if (!wait_until_gone(pid, within_ms))
        return ctl_error(c, EX_TEMPFAIL, "process %d has been told to stop and still runs", (int)pid);
    ctl_say(c, "RabbitMQ node %s running at PID %d successfully shut down", node, (int)pid);
    return EX_OK;
}

/* ---- looking on ---- */

static int
await_startup(struct ctl *c)
{
    json_t *result = ctl_ask(c, "is_running", NULL);
    bool is_running = json_is_true(json_object_get(result, "running"));
    json_decref(result);
    if (!result)
        return ctl_failed(c);
    if (is_running)
        return EX_OK;
    ctl_note(c, "Still booting, will check again in 10 seconds...");
    c->timeout_s = c->timeout_s ? c->timeout_s : STARTUP_DEFAULT_S;
    return ctl_do(c, "await_startup", NULL);
}

/* Until the node answers, as long as its process lives: a node that another process runs is not the one that
 * was meant. */
static int
wait_for_node(struct ctl *c, pid_t pid, uint64_t end)
{
    if (!is_alive(pid))
        return ctl_error(c, EX_UNAVAILABLE, "process_not_running");
    while (!node_connect(c->at, POLL_MS * 20)) {
        if (!is_alive(pid))
            return ctl_error(c, EX_UNAVAILABLE, "process_not_running");
        if (now_ms() >= end)
            return ctl_error(c, EX_TEMPFAIL, "the node does not answer: %s", c->at->why_text);
        pause_ms();
        node_forget(c->at);
    }
    return EX_OK;
}

static int
wait(struct ctl *c)
{
    int timeout_s = c->timeout_s ? c->timeout_s : WAIT_DEFAULT_S, code;
    uint64_t end = now_ms() + (uint64_t)timeout_s * 1000;
    const char *path = c->arg_count ? c->args[0] : NULL;
    pid_t pid = (pid_t)ctl_number(c, "pid", 0);
    if (path) {
        bool is_missing;
        ctl_note(c, "Waiting for pid file '%s' to appear", path);
        while (!read_pid(c, path, &pid, &is_missing)) {
            if (!is_missing)
                return EX_SOFTWARE;
            if (now_ms() >= end)
                return ctl_error(c, EX_TEMPFAIL, "pid file %s did not appear within %d seconds", path,
                                 timeout_s);
            pause_ms();
        }
        ctl_note(c, "pid is %d", (int)pid);
    }
    ctl_note(c, "Waiting for erlang distribution on node '%s' while OS process '%d' is running", c->at->name,
             (int)pid);
    if ((code = wait_for_node(c, pid, end)) != EX_OK)
        return code;
    ctl_note(c, "Waiting for applications 'rabbit_and_plugins' to start on node '%s'", c->at->name);
    if ((code = ctl_do(c, "await_startup", NULL)) != EX_OK)
        return code;
    ctl_note(c, "Applications 'rabbit_and_plugins' are running on node '%s'", c->at->name);
    return EX_OK;
}

static int
check_wait(struct ctl *c)
{
    if (c->arg_count && ctl_has(c, "pid"))
        return ctl_invalid(c, "\"Cannot specify both pid and pidfile\"");
    if (!c->arg_count && !ctl_has(c, "pid"))
        return ctl_invalid(c, "\"No pid or pidfile specified\"");
    long long pid = ctl_number(c, "pid", 1);
    return pid > 0 && pid <= INT32_MAX ? EX_OK : ctl_invalid(c, "--pid is a process's number");
}

static const struct ctl_option stop_options[] = {{"idempotent", 0, CTL_FLAG}, {0}};
static const struct ctl_option shutdown_options[] = {{"wait", 0, CTL_FLAG}, {0}};
static const struct ctl_option wait_options[] = {{"pid", 'P', CTL_NUMBER}, {0}};

const struct ctl_command commands_app[] = {
    {
        .name = "await_startup",
        .tools = CTL_CTL,
        .group = CTL_GROUP_NODES,
        .usage = "",
        .summary = "Waits until the node's application has started, 300 seconds at most",
        .run = await_startup,
        .flags = CTL_PATIENT,
    },
    {
        .name = "force_reset",
        .tools = CTL_CTL,
        .group = CTL_GROUP_CLUSTER,
        .usage = "",
        .summary = "Empties a stopped node without asking the cluster that it belongs to",
        .run = force_reset,
        .flags = CTL_PATIENT,
    },
    {
        .name = "reset",
        .tools = CTL_CTL,
        .group = CTL_GROUP_NODES,
        .usage = "",
        .summary =
            "Takes a stopped node out of its cluster and empties it: users, queues and messages are gone",
        .run = reset,
        .flags = CTL_PATIENT,
    },
    {
        .name = "shutdown",
        .tools = CTL_CTL,
        .group = CTL_GROUP_NODES,
        .usage = "[--wait]",
        .summary = "Ends a node's process, and waits for that on the same machine",
        .details = "--wait\n\twait until the process has gone; this is so unless --no-wait is said\n\n"
                   "--no-wait\n\tcome back when the node has been told\n",
        .run = do_shutdown,
        .options = shutdown_options,
        .flags = CTL_PATIENT,
    },
    {
        .name = "start_app",
        .tools = CTL_CTL,
        .group = CTL_GROUP_NODES,
        .usage = "",
        .summary = "Starts the application in a node's process where stop_app had stopped it",
        .run = start_app,
        .flags = CTL_PATIENT,
    },
    {
        .name = "stop",
        .tools = CTL_CTL,
        .group = CTL_GROUP_NODES,
        .usage = "[--idempotent] [<pidfile>]",
        .summary = "Ends a node's process",
        .details =
            "<pidfile>\n\ta file with the process's number, which is watched until the process has gone\n\n"
            "--idempotent\n\ta node that does not run is no failure\n",
        .run = stop,
        .options = stop_options,
        .args_max = 1,
        .flags = CTL_PATIENT,
    },
    {
        .name = "stop_app",
        .tools = CTL_CTL,
        .group = CTL_GROUP_NODES,
        .usage = "",
        .summary = "Stops the application and leaves the node's process running",
        .run = stop_app,
        .flags = CTL_PATIENT,
    },
    {
        .name = "wait",
        .tools = CTL_CTL | CTL_DIAGNOSTICS,
        .group = CTL_GROUP_NODES,
        .usage = "[<pidfile>] [--pid|-P <pid>]",
        .summary = "Waits until the node whose process a pid file names has started",
        .details = "<pidfile>\n\ta file that has the process's number, or will have it soon\n\n"
                   "--pid <pid>\n\tthe process's number itself\n",
        .run = wait,
        .check = check_wait,
        .options = wait_options,
        .args_max = 1,
        .flags = CTL_PATIENT | CTL_TIMED,
    },
    {0},
};
