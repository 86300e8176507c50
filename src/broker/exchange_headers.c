/*
 * Headers: a binding matches when the message's headers do (header_match.h).
 *
 * So that a message does not meet every binding, they are filed under hashes of what they ask for: (name,
 * value), or (name, void) for "any value". An `all` binding is filed under one of its fields, the one with
 * the fewest others there; an `any` binding under each of them; an `all` binding that asks for nothing in a
 * list of its own, an `any` binding that asks for nothing nowhere. A message looks under (name, value) and
 * (name, void) of each of its fields and compares what it finds: its cost grows with its own fields and with
 * the bindings that share one with it.
 */
#include "base/check.h"
#include "base/cmap.h"
#include "base/epoch.h"
#include "base/hash.h"
#include "broker/bindset.h"
#include "broker/erlterm.h"
#include "broker/header_match.h"
#include "broker/ptrset.h"
#include "broker/reply.h"
#include "wire/amqp.h"
#include "wire/properties.h"

#include <stdlib.h>

/* All bindings filed under one hash; different fields with one hash share it, the comparison tells them
 * apart. */
struct headers_file {
    uint64_t hash;
    struct bindset bindings; /* never empty while it is in the table */
};

struct headers {
    struct cmap files;
    struct bindset always;
    _Atomic uint32_t voids; /* filed under (name, void): mostly none, and then nobody looks */
    struct epoch *epoch;
};

struct headers_scratch {
    struct header_fields fields;
    struct ptrset files; /* those that were looked through for the present message */
};

static uint64_t
field_hash(struct slice name, const struct table_value *v)
{
    return hash_combine(hash_bytes(name), header_match_value_hash(v));
}

static uint64_t
file_hash(const void *item)
{
    return ((const struct headers_file *)item)->hash;
}

static bool
file_eq(const void *item, const void *key)
{
    return ((const struct headers_file *)item)->hash == *(const uint64_t *)key;
}

static struct headers_file *
file_find(const struct headers *h, uint64_t hash)
{
    return cmap_find(&h->files, hash, file_eq, &hash);
}

static void
file_add(struct headers *h, uint64_t hash, struct binding *b)
{
    struct headers_file *f = file_find(h, hash);
    if (f) {
        bindset_add(&f->bindings, b, h->epoch);
        return;
    }
    f = calloc(1, sizeof *f);
    CHECK(f);
    f->hash = hash;
    bindset_add(&f->bindings, b, h->epoch);
    cmap_insert(&h->files, hash, f);
}

static bool
file_remove(struct headers *h, uint64_t hash, struct binding *b)
{
    struct headers_file *f = file_find(h, hash);
    if (!f || !bindset_remove(&f->bindings, b, h->epoch))
        return false;
    if (bindset_is_empty(&f->bindings)) {
        cmap_remove(&h->files, hash, f);
        epoch_defer(h->epoch, free, f);
    }
    return true;
}

/* The next field of the binding that is compared. */
static bool
next_considered(struct table_iter *it, enum header_match_kind kind, struct slice *name, struct table_value *v)
{
    while (table_iter_next(it, name, v))
        if (header_match_considers(kind, *name))
            return true;
    return false;
}

static void
voids_add(struct headers *h, const struct table_value *v, uint32_t n)
{
    if (v->type == TABLE_VOID)
        atomic_fetch_add_explicit(&h->voids, n, memory_order_release);
}

static void
headers_add(void *router, struct binding *b)
{
    struct headers *h = router;
    enum header_match_kind kind = header_match_kind(binding_arguments(b));
    struct table_iter it = table_iter_fields(binding_arguments(b));
    struct slice name;
    struct table_value v, best_value = {0};
    uint64_t best = 0;
    uint32_t best_count = UINT32_MAX;
    while (next_considered(&it, kind, &name, &v)) {
        uint64_t hash = field_hash(name, &v);
        if (header_match_is_any(kind)) {
            voids_add(h, &v, 1);
            file_add(h, hash, b);
            continue;
        }
        const struct headers_file *f = file_find(h, hash);
        uint32_t count = f ? bindset_count(&f->bindings) : 0;
        if (count < best_count) {
            best = hash;
            best_count = count;
            best_value = v;
        }
    }
    if (header_match_is_any(kind))
        return;
    if (best_count == UINT32_MAX) {
        bindset_add(&h->always, b, h->epoch);
        return;
    }
    voids_add(h, &best_value, 1);
    file_add(h, best, b);
}

static void
headers_remove(void *router, struct binding *b)
{
    struct headers *h = router;
    enum header_match_kind kind = header_match_kind(binding_arguments(b));
    struct table_iter it = table_iter_fields(binding_arguments(b));
    struct slice name;
    struct table_value v;
    bool found = header_match_is_any(kind);
    while (next_considered(&it, kind, &name, &v)) {
        bool here = file_remove(h, field_hash(name, &v), b);
        if (here)
            voids_add(h, &v, (uint32_t)-1);
        CHECK(here || !header_match_is_any(kind));
        found |= here;
        if (here && !header_match_is_any(kind))
            return;
    }
    CHECK(found || bindset_remove(&h->always, b, h->epoch));
}

static void *
headers_create(struct epoch *epoch, struct slice arguments)
{
    struct headers *h = calloc(1, sizeof *h);
    CHECK(h);
    h->epoch = epoch;
    cmap_init(&h->files, file_hash, epoch_retire, epoch);
    return h;
}

static void
headers_destroy(void *router)
{
    struct headers *h = router;
    cmap_fini(&h->files);
    bindset_fini(&h->always);
    free(h);
}

static uint16_t
headers_check(const struct router_binding *binding, char text[256])
{
    struct table_value v;
    if (!table_find_str(binding->arguments, "x-match", &v))
        return 0;
    static const char *const known[] = {"all", "any", "all-with-x", "any-with-x"};
    for (size_t i = 0; v.type == TABLE_LONGSTR && i < sizeof known / sizeof known[0]; i++)
        if (slice_eq_str(v.bytes, known[i]))
            return 0;
    struct buffer term;
    buffer_init(&term);
    erlterm_add(&term, &v);
    if (v.type == TABLE_LONGSTR)
        reply_fail(text, AMQP_REPLY_PRECONDITION_FAILED,
                   "Invalid x-match field value %.*s; expected all, any, all-with-x, or any-with-x",
                   SLICE_FMT(buffer_slice(&term)));
    else
        reply_fail(text, AMQP_REPLY_PRECONDITION_FAILED,
                   "Invalid x-match field type %s (value %.*s); expected longstr", table_type_name(v.type),
                   SLICE_FMT(buffer_slice(&term)));
    buffer_fini(&term);
    return AMQP_REPLY_PRECONDITION_FAILED;
}

/* Keeps those from `from` on that match. */
static void
keep_matching(struct router_scratch *s, uint32_t from, struct header_fields *fields)
{
    uint32_t kept = from;
    s->work += s->found_count - from;
    for (uint32_t i = from; i < s->found_count; i++)
        if (header_match(binding_arguments(s->found[i]), fields))
            s->found[kept++] = s->found[i];
    s->found_count = kept;
}

static void
collect_file(const struct headers *h, struct router_scratch *s, uint64_t hash)
{
    const struct headers_file *f = file_find(h, hash);
    if (f && ptrset_add(&s->headers->files, f))
        bindset_collect(&f->bindings, s);
}

static void
headers_route(const void *router, const struct router_query *query, struct router_scratch *s)
{
    const struct headers *h = router;
    if (!s->headers) {
        s->headers = calloc(1, sizeof *s->headers);
        CHECK(s->headers);
    }
    struct header_fields *fields = &s->headers->fields;
    header_fields_load(fields,
                       query->properties.len ? properties_headers(query->properties) : slice_of(NULL, 0));
    ptrset_clear(&s->headers->files);
    bindset_collect(&h->always, s);
    uint32_t from = s->found_count;
    const struct table_value void_value = {.type = TABLE_VOID};
    bool voids = atomic_load_explicit(&h->voids, memory_order_acquire) > 0;
    for (uint32_t i = 0; i < fields->count; i++) {
        const struct header_field *field = &fields->fields[i];
        collect_file(h, s, hash_combine(field->name_hash, header_match_value_hash(&field->value)));
        if (voids)
            collect_file(h, s, hash_combine(field->name_hash, header_match_value_hash(&void_value)));
    }
    keep_matching(s, from, fields);
}

void
exchange_headers_scratch_free(struct headers_scratch *s)
{
    if (!s)
        return;
    header_fields_fini(&s->fields);
    ptrset_fini(&s->files);
    free(s);
}

const struct router_ops exchange_headers_ops = {
    .create = headers_create,
    .destroy = headers_destroy,
    .check = headers_check,
    .add = headers_add,
    .remove = headers_remove,
    .route = headers_route,
};
