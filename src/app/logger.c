/*
 * Whoever logs only puts a record into a queue in memory; one thread takes them out, makes lines of them and
 * writes them to the outputs. So no shard ever waits for a disk, a terminal or a network. The queue has a
 * bound (LOGGER_QUEUE_BYTES): what comes on top is counted, and said as soon as there is room. Which outputs
 * a record is for is decided when it is logged, so that a level changed at run time takes effect at once.
 *
 * log->least is the gate for all outputs. As long as it is what logger_set_levels() has put there the
 * outputs' own thresholds count; when somebody has changed it since (set_log_level), it alone does.
 */
#include "app/logger.h"

#include "app/logger_output.h"
#include "base/check.h"
#include "io/file.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct logger_core {
    pthread_mutex_t lock;
    pthread_cond_t is_wanted;
    pthread_t writer;
    unsigned output_count;
    struct logger_output outputs[LOGGER_OUTPUTS_MAX];

    /* under the lock */
    struct buffer queue; /* struct logger_record and its text, one after the other */
    uint64_t lost;       /* records that found it full */
    uint8_t configured[LOG_CATEGORIES];
    bool is_reopen, is_rotate, is_ending;
};

/* ---- any thread ---- */

static uint32_t
outputs_of(const struct logger *l, enum log_category category, enum log_level level)
{
    const struct logger_core *k = l->core;
    uint8_t now = atomic_load_explicit(&l->log.least[category], memory_order_relaxed);
    unsigned outputs = 0;
    for (unsigned i = 0; i < k->output_count; i++) {
        uint8_t least = k->outputs[i].least[category];
        if (least != LOGGER_ELSEWHERE && level >= (now == k->configured[category] ? least : now))
            outputs |= 1u << i;
    }
    return outputs;
}

static void
sink(void *arg, enum log_category category, enum log_level level, const char *text)
{
    struct logger *l = arg;
    struct logger_core *k = l->core;
    struct logger_record r = {.thread = gettid(),
                              .category = (uint8_t)category,
                              .level = (uint8_t)level,
                              .len = (uint16_t)strlen(text)};
    clock_gettime(CLOCK_REALTIME, &r.when);
    pthread_mutex_lock(&k->lock);
    r.outputs = outputs_of(l, category, level);
    bool has_room = k->queue.len + sizeof r + r.len + 1 <= LOGGER_QUEUE_BYTES;
    if (r.outputs && has_room) {
        buffer_add(&k->queue, &r, sizeof r);
        buffer_add(&k->queue, text, r.len + 1u);
        pthread_cond_signal(&k->is_wanted);
    } else if (r.outputs) {
        k->lost++;
    }
    pthread_mutex_unlock(&k->lock);
}

/* `what`: one of the flags. */
static void
ask_writer(struct logger_core *k, bool *what)
{
    pthread_mutex_lock(&k->lock);
    *what = true;
    pthread_cond_signal(&k->is_wanted);
    pthread_mutex_unlock(&k->lock);
}

void
logger_reopen(struct logger *l)
{
    ask_writer(l->core, &l->core->is_reopen);
}

void
logger_rotate(struct logger *l)
{
    ask_writer(l->core, &l->core->is_rotate);
}

/* ---- the writer ---- */

static void
put(struct logger_core *k, const struct logger_record *r)
{
    for (unsigned i = 0; i < k->output_count; i++)
        if (r->outputs & (1u << i))
            logger_output_put(&k->outputs[i], r);
}

static void
put_lost(struct logger_core *k, uint64_t lost)
{
    char text[128];
    int n =
        snprintf(text, sizeof text, "%llu log lines were lost: they came faster than they could be written",
                 (unsigned long long)lost);
    struct logger_record r = {.thread = gettid(),
                              .level = LOG_LEVEL_WARNING,
                              .outputs = UINT32_MAX,
                              .len = (uint16_t)n,
                              .text = text};
    clock_gettime(CLOCK_REALTIME, &r.when);
    put(k, &r);
}

static void
put_batch(struct logger_core *k, const struct buffer *batch)
{
    for (size_t at = 0; at < batch->len;) {
        struct logger_record r;
        memcpy(&r, batch->data + at, sizeof r);
        r.text = (const char *)batch->data + at + sizeof r;
        at += sizeof r + r.len + 1u;
        put(k, &r);
    }
}

/* What the files have to tell goes into the log like everything else. */
static void
take_notes(struct logger *l)
{
    for (unsigned i = 0; i < l->core->output_count; i++) {
        struct logger_output *o = &l->core->outputs[i];
        if (o->kind != LOGGER_FILE || !*o->file.note)
            continue;
        log_error(&l->log, LOG_GLOBAL, "%s", o->file.note);
        *o->file.note = 0;
    }
}

static void
renew_files(struct logger_core *k, bool is_rotate)
{
    time_t now = time(NULL);
    for (unsigned i = 0; i < k->output_count; i++) {
        struct logger_output *o = &k->outputs[i];
        if (o->kind != LOGGER_FILE)
            continue;
        bool has_rotation = o->file.rotation.count || o->file.rotation.size_max || o->file.rotation.has_date;
        if (is_rotate && has_rotation)
            logger_file_rotate(&o->file, now);
        else
            logger_file_reopen(&o->file, now);
    }
}

static void *
write_all(void *arg)
{
    struct logger *l = arg;
    struct logger_core *k = l->core;
    struct buffer batch = {0};
    for (bool is_over = false; !is_over;) {
        pthread_mutex_lock(&k->lock);
        while (k->queue.len == 0 && !k->is_reopen && !k->is_rotate && !k->is_ending)
            pthread_cond_wait(&k->is_wanted, &k->lock);
        struct buffer taken = k->queue;
        k->queue = batch;
        batch = taken;
        uint64_t lost = k->lost;
        bool is_reopen = k->is_reopen, is_rotate = k->is_rotate;
        k->lost = 0;
        k->is_reopen = k->is_rotate = false;
        is_over = k->is_ending && batch.len == 0;
        pthread_mutex_unlock(&k->lock);
        if (is_reopen || is_rotate)
            renew_files(k, is_rotate);
        put_batch(k, &batch);
        if (lost)
            put_lost(k, lost);
        take_notes(l);
        buffer_clear(&batch);
    }
    buffer_fini(&batch);
    return NULL;
}

/* ---- up and down ---- */

bool
logger_set_levels(struct logger *l, const struct config *c, char *why, size_t why_size)
{
    struct logger_core *k = l->core;
    struct logger_output tried[LOGGER_OUTPUTS_MAX];
    for (unsigned i = 0; i < k->output_count; i++)
        tried[i].kind = k->outputs[i].kind; /* the rest is the writer's */
    if (!logger_output_levels(tried, k->output_count, c, why, why_size))
        return false;
    pthread_mutex_lock(&k->lock);
    for (unsigned category = 0; category < LOG_CATEGORIES; category++) {
        k->configured[category] = LOG_LEVEL_NONE;
        for (unsigned i = 0; i < k->output_count; i++) {
            uint8_t least = k->outputs[i].least[category] = tried[i].least[category];
            if (least < k->configured[category])
                k->configured[category] = least;
        }
        log_set_level(&l->log, category, k->configured[category]);
    }
    pthread_mutex_unlock(&k->lock);
    return true;
}

/* Signals are for the threads that expect them. */
static bool
start_writer(struct logger *l)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int number = pthread_create(&l->core->writer, NULL, write_all, l);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return number == 0;
}

static void
core_free(struct logger_core *k)
{
    for (unsigned i = 0; i < k->output_count; i++)
        logger_output_close(&k->outputs[i]);
    buffer_fini(&k->queue);
    pthread_cond_destroy(&k->is_wanted);
    pthread_mutex_destroy(&k->lock);
    free(k);
}

/* Without a core nothing may reach sink(). */
static void
silence(struct logger *l)
{
    for (unsigned category = 0; category < LOG_CATEGORIES; category++)
        log_set_level(&l->log, category, LOG_LEVEL_NONE);
    core_free(l->core);
    l->core = NULL;
}

bool
logger_init(struct logger *l, const struct config *c, const char *file, char *why, size_t why_size)
{
    *l = (struct logger){.core = calloc(1, sizeof *l->core)};
    struct logger_core *k = l->core;
    CHECK(k);
    pthread_mutex_init(&k->lock, NULL);
    pthread_cond_init(&k->is_wanted, NULL);
    log_init(&l->log, sink, l, LOG_LEVEL_INFO);
    tzset();
    int count = logger_output_open_all(k->outputs, c, file, why, why_size);
    k->output_count = count < 0 ? 0 : (unsigned)count;
    bool good = count >= 0 && logger_set_levels(l, c, why, why_size);
    if (good && !(good = start_writer(l)))
        snprintf(why, why_size, "cannot start the log's thread");
    if (!good)
        silence(l);
    return good;
}

void
logger_fini(struct logger *l)
{
    if (!l->core)
        return;
    ask_writer(l->core, &l->core->is_ending);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LOGGER_END_S;
    if (pthread_timedjoin_np(l->core->writer, NULL, &until) != 0)
        return; /* it hangs in a file system or a name server; what it uses stays until the process ends */
    silence(l);
}

/* ---- where it is ---- */

const char *
logger_location(const struct logger *l, unsigned i)
{
    const struct logger_core *k = l->core;
    unsigned files = 0, others = 0;
    for (unsigned n = 0; n < k->output_count; n++)
        if (k->outputs[n].kind == LOGGER_FILE && files++ == i)
            return k->outputs[n].file.path;
    for (unsigned n = 0; n < k->output_count; n++) {
        const struct logger_output *o = &k->outputs[n];
        if (o->kind == LOGGER_FILE || files + others++ != i)
            continue;
        return o->kind == LOGGER_SYSLOG     ? "<syslog>"
               : o->kind == LOGGER_EXCHANGE ? o->exchange.location
               : o->kind == LOGGER_JOURNALD ? "<journald>"
               : o->fd == STDERR_FILENO     ? "<stderr>"
                                            : "<stdout>";
    }
    return NULL;
}

const char *
logger_path(const struct logger *l)
{
    for (unsigned i = 0; i < l->core->output_count; i++)
        if (l->core->outputs[i].kind == LOGGER_FILE)
            return l->core->outputs[i].file.path;
    return NULL;
}

struct logger_exchange *
logger_exchange(const struct logger *l)
{
    for (unsigned i = 0; i < l->core->output_count; i++)
        if (l->core->outputs[i].kind == LOGGER_EXCHANGE)
            return &l->core->outputs[i].exchange;
    return NULL;
}

enum err
logger_tail(const struct logger *l, unsigned lines, struct buffer *out)
{
    const char *path = logger_path(l);
    if (!path)
        return ERR_NOT_FOUND;
    return logger_file_tail(path, lines, LOGGER_TAIL_BYTES_MAX, out);
}
