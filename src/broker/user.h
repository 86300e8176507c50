/* Users, their tags and passwords, and permissions. Written by shard 0, read by all; valid until the end of
 * the turn. */
#ifndef LEVERET_BROKER_USER_H
#define LEVERET_BROKER_USER_H

#include "base/buffer.h"
#include "base/slice.h"

#include <stdatomic.h>
#include <stdint.h>

struct meta;
struct vhost;

enum {
    USER_TAG_ADMINISTRATOR = 1 << 0,
    USER_TAG_MONITORING = 1 << 1,
    USER_TAG_POLICYMAKER = 1 << 2,
    USER_TAG_MANAGEMENT = 1 << 3,
    USER_TAG_IMPERSONATOR = 1 << 4,
};

/* What a user has open on this node: shared by all that the user ever was, and by its connections. */
struct user_usage {
    _Atomic uint32_t holds;
    _Atomic uint32_t connections, channels;
};

struct user {
    uint64_t id;
    uint32_t tags;                         /* USER_TAG_* */
    struct slice tags_text;                /* all tags as given, comma separated, owned */
    struct slice password_hash;            /* password.h; empty: no password, never logs in by one */
    int64_t connections_max, channels_max; /* limits: -1 none */
    struct user_usage *usage;              /* held */
    uint8_t name_size;
    char name[];
};

/* What META_USER_SET changes. */
enum user_change {
    USER_CHANGE_PASSWORD = 1 << 0, /* password_hash; empty: none any more */
    USER_CHANGE_TAGS = 1 << 1,
    USER_CHANGE_NEW = 1 << 2, /* nothing of it is there: refused if it is */
};

const struct user *user_find(const struct meta *m, struct slice name);
enum { USER_WHY_SIZE = 512 };
/* Who logs in with that name and password (NULL: it was proved in another way); NULL, with what the log says
 * of it: nobody. */
const struct user *user_login(const struct meta *m, struct slice name, const struct slice *password,
                              char why[USER_WHY_SIZE]);
/* False for a user without a password. */
bool user_password_matches(const struct user *u, struct slice password);
/* RabbitMQ's salted SHA-256 (rabbit_password_hashing_sha256): out gets 4 + 32 bytes. */
void user_password_hash(struct slice password, const uint8_t salt[4], uint8_t out[36]);

/* Any thread. */
struct user_usage *user_usage_hold(struct user_usage *usage);
void user_usage_drop(struct user_usage *usage);

/* Its limits as JSON: {"max-channels":5}; {} without any. */
void user_limits_add(struct buffer *out, const struct user *u);

enum permission { PERMISSION_CONFIGURE, PERMISSION_WRITE, PERMISSION_READ };

/* May the user enter the vhost (has a permission entry for it)? */
bool permission_has_vhost(const struct meta *m, struct slice user, const struct vhost *v);
/* RabbitMQ's rules: an unanchored regular expression per kind; an empty expression is ^$; the nameless
 * exchange is checked as "amq.default". */
bool permission_is_granted(const struct meta *m, struct slice user, const struct vhost *v,
                           enum permission kind, struct slice resource);
/* Rises with every change of users and permissions: a cached answer is good while this is unchanged. */
uint64_t permission_generation(const struct meta *m);

#endif
