/* Inside process: process.c is the main thread, process_control.c the control thread, which decides. */
/* exports: process_ */
#ifndef LEVERET_APP_PROCESS_IMPL_H
#define LEVERET_APP_PROCESS_IMPL_H

#include "app/boot.h"
#include "app/cookie.h"
#include "app/data_dir.h"
#include "app/logger.h"
#include "app/process.h"
#include "app/reload.h"
#include "base/list.h"
#include "io/signal.h"
#include "io/timer.h"
#include "mgmt/ask.h"
#include "mgmt/control.h"
#include "mgmt/event_stream.h"
#include "mgmt/node_host.h"

#include <pthread.h>

enum { PROCESS_PATH_SIZE = 4096 };

/* What the control thread wants of the main thread, which does one after the other and tells the end of each.
 */
enum process_order { PROCESS_NOTHING, PROCESS_BOOT, PROCESS_RESET, PROCESS_END };

/* As the control thread knows it. */
enum process_state {
    PROCESS_BOOTING, /* until it serves, or has failed */
    PROCESS_RUNNING,
    PROCESS_STOPPING, /* was told to */
    PROCESS_STOPPED,
    PROCESS_RESETTING,
    PROCESS_ENDING, /* the main thread waits for this one's end */
};

struct process {
    const struct process_request *request;
    const struct config *config;
    struct data_dir data_dir;
    struct logger logger;
    bool has_log;
    char name[256], cluster_name[256];
    char cookie_path[PROCESS_PATH_SIZE], socket_path[PROCESS_PATH_SIZE], pid_path[PROCESS_PATH_SIZE];
    char cookie[COOKIE_SIZE];
    struct credential_rules *credentials; /* what new passwords have to be like */
    struct shards *shards;                /* the control thread's own, one */
    struct asker *asker;
    struct event_streams *events;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* ---- under the lock ---- */
    enum process_order order;
    struct reload *reloaded; /* what the application goes by instead of `config`, once it was read again */
    struct boot *app;        /* while it may be told something */
    unsigned stops_asked;    /* before there was one to be told */
    bool is_open;            /* control is, or `why` says why not */
    char why[BOOT_WHY_SIZE];

    /* ---- the control thread's ---- */
    struct control *control;
    struct control_host host;
    struct node_host node;
    struct signal_watch *signals;
    enum process_state state;
    bool was_ready;  /* the application has served once */
    bool is_leaving; /* when the application has stopped the process ends */
    bool is_stop_told;
    struct list waiters;
    struct wheel_timer linger;

    int exit_code;     /* the main thread's */
    bool is_line_told; /* the ready line; whichever thread is the application's shard 0 */
};

/* ---- process_node.c ---- */

/* p->node: the configuration and the log are there. */
void process_node_init(struct process *p);

/* ---- process_control.c ---- */

/* Starts the control thread and waits until it listens. False: `why`. */
bool process_control_start(struct process *p, char *why);
/* After PROCESS_END. */
void process_control_join(struct process *p);
/* The control thread: what `load` gives takes effect as far as it can. False: it is wrong, and the log says
 * why. */
bool process_control_reload(struct process *p, reload_load_fn *load, void *arg);
/* Main thread or a shard's: what has happened. `why` is copied; NULL: it went well. */
enum process_event {
    PROCESS_EVENT_READY = MAIL_APP,
    PROCESS_EVENT_ENDED, /* the application has */
    PROCESS_EVENT_RESET,
};
void process_control_tell(struct process *p, enum process_event what, const char *why);

#endif
