/*
 * Topic permissions come and go. An entry is of one user in one vhost, so the variables are filled in when it
 * is made: as literal text, where RabbitMQ lets a user's name be read as a part of the expression.
 */
#include "base/check.h"
#include "base/hash.h"
#include "broker/meta_impl.h"
#include "broker/regex.h"
#include "broker/topic_permission.h"
#include "wire/amqp.h"

#include <ctype.h>
#include <stdlib.h>

enum { TOPIC_PERMISSION_PATTERN_MAX = 4096 };

uint64_t
meta_topic_permission_hash(const void *item)
{
    const struct topic_permission *p = item;
    return hash_combine(hash_combine(hash_bytes(p->user), p->vhost->id), hash_bytes(p->exchange));
}

/* As an expression that matches just this text. */
static void
add_literal(struct buffer *out, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < 0x80 && !isalnum(text.data[i]))
            buffer_add_u8(out, '\\');
        buffer_add_u8(out, text.data[i]);
    }
}

static void
fill_in(struct buffer *out, struct slice pattern, struct slice user, const struct vhost *v)
{
    while (pattern.len > 0) {
        size_t taken = 1;
        if (slice_starts_with(pattern, "{username}")) {
            add_literal(out, user);
            taken = strlen("{username}");
        } else if (slice_starts_with(pattern, "{vhost}")) {
            add_literal(out, slice_of(v->name, v->name_size));
            taken = strlen("{vhost}");
        } else {
            buffer_add_u8(out, pattern.data[0]);
        }
        pattern = slice_of(pattern.data + taken, pattern.len - taken);
    }
}

/* An empty expression matches the empty key alone, as with other permissions. */
static struct regex *
compile(struct slice pattern, struct slice user, const struct vhost *v, struct meta_result *r)
{
    struct regex_error error;
    struct buffer filled = {0};
    if (pattern.len == 0)
        buffer_add_str(&filled, "^$");
    fill_in(&filled, pattern, user, v);
    struct regex *regex = NULL;
    if (pattern.len > TOPIC_PERMISSION_PATTERN_MAX)
        meta_fail(r, AMQP_REPLY_PRECONDITION_FAILED, "a topic permission has at most %d bytes, not %zu",
                  TOPIC_PERMISSION_PATTERN_MAX, pattern.len);
    else if (!(regex = regex_new(buffer_slice(&filled), &error)))
        meta_fail(r, AMQP_REPLY_PRECONDITION_FAILED, "regular expression '%.*s' is invalid: %s at offset %zu",
                  (int)(pattern.len < 100 ? pattern.len : 100), (const char *)pattern.data, error.why,
                  error.offset);
    buffer_fini(&filled);
    return regex;
}

static void
entry_free(void *entry)
{
    struct topic_permission *p = entry;
    regex_free(p->regex[0]);
    regex_free(p->regex[1]);
    free(p);
}

/* One block: | struct topic_permission | user | exchange | write | read |. NULL with `r`. */
static struct topic_permission *
entry_new(const struct vhost *v, const struct meta_command *cmd, struct meta_result *r)
{
    const struct slice texts[] = {cmd->user, cmd->name, cmd->write, cmd->read};
    struct topic_permission *p =
        calloc(1, sizeof *p + texts[0].len + texts[1].len + texts[2].len + texts[3].len);
    CHECK(p);
    p->vhost = v;
    struct slice *const to[] = {&p->user, &p->exchange, &p->write, &p->read};
    uint8_t *at = (uint8_t *)(p + 1);
    for (size_t i = 0; i < sizeof to / sizeof *to; i++) {
        if (texts[i].len > 0)
            memcpy(at, texts[i].data, texts[i].len);
        *to[i] = slice_of(at, texts[i].len);
        at += texts[i].len;
    }
    p->regex[0] = compile(p->write, p->user, v, r);
    if (!r->code)
        p->regex[1] = compile(p->read, p->user, v, r);
    if (!r->code)
        return p;
    entry_free(p);
    return NULL;
}

/* NULL with `r`. */
static struct vhost *
find_both(struct meta *m, const struct meta_command *cmd, struct meta_result *r)
{
    struct vhost *v = meta_vhost_known(m, cmd, r);
    if (!v || user_find(m, cmd->user))
        return v;
    meta_fail(r, AMQP_REPLY_NOT_FOUND, "no user '%.*s'", SLICE_FMT(cmd->user));
    return NULL;
}

void
meta_topic_permission_set(struct meta *m, const struct meta_command *cmd, struct meta_result *r)
{
    struct vhost *v = find_both(m, cmd, r);
    if (v && (cmd->name.len == 0 || cmd->name.len > UINT8_MAX))
        meta_fail(r, AMQP_REPLY_PRECONDITION_FAILED, "an exchange's name has 1 to 255 bytes here, not %zu",
                  cmd->name.len);
    struct topic_permission *p = r->code ? NULL : entry_new(v, cmd, r);
    if (!p)
        return;
    struct topic_permission *old =
        (struct topic_permission *)topic_permission_find(m, cmd->user, v, cmd->name);
    r->existed = old != NULL;
    if (old) {
        CHECK(cmap_replace(&m->topic_permissions, meta_topic_permission_hash(p), old, p));
        epoch_defer(m->epoch, entry_free, old);
    } else {
        cmap_insert(&m->topic_permissions, meta_topic_permission_hash(p), p);
    }
    meta_permissions_changed(m);
}

static void
entry_remove(struct meta *m, struct topic_permission *p)
{
    CHECK(cmap_remove(&m->topic_permissions, meta_topic_permission_hash(p), p));
    epoch_defer(m->epoch, entry_free, p);
}

void
meta_topic_permissions_remove(struct meta *m, struct slice user, const struct vhost *v)
{
    struct topic_permission *p;
    for (size_t at = 0; (p = cmap_next(&m->topic_permissions, &at));)
        if ((user.len == 0 || slice_eq(p->user, user)) && (!v || p->vhost == v))
            entry_remove(m, p);
}

void
meta_topic_permission_clear(struct meta *m, const struct meta_command *cmd, struct meta_result *r)
{
    struct vhost *v = find_both(m, cmd, r);
    if (!v)
        return;
    struct topic_permission *p = (struct topic_permission *)topic_permission_find(m, cmd->user, v, cmd->name);
    if (cmd->name.len == 0)
        meta_topic_permissions_remove(m, cmd->user, v);
    else if (p)
        entry_remove(m, p);
    meta_permissions_changed(m);
}
