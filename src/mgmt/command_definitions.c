/* Requests about definitions: export and import. */
#include "mgmt/control_table.h"

#include "base/check.h"
#include "mgmt/argument.h"
#include "mgmt/definitions.h"
#include "mgmt/definitions_export.h"
#include "mgmt/definitions_import.h"
#include "server/server.h"

#include <stdlib.h>

/* The argument, or NULL without one. False: it is no text, and the call is answered. */
static bool
get_vhost(struct control_call *call, const char **vhost)
{
    *vhost = NULL;
    if (!control_argument(call, "vhost"))
        return true;
    *vhost = control_string(call, "vhost", NULL);
    return *vhost != NULL;
}

/* ---- export ---- */

struct exporting {
    struct definitions_export *text;
    enum definitions_exported state;
};

static void
export_free(void *data)
{
    struct exporting *x = data;
    definitions_export_free(x->text);
    free(x);
}

static void
run_piece(void *arg, struct server_shard *home)
{
    struct exporting *x = arg;
    x->state =
        definitions_export_piece(x->text, home->server->node->meta, home->server->config.product_version);
}

static void on_piece(struct control_call *call, void *arg, bool discarded);

static void
ask_piece(struct control_call *call)
{
    control_ask(call, 0, run_piece, control_data(call), on_piece);
}

static void
on_piece(struct control_call *call, void *arg, bool discarded)
{
    struct exporting *x = arg;
    if (discarded)
        return;
    if (x->state == DEFINITIONS_NO_VHOST) {
        control_fail(call, CONTROL_NOT_FOUND, "Virtual host '%s' does not exist",
                     argument_shown(call, "vhost", ""));
        return;
    }
    control_text(call, buffer_slice(definitions_export_text(x->text)));
    buffer_clear(definitions_export_text(x->text));
    if (x->state == DEFINITIONS_ALL)
        control_done(call, NULL);
    else if (control_has_room(call))
        ask_piece(call);
    else
        control_when_room(call, ask_piece);
}

static void
run_export(struct control_call *call)
{
    const char *vhost;
    if (!get_vhost(call, &vhost))
        return;
    struct exporting *x = calloc(1, sizeof *x);
    CHECK(x);
    x->text = definitions_export_new(vhost);
    control_set_data(call, x, export_free);
    ask_piece(call);
}

/* ---- import ---- */

static void
run_import(struct control_call *call)
{
    const char *vhost;
    bool is_skipped = false;
    struct slice body = control_body(call);
    if (!get_vhost(call, &vhost) || !argument_flag(call, "skip_if_unchanged", &is_skipped))
        return;
    if (body.len > DEFINITIONS_BYTES_MAX) {
        control_fail(call, CONTROL_BAD_ARGUMENT,
                     "definitions have at most %d MiB, these have %zu bytes. Nothing was imported",
                     DEFINITIONS_BYTES_MAX >> 20, body.len);
        return;
    }
    definitions_import(call, body, vhost, is_skipped);
}

const struct control_command command_definitions_table[] = {
    {"export_definitions", run_export, CONTROL_NEEDS_APP},
    {"import_definitions", run_import, CONTROL_NEEDS_APP | CONTROL_AUDITED},
    {0},
};
