/*
 * The control thread: its own loop, which belongs to no shard of the node. It hears requests and signals, and
 * decides what the process does. Its state follows the events that the main thread tells, in their order;
 * those who wait for a state stand in a list and are looked at after each event and each request:
 *
 *   BOOTING ──ready──► RUNNING ──stop──► STOPPING ──ended──► STOPPED ──start──► BOOTING
 *      └──────────────ended (it failed, or was told to stop)────┘ │ └─reset─► RESETTING ─► STOPPED
 *                                                                  └──leaving──► ENDING
 *
 * A waiter is its call's data, so it leaves the list when its client goes. What it has set in motion goes on.
 */
#include "app/process_impl.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

enum { LINGER_MS = 1000 }; /* how long clients have to read the last answers */

enum waiting { WAIT_STOPPED, WAIT_STARTED, WAIT_RUNNING, WAIT_RESET, WAIT_END };

struct waiter {
    struct list link;
    struct control_call *call;
    enum waiting what;
};

static void
waiter_free(void *data)
{
    struct waiter *w = data;
    list_remove(&w->link);
    free(w);
}

static void
wait_for(struct process *p, struct control_call *call, enum waiting what)
{
    struct waiter *w = calloc(1, sizeof *w);
    CHECK(w);
    *w = (struct waiter){.call = call, .what = what};
    list_push_back(&p->waiters, &w->link);
    control_set_data(call, w, waiter_free);
}

static bool
is_awaited(const struct process *p, enum waiting what)
{
    LIST_FOREACH (at, &p->waiters)
        if (LIST_ENTRY(at, struct waiter, link)->what == what)
            return true;
    return false;
}

/* All who wait for that: done, or failed because of `why`. */
static void
answer(struct process *p, enum waiting what, const char *why)
{
    LIST_FOREACH_SAFE (at, next, &p->waiters) {
        struct waiter *w = LIST_ENTRY(at, struct waiter, link);
        if (w->what != what)
            continue;
        list_remove(&w->link); /* its call frees it */
        if (why)
            control_fail(w->call, CONTROL_FAILED, "%s", why);
        else
            control_done(w->call, NULL);
    }
}

/* ---- what is ordered ---- */

static void
order(struct process *p, enum process_order what, enum process_state state)
{
    p->state = state;
    pthread_mutex_lock(&p->lock);
    CHECK(p->order == PROCESS_NOTHING);
    p->order = what;
    pthread_cond_signal(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

/* The application is asked to end; asked again, it does not wait for clients. */
static void
stop_application(struct process *p)
{
    p->is_stop_told = true;
    pthread_mutex_lock(&p->lock);
    if (p->app)
        boot_stop(p->app);
    else
        p->stops_asked++;
    pthread_mutex_unlock(&p->lock);
}

static void
on_linger(void *arg)
{
    struct process *p = arg;
    shards_stop(p->shards);
}

static void
leave(struct process *p)
{
    static const char why[] = "the node is stopping";
    answer(p, WAIT_END, NULL);
    answer(p, WAIT_STARTED, why);
    answer(p, WAIT_RUNNING, why);
    answer(p, WAIT_RESET, why);
    order(p, PROCESS_END, PROCESS_ENDING);
    timer_start(control_shard(p->control), &p->linger, LINGER_MS, on_linger, p);
    control_quiesce(p->control);
}

/* The next step, if somebody waits for one. */
static void
go_on(struct process *p)
{
    if (p->state == PROCESS_RUNNING) {
        answer(p, WAIT_STARTED, NULL);
        answer(p, WAIT_RUNNING, NULL);
    }
    if (p->state == PROCESS_STOPPED) {
        answer(p, WAIT_STOPPED, NULL);
        if (p->is_leaving)
            leave(p);
        else if (is_awaited(p, WAIT_RESET))
            order(p, PROCESS_RESET, PROCESS_RESETTING);
        else if (is_awaited(p, WAIT_STARTED))
            order(p, PROCESS_BOOT, PROCESS_BOOTING);
    } else if (!p->is_stop_told && (p->state == PROCESS_RUNNING || p->state == PROCESS_BOOTING) &&
               (p->is_leaving || is_awaited(p, WAIT_STOPPED))) {
        if (p->is_leaving)
            p->request->on_stopping(p->request->arg);
        stop_application(p);
        if (p->state == PROCESS_RUNNING)
            p->state = PROCESS_STOPPING;
    }
}

/* ---- what has happened ---- */

static void
on_ended(struct process *p, const char *why)
{
    bool has_failed = p->state == PROCESS_BOOTING;
    pthread_mutex_lock(&p->lock);
    p->stops_asked = 0; /* it ended before it could be told */
    pthread_mutex_unlock(&p->lock);
    if (has_failed) {
        const char *reason = why ? why : "the application was stopped before it served";
        answer(p, WAIT_STARTED, reason);
        answer(p, WAIT_RUNNING, reason);
    }
    p->is_leaving |= !p->was_ready; /* what cannot start at first does not stay */
    p->is_stop_told = false;
    p->state = PROCESS_STOPPED;
}

static void
on_event(struct process *p, const struct mail *m)
{
    char *why = m->p;
    switch (m->type) {
    case PROCESS_EVENT_READY:
        p->was_ready = true;
        p->state = p->is_stop_told ? PROCESS_STOPPING : PROCESS_RUNNING;
        break;
    case PROCESS_EVENT_ENDED: on_ended(p, why); break;
    case PROCESS_EVENT_RESET:
        answer(p, WAIT_RESET, why);
        p->state = PROCESS_STOPPED;
        break;
    default: CHECK_UNREACHABLE("mail of nobody");
    }
    free(why);
    go_on(p);
}

void
process_control_tell(struct process *p, enum process_event what, const char *why)
{
    char *copy = why ? strdup(why) : NULL;
    CHECK(copy || !why);
    shards_post_external(p->shards, 0, &(struct mail){.type = (uint16_t)what, .p = copy});
}

/* Files are read here, on the control thread: what waits for them are commands. */
bool
process_control_reload(struct process *p, reload_load_fn *load, void *arg)
{
    char why[BOOT_WHY_SIZE];
    const struct config *old = p->reloaded ? &p->reloaded->config : p->config;
    struct reload *r = reload_new(old, load, arg, &p->logger.log);
    if (!r)
        return false;
    if (r->has_levels && !logger_set_levels(&p->logger, &r->config, why, sizeof why))
        log_error(&p->logger.log, LOG_GLOBAL, "the log's levels stay as they were: %s", why);
    pthread_mutex_lock(&p->lock);
    reload_drop(p->reloaded);
    p->reloaded = r;
    process_node_init(p);
    if (p->app)
        boot_reload(p->app, r);
    pthread_mutex_unlock(&p->lock);
    return true;
}

static void
on_signal(void *arg, enum signal_kind kind)
{
    struct process *p = arg;
    if (kind == SIGNAL_TERMINATE) {
        if (p->is_leaving && p->state != PROCESS_ENDING)
            stop_application(p);
        p->is_leaving = true;
        go_on(p);
        return;
    }
    log_info(&p->logger.log, LOG_GLOBAL,
             "SIGHUP: the log file is opened anew, configuration and certificates are read again");
    logger_reopen(&p->logger);
    (void)process_control_reload(p, p->request->load, p->request->load_arg); /* the log says why not */
}

/* ---- what commands ask for ---- */

static bool
host_is_running(void *arg)
{
    const struct process *p = arg;
    return p->state == PROCESS_RUNNING;
}

static bool
host_is_booting(void *arg)
{
    const struct process *p = arg;
    return p->state == PROCESS_BOOTING;
}

static void
host_stop_app(void *arg, struct control_call *call)
{
    wait_for(arg, call, WAIT_STOPPED);
    go_on(arg);
}

static void
host_start_app(void *arg, struct control_call *call)
{
    wait_for(arg, call, WAIT_STARTED);
    go_on(arg);
}

static void
host_await_app(void *arg, struct control_call *call)
{
    wait_for(arg, call, WAIT_RUNNING);
    go_on(arg);
}

static void
host_reset(void *arg, struct control_call *call, bool is_forced)
{
    struct process *p = arg;
    if (p->state != PROCESS_STOPPED && p->state != PROCESS_RESETTING) {
        control_fail(
            call, CONTROL_REFUSED,
            "Mnesia is still running on node %s.\nPlease stop RabbitMQ with 'rabbitmqctl stop_app' first.",
            p->name);
        return;
    }
    wait_for(p, call, WAIT_RESET);
    go_on(p);
}

static void
host_stop(void *arg, struct control_call *call)
{
    struct process *p = arg;
    p->is_leaving = true;
    wait_for(p, call, WAIT_END);
    go_on(p);
}

/* ---- the thread ---- */

/* Where other nodes, and commands from elsewhere, connect: RabbitMQ's distribution port unless the
 * configuration says otherwise. */
static void
set_peer_address(const struct process *p, struct control_config *out)
{
    const struct config *c = p->config;
    const struct config_list *clients = c->listeners_tcp.count > 0 ? &c->listeners_tcp : &c->listeners_ssl;
    if (c->peer_listen.is_set) {
        out->peer_address = c->peer_listen.is_none ? NULL : c->peer_listen.host;
        out->peer_port = c->peer_listen.port;
    } else if (clients->count > 0) {
        uint32_t port = clients->items[0].address.port + 20000u;
        if (port > 20000 && port <= UINT16_MAX) {
            out->peer_address = "";
            out->peer_may_fail = true;
            out->peer_port = (uint16_t)port;
        }
    }
}

static void
on_start(struct shard *s, void *owner)
{
    struct process *p = owner;
    char why[BOOT_WHY_SIZE] = "";
    struct control_config config = {.socket_path = p->socket_path,
                                    .cookie = slice_str(p->cookie),
                                    .log = &p->logger.log,
                                    .host = &p->host};
    set_peer_address(p, &config);
    enum err e = control_open(s, p->asker, &config, &p->control, why, sizeof why);
    if (e == ERR_OK && signal_watch_open(s, on_signal, p, &p->signals) != ERR_OK)
        snprintf(why, sizeof why, "cannot watch signals");
    if (!*why && control_peer_port(p->control) != 0)
        log_info(&p->logger.log, LOG_GLOBAL, "accepting commands on port %u, from who has the cookie",
                 control_peer_port(p->control));
    pthread_mutex_lock(&p->lock);
    p->is_open = true;
    snprintf(p->why, sizeof p->why, "%s", why);
    pthread_cond_signal(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

static void
on_mail(struct shard *s, void *owner, const struct mail *m)
{
    struct process *p = owner;
    if (!ask_on_mail(p->asker, s, m))
        on_event(p, m);
}

static bool
on_turn(struct shard *s, void *owner)
{
    struct process *p = owner;
    if (!p->control)
        return false;
    control_turn(p->control);
    if (p->state == PROCESS_ENDING && control_is_idle(p->control))
        shards_stop(p->shards);
    return false;
}

static void
on_discard(void *owner, const struct mail *m)
{
    if (m->type >= MAIL_APP)
        free(m->p);
}

bool
process_control_start(struct process *p, char *why)
{
    static const struct shard_hooks hooks = {
        .on_start = on_start, .on_mail = on_mail, .on_turn = on_turn, .on_discard = on_discard};
    p->host = (struct control_host){.arg = p,
                                    .credentials = p->credentials,
                                    .node_name = p->name,
                                    .data_dir = p->config->data_dir,
                                    .cookie_path = p->cookie_path,
                                    .pid_file = *p->pid_path ? p->pid_path : NULL,
                                    .is_running = host_is_running,
                                    .is_booting = host_is_booting,
                                    .stop_app = host_stop_app,
                                    .start_app = host_start_app,
                                    .await_app = host_await_app,
                                    .reset = host_reset,
                                    .stop = host_stop,
                                    .node = &p->node,
                                    .events = p->events};
    process_node_init(p);
    list_init(&p->waiters);
    p->shards = shards_new(NULL, 1, &hooks, p);
    shards_set_name(p->shards, "control");
    p->asker = asker_new(shards_get(p->shards, 0));
    if (shards_start(p->shards) != ERR_OK) {
        snprintf(why, BOOT_WHY_SIZE, "cannot start the control thread");
        process_control_join(p);
        return false;
    }
    pthread_mutex_lock(&p->lock);
    while (!p->is_open)
        pthread_cond_wait(&p->changed, &p->lock);
    snprintf(why, BOOT_WHY_SIZE, "%s", p->why);
    pthread_mutex_unlock(&p->lock);
    if (!*why)
        return true;
    shards_stop(p->shards);
    process_control_join(p);
    return false;
}

void
process_control_join(struct process *p)
{
    shards_join(p->shards);
    control_free(p->control);
    shards_free(p->shards);
    asker_free(p->asker);
}
