/*
 * Users and permissions. A user never changes: putting one that exists publishes another in its place. Every
 * change raises the permission generation after it is visible.
 */
#include "base/check.h"
#include "base/hash.h"
#include "broker/meta_impl.h"
#include "broker/password.h"
#include "broker/permission.h"
#include "broker/quota.h"
#include "wire/amqp.h"

#include <stdlib.h>

uint64_t
meta_user_hash(const void *item)
{
    const struct user *u = item;
    return hash_bytes(slice_of(u->name, u->name_size));
}

void
meta_permissions_changed(struct meta *m)
{
    atomic_fetch_add_explicit(&m->permission_generation, 1, memory_order_release);
}

/* "administrator, monitoring": unknown tags are kept as text and mean nothing. */
static uint32_t
parse_tags(struct slice text)
{
    static const struct {
        const char *name;
        uint32_t tag;
    } known[] = {
        {"administrator", USER_TAG_ADMINISTRATOR}, {"monitoring", USER_TAG_MONITORING},
        {"policymaker", USER_TAG_POLICYMAKER},     {"management", USER_TAG_MANAGEMENT},
        {"impersonator", USER_TAG_IMPERSONATOR},
    };
    uint32_t tags = 0;
    while (text.len > 0) {
        const uint8_t *comma = memchr(text.data, ',', text.len);
        size_t len = comma ? (size_t)(comma - text.data) : text.len;
        struct slice one = slice_trim(slice_of(text.data, len));
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
            if (slice_eq_str(one, known[i].name))
                tags |= known[i].tag;
        size_t skip = comma ? len + 1 : len;
        text = slice_of(text.data + skip, text.len - skip);
    }
    return tags;
}

/* One block: | struct user | name | NUL | tags | password hash |. */
static struct user *
user_new(const struct user *old, const struct meta_command *cmd)
{
    struct user *u = calloc(1, sizeof *u + cmd->name.len + 1 + cmd->tags.len + cmd->password_hash.len);
    CHECK(u);
    u->id = old ? old->id : 0;
    u->usage = old ? user_usage_hold(old->usage) : calloc(1, sizeof *u->usage);
    CHECK(u->usage);
    if (!old)
        atomic_init(&u->usage->holds, 1);
    u->tags = parse_tags(cmd->tags);
    u->name_size = (uint8_t)cmd->name.len;
    memcpy(u->name, cmd->name.data, cmd->name.len);
    uint8_t *at = (uint8_t *)u->name + cmd->name.len + 1;
    if (cmd->tags.len > 0)
        memcpy(at, cmd->tags.data, cmd->tags.len);
    u->tags_text = slice_of(at, cmd->tags.len);
    at += cmd->tags.len;
    if (cmd->password_hash.len > 0)
        memcpy(at, cmd->password_hash.data, cmd->password_hash.len);
    u->password_hash = slice_of(at, cmd->password_hash.len);
    u->connections_max = u->channels_max = QUOTA_NONE;
    return u;
}

void
meta_user_free(void *user)
{
    struct user *u = user;
    user_usage_drop(u->usage);
    free(u);
}

static bool
parse_limits(struct user *u, struct slice json, struct meta_result *r)
{
    const struct quota quotas[] = {
        {"max-channels", &u->channels_max}, {"max-connections", &u->connections_max}, {NULL, NULL}};
    if (!quota_parse(json, quotas, "user-limits", "", r->text))
        r->code = AMQP_REPLY_PRECONDITION_FAILED;
    return r->code == 0;
}

/* Takes the place of `old`, or a place of its own. */
static void
user_publish(struct meta *m, struct user *old, struct user *u)
{
    if (old) {
        CHECK(cmap_replace(&m->users, meta_user_hash(u), old, u));
        epoch_defer(m->epoch, meta_user_free, old);
    } else {
        cmap_insert(&m->users, meta_user_hash(u), u);
    }
    meta_permissions_changed(m);
}

static bool
user_fits(const struct meta_command *cmd, struct meta_result *r)
{
    enum password_algorithm algorithm;
    if (cmd->name.len == 0 || cmd->name.len > UINT8_MAX)
        meta_fail(r, AMQP_REPLY_PRECONDITION_FAILED, "a user's name has 1 to 255 bytes, not %zu",
                  cmd->name.len);
    else if (cmd->password_hash.len != 0 && !password_algorithm_of(cmd->password_hash, &algorithm))
        meta_fail(r, AMQP_REPLY_PRECONDITION_FAILED,
                  "the password hash of user '%.*s' has %zu bytes, which is none of 20 (MD5), 36 (SHA-256) "
                  "and 68 (SHA-512)",
                  SLICE_FMT(cmd->name), cmd->password_hash.len);
    return r->code == 0;
}

bool
meta_user_is_refused(const struct meta_command *cmd)
{
    struct meta_result r = {0};
    struct user limits;
    return !user_fits(cmd, &r) || (cmd->kind == META_USER_PUT && !parse_limits(&limits, cmd->value, &r));
}

void
meta_user_put(struct meta *m, const struct meta_command *cmd, struct meta_result *r)
{
    if (!user_fits(cmd, r))
        return;
    struct user *old = (struct user *)user_find(m, cmd->name);
    struct user *u = user_new(old, cmd);
    if (old && cmd->value.len == 0) {
        u->connections_max = old->connections_max;
        u->channels_max = old->channels_max;
    } else if (!parse_limits(u, cmd->value, r)) {
        meta_user_free(u);
        return;
    }
    if (!old)
        u->id = meta_take_id(m, cmd);
    r->existed = old != NULL;
    user_publish(m, old, u);
}

void
meta_user_set(struct meta *m, const struct meta_command *cmd, struct meta_result *r)
{
    const struct user *old = user_find(m, cmd->name);
    bool is_new = cmd->changes & USER_CHANGE_NEW;
    if (!old && !is_new) {
        meta_fail(r, AMQP_REPLY_NOT_FOUND, "no user '%.*s'", SLICE_FMT(cmd->name));
    } else if (old && is_new) {
        r->existed = true;
        meta_fail(r, AMQP_REPLY_PRECONDITION_FAILED, "user '%.*s' exists", SLICE_FMT(cmd->name));
    } else {
        struct meta_command whole = {.kind = META_USER_PUT, .name = cmd->name};
        bool has_tags = is_new || cmd->changes & USER_CHANGE_TAGS;
        bool has_password = is_new || cmd->changes & USER_CHANGE_PASSWORD;
        whole.tags = has_tags ? cmd->tags : old->tags_text;
        whole.password_hash = has_password ? cmd->password_hash : old->password_hash;
        meta_user_put(m, &whole, r);
    }
}

/* ---- limits ---- */

/* The same user again, to be changed and published. */
static struct user *
user_copy(const struct user *old)
{
    return user_new(old, &(struct meta_command){.name = slice_of(old->name, old->name_size),
                                                .tags = old->tags_text,
                                                .password_hash = old->password_hash});
}

static struct user *
user_known(struct meta *m, struct slice name, struct meta_result *r)
{
    struct user *u = (struct user *)user_find(m, name);
    if (!u)
        meta_fail(r, AMQP_REPLY_NOT_FOUND, "no user '%.*s'", SLICE_FMT(name));
    return u;
}

void
meta_user_limits(struct meta *m, const struct meta_command *cmd, struct meta_result *r)
{
    struct user *old = user_known(m, cmd->name, r);
    if (!old)
        return;
    struct user *u = user_copy(old);
    u->connections_max = old->connections_max;
    u->channels_max = old->channels_max;
    if (parse_limits(u, cmd->value, r))
        user_publish(m, old, u);
    else
        meta_user_free(u);
}

/* As in RabbitMQ a limit that there is not, or that nobody knows, is cleared without an error. */
void
meta_user_limits_clear(struct meta *m, const struct meta_command *cmd, struct meta_result *r)
{
    struct user *old = user_known(m, cmd->user, r);
    if (!old)
        return;
    struct user *u = user_copy(old);
    bool is_all = slice_eq_str(cmd->name, "all");
    if (!is_all && !slice_eq_str(cmd->name, "max-connections"))
        u->connections_max = old->connections_max;
    if (!is_all && !slice_eq_str(cmd->name, "max-channels"))
        u->channels_max = old->channels_max;
    user_publish(m, old, u);
}

static void
permission_remove(struct meta *m, struct permission_entry *e)
{
    CHECK(cmap_remove(&m->permissions, permission_entry_hash(e), e));
    epoch_defer(m->epoch, permission_entry_free, e);
}

void
meta_user_delete(struct meta *m, const struct meta_command *cmd, struct meta_result *r)
{
    struct user *u = (struct user *)user_find(m, cmd->name);
    if (!u) {
        meta_fail(r, AMQP_REPLY_NOT_FOUND, "no user '%.*s'", SLICE_FMT(cmd->name));
        return;
    }
    CHECK(cmap_remove(&m->users, meta_user_hash(u), u));
    if (m->hooks.user_deleted)
        m->hooks.user_deleted(m->hooks_arg, u);
    epoch_defer(m->epoch, meta_user_free, u);
    struct permission_entry *e;
    for (size_t at = 0; (e = cmap_next(&m->permissions, &at));)
        if (slice_eq(slice_of(e->user, e->user_size), cmd->name))
            permission_remove(m, e);
    meta_topic_permissions_remove(m, cmd->name, NULL);
    meta_permissions_changed(m);
}

void
meta_permissions_of_vhost_remove(struct meta *m, const struct vhost *v)
{
    struct permission_entry *e;
    for (size_t at = 0; (e = cmap_next(&m->permissions, &at));)
        if (e->vhost == v)
            permission_remove(m, e);
    meta_permissions_changed(m);
}

/* NULL: one of them is not there. */
static struct vhost *
of_user_and_vhost(const struct meta *m, const struct meta_command *cmd, struct meta_result *r)
{
    struct vhost *v = (struct vhost *)vhost_find(m, cmd->vhost);
    if (!v)
        meta_fail_vhost(r, cmd->vhost);
    else if (!user_find(m, cmd->user))
        meta_fail(r, AMQP_REPLY_NOT_FOUND, "no user '%.*s'", SLICE_FMT(cmd->user));
    return r->code ? NULL : v;
}

void
meta_permission_set(struct meta *m, const struct meta_command *cmd, struct meta_result *r)
{
    struct vhost *v = of_user_and_vhost(m, cmd, r);
    if (!v)
        return;
    const struct slice patterns[PERMISSION_KINDS] = {
        [PERMISSION_CONFIGURE] = cmd->configure,
        [PERMISSION_WRITE] = cmd->write,
        [PERMISSION_READ] = cmd->read,
    };
    struct permission_entry *e = permission_entry_new(cmd->user, v, patterns, r->text);
    if (!e) {
        r->code = AMQP_REPLY_PRECONDITION_FAILED;
        return;
    }
    struct permission_entry *old = (struct permission_entry *)permission_find(m, cmd->user, v);
    r->existed = old != NULL;
    if (old) {
        CHECK(cmap_replace(&m->permissions, permission_entry_hash(e), old, e));
        epoch_defer(m->epoch, permission_entry_free, old);
    } else {
        cmap_insert(&m->permissions, permission_entry_hash(e), e);
    }
    meta_permissions_changed(m);
}

void
meta_permission_clear(struct meta *m, const struct meta_command *cmd, struct meta_result *r)
{
    struct vhost *v = of_user_and_vhost(m, cmd, r);
    if (!v)
        return;
    struct permission_entry *e = (struct permission_entry *)permission_find(m, cmd->user, v);
    if (!e)
        return;
    permission_remove(m, e);
    meta_permissions_changed(m);
}
