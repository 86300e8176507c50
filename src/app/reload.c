/*
 * The new configuration is made whole before anything is touched: files read, values checked, certificates
 * loaded. Then its fixed part is made that of the running one, so that a later start of the application in
 * this process finds the directories and names that the process holds.
 *
 * Which rows can change is CONFIG_RELOAD_TABLE; a row there without a line in reload_apply() (or in the log's
 * levels) would be a lie, and test/app/reload_test.py goes through them.
 */
#include "app/reload.h"

#include "app/config_show.h"
#include "app/config_value.h"
#include "app/setup.h"
#include "base/check.h"
#include "broker/alarm.h"
#include "server/offer.h"

#include <stdlib.h>

enum { WHY_SIZE = 512 };

static void
name_add(struct buffer *out, const struct config_row *row)
{
    size_t len = strcspn(row->name, "$");
    while (len > 0 && row->name[len - 1] == '.')
        len--;
    buffer_add_str(out, out->len > 0 ? ", " : "");
    buffer_add(out, row->name, len);
}

void
reload_compare(struct config *c, const struct config *old, struct buffer *changes, struct buffer *stays)
{
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *row = &config_rows[i];
        if (config_show_same(old, c, row))
            continue;
        if (config_row_reloads(row)) {
            name_add(changes, row);
        } else {
            name_add(stays, row);
            config_value_copy(c, old, row);
        }
    }
}

/* Before the fixed rows are made the same. */
static void
flags_set(struct reload *r, const struct config *old)
{
    const struct config *c = &r->config;
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *row = &config_rows[i];
        if (!config_row_reloads(row) || config_show_same(old, c, row))
            continue;
        if (strncmp(row->name, "log.", 4) == 0)
            r->has_levels = true;
        else
            r->has_offer = true;
    }
    r->has_memory = setup_memory_watermark(c) != setup_memory_watermark(old);
    r->has_disk = setup_disk_free_limit(c) != setup_disk_free_limit(old);
}

static void
log_difference(const struct log *log, const struct buffer *changes, const struct buffer *stays)
{
    if (changes->len > 0)
        log_info(log, LOG_GLOBAL, "the configuration is read again; this takes effect: %.*s",
                 SLICE_FMT(buffer_slice(changes)));
    else
        log_info(log, LOG_GLOBAL, "the configuration is read again; nothing in it that takes effect is new");
    if (stays->len > 0)
        log_warning(log, LOG_GLOBAL, "this needs a restart and stays as it is until then: %.*s",
                    SLICE_FMT(buffer_slice(stays)));
}

struct reload *
reload_new(const struct config *old, reload_load_fn *load, void *arg, const struct log *log)
{
    struct reload *r = calloc(1, sizeof *r);
    struct config_report report;
    struct buffer changes = {0}, stays = {0};
    char why[WHY_SIZE] = "";
    CHECK(r);
    atomic_init(&r->refs, 1);
    bool good = load(arg, &r->config, &report);
    log_write_lines(log, LOG_GLOBAL, LOG_LEVEL_WARNING, buffer_slice(&report.warnings));
    log_write_lines(log, LOG_GLOBAL, LOG_LEVEL_ERROR, buffer_slice(&report.errors));
    config_report_fini(&report);
    if (good) {
        flags_set(r, old);
        reload_compare(&r->config, old, &changes, &stays);
        r->tls = setup_tls(&r->config, why, sizeof why);
        good = r->tls || !*why;
    }
    if (good) {
        log_difference(log, &changes, &stays);
    } else {
        log_error(log, LOG_GLOBAL, "the configuration stays as it was%s%s", *why ? ": " : "", why);
        reload_drop(r);
        r = NULL;
    }
    buffer_fini(&changes);
    buffer_fini(&stays);
    return r;
}

struct reload *
reload_hold(struct reload *r)
{
    atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
    return r;
}

void
reload_drop(struct reload *r)
{
    if (!r || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (r->tls)
        tls_context_drop(r->tls);
    config_fini(&r->config);
    free(r);
}

void
reload_apply(struct reload *r, const struct reload_target *target)
{
    const struct config *c = &r->config;
    struct server_config server;
    setup_server(&server, c);
    if (r->has_offer)
        offer_change(target->server, &server);
    if (r->tls)
        tls_slot_set(target->tls, r->tls);
    r->tls = NULL;
    if (r->has_memory)
        alarm_watch_set(target->memory, setup_memory_watermark(c),
                        c->memory_watermark_bytes ? 0 : c->memory_watermark_ratio);
    if (r->has_disk)
        alarm_disk_set(target->disk, setup_disk_free_limit(c));
}
