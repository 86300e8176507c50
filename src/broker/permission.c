/* Permissions are compiled when they are set (regex.h). As in RabbitMQ an empty expression allows only the
 * empty name. */
#include "broker/permission.h"

#include "base/check.h"
#include "base/hash.h"
#include "broker/meta_impl.h"
#include "broker/regex.h"
#include "broker/reply.h"

#include <stdlib.h>

uint64_t
permission_hash(struct slice user, uint64_t vhost_id)
{
    return hash_combine(hash_bytes(user), vhost_id);
}

uint64_t
permission_entry_hash(const void *entry)
{
    const struct permission_entry *e = entry;
    return permission_hash(slice_of(e->user, e->user_size), e->vhost_id);
}

static bool
compile(struct permission_pattern *p, struct slice pattern, char text[256])
{
    struct regex_error error;
    p->regex = regex_new(pattern.len > 0 ? pattern : slice_str("^$"), &error);
    if (!p->regex) {
        reply_fail(text, 0, "regular expression '%.*s' is invalid: %s at offset %zu",
                   (int)(pattern.len < 100 ? pattern.len : 100), (const char *)pattern.data, error.why,
                   error.offset);
        return false;
    }
    p->text = meta_slice_copy(pattern);
    return true;
}

struct permission_entry *
permission_entry_new(struct slice user, const struct vhost *v, const struct slice patterns[PERMISSION_KINDS],
                     char text[256])
{
    CHECK(user.len <= UINT8_MAX);
    struct permission_entry *e = calloc(1, sizeof *e + user.len + 1);
    CHECK(e);
    e->vhost = v;
    e->vhost_id = v->id;
    e->user_size = (uint8_t)user.len;
    memcpy(e->user, user.data, user.len);
    for (int i = 0; i < PERMISSION_KINDS; i++) {
        if (!compile(&e->patterns[i], patterns[i], text)) {
            permission_entry_free(e);
            return NULL;
        }
    }
    return e;
}

void
permission_entry_free(void *entry)
{
    struct permission_entry *e = entry;
    for (int i = 0; i < PERMISSION_KINDS; i++) {
        regex_free(e->patterns[i].regex);
        free((void *)e->patterns[i].text.data);
    }
    free(e);
}

struct permission_key {
    struct slice user;
    uint64_t vhost_id;
};

static bool
entry_eq(const void *item, const void *key)
{
    const struct permission_entry *e = item;
    const struct permission_key *k = key;
    return e->vhost_id == k->vhost_id && slice_eq(slice_of(e->user, e->user_size), k->user);
}

const struct permission_entry *
permission_find(const struct meta *m, struct slice user, const struct vhost *v)
{
    struct permission_key key = {user, v->id};
    return cmap_find(&m->permissions, permission_hash(user, v->id), entry_eq, &key);
}

bool
permission_has_vhost(const struct meta *m, struct slice user, const struct vhost *v)
{
    return permission_find(m, user, v) != NULL;
}

bool
permission_is_granted(const struct meta *m, struct slice user, const struct vhost *v, enum permission kind,
                      struct slice resource)
{
    const struct permission_entry *e = permission_find(m, user, v);
    if (!e)
        return false;
    return regex_matches(e->patterns[kind].regex, resource.len > 0 ? resource : slice_str("amq.default"));
}

uint64_t
permission_generation(const struct meta *m)
{
    return atomic_load_explicit(&m->permission_generation, memory_order_acquire);
}
