/*
 * Requests about users, passwords, permissions, virtual hosts. Each is a check of its arguments and one
 * command of the declared things; what comes of that is told in RabbitMQ's words, which differ from command
 * to command. A password is hashed here, on the control thread: its text goes no further.
 */
#include "base/check.h"
#include "broker/credential.h"
#include "broker/password.h"
#include "broker/regex.h"
#include "broker/user.h"
#include "broker/vhost.h"
#include "io/random.h"
#include "mgmt/argument.h"
#include "mgmt/control_table.h"
#include "server/server.h"
#include "wire/amqp_methods.h"

#include <stdlib.h>

enum { ACCESS_PATTERN_MAX = 4096, ACCESS_TEXT_MAX = 4096 };

/* ---- what came of it ---- */

/* Of requests whose `name` is a user. */
static void
access_user_changed(struct control_call *call, const struct meta_result *r)
{
    const char *name = argument_shown(call, "name", "");
    if (r->code == 0)
        control_done(call, NULL);
    else if (r->code == AMQP_REPLY_NOT_FOUND)
        control_fail(call, CONTROL_NO_SUCH_USER, "User \"%s\" does not exist", name);
    else if (r->existed)
        control_fail(call, CONTROL_EXISTS, "User \"%s\" already exists", name);
    else
        control_fail(call, CONTROL_BAD_ARGUMENT, "%s", r->text);
}

/* Of requests that have a `user` and a `vhost`. */
static void
access_permission_changed(struct control_call *call, const struct meta_result *r)
{
    if (r->code == 0)
        control_done(call, NULL);
    else if (r->code == AMQP_REPLY_NOT_FOUND && r->no_vhost)
        control_fail(call, CONTROL_REFUSED, "Virtual host %s does not exist",
                     argument_shown(call, "vhost", "/"));
    else if (r->code == AMQP_REPLY_NOT_FOUND)
        control_fail(call, CONTROL_NO_SUCH_USER, "User %s does not exist", argument_shown(call, "user", ""));
    else
        control_fail(call, CONTROL_REFUSED, "%s", r->text);
}

/* `argument` is the one that names the vhost. */
static void
access_answer_vhost(struct control_call *call, const struct meta_result *r, const char *argument)
{
    if (r->code == 0)
        control_done(call, NULL);
    else if (r->code == AMQP_REPLY_NOT_FOUND)
        control_fail(call, CONTROL_NO_SUCH_VHOST, "Virtual host '%s' does not exist",
                     argument_shown(call, argument, "/"));
    else
        control_fail(call, CONTROL_REFUSED, "%s", r->text);
}

static void
access_named_vhost_changed(struct control_call *call, const struct meta_result *r)
{
    access_answer_vhost(call, r, "name");
}

static void
access_vhost_changed(struct control_call *call, const struct meta_result *r)
{
    access_answer_vhost(call, r, "vhost");
}

/* ---- passwords ---- */

static struct io_world *
access_world(struct control_call *call)
{
    return shards_world(shard_all(control_shard(control_of(call))));
}

/* With a fresh salt. Returns the hash's size. */
static size_t
access_hash(struct control_call *call, struct slice password, uint8_t hash[PASSWORD_HASH_SIZE_MAX])
{
    uint8_t salt[PASSWORD_SALT_SIZE];
    random_bytes(access_world(call), salt, sizeof salt);
    return password_hash(PASSWORD_SHA256, password, salt, hash);
}

/* The argument `password_hash` if it is there, else the hash of `password`. */
static bool
access_password(struct control_call *call, uint8_t hash[PASSWORD_HASH_SIZE_MAX], struct slice *out)
{
    char why[CREDENTIAL_TEXT_SIZE];
    struct slice text;
    bool is_hashed = argument_is_there(call, "password_hash");
    if (!argument_text(call, is_hashed ? "password_hash" : "password", NULL, CREDENTIAL_PASSWORD_SIZE_MAX,
                       &text))
        return false;
    if (!is_hashed && !credential_is_accepted(control_hosts(control_of(call))->credentials, text, why)) {
        control_fail(call, CONTROL_REFUSED, "%s", why);
        return false;
    }
    *out = slice_of(hash, is_hashed ? password_hash_parse(text, hash) : access_hash(call, text, hash));
    if (out->len == 0)
        control_fail(
            call, CONTROL_BAD_ARGUMENT,
            "a password's hash is base64 of 20 (MD5), 36 (SHA-256) or 68 (SHA-512) bytes, salt included");
    return out->len > 0;
}

static void
run_hash_password(struct control_call *call)
{
    uint8_t hash[PASSWORD_HASH_SIZE_MAX];
    char text[PASSWORD_TEXT_SIZE];
    struct slice password;
    if (!argument_text(call, "password", NULL, CREDENTIAL_PASSWORD_SIZE_MAX, &password))
        return;
    password_hash_text(slice_of(hash, access_hash(call, password, hash)), text);
    control_done(call, json_pack("{s:s}", "password_hash", text));
}

/* ---- users ---- */

static void
access_set_password(struct control_call *call, uint64_t changes)
{
    uint8_t hash[PASSWORD_HASH_SIZE_MAX];
    struct meta_command cmd = {.kind = META_USER_SET, .changes = changes};
    if (argument_name(call, "name", NULL, &cmd.name) && access_password(call, hash, &cmd.password_hash))
        control_meta(call, &cmd, access_user_changed);
}

static void
run_add_user(struct control_call *call)
{
    access_set_password(call, USER_CHANGE_NEW);
}

static void
run_change_password(struct control_call *call)
{
    access_set_password(call, USER_CHANGE_PASSWORD);
}

static void
run_clear_password(struct control_call *call)
{
    struct meta_command cmd = {.kind = META_USER_SET, .changes = USER_CHANGE_PASSWORD};
    if (argument_name(call, "name", NULL, &cmd.name))
        control_meta(call, &cmd, access_user_changed);
}

static void
run_delete_user(struct control_call *call)
{
    struct meta_command cmd = {.kind = META_USER_DELETE};
    if (argument_name(call, "name", NULL, &cmd.name))
        control_meta(call, &cmd, access_user_changed);
}

static void
run_set_user_tags(struct control_call *call)
{
    struct buffer tags = {0};
    struct meta_command cmd = {.kind = META_USER_SET, .changes = USER_CHANGE_TAGS};
    if (argument_name(call, "name", NULL, &cmd.name) && argument_words(call, "tags", &tags)) {
        cmd.tags = buffer_slice(&tags);
        control_meta(call, &cmd, access_user_changed);
    }
    buffer_fini(&tags);
}

struct access_login {
    struct slice name, password;
    bool is_good;
    char why[USER_WHY_SIZE];
};

static void
access_login_run(void *arg, struct server_shard *home)
{
    struct access_login *l = arg;
    l->is_good = user_login(home->server->node->meta, l->name, &l->password, l->why) != NULL;
}

static void
access_login_then(struct control_call *call, void *arg, bool discarded)
{
    struct access_login *l = arg;
    if (!discarded && l->is_good)
        control_done(call, NULL);
    else if (!discarded)
        control_fail(call, CONTROL_BAD_ARGUMENT, "Error: failed to authenticate user \"%.*s\"\n%s",
                     SLICE_FMT(l->name), l->why);
}

/* Neither counts as a failed login nor is limited: whoever may ask may change the password, too. */
static void
run_authenticate_user(struct control_call *call)
{
    struct access_login *l = calloc(1, sizeof *l);
    CHECK(l);
    control_set_data(call, l, free);
    if (argument_name(call, "name", NULL, &l->name) &&
        argument_text(call, "password", NULL, CREDENTIAL_PASSWORD_SIZE_MAX, &l->password))
        control_ask(call, 0, access_login_run, l, access_login_then);
}

static void
run_clear_auth_backend_cache(struct control_call *call)
{
    control_done(call, NULL);
}

/* ---- permissions ---- */

/* An expression; one that is none is told as RabbitMQ's tools print it, those for topics between double
 * quotes. */
static bool
access_pattern(struct control_call *call, const char *name, char quote, struct slice *out)
{
    struct regex_error error;
    if (!argument_text(call, name, NULL, ACCESS_PATTERN_MAX, out))
        return false;
    struct regex *regex = regex_new(*out, &error);
    if (!regex)
        control_fail(call, CONTROL_REFUSED, "{:invalid_regexp, %c%.*s%c, {'%s', %zu}}", quote,
                     SLICE_FMT(*out), quote, error.why, error.offset);
    regex_free(regex);
    return regex != NULL;
}

static bool
access_patterns(struct control_call *call, struct meta_command *cmd)
{
    return access_pattern(call, "configure", '\'', &cmd->configure) &&
           access_pattern(call, "write", '\'', &cmd->write) && access_pattern(call, "read", '\'', &cmd->read);
}

static void
run_set_permissions(struct control_call *call)
{
    struct meta_command cmd = {.kind = META_PERMISSION_SET};
    if (argument_name(call, "vhost", "/", &cmd.vhost) && argument_name(call, "user", NULL, &cmd.user) &&
        access_patterns(call, &cmd))
        control_meta(call, &cmd, access_permission_changed);
}

static void
run_clear_permissions(struct control_call *call)
{
    struct meta_command cmd = {.kind = META_PERMISSION_CLEAR};
    if (argument_name(call, "vhost", "/", &cmd.vhost) && argument_name(call, "user", NULL, &cmd.user))
        control_meta(call, &cmd, access_permission_changed);
}

/* set_permissions in every vhost that there was when it began, one after the other. */
struct access_everywhere {
    struct meta_command cmd;
    struct buffer vhosts; /* each a byte with its length, and the name */
    size_t at;
};

static void
access_everywhere_free(void *arg)
{
    struct access_everywhere *e = arg;
    buffer_fini(&e->vhosts);
    free(e);
}

static void
access_everywhere_add(void *arg, const struct vhost *v)
{
    struct access_everywhere *e = arg;
    buffer_add_u8(&e->vhosts, v->name_size);
    buffer_add(&e->vhosts, v->name, v->name_size);
}

static void
access_everywhere_run(void *arg, struct server_shard *home)
{
    meta_each_vhost(home->server->node->meta, access_everywhere_add, arg);
}

/* A vhost that has gone meanwhile needs no permission. */
static void
access_everywhere_next(struct control_call *call, const struct meta_result *r)
{
    struct access_everywhere *e = control_data(call);
    bool is_lost = r->code == AMQP_REPLY_NOT_FOUND && r->no_vhost;
    if ((r->code && !is_lost) || e->at == e->vhosts.len) {
        access_permission_changed(call, r->code && is_lost ? &(struct meta_result){0} : r);
        return;
    }
    e->cmd.vhost = slice_of(e->vhosts.data + e->at + 1, e->vhosts.data[e->at]);
    e->at += 1 + e->cmd.vhost.len;
    control_meta(call, &e->cmd, access_everywhere_next);
}

static void
access_everywhere_then(struct control_call *call, void *arg, bool discarded)
{
    if (!discarded)
        access_everywhere_next(call, &(struct meta_result){0});
}

static void
run_set_permissions_globally(struct control_call *call)
{
    struct access_everywhere *e = calloc(1, sizeof *e);
    CHECK(e);
    control_set_data(call, e, access_everywhere_free);
    e->cmd.kind = META_PERMISSION_SET;
    if (argument_name(call, "user", NULL, &e->cmd.user) && access_patterns(call, &e->cmd))
        control_ask(call, 0, access_everywhere_run, e, access_everywhere_then);
}

/* In these expressions {username} and {vhost} are filled in when they are set; before that they are braces
 * that mean themselves. */
static void
run_set_topic_permissions(struct control_call *call)
{
    struct meta_command cmd = {.kind = META_TOPIC_PERMISSION_SET};
    if (argument_name(call, "vhost", "/", &cmd.vhost) && argument_name(call, "user", NULL, &cmd.user) &&
        argument_name(call, "exchange", NULL, &cmd.name) && access_pattern(call, "write", '"', &cmd.write) &&
        access_pattern(call, "read", '"', &cmd.read))
        control_meta(call, &cmd, access_permission_changed);
}

static void
run_clear_topic_permissions(struct control_call *call)
{
    struct meta_command cmd = {.kind = META_TOPIC_PERMISSION_CLEAR};
    if (argument_name(call, "vhost", "/", &cmd.vhost) && argument_name(call, "user", NULL, &cmd.user) &&
        argument_name(call, "exchange", "", &cmd.name))
        control_meta(call, &cmd, access_permission_changed);
}

/* ---- virtual hosts ---- */

/* What the arguments name of a vhost's metadata; `tags` holds theirs. */
static bool
access_metadata(struct control_call *call, struct meta_command *cmd, struct buffer *tags)
{
    static const struct {
        const char *name;
        enum vhost_change change;
    } parts[] = {{"description", VHOST_CHANGE_DESCRIPTION},
                 {"tags", VHOST_CHANGE_TAGS},
                 {"default_queue_type", VHOST_CHANGE_DEFAULT_QUEUE_TYPE},
                 {"is_protected", VHOST_CHANGE_PROTECTED}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (argument_is_there(call, parts[i].name))
            cmd->changes |= parts[i].change;
    if (!argument_name(call, "name", NULL, &cmd->name) ||
        !argument_text(call, "description", "", ACCESS_TEXT_MAX, &cmd->description) ||
        !argument_words(call, "tags", tags) ||
        !argument_name(call, "default_queue_type", "", &cmd->default_queue_type) ||
        !argument_flag(call, "is_protected", &cmd->is_protected))
        return false;
    cmd->tags = buffer_slice(tags);
    return true;
}

static void
access_change_vhost(struct control_call *call, enum meta_kind kind)
{
    struct buffer tags = {0};
    struct meta_command cmd = {.kind = kind};
    if (access_metadata(call, &cmd, &tags))
        control_meta(call, &cmd, access_named_vhost_changed);
    buffer_fini(&tags);
}

static void
run_add_vhost(struct control_call *call)
{
    access_change_vhost(call, META_VHOST_ADD);
}

static void
run_update_vhost_metadata(struct control_call *call)
{
    access_change_vhost(call, META_VHOST_SET);
}

static void
run_delete_vhost(struct control_call *call)
{
    struct meta_command cmd = {.kind = META_VHOST_DELETE};
    if (argument_name(call, "name", NULL, &cmd.name))
        control_meta(call, &cmd, access_named_vhost_changed);
}

static void
run_set_tracing(struct control_call *call)
{
    struct meta_command cmd = {.kind = META_VHOST_SET, .changes = VHOST_CHANGE_TRACING};
    if (argument_name(call, "vhost", "/", &cmd.name) && argument_flag(call, "is_tracing", &cmd.is_tracing))
        control_meta(call, &cmd, access_vhost_changed);
}

struct access_vhost {
    struct slice name;
    bool is_there;
};

static void
access_vhost_run(void *arg, struct server_shard *home)
{
    struct access_vhost *v = arg;
    v->is_there = vhost_find(home->server->node->meta, v->name) != NULL;
}

static void
access_vhost_then(struct control_call *call, void *arg, bool discarded)
{
    const struct access_vhost *v = arg;
    if (!discarded)
        access_vhost_changed(call, &(struct meta_result){.code = v->is_there ? 0 : AMQP_REPLY_NOT_FOUND});
}

/* There is nothing to restart: a vhost has no processes of its own that could fail. */
static void
run_restart_vhost(struct control_call *call)
{
    struct access_vhost *v = calloc(1, sizeof *v);
    CHECK(v);
    control_set_data(call, v, free);
    if (argument_name(call, "vhost", "/", &v->name))
        control_ask(call, 0, access_vhost_run, v, access_vhost_then);
}

#define CHANGE (CONTROL_NEEDS_APP | CONTROL_AUDITED)

const struct control_command command_access_table[] = {
    {"add_user", run_add_user, CHANGE},
    {"authenticate_user", run_authenticate_user, CONTROL_NEEDS_APP},
    {"change_password", run_change_password, CHANGE},
    {"clear_password", run_clear_password, CHANGE},
    {"delete_user", run_delete_user, CHANGE},
    {"hash_password", run_hash_password, 0},
    {"set_user_tags", run_set_user_tags, CHANGE},
    {"clear_auth_backend_cache", run_clear_auth_backend_cache, CONTROL_NEEDS_APP},
    {"set_permissions", run_set_permissions, CHANGE},
    {"set_permissions_globally", run_set_permissions_globally, CHANGE},
    {"clear_permissions", run_clear_permissions, CHANGE},
    {"set_topic_permissions", run_set_topic_permissions, CHANGE},
    {"clear_topic_permissions", run_clear_topic_permissions, CHANGE},
    {"add_vhost", run_add_vhost, CHANGE},
    {"delete_vhost", run_delete_vhost, CHANGE},
    {"update_vhost_metadata", run_update_vhost_metadata, CHANGE},
    {"set_tracing", run_set_tracing, CHANGE},
    {"restart_vhost", run_restart_vhost, CONTROL_NEEDS_APP},
    {0},
};
