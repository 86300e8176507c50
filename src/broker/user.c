/* Finding users, whether a password is theirs, and their limits. */
#include "broker/user.h"

#include "base/hash.h"
#include "broker/meta_impl.h"
#include "broker/password.h"
#include "broker/quota.h"

#include <stdio.h>
#include <stdlib.h>

static bool
user_eq(const void *item, const void *key)
{
    const struct user *u = item;
    return slice_eq(slice_of(u->name, u->name_size), *(const struct slice *)key);
}

const struct user *
user_find(const struct meta *m, struct slice name)
{
    return cmap_find(&m->users, hash_bytes(name), user_eq, &name);
}

void
user_password_hash(struct slice password, const uint8_t salt[4], uint8_t out[36])
{
    uint8_t hash[PASSWORD_HASH_SIZE_MAX];
    memcpy(out, hash, password_hash(PASSWORD_SHA256, password, salt, hash));
}

bool
user_password_matches(const struct user *u, struct slice password)
{
    return password_matches(u->password_hash, password);
}

struct user_usage *
user_usage_hold(struct user_usage *usage)
{
    atomic_fetch_add_explicit(&usage->holds, 1, memory_order_relaxed);
    return usage;
}

void
user_usage_drop(struct user_usage *usage)
{
    if (atomic_fetch_sub_explicit(&usage->holds, 1, memory_order_acq_rel) == 1)
        free(usage);
}

void
user_limits_add(struct buffer *out, const struct user *u)
{
    int64_t channels = u->channels_max, connections = u->connections_max;
    quota_add(out, (const struct quota[]){
                       {"max-channels", &channels}, {"max-connections", &connections}, {NULL, NULL}});
}

const struct user *
user_login(const struct meta *m, struct slice name, const struct slice *password, char why[USER_WHY_SIZE])
{
    const struct user *u = user_find(m, name);
    if (password && password->len == 0)
        snprintf(why, USER_WHY_SIZE,
                 "user '%.*s' attempted to log in with a blank password, which is prohibited",
                 SLICE_FMT(name));
    else if (!u || (password && !user_password_matches(u, *password)))
        snprintf(why, USER_WHY_SIZE, "user '%.*s' - invalid credentials", SLICE_FMT(name));
    else
        return u;
    return NULL;
}
