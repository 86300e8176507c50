/*
 * Any bytes as definitions: judging never crashes; what is accepted can be applied to a node that has what it
 * refers to, without an error; and what that node exports is accepted and makes an equal one.
 */
#include "broker/meta.h"
#include "fuzz.h"
#include "mgmt/definitions.h"
#include "mgmt/definitions_export.h"

#include <stdlib.h>

struct node_of {
    struct epoch epoch;
    struct node node;
};

static struct node_of *
node_new(void)
{
    struct node_of *n = calloc(1, sizeof *n);
    CHECK(n);
    epoch_init(&n->epoch, 1);
    n->node.epoch = &n->epoch;
    n->node.meta = meta_new(&n->node);
    return n;
}

static void
node_free(struct node_of *n)
{
    meta_free(n->node.meta);
    epoch_fini(&n->epoch);
    free(n);
}

/* It is on the node from now on. */
static void
meet(struct meta *m, const struct definitions_need *need)
{
    struct meta_result r;
    char why[DEFINITIONS_WHY_SIZE];
    meta_apply(
        m, &(struct meta_command){.kind = need->is_user ? META_USER_PUT : META_VHOST_ADD, .name = need->name},
        &r);
    CHECK(r.code == 0 && definitions_has_need(m, need, why));
}

static void
apply(struct meta *m, struct definitions *d)
{
    struct definitions_tally tally = {0};
    struct definitions_place at = {0};
    struct meta_command cmd;
    char why[DEFINITIONS_WHY_SIZE];
    for (size_t i = 0; i < d->need_count; i++)
        meet(m, &d->needs[i]);
    while (definitions_next(d, &at, &cmd)) {
        struct meta_result r;
        meta_apply(m, &cmd, &r);
        CHECK(definitions_count(&tally, at.section, &cmd, &r, why));
    }
    json_decref(definitions_tally_result(&tally));
}

static void
write_all(struct meta *m, struct buffer *out)
{
    struct definitions_export *x = definitions_export_new(NULL);
    enum definitions_exported state;
    do {
        state = definitions_export_piece(x, m, "3.12.14");
        buffer_add_slice(out, buffer_slice(definitions_export_text(x)));
        buffer_clear(definitions_export_text(x));
    } while (state == DEFINITIONS_MORE);
    CHECK(state == DEFINITIONS_ALL);
    definitions_export_free(x);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[DEFINITIONS_WHY_SIZE] = "";
    struct definitions *d = definitions_parse(slice_of(data, size), NULL, NULL, why);
    CHECK(d || *why);
    if (!d)
        return 0;
    struct node_of *one = node_new(), *other = node_new();
    struct buffer first = {0}, second = {0};
    apply(one->node.meta, d);
    definitions_free(d);
    write_all(one->node.meta, &first);
    d = definitions_parse(buffer_slice(&first), NULL, NULL, why);
    CHECK(d);
    apply(other->node.meta, d);
    definitions_free(d);
    write_all(other->node.meta, &second);
    CHECK(first.len == second.len); /* tables have an order of their own */
    buffer_fini(&first);
    buffer_fini(&second);
    node_free(one);
    node_free(other);
    return 0;
}
