/*
 * The main thread: it does what the control thread orders (boots the application and stays in it until its
 * end, empties the data directory), tells how that went, and waits for the next order. It decides nothing but
 * the exit code: that of the last application.
 *
 * The control thread starts before the first boot and ends last, so that somebody answers all the time.
 */
#include "app/process.h"

#include "app/process_impl.h"
#include "app/setup.h"
#include "base/check.h"
#include "io/system.h"
#include "mgmt/control_client.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

enum { PROCESS_MMAP_BYTES = 128 * 1024 }; /* larger blocks go back to the system when they are freed */

/* ---- what is there before the application ---- */

static bool
name_node(struct process *p)
{
    char host[128];
    const struct config *c = p->config;
    if (c->node_name) {
        snprintf(p->name, sizeof p->name, "%s", c->node_name);
    } else {
        if (system_hostname(NULL, host, sizeof host))
            snprintf(host, sizeof host, "localhost");
        snprintf(p->name, sizeof p->name, "rabbit@%s", host);
    }
    snprintf(p->cluster_name, sizeof p->cluster_name, "%s", c->cluster_name ? c->cluster_name : p->name);
    return strlen(p->name) < sizeof p->name - 1;
}

/* For whoever waits for the process (`leveretctl wait`), and for service managers. */
static bool
write_pid_file(struct process *p, char *why)
{
    char text[32];
    struct file *f;
    const char *wanted = p->config->pid_file;
    snprintf(p->pid_path, sizeof p->pid_path, "%s%s", wanted ? wanted : p->config->data_dir,
             wanted ? "" : ".pid");
    int len = snprintf(text, sizeof text, "%llu\n", (unsigned long long)system_process_id(NULL));
    enum err e = file_open(NULL, p->pid_path, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, &f);
    if (e == ERR_OK) {
        e = file_pwrite(f, text, (size_t)len, 0);
        file_close(f);
    }
    if (e == ERR_OK)
        return true;
    snprintf(why, BOOT_WHY_SIZE, "cannot write the pid file %.400s: %s", p->pid_path, err_text(e));
    *p->pid_path = 0;
    if (wanted)
        return false;
    log_warning(&p->logger.log, LOG_GLOBAL, "%s; going on without", why);
    return true;
}

/* Where the configuration is from, and what is odd about it. */
static void
log_files(const struct process *p)
{
    struct buffer names = {0};
    for (size_t i = 0; i < p->config->files_count; i++)
        buffer_add_fmt(&names, "%s%s", i > 0 ? ", " : "", p->config->files[i]);
    log_info(&p->logger.log, LOG_GLOBAL, "leveret " LEVERET_VERSION " starts; config file(s): %.*s",
             names.len > 0 ? (int)names.len : (int)strlen("(none)"),
             names.len > 0 ? (const char *)names.data : "(none)");
    buffer_fini(&names);
    log_write_lines(&p->logger.log, LOG_GLOBAL, LOG_LEVEL_WARNING, p->request->warnings);
}

static bool
prepare(struct process *p, char *why)
{
    const struct config *c = p->config;
    if (!name_node(p)) {
        snprintf(why, BOOT_WHY_SIZE, "the node's name is too long");
        return false;
    }
    if (!setup_credentials(&p->credentials, c, why, BOOT_WHY_SIZE))
        return false;
    if (!data_dir_open(&p->data_dir, c->data_dir, why, BOOT_WHY_SIZE))
        return false;
    p->has_log = logger_init(&p->logger, c, p->request->log_file, why, BOOT_WHY_SIZE);
    snprintf(p->cookie_path, sizeof p->cookie_path, "%s%s", c->cookie_file ? c->cookie_file : c->data_dir,
             c->cookie_file ? "" : "/" COOKIE_NAME);
    if (p->has_log)
        log_files(p);
    if (!p->has_log || !cookie_open(p->cookie_path, c->cookie, p->cookie, why, BOOT_WHY_SIZE))
        return false;
    snprintf(p->socket_path, sizeof p->socket_path, "%s/" CONTROL_SOCKET, c->data_dir);
    return write_pid_file(p, why);
}

/* ---- orders ---- */

static void
on_ready(void *arg, const char *line)
{
    struct process *p = arg;
    process_control_tell(p, PROCESS_EVENT_READY, NULL);
    if (!p->is_line_told) /* nobody waits for that of a later start */
        p->request->on_ready(p->request->arg, line);
    p->is_line_told = true;
}

/* From now on it can be told to stop; or, with NULL, no longer. */
static void
publish(struct process *p, struct boot *app)
{
    pthread_mutex_lock(&p->lock);
    p->app = app;
    for (; app && p->stops_asked > 0; p->stops_asked--)
        boot_stop(app);
    pthread_mutex_unlock(&p->lock);
}

static void
boot(struct process *p)
{
    char why[BOOT_WHY_SIZE];
    pthread_mutex_lock(&p->lock);
    struct reload *r = p->reloaded ? reload_hold(p->reloaded) : NULL;
    pthread_mutex_unlock(&p->lock);
    struct boot_request request = {.config = r ? &r->config : p->config,
                                   .log = &p->logger.log,
                                   .log_exchange = logger_exchange(&p->logger),
                                   .event_watch = event_streams_watch(p->events),
                                   .name = p->name,
                                   .cluster_name = p->cluster_name,
                                   .on_ready = on_ready,
                                   .arg = p};
    struct boot *b = boot_new(&request, why);
    bool good = false;
    if (b) {
        asker_set_server(p->asker, boot_server(b));
        publish(p, b);
        good = boot_run(b, why);
        publish(p, NULL);
        asker_set_server(p->asker, NULL);
        boot_free(b);
    } else {
        log_critical(&p->logger.log, LOG_GLOBAL, "%s", why);
    }
    reload_drop(r);
    p->exit_code = good ? 0 : 1;
    if (*why)
        fprintf(stderr, "leveret: %s\n", why);
    process_control_tell(p, PROCESS_EVENT_ENDED,
                         good   ? NULL
                         : *why ? why
                                : "the store has failed: see the log");
}

static void
reset(struct process *p)
{
    char why[BOOT_WHY_SIZE];
    bool good = data_dir_reset(p->config->data_dir, why, sizeof why);
    if (good)
        log_info(&p->logger.log, LOG_GLOBAL, "reset: everything declared and every message is gone");
    else
        log_error(&p->logger.log, LOG_GLOBAL, "%s", why);
    process_control_tell(p, PROCESS_EVENT_RESET, good ? NULL : why);
}

static enum process_order
next_order(struct process *p)
{
    pthread_mutex_lock(&p->lock);
    while (p->order == PROCESS_NOTHING)
        pthread_cond_wait(&p->changed, &p->lock);
    enum process_order order = p->order;
    p->order = PROCESS_NOTHING;
    pthread_mutex_unlock(&p->lock);
    return order;
}

static void
serve(struct process *p)
{
    for (enum process_order order = PROCESS_BOOT; order != PROCESS_END; order = next_order(p))
        if (order == PROCESS_BOOT)
            boot(p);
        else
            reset(p);
    process_control_join(p);
}

int
process_run(const struct process_request *request)
{
    static struct process process; /* one a process; too large for a stack */
    struct process *p = &process;
    char why[BOOT_WHY_SIZE] = "";
    *p = (struct process){.request = request,
                          .config = request->config,
                          .lock = PTHREAD_MUTEX_INITIALIZER,
                          .changed = PTHREAD_COND_INITIALIZER,
                          .events = event_streams_new(),
                          .exit_code = 1};
    mallopt(M_MMAP_THRESHOLD, PROCESS_MMAP_BYTES);
    system_descriptors_raise(NULL);
    if (prepare(p, why) && process_control_start(p, why)) {
        serve(p);
    } else {
        if (p->has_log)
            log_critical(&p->logger.log, LOG_GLOBAL, "%s", why);
        fprintf(stderr, "leveret: %s\n", why);
    }
    if (*p->pid_path)
        (void)!file_unlink(NULL, p->pid_path); /* the next start writes it anew */
    credential_rules_free(p->credentials);
    reload_drop(p->reloaded);
    event_streams_free(p->events);
    data_dir_close(&p->data_dir);
    logger_fini(&p->logger);
    return p->exit_code;
}
