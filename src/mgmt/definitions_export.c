/*
 * The object is written on shard 0, a piece of at most EXPORT_PIECE_BYTES or EXPORT_PIECE_ITEMS at a time,
 * and the next piece when the client has read. Each thing is whole, and one that is there all the while is
 * there once; what changes between two pieces is shown as it is when its turn comes.
 *
 * Keys stand in the order of their names, on both levels, as RabbitMQ's tool writes them. Left out are what
 * every vhost has (the exchanges named amq.*, the default exchange and its bindings) and what goes with a
 * connection (exclusive queues, and bindings to them).
 */
#include "mgmt/definitions_export.h"

#include "base/check.h"
#include "broker/binding.h"
#include "broker/exchange.h"
#include "broker/jsontext.h"
#include "broker/meta.h"
#include "broker/meta_view.h"
#include "broker/parameter.h"
#include "broker/password.h"
#include "broker/permission.h"
#include "broker/policy.h"
#include "broker/topic_permission.h"
#include "mgmt/definitions_table.h"

#include <stdlib.h>
#include <string.h>

enum {
    EXPORT_PIECE_BYTES = 65536,
    EXPORT_PIECE_STEPS = 1024, /* places of tables that a question looks at */
};

struct definitions_export {
    char *vhost; /* the only one, or NULL */
    struct buffer out;
    const struct meta *meta; /* within a question */
    const char *version;     /* likewise: what we are taken for */
    bool is_begun;
    char **vhosts; /* names, as they were at the beginning */
    size_t vhost_count;
    /* where we are */
    unsigned row;
    size_t vhost_at;
    uint64_t position;
    bool has_items, is_open; /* of the list that is being written */
};

/* ---- items ---- */

/* Writes it as the next item of the list; takes the reference. */
static void
add_item(struct definitions_export *x, json_t *item)
{
    if (x->has_items)
        buffer_add_u8(&x->out, ',');
    x->has_items = true;
    jsontext_add(&x->out, item);
    json_decref(item);
}

static void
set_text(json_t *item, const char *key, struct slice text)
{
    json_object_set_new(item, key, definitions_table_text(text));
}

/* JSON that we have as text. */
static void
set_json(json_t *item, const char *key, struct slice text)
{
    char why[128];
    json_t *value = jsontext_parse(text, SIZE_MAX, why);
    json_object_set_new(item, key, value ? value : json_null());
}

/* Definitions of one vhost do not name it. */
static void
set_vhost(const struct definitions_export *x, json_t *item, const struct vhost *v)
{
    if (!x->vhost)
        set_text(item, "vhost", slice_of(v->name, v->name_size));
}

static bool
is_wanted(const struct definitions_export *x, const struct vhost *v)
{
    return !x->vhost || strcmp(v->name, x->vhost) == 0;
}

static json_t *
list_of(struct slice words)
{
    json_t *list = json_array();
    while (words.len > 0) {
        const uint8_t *comma = memchr(words.data, ',', words.len);
        size_t len = comma ? (size_t)(comma - words.data) : words.len;
        json_array_append_new(list, definitions_table_text(slice_trim(slice_of(words.data, len))));
        size_t skip = comma ? len + 1 : len;
        words = slice_of(words.data + skip, words.len - skip);
    }
    return list;
}

static void
add_binding(void *arg, void *item)
{
    struct definitions_export *x = arg;
    const struct binding *b = item;
    const struct exchange *to = b->to_exchange ? b->destination : NULL;
    const struct queue_def *q = b->to_exchange ? NULL : b->destination;
    if (!is_wanted(x, b->source->vhost) || (q && q->exclusive_owner))
        return;
    json_t *o = json_object();
    json_object_set_new(o, "arguments", definitions_table_to_json(binding_arguments(b)));
    set_text(o, "destination", q ? queue_def_name(q) : slice_of(to->name, to->name_size));
    json_object_set_new(o, "destination_type", json_string(q ? "queue" : "exchange"));
    set_text(o, "routing_key", binding_routing_key(b));
    set_text(o, "source", slice_of(b->source->name, b->source->name_size));
    set_vhost(x, o, b->source->vhost);
    add_item(x, o);
}

static void
add_exchange(void *arg, void *item)
{
    struct definitions_export *x = arg;
    const struct exchange *e = item;
    if (e->is_predeclared || slice_starts_with(slice_of(e->name, e->name_size), "amq."))
        return;
    json_t *o = json_pack("{s:b, s:b, s:b, s:s}", "auto_delete", e->auto_delete, "durable", e->durable,
                          "internal", e->internal, "type", exchange_type_name(e->type));
    json_object_set_new(o, "arguments", definitions_table_to_json(e->arguments));
    set_text(o, "name", slice_of(e->name, e->name_size));
    set_vhost(x, o, e->vhost);
    add_item(x, o);
}

static void
add_queue(void *arg, void *item)
{
    struct definitions_export *x = arg;
    const struct queue_def *q = item;
    unsigned target = queue_def_target(q);
    if (q->exclusive_owner)
        return;
    json_t *o = json_pack("{s:b, s:b}", "auto_delete", q->auto_delete, "durable", q->durable);
    json_object_set_new(o, "arguments", definitions_table_to_json(q->arguments));
    set_text(o, "name", queue_def_name(q));
    json_object_set_new(o, "type",
                        json_string(target == POLICY_CLASSIC  ? "classic"
                                    : target == POLICY_QUORUM ? "quorum"
                                                              : "stream"));
    set_vhost(x, o, q->vhost);
    add_item(x, o);
}

static void
add_parameter(void *arg, void *item)
{
    struct definitions_export *x = arg;
    const struct parameter *p = item;
    if (!p->vhost || !is_wanted(x, p->vhost))
        return;
    json_t *o = json_object();
    set_text(o, "component", p->component);
    set_text(o, "name", p->name);
    set_json(o, "value", p->value);
    json_object_set_new(o, "vhost", definitions_table_text(slice_of(p->vhost->name, p->vhost->name_size)));
    add_item(x, o);
}

static void
add_global(void *arg, void *item)
{
    const struct parameter *p = item;
    if (p->vhost)
        return;
    json_t *o = json_object();
    set_text(o, "name", p->name);
    set_json(o, "value", p->value);
    add_item(arg, o);
}

static json_t *
policy_fields(const struct policy *p)
{
    json_t *o = json_pack("{s:s, s:I}", "apply-to", policy_applies_name(p->apply_to), "priority",
                          (json_int_t)p->priority);
    set_json(o, "definition", p->definition);
    set_text(o, "pattern", p->pattern);
    return o;
}

static void
add_policy(void *arg, const struct policy *p)
{
    json_t *o = policy_fields(p);
    set_text(o, "name", slice_of(p->name, p->name_size));
    json_object_set_new(o, "vhost", definitions_table_text(slice_of(p->vhost->name, p->vhost->name_size)));
    add_item(arg, o);
}

/* As RabbitMQ has it: a parameter. */
static void
add_operator_policy(void *arg, const struct policy *p)
{
    json_t *o = json_pack("{s:s, s:o}", "component", "operator_policy", "value", policy_fields(p));
    set_text(o, "name", slice_of(p->name, p->name_size));
    json_object_set_new(o, "vhost", definitions_table_text(slice_of(p->vhost->name, p->vhost->name_size)));
    add_item(arg, o);
}

static void
add_permission(void *arg, void *item)
{
    const struct permission_entry *e = item;
    json_t *o = json_object();
    set_text(o, "configure", e->patterns[PERMISSION_CONFIGURE].text);
    set_text(o, "read", e->patterns[PERMISSION_READ].text);
    set_text(o, "user", slice_of(e->user, e->user_size));
    set_text(o, "vhost", slice_of(e->vhost->name, e->vhost->name_size));
    set_text(o, "write", e->patterns[PERMISSION_WRITE].text);
    add_item(arg, o);
}

static void
add_topic_permission(void *arg, void *item)
{
    const struct topic_permission *p = item;
    json_t *o = json_object();
    set_text(o, "exchange", p->exchange);
    set_text(o, "read", p->read);
    set_text(o, "user", p->user);
    set_text(o, "vhost", slice_of(p->vhost->name, p->vhost->name_size));
    set_text(o, "write", p->write);
    add_item(arg, o);
}

static void
add_user(void *arg, void *item)
{
    const struct user *u = item;
    char hash[PASSWORD_TEXT_SIZE] = "";
    enum password_algorithm algorithm = PASSWORD_SHA256;
    struct buffer limits = {0};
    if (password_algorithm_of(u->password_hash, &algorithm))
        password_hash_text(u->password_hash, hash);
    user_limits_add(&limits, u);
    json_t *o = json_pack("{s:s, s:s, s:o}", "hashing_algorithm", password_algorithm_name(algorithm),
                          "password_hash", hash, "tags", list_of(u->tags_text));
    set_json(o, "limits", buffer_slice(&limits));
    set_text(o, "name", slice_of(u->name, u->name_size));
    buffer_fini(&limits);
    add_item(arg, o);
}

/* The object, or NULL without any limit. */
static json_t *
limits_of(const struct vhost *v)
{
    struct buffer text = {0};
    char why[128];
    vhost_limits_add(&text, v);
    json_t *limits = jsontext_parse(buffer_slice(&text), SIZE_MAX, why);
    buffer_fini(&text);
    if (json_object_size(limits) > 0)
        return limits;
    json_decref(limits);
    return NULL;
}

/* ---- walks: true if there is more at x->position ---- */

static bool
walk_bindings(struct definitions_export *x, const struct vhost *v)
{
    return meta_view_bindings(x->meta, &x->position, add_binding, x);
}

static bool
walk_exchanges(struct definitions_export *x, const struct vhost *v)
{
    return cmap_walk(&v->exchanges, &x->position, add_exchange, x);
}

static bool
walk_queues(struct definitions_export *x, const struct vhost *v)
{
    return cmap_walk(&v->queues, &x->position, add_queue, x);
}

static bool
walk_globals(struct definitions_export *x, const struct vhost *v)
{
    return meta_view_parameters(x->meta, &x->position, add_global, x);
}

static bool
walk_parameters(struct definitions_export *x, const struct vhost *v)
{
    return meta_view_parameters(x->meta, &x->position, add_parameter, x);
}

static bool
walk_operator_policies(struct definitions_export *x, const struct vhost *v)
{
    policy_each(v, true, add_operator_policy, x);
    return false;
}

static bool
walk_limits(struct definitions_export *x, const struct vhost *v)
{
    json_t *limits = limits_of(v);
    if (!limits)
        return false;
    json_t *o = json_pack("{s:s, s:s, s:o}", "component", "vhost-limits", "name", "limits", "value", limits);
    json_object_set_new(o, "vhost", definitions_table_text(slice_of(v->name, v->name_size)));
    add_item(x, o);
    return false;
}

static bool
walk_permissions(struct definitions_export *x, const struct vhost *v)
{
    return meta_view_permissions(x->meta, &x->position, add_permission, x);
}

static bool
walk_topic_permissions(struct definitions_export *x, const struct vhost *v)
{
    return meta_view_topic_permissions(x->meta, &x->position, add_topic_permission, x);
}

static bool
walk_policies(struct definitions_export *x, const struct vhost *v)
{
    policy_each(v, false, add_policy, x);
    return false;
}

static bool
walk_users(struct definitions_export *x, const struct vhost *v)
{
    return meta_view_users(x->meta, &x->position, add_user, x);
}

static bool
walk_vhosts(struct definitions_export *x, const struct vhost *v)
{
    const struct vhost_metadata *d = vhost_metadata(v);
    json_t *metadata = json_object(), *limits = limits_of(v);
    set_text(metadata, "description", d->description);
    json_object_set_new(metadata, "tags", list_of(d->tags));
    if (d->default_queue_type.len > 0)
        set_text(metadata, "default_queue_type", d->default_queue_type);
    if (d->is_protected)
        json_object_set_new(metadata, "protected_from_deletion", json_true());
    json_t *o = json_pack("{s:o, s:o}", "limits", limits ? limits : json_array(), "metadata", metadata);
    set_text(o, "name", slice_of(v->name, v->name_size));
    add_item(x, o);
    return false;
}

/* ---- the whole ---- */

enum { WHOLE_NODE = 1, EACH_VHOST = 2 }; /* not in definitions of one vhost; once for each */

/* A row without a key goes on with the list of the row before it; one without a walk is the version. */
static const struct row {
    const char *key;
    bool (*walk)(struct definitions_export *x, const struct vhost *v);
    unsigned flags;
} rows[] = {
    {"bindings", walk_bindings, 0},
    {"exchanges", walk_exchanges, EACH_VHOST},
    {"global_parameters", walk_globals, WHOLE_NODE},
    {"parameters", walk_parameters, 0},
    {NULL, walk_operator_policies, EACH_VHOST},
    {NULL, walk_limits, EACH_VHOST},
    {"permissions", walk_permissions, WHOLE_NODE},
    {"policies", walk_policies, EACH_VHOST},
    {"queues", walk_queues, EACH_VHOST},
    {"rabbit_version", NULL, 0},
    {"rabbitmq_version", NULL, WHOLE_NODE},
    {"topic_permissions", walk_topic_permissions, WHOLE_NODE},
    {"users", walk_users, WHOLE_NODE},
    {"vhosts", walk_vhosts, WHOLE_NODE | EACH_VHOST},
};
enum { ROWS = sizeof rows / sizeof *rows };

static void
close_list(struct definitions_export *x)
{
    if (x->is_open)
        buffer_add_u8(&x->out, ']');
    x->is_open = false;
}

static void
begin_row(struct definitions_export *x, const struct row *row)
{
    if (!row->key || x->is_open)
        return;
    buffer_add_fmt(&x->out, "%s\"%s\":", x->row > 0 ? "," : "{", row->key);
    if (row->walk)
        buffer_add_u8(&x->out, '[');
    else
        buffer_add_fmt(&x->out, "\"%s\"", x->version);
    x->is_open = row->walk != NULL;
    x->has_items = false;
}

static void
next_row(struct definitions_export *x)
{
    x->row++;
    x->vhost_at = 0;
    x->position = 0;
    if (x->row == ROWS || rows[x->row].key)
        close_list(x);
}

static void
step(struct definitions_export *x)
{
    const struct row *row = &rows[x->row];
    bool is_each = row->flags & EACH_VHOST;
    begin_row(x, row);
    const struct vhost *v = is_each && x->vhost_at < x->vhost_count
                                ? vhost_find(x->meta, slice_str(x->vhosts[x->vhost_at]))
                                : NULL;
    bool is_possible = row->walk && (v || !is_each);
    if (is_possible && row->walk(x, v))
        return;
    x->position = 0;
    if (!is_each || ++x->vhost_at >= x->vhost_count)
        next_row(x);
}

static void
add_vhost(void *arg, const struct vhost *v)
{
    struct definitions_export *x = arg;
    if (!is_wanted(x, v))
        return;
    x->vhosts = realloc(x->vhosts, (x->vhost_count + 1) * sizeof *x->vhosts);
    CHECK(x->vhosts);
    x->vhosts[x->vhost_count] = strdup(v->name);
    CHECK(x->vhosts[x->vhost_count++]);
}

enum definitions_exported
definitions_export_piece(struct definitions_export *x, const struct meta *m, const char *version)
{
    x->meta = m;
    x->version = version;
    if (!x->is_begun)
        meta_each_vhost(x->meta, add_vhost, x);
    x->is_begun = true;
    if (x->vhost && !vhost_find(x->meta, slice_str(x->vhost)))
        return DEFINITIONS_NO_VHOST;
    for (unsigned n = 0; n < EXPORT_PIECE_STEPS && x->out.len < EXPORT_PIECE_BYTES && x->row < ROWS; n++) {
        if (x->vhost && rows[x->row].flags & WHOLE_NODE)
            next_row(x);
        else
            step(x);
    }
    if (x->row < ROWS)
        return DEFINITIONS_MORE;
    buffer_add_u8(&x->out, '}');
    return DEFINITIONS_ALL;
}

/* ---- for whoever asks ---- */

struct definitions_export *
definitions_export_new(const char *vhost)
{
    struct definitions_export *x = calloc(1, sizeof *x);
    CHECK(x);
    if (vhost) {
        x->vhost = strdup(vhost);
        CHECK(x->vhost);
    }
    return x;
}

void
definitions_export_free(struct definitions_export *x)
{
    for (size_t i = 0; i < x->vhost_count; i++)
        free(x->vhosts[i]);
    free(x->vhosts);
    free(x->vhost);
    buffer_fini(&x->out);
    free(x);
}

struct buffer *
definitions_export_text(struct definitions_export *x)
{
    return &x->out;
}
