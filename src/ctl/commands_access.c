/*
 * Users, permissions, virtual hosts. Who has no password on the command line is asked for one on standard
 * input, so that it need not stand in the shell's history.
 */
#include "ctl/commands.h"

#include <stdlib.h>
#include <string.h>

/* ---- users ---- */

/* The second argument, or standard input: malloc'ed; NULL: there is none. */
static char *
password_of(struct ctl *c, int position)
{
    return c->arg_count > position ? strdup(c->args[position]) : ctl_read_secret(c, "Password: ");
}

static void
forget(char *secret)
{
    explicit_bzero(secret, strlen(secret));
    free(secret);
}

/* RabbitMQ's exit codes for that differ. */
static int
no_password(struct ctl *c, int exit_code)
{
    return ctl_error(c, exit_code, "Password is not provided via argument or stdin");
}

/* RabbitMQ looks at the name only where a password stands beside it. */
static int
check_user(struct ctl *c)
{
    return c->arg_count == 1 || c->args[0][0] ? 0 : ctl_bad_argument(c, "user cannot be an empty string");
}

static int
add_user(struct ctl *c)
{
    static const char hint[] = "Done. Don't forget to grant the user permissions to some virtual hosts! "
                               "See 'rabbitmqctl help set_permissions' to learn more.";
    ctl_banner(c, "Adding user \"%s\" ...", c->args[0]);
    char *password = password_of(c, 1);
    if (!password)
        return no_password(c, EX_DATAERR);
    const char *key = ctl_has(c, "pre-hashed-password") ? "password_hash" : "password";
    json_t *result = ctl_ask(c, "add_user", json_pack("{s:s, s:s}", "name", c->args[0], key, password));
    forget(password);
    if (!result)
        return ctl_failed(c);
    json_decref(result);
    if (strcmp(c->out.format->name, "json") == 0)
        return ctl_show(c,
                        json_pack("{s:s, s:s, s:s}", "status", "ok", "node", ctl_node(c), "message", hint));
    ctl_note(c, "%s", hint);
    return EX_OK;
}

static int
authenticate_user(struct ctl *c)
{
    ctl_banner(c, "Authenticating user \"%s\" ...", c->args[0]);
    char *password = password_of(c, 1);
    if (!password)
        return no_password(c, EX_SOFTWARE);
    json_t *result =
        ctl_ask(c, "authenticate_user", json_pack("{s:s, s:s}", "name", c->args[0], "password", password));
    forget(password);
    if (!result)
        return ctl_failed(c);
    json_decref(result);
    ctl_say(c, "Success");
    return EX_OK;
}

static int
change_password(struct ctl *c)
{
    ctl_banner(c, "Changing password for user \"%s\" ...", c->args[0]);
    char *password = password_of(c, 1);
    if (!password)
        return no_password(c, EX_SOFTWARE);
    int exit_code =
        ctl_do(c, "change_password", json_pack("{s:s, s:s}", "name", c->args[0], "password", password));
    forget(password);
    return exit_code;
}

static int
clear_password(struct ctl *c)
{
    ctl_banner(c, "Clearing password for user \"%s\" ...", c->args[0]);
    return ctl_do(c, "clear_password", json_pack("{s:s}", "name", c->args[0]));
}

static int
delete_user(struct ctl *c)
{
    ctl_banner(c, "Deleting user \"%s\" ...", c->args[0]);
    return ctl_do(c, "delete_user", json_pack("{s:s}", "name", c->args[0]));
}

/* RabbitMQ's banner repeats the password; this one does not. */
static int
hash_password(struct ctl *c)
{
    if (c->arg_count == 1 && !*c->args[0])
        return ctl_bad_argument(c, "password cannot be an empty string");
    ctl_banner(c, "Will hash provided password");
    char *password = password_of(c, 0);
    if (!password)
        return no_password(c, EX_SOFTWARE);
    json_t *result = ctl_ask(c, "hash_password", json_pack("{s:s}", "password", password));
    forget(password);
    if (!result)
        return ctl_failed(c);
    ctl_say(c, "%s", json_string_value(json_object_get(result, "password_hash")));
    json_decref(result);
    return EX_OK;
}

static int
list_users(struct ctl *c)
{
    ctl_banner(c, "Listing users ...");
    return ctl_list(c, "list_users", NULL, "user tags", false);
}

/* The arguments from `from` on: as a list, and as "a, b" (malloc'ed). */
static json_t *
words_of(struct ctl *c, int from, char **text)
{
    struct buffer joined = {0};
    json_t *words = json_array();
    for (int i = from; i < c->arg_count; i++) {
        json_array_append_new(words, json_string(c->args[i]));
        buffer_add_fmt(&joined, "%s%s", i > from ? ", " : "", c->args[i]);
    }
    buffer_add_u8(&joined, 0);
    *text = (char *)joined.data;
    return words;
}

static int
set_user_tags(struct ctl *c)
{
    char *text;
    json_t *tags = words_of(c, 1, &text);
    ctl_banner(c, "Setting tags for user \"%s\" to [%s] ...", c->args[0], text);
    free(text);
    return ctl_do(c, "set_user_tags", json_pack("{s:s, s:o}", "name", c->args[0], "tags", tags));
}

static int
clear_auth_backend_cache(struct ctl *c)
{
    ctl_banner(c, "Clearing rabbitmq_auth_backend_cache plugin's cache on node %s ...", ctl_node(c));
    return ctl_do(c, "clear_auth_backend_cache", NULL);
}

/* ---- permissions ---- */

static int
set_permissions(struct ctl *c)
{
    ctl_banner(c, "Setting permissions for user \"%s\" in vhost \"%s\" ...", c->args[0], c->vhost);
    return ctl_do(c, "set_permissions",
                  json_pack("{s:s, s:s, s:s, s:s, s:s}", "vhost", c->vhost, "user", c->args[0], "configure",
                            c->args[1], "write", c->args[2], "read", c->args[3]));
}

static int
set_permissions_globally(struct ctl *c)
{
    ctl_banner(c, "Setting permissions for user \"%s\" in all virtual hosts ...", c->args[0]);
    return ctl_do(c, "set_permissions_globally",
                  json_pack("{s:s, s:s, s:s, s:s}", "user", c->args[0], "configure", c->args[1], "write",
                            c->args[2], "read", c->args[3]));
}

static int
clear_permissions(struct ctl *c)
{
    ctl_banner(c, "Clearing permissions for user \"%s\" in vhost \"%s\" ...", c->args[0], c->vhost);
    return ctl_do(c, "clear_permissions", json_pack("{s:s, s:s}", "vhost", c->vhost, "user", c->args[0]));
}

static int
list_permissions(struct ctl *c)
{
    ctl_banner(c, "Listing permissions for vhost \"%s\" ...", c->vhost);
    return ctl_list(c, "list_permissions", json_pack("{s:s}", "vhost", c->vhost), "user configure write read",
                    false);
}

static int
list_user_permissions(struct ctl *c)
{
    ctl_banner(c, "Listing permissions for user \"%s\" ...", c->args[0]);
    return ctl_list(c, "list_user_permissions", json_pack("{s:s}", "user", c->args[0]),
                    "vhost configure write read", false);
}

static int
set_topic_permissions(struct ctl *c)
{
    ctl_banner(c, "Setting topic permissions on \"%s\" for user \"%s\" in vhost \"%s\" ...", c->args[1],
               c->args[0], c->vhost);
    return ctl_do(c, "set_topic_permissions",
                  json_pack("{s:s, s:s, s:s, s:s, s:s}", "vhost", c->vhost, "user", c->args[0], "exchange",
                            c->args[1], "write", c->args[2], "read", c->args[3]));
}

static int
clear_topic_permissions(struct ctl *c)
{
    json_t *arguments = json_pack("{s:s, s:s}", "vhost", c->vhost, "user", c->args[0]);
    if (c->arg_count == 2) {
        ctl_banner(c, "Clearing topic permissions on \"%s\" for user \"%s\" in vhost \"%s\" ...", c->args[1],
                   c->args[0], c->vhost);
        json_object_set_new(arguments, "exchange", json_string(c->args[1]));
    } else {
        ctl_banner(c, "Clearing topic permissions for user \"%s\" in vhost \"%s\" ...", c->args[0], c->vhost);
    }
    return ctl_do(c, "clear_topic_permissions", arguments);
}

static int
list_topic_permissions(struct ctl *c)
{
    ctl_banner(c, "Listing topic permissions for vhost \"%s\" ...", c->vhost);
    return ctl_list(c, "list_topic_permissions", json_pack("{s:s}", "vhost", c->vhost),
                    "user exchange write read", false);
}

static int
list_user_topic_permissions(struct ctl *c)
{
    ctl_banner(c, "Listing topic permissions for user \"%s\" ...", c->args[0]);
    c->out.has_headers = c->out.has_headers && c->out.format != &format_table; /* RabbitMQ prints none here */
    return ctl_list(c, "list_user_topic_permissions", json_pack("{s:s}", "user", c->args[0]),
                    "vhost exchange write read", false);
}

/* ---- virtual hosts ---- */

static int
check_queue_type(struct ctl *c)
{
    const char *type = ctl_text(c, "default-queue-type", "classic");
    if (strcmp(type, "quorum") == 0 || strcmp(type, "stream") == 0 || strcmp(type, "classic") == 0)
        return 0;
    return ctl_invalid(c, "Default queue type must be one of: quorum, stream, classic. Provided: %s", type);
}

static int
check_metadata(struct ctl *c)
{
    const char *is_protected = ctl_text(c, "protected-from-deletion", "true");
    if (!ctl_has(c, "description") && !ctl_has(c, "tags") && !ctl_has(c, "default-queue-type") &&
        !ctl_has(c, "protected-from-deletion"))
        return ctl_invalid(c, "not enough arguments.");
    if (strcmp(is_protected, "true") != 0 && strcmp(is_protected, "false") != 0)
        return ctl_invalid(c, "--protected-from-deletion is true or false. Provided: %s", is_protected);
    return check_queue_type(c);
}

/* "a, b" as ["a", "b"]; empty words are none. */
static json_t *
split_words(const char *text)
{
    json_t *words = json_array();
    while (*text) {
        text += strspn(text, " ,");
        size_t len = strcspn(text, ",");
        size_t trimmed = len;
        while (trimmed > 0 && text[trimmed - 1] == ' ')
            trimmed--;
        if (trimmed > 0)
            json_array_append_new(words, json_stringn(text, trimmed));
        text += len;
    }
    return words;
}

/* The vhost's name with those of its metadata that the options name. */
static json_t *
metadata_of(struct ctl *c)
{
    json_t *arguments = json_pack("{s:s}", "name", c->args[0]);
    if (ctl_has(c, "description"))
        json_object_set_new(arguments, "description", json_string(ctl_text(c, "description", "")));
    if (ctl_has(c, "tags"))
        json_object_set_new(arguments, "tags", split_words(ctl_text(c, "tags", "")));
    if (ctl_has(c, "default-queue-type"))
        json_object_set_new(arguments, "default_queue_type",
                            json_string(ctl_text(c, "default-queue-type", "")));
    if (ctl_has(c, "protected-from-deletion"))
        json_object_set_new(arguments, "is_protected",
                            json_boolean(strcmp(ctl_text(c, "protected-from-deletion", ""), "true") == 0));
    return arguments;
}

static int
add_vhost(struct ctl *c)
{
    ctl_banner(c, "Adding vhost \"%s\" ...", c->args[0]);
    return ctl_do(c, "add_vhost", metadata_of(c));
}

static int
delete_vhost(struct ctl *c)
{
    ctl_banner(c, "Deleting vhost \"%s\" ...", c->args[0]);
    return ctl_do(c, "delete_vhost", json_pack("{s:s}", "name", c->args[0]));
}

static int
update_vhost_metadata(struct ctl *c)
{
    ctl_banner(c, "Updating metadata of vhost \"%s\" ...", c->args[0]);
    return ctl_do(c, "update_vhost_metadata", metadata_of(c));
}

static int
set_vhost_tags(struct ctl *c)
{
    char *text;
    json_t *tags = words_of(c, 1, &text);
    ctl_banner(c, "Setting tags for vhost \"%s\" to [%s] ...", c->args[0], text);
    free(text);
    return ctl_do(c, "update_vhost_metadata", json_pack("{s:s, s:o}", "name", c->args[0], "tags", tags));
}

static int
set_protection(struct ctl *c, bool is_protected)
{
    return ctl_do(c, "update_vhost_metadata",
                  json_pack("{s:s, s:b}", "name", c->args[0], "is_protected", is_protected));
}

static int
enable_vhost_deletion_protection(struct ctl *c)
{
    ctl_banner(c, "Protecting virtual host '%s' from removal...", c->args[0]);
    return set_protection(c, true);
}

static int
disable_vhost_deletion_protection(struct ctl *c)
{
    ctl_banner(c, "Unprotecting virtual host '%s' from removal...", c->args[0]);
    return set_protection(c, false);
}

/* Nothing of a vhost fails by itself here: it runs, or it is not there. */
static int
restart_vhost(struct ctl *c)
{
    ctl_banner(c, "Trying to restart vhost '%s' on node '%s' ...", c->vhost, ctl_node(c));
    json_t *result = ctl_ask(c, "restart_vhost", json_pack("{s:s}", "vhost", c->vhost));
    if (!result && strcmp(ctl_failure(c), "no_such_vhost") == 0)
        return ctl_error(c, EX_SOFTWARE,
                         "Failed to start vhost '%s' on node '%s'Reason: {:no_such_vhost, \"%s\"}", c->vhost,
                         ctl_node(c), c->vhost);
    if (!result)
        return ctl_failed(c);
    json_decref(result);
    ctl_say(c, "Vhost '%s' is already running on node '%s'", c->vhost, ctl_node(c));
    return EX_OK;
}

static int
set_tracing(struct ctl *c, bool is_tracing)
{
    ctl_banner(c, "%s tracing for vhost \"%s\" ...", is_tracing ? "Starting" : "Stopping", c->vhost);
    json_t *result =
        ctl_ask(c, "set_tracing", json_pack("{s:s, s:b}", "vhost", c->vhost, "is_tracing", is_tracing));
    if (!result)
        return ctl_failed(c);
    json_decref(result);
    ctl_say(c, "Trace %s for vhost %s", is_tracing ? "enabled" : "disabled", c->vhost);
    return EX_OK;
}

static int
trace_on(struct ctl *c)
{
    return set_tracing(c, true);
}

static int
trace_off(struct ctl *c)
{
    return set_tracing(c, false);
}

/* ---- the table ---- */

static const struct ctl_option add_user_options[] = {{"pre-hashed-password", 0, CTL_FLAG}, {0}};
static const struct ctl_option vhost_options[] = {{"description", 'd', CTL_TEXT},
                                                  {"tags", 0, CTL_TEXT},
                                                  {"default-queue-type", 0, CTL_TEXT},
                                                  {"protected-from-deletion", 0, CTL_TEXT},
                                                  {0}};

const struct ctl_command commands_access[] = {
    {
        .name = "add_user",
        .tools = CTL_CTL,
        .group = CTL_GROUP_USERS,
        .usage = "<username> [<password>] [<password_hash> --pre-hashed-password]",
        .summary = "Adds a user, who has no permissions at first",
        .details = "<username>\n\tthe name to log in with\n\n<password>\n\tleft out, it is read from "
                   "standard input\n\n--pre-hashed-password\n\twhat follows the name is a hash in base64, as "
                   "hash_password and definitions have it\n",
        .run = add_user,
        .check = check_user,
        .options = add_user_options,
        .args_min = 1,
        .args_max = 2,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "authenticate_user",
        .tools = CTL_CTL,
        .group = CTL_GROUP_USERS,
        .usage = "<username> <password>",
        .summary = "Tells whether a user could log in with a password, by the exit code, too",
        .details = "<username>\n\twhich user\n\n<password>\n\tleft out, it is read from standard input\n",
        .run = authenticate_user,
        .args_min = 1,
        .args_max = 2,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "change_password",
        .tools = CTL_CTL,
        .group = CTL_GROUP_USERS,
        .usage = "<username> <password>",
        .summary = "Gives a user another password",
        .details = "<username>\n\twhich user\n\n<password>\n\tleft out, it is read from standard input\n",
        .run = change_password,
        .args_min = 1,
        .args_max = 2,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "clear_password",
        .tools = CTL_CTL,
        .group = CTL_GROUP_USERS,
        .usage = "<username>",
        .summary = "Takes a user's password away: nobody logs in by one until there is a new one",
        .details = "<username>\n\twhich user\n",
        .run = clear_password,
        .args_min = 1,
        .args_max = 1,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "delete_user",
        .tools = CTL_CTL,
        .group = CTL_GROUP_USERS,
        .usage = "<username>",
        .summary = "Removes a user, and what the user was permitted",
        .details = "<username>\n\twhich user\n",
        .run = delete_user,
        .args_min = 1,
        .args_max = 1,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "hash_password",
        .tools = CTL_CTL,
        .group = CTL_GROUP_USERS,
        .usage = "<cleartext_password>",
        .summary = "Prints the hash of a password, for definitions and add_user",
        .details = "<password>\n\tleft out, it is read from standard input\n",
        .run = hash_password,
        .args_max = 1,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "list_users",
        .tools = CTL_CTL | CTL_DIAGNOSTICS,
        .group = CTL_GROUP_USERS,
        .usage = "[--no-table-headers]",
        .summary = "Lists users and their tags",
        .run = list_users,
        .flags = CTL_NEEDS_APP | CTL_TIMED,
    },
    {
        .name = "set_user_tags",
        .tools = CTL_CTL,
        .group = CTL_GROUP_USERS,
        .usage = "<username> <tag> [...]",
        .summary = "Gives a user these tags in place of those before",
        .details = "<username>\n\twhich user\n\n<tag>\n\tadministrator, monitoring, policymaker, management, "
                   "or any word; none at all takes them away\n",
        .run = set_user_tags,
        .args_min = 1,
        .flags = CTL_NEEDS_APP | CTL_ANY_ARGS,
    },
    {
        .name = "clear_auth_backend_cache",
        .tools = CTL_CTL,
        .group = CTL_GROUP_USERS,
        .usage = "",
        .summary = "Succeeds: there is no cache between a login and the user's record",
        .run = clear_auth_backend_cache,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "set_permissions",
        .tools = CTL_CTL,
        .group = CTL_GROUP_ACCESS,
        .usage = "[--vhost <vhost>] <username> <conf> <write> <read>",
        .summary = "Says what a user may do in a virtual host",
        .details = "<username>\n\twhich user\n\n<conf>\n\ta regular expression: what may be declared and "
                   "deleted\n\n<write>\n\twhat may be published to\n\n<read>\n\twhat may be consumed from\n",
        .run = set_permissions,
        .args_min = 4,
        .args_max = 4,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "set_permissions_globally",
        .tools = CTL_CTL,
        .group = CTL_GROUP_ACCESS,
        .usage = "<username> <conf> <write> <read>",
        .summary = "Says what a user may do in each virtual host that there is",
        .details = "<username>\n\twhich user\n\n<conf>\n\ta regular expression: what may be declared and "
                   "deleted\n\n<write>\n\twhat may be published to\n\n<read>\n\twhat may be consumed from\n",
        .run = set_permissions_globally,
        .args_min = 4,
        .args_max = 4,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "clear_permissions",
        .tools = CTL_CTL,
        .group = CTL_GROUP_ACCESS,
        .usage = "[--vhost <vhost>] <username>",
        .summary = "Takes a user's access to a virtual host away",
        .details = "<username>\n\twhich user\n",
        .run = clear_permissions,
        .args_min = 1,
        .args_max = 1,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "list_permissions",
        .tools = CTL_CTL | CTL_DIAGNOSTICS,
        .group = CTL_GROUP_ACCESS,
        .usage = "[--vhost <vhost>] [--no-table-headers]",
        .summary = "Lists who may do what in a virtual host",
        .run = list_permissions,
        .flags = CTL_NEEDS_APP | CTL_TIMED,
    },
    {
        .name = "list_user_permissions",
        .tools = CTL_CTL | CTL_DIAGNOSTICS,
        .group = CTL_GROUP_ACCESS,
        .usage = "[--no-table-headers] <username>",
        .summary = "Lists what a user may do, by virtual host",
        .details = "<username>\n\twhich user\n",
        .run = list_user_permissions,
        .args_min = 1,
        .args_max = 1,
        .flags = CTL_NEEDS_APP | CTL_TIMED,
    },
    {
        .name = "set_topic_permissions",
        .tools = CTL_CTL,
        .group = CTL_GROUP_ACCESS,
        .usage = "[--vhost <vhost>] <username> <exchange> <write> <read>",
        .summary = "Says which routing keys a user may use with a topic exchange",
        .details = "<username>\n\twhich user\n\n<exchange>\n\twhich topic exchange\n\n<write>\n\ta regular "
                   "expression: routing keys to publish with\n\n<read>\n\trouting keys to bind with\n",
        .run = set_topic_permissions,
        .args_min = 4,
        .args_max = 4,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "clear_topic_permissions",
        .tools = CTL_CTL,
        .group = CTL_GROUP_ACCESS,
        .usage = "[--vhost <vhost>] <username> [<exchange>]",
        .summary = "Lets a user use any routing key again",
        .details = "<username>\n\twhich user\n\n<exchange>\n\tof this one only\n",
        .run = clear_topic_permissions,
        .args_min = 1,
        .args_max = 2,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "list_topic_permissions",
        .tools = CTL_CTL | CTL_DIAGNOSTICS,
        .group = CTL_GROUP_ACCESS,
        .usage = "[--vhost <vhost>] [--no-table-headers]",
        .summary = "Lists topic permissions of a virtual host",
        .run = list_topic_permissions,
        .flags = CTL_NEEDS_APP | CTL_TIMED,
    },
    {
        .name = "list_user_topic_permissions",
        .tools = CTL_CTL | CTL_DIAGNOSTICS,
        .group = CTL_GROUP_ACCESS,
        .usage = "[--no-table-headers] <username>",
        .summary = "Lists a user's topic permissions, by virtual host",
        .details = "<username>\n\twhich user\n",
        .run = list_user_topic_permissions,
        .args_min = 1,
        .args_max = 1,
        .flags = CTL_NEEDS_APP | CTL_TIMED,
    },
    {
        .name = "add_vhost",
        .tools = CTL_CTL,
        .group = CTL_GROUP_VHOSTS,
        .usage = "<vhost> [--description <description> --tags \"<tag1>,<tag2>,<...>\" --default-queue-type "
                 "<quorum|classic|stream>]",
        .summary = "Adds a virtual host",
        .details = "<vhost>\n\tits name\n\n--description <description>\n\twhat it is for\n\n--tags "
                   "<tag1,tag2>\n\twords to find it by\n\n--default-queue-type "
                   "<quorum|classic|stream>\n\tthe type of queues that are declared without one\n",
        .run = add_vhost,
        .check = check_queue_type,
        .options = vhost_options,
        .args_min = 1,
        .args_max = 1,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "delete_vhost",
        .tools = CTL_CTL,
        .group = CTL_GROUP_VHOSTS,
        .usage = "<vhost>",
        .summary = "Removes a virtual host with everything in it",
        .details = "<vhost>\n\twhich one\n",
        .run = delete_vhost,
        .args_min = 1,
        .args_max = 1,
        .flags = CTL_NEEDS_APP | CTL_PATIENT,
    },
    {
        .name = "update_vhost_metadata",
        .tools = CTL_CTL,
        .group = CTL_GROUP_VHOSTS,
        .usage = "<vhost> [--description <description>] [--tags \"<tag1>,<tag2>,<...>\"] "
                 "[--default-queue-type <quorum|classic|stream>] [--protected-from-deletion <true|false>]",
        .summary = "Changes a virtual host's description, tags, default queue type, or protection",
        .details = "<vhost>\n\twhich one\n\n--description <description>\n\twhat it is for\n\n--tags "
                   "<tag1,tag2>\n\twords to find it by\n\n--default-queue-type "
                   "<quorum|classic|stream>\n\tthe type of queues that are declared without "
                   "one\n\n--protected-from-deletion <true|false>\n\ttrue: delete_vhost refuses\n",
        .run = update_vhost_metadata,
        .check = check_metadata,
        .options = vhost_options,
        .args_min = 1,
        .args_max = 1,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "set_vhost_tags",
        .tools = CTL_CTL,
        .group = CTL_GROUP_VHOSTS,
        .usage = "<vhost> <tag> [...]",
        .summary = "Gives a virtual host these tags in place of those before",
        .details = "<vhost>\n\twhich one\n\n<tag>\n\ta word\n",
        .run = set_vhost_tags,
        .args_min = 1,
        .flags = CTL_NEEDS_APP | CTL_ANY_ARGS,
    },
    {
        .name = "enable_vhost_deletion_protection",
        .tools = CTL_CTL,
        .group = CTL_GROUP_VHOSTS,
        .usage = "<vhost>",
        .summary = "Makes delete_vhost refuse this virtual host",
        .details = "<vhost>\n\twhich one\n",
        .run = enable_vhost_deletion_protection,
        .args_min = 1,
        .args_max = 1,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "disable_vhost_deletion_protection",
        .tools = CTL_CTL,
        .group = CTL_GROUP_VHOSTS,
        .usage = "<vhost>",
        .summary = "Lets delete_vhost remove this virtual host again",
        .details = "<vhost>\n\twhich one\n",
        .run = disable_vhost_deletion_protection,
        .args_min = 1,
        .args_max = 1,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "restart_vhost",
        .tools = CTL_CTL,
        .group = CTL_GROUP_VHOSTS,
        .usage = "[--vhost <vhost>]",
        .summary = "Says that a virtual host runs: none here fails apart from its node",
        .run = restart_vhost,
        .flags = CTL_NEEDS_APP | CTL_TIMED,
    },
    {
        .name = "trace_on",
        .tools = CTL_CTL,
        .group = CTL_GROUP_VHOSTS,
        .usage = "[--vhost <vhost>]",
        .summary = "Publishes a copy of every message to amq.rabbitmq.trace",
        .run = trace_on,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "trace_off",
        .tools = CTL_CTL,
        .group = CTL_GROUP_VHOSTS,
        .usage = "[--vhost <vhost>]",
        .summary = "Stops that",
        .run = trace_off,
        .flags = CTL_NEEDS_APP,
    },
    {0},
};
