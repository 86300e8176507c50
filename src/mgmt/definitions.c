/*
 * One function a section makes a command of an item, or says what is wrong with it. They are run three times
 * over everything: to judge, to try out, to apply. A vhost makes up to three commands (that it is there, what
 * is said about it, its limits), everything else one or, where nothing is to be done, none.
 */
#include "mgmt/definitions.h"

#include "base/check.h"
#include "broker/jsontext.h"
#include "broker/parameter_check.h"
#include "broker/password.h"
#include "io/random.h"
#include "mgmt/definitions_impl.h"
#include "mgmt/definitions_table.h"
#include "wire/table.h"

#include <openssl/sha.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const definitions_keys[DEFINITIONS_SECTIONS] = {
#define X(name, key) [DEFINITIONS_##name] = key,
    DEFINITIONS_SECTION_TABLE(X)
#undef X
};

/* What an item came to. */
enum made { MADE, MADE_LAST, MADE_NOTHING, MADE_ERROR };

/* Scratch for one command. */
enum { TEXT_TAGS, TEXT_HASH, TEXT_ARGUMENTS, TEXT_VALUE };

struct reader {
    struct definitions *d;
    const json_t *item;
    unsigned section;
    size_t index;
    unsigned step;
};

/* ---- values of an item ---- */

static __attribute__((format(printf, 2, 3))) enum made
wrong(const struct reader *r, const char *format, ...)
{
    va_list args;
    char *why = r->d->why;
    int n = snprintf(why, DEFINITIONS_WHY_SIZE, "%s[%zu]: ", definitions_keys[r->section], r->index);
    va_start(args, format);
    vsnprintf(why + n, DEFINITIONS_WHY_SIZE - (size_t)n, format, args);
    va_end(args);
    return MADE_ERROR;
}

static struct slice
string_of(const json_t *v)
{
    return slice_of(json_string_value(v), json_string_length(v));
}

/* `fallback` NULL: it must be there. */
static bool
get_text(const struct reader *r, const char *key, const char *fallback, struct slice *out)
{
    const json_t *v = json_object_get(r->item, key);
    if ((!v || json_is_null(v)) && fallback) {
        *out = slice_str(fallback);
        return true;
    }
    if (!v)
        wrong(r, "\"%s\" is missing", key);
    else if (!json_is_string(v))
        wrong(r, "\"%s\" is not a string", key);
    else
        *out = string_of(v);
    return v && json_is_string(v);
}

/* A name: 1 to 255 bytes. */
static bool
get_name(const struct reader *r, const char *key, struct slice *out)
{
    if (!get_text(r, key, NULL, out))
        return false;
    if (out->len > 0 && out->len <= UINT8_MAX)
        return true;
    wrong(r, "\"%s\" has %zu bytes, not 1 to 255", key, out->len);
    return false;
}

static bool
get_flag(const struct reader *r, const char *key, bool fallback, bool *out)
{
    const json_t *v = json_object_get(r->item, key);
    *out = v ? json_is_true(v) : fallback;
    if (!v || json_is_boolean(v))
        return true;
    wrong(r, "\"%s\" is neither true nor false", key);
    return false;
}

/* The item's, or that of the whole. */
static bool
get_vhost(const struct reader *r, struct slice *out)
{
    if (!r->d->vhost)
        return get_name(r, "vhost", out);
    struct slice own = {0};
    *out = slice_str(r->d->vhost);
    if (!get_text(r, "vhost", r->d->vhost, &own))
        return false;
    if (slice_eq(own, *out))
        return true;
    wrong(r, "it is of vhost '%.*s', and these definitions are for '%s'", SLICE_FMT(own), r->d->vhost);
    return false;
}

static struct buffer *
fresh(const struct reader *r, unsigned which)
{
    struct buffer *b = &r->d->texts[which];
    buffer_clear(b);
    return b;
}

/* "a,b" out of that or of ["a","b"]. */
static bool
get_tags(const struct reader *r, const json_t *v, struct slice *out)
{
    struct buffer *b = fresh(r, TEXT_TAGS);
    *out = slice_of(NULL, 0);
    if (json_is_string(v))
        *out = string_of(v);
    if (!v || json_is_null(v) || json_is_string(v))
        return true;
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *tag = json_array_get(v, i);
        if (!json_is_string(tag)) {
            wrong(r, "\"tags\" has something that is no string");
            return false;
        }
        buffer_add_str(b, i > 0 ? "," : "");
        buffer_add_slice(b, string_of(tag));
    }
    if (!json_is_array(v))
        wrong(r, "\"tags\" is neither a list nor a string");
    *out = buffer_slice(b);
    return json_is_array(v);
}

/* RabbitMQ writes an empty table as [] in places. */
static bool
get_arguments(const struct reader *r, struct slice *out)
{
    const json_t *v = json_object_get(r->item, "arguments");
    struct buffer *b = fresh(r, TEXT_ARGUMENTS);
    *out = slice_of(NULL, 0);
    if (!v || json_is_null(v) || (json_is_array(v) && json_array_size(v) == 0))
        return true;
    if (!json_is_object(v) || !definitions_table_of_json(b, v)) {
        wrong(r, "\"arguments\" is not an object, or too deep, or has names of more than 255 bytes");
        return false;
    }
    *out = buffer_slice(b);
    return true;
}

static struct slice
json_text(const struct reader *r, const json_t *v)
{
    struct buffer *b = fresh(r, TEXT_VALUE);
    jsontext_add(b, v);
    return buffer_slice(b);
}

/* ---- users ---- */

static bool
decode_hash(const struct reader *r, struct slice text, struct slice *out)
{
    struct buffer *b = fresh(r, TEXT_HASH);
    if (text.len > 0)
        b->len = password_hash_parse(text, buffer_reserve(b, PASSWORD_HASH_SIZE_MAX));
    *out = buffer_slice(b);
    if (text.len > 0 && b->len == 0)
        wrong(r, "\"password_hash\" is not the Base64 of a hash of a known algorithm");
    return text.len == 0 || b->len > 0;
}

static bool
get_hash(const struct reader *r, struct slice *out)
{
    struct slice text, algorithm;
    enum password_algorithm named, found;
    if (!get_text(r, "password_hash", "", &text) || !get_text(r, "hashing_algorithm", "", &algorithm) ||
        !decode_hash(r, text, out))
        return false;
    if (algorithm.len == 0)
        return true;
    if (!password_algorithm_parse(algorithm, &named)) {
        wrong(r, "hashing algorithm '%.*s' is unknown", SLICE_FMT(algorithm));
        return false;
    }
    bool is_right = !password_algorithm_of(*out, &found) || found == named; /* no hash is of any */
    if (!is_right)
        wrong(r, "\"password_hash\" is none of %s", password_algorithm_name(named));
    return is_right;
}

static bool
hash_password(const struct reader *r, struct slice *out)
{
    struct slice password;
    uint8_t salt[PASSWORD_SALT_SIZE];
    if (!get_text(r, "password", NULL, &password))
        return false;
    struct buffer *b = fresh(r, TEXT_HASH);
    random_bytes(r->d->world, salt, sizeof salt);
    b->len = password_hash(PASSWORD_SHA256, password, salt, buffer_reserve(b, PASSWORD_HASH_SIZE_MAX));
    *out = buffer_slice(b);
    return true;
}

static enum made
make_user(const struct reader *r, struct meta_command *cmd)
{
    const json_t *limits = json_object_get(r->item, "limits");
    cmd->kind = META_USER_PUT;
    bool is_plain = json_object_get(r->item, "password") && !json_object_get(r->item, "password_hash");
    if (!get_name(r, "name", &cmd->name) || !get_tags(r, json_object_get(r->item, "tags"), &cmd->tags) ||
        !(is_plain ? hash_password(r, &cmd->password_hash) : get_hash(r, &cmd->password_hash)))
        return MADE_ERROR;
    if (limits)
        cmd->value = json_text(r, limits);
    return MADE_LAST;
}

/* ---- vhosts ---- */

/* Under "metadata", or (older files) beside the name. */
static const json_t *
metadata_of(const struct reader *r, const char *key)
{
    const json_t *v = json_object_get(json_object_get(r->item, "metadata"), key);
    return v ? v : json_object_get(r->item, key);
}

static bool
set_text(const struct reader *r, struct meta_command *cmd, const char *key, enum vhost_change change,
         struct slice *out)
{
    const json_t *v = metadata_of(r, key);
    if (!v || json_is_null(v) || (json_is_string(v) && strcmp(json_string_value(v), "undefined") == 0))
        return true;
    if (!json_is_string(v)) {
        wrong(r, "\"%s\" is not a string", key);
        return false;
    }
    cmd->changes |= change;
    *out = string_of(v);
    return true;
}

static enum made
make_metadata(const struct reader *r, struct meta_command *cmd)
{
    const json_t *tags = metadata_of(r, "tags"), *is_protected = metadata_of(r, "protected_from_deletion");
    cmd->kind = META_VHOST_SET;
    if (!set_text(r, cmd, "description", VHOST_CHANGE_DESCRIPTION, &cmd->description) ||
        !set_text(r, cmd, "default_queue_type", VHOST_CHANGE_DEFAULT_QUEUE_TYPE, &cmd->default_queue_type) ||
        !get_tags(r, tags, &cmd->tags))
        return MADE_ERROR;
    if (tags)
        cmd->changes |= VHOST_CHANGE_TAGS;
    if (is_protected) {
        cmd->changes |= VHOST_CHANGE_PROTECTED;
        cmd->is_protected = json_is_true(is_protected);
    }
    return cmd->changes ? MADE : MADE_NOTHING;
}

/*
 * An object; RabbitMQ 3.10 exports some as Erlang's property lists, [["max-queues",7]]. A new reference;
 * NULL: it is neither.
 */
static json_t *
object_of(const json_t *value)
{
    size_t i;
    json_t *pair;
    if (json_is_object(value))
        return json_incref((json_t *)value);
    json_t *object = json_is_array(value) ? json_object() : NULL;
    json_array_foreach(value, i, pair)
    {
        const char *key = json_string_value(json_array_get(pair, 0));
        if (key && json_array_size(pair) == 2 && json_object_set(object, key, json_array_get(pair, 1)) == 0)
            continue;
        json_decref(object);
        return NULL;
    }
    return object;
}

static enum made
make_vhost(const struct reader *r, struct meta_command *cmd)
{
    const json_t *limits = json_object_get(r->item, "limits");
    if (!get_name(r, "name", &cmd->name))
        return MADE_ERROR;
    if (r->step == 0) {
        cmd->kind = META_VHOST_ADD;
        return MADE;
    }
    if (r->step == 1) {
        enum made made = make_metadata(r, cmd);
        if (made != MADE_NOTHING)
            return made;
    }
    json_t *all = limits ? object_of(limits) : json_object();
    if (!all)
        return wrong(r, "\"limits\" is not an object");
    *cmd = (struct meta_command){.kind = META_VHOST_LIMITS, .vhost = cmd->name, .value = json_text(r, all)};
    enum made made = json_object_size(all) > 0 ? MADE_LAST : MADE_NOTHING;
    json_decref(all);
    return made;
}

/* ---- permissions ---- */

static enum made
make_permission(const struct reader *r, struct meta_command *cmd)
{
    cmd->kind = META_PERMISSION_SET;
    bool ok = get_vhost(r, &cmd->vhost) && get_name(r, "user", &cmd->user) &&
              get_text(r, "configure", NULL, &cmd->configure) && get_text(r, "write", NULL, &cmd->write) &&
              get_text(r, "read", NULL, &cmd->read);
    return ok ? MADE_LAST : MADE_ERROR;
}

static enum made
make_topic_permission(const struct reader *r, struct meta_command *cmd)
{
    cmd->kind = META_TOPIC_PERMISSION_SET;
    bool ok = get_vhost(r, &cmd->vhost) && get_name(r, "user", &cmd->user) &&
              get_name(r, "exchange", &cmd->name) && get_text(r, "write", NULL, &cmd->write) &&
              get_text(r, "read", NULL, &cmd->read);
    return ok ? MADE_LAST : MADE_ERROR;
}

/* ---- policies and parameters ---- */

static struct slice
definition_text(const struct reader *r, const json_t *definition)
{
    if (json_is_string(definition)) /* files of old */
        return string_of(definition);
    json_t *object = object_of(definition);
    struct slice text = json_text(r, object ? object : definition);
    json_decref(object);
    return text;
}

/* A policy's own fields. */
static enum made
make_any_policy(const struct reader *r, struct meta_command *cmd)
{
    const json_t *definition = json_object_get(r->item, "definition");
    const json_t *priority = json_object_get(r->item, "priority");
    cmd->kind = META_POLICY_SET;
    if (!get_text(r, "pattern", NULL, &cmd->pattern) || !get_text(r, "apply-to", "all", &cmd->apply_to))
        return MADE_ERROR;
    if (priority && !json_is_integer(priority))
        return wrong(r, "\"priority\" is not an integer");
    if (!definition)
        return wrong(r, "\"definition\" is missing");
    cmd->priority = json_integer_value(priority);
    cmd->value = definition_text(r, definition);
    return MADE_LAST;
}

static enum made
make_policy(const struct reader *r, struct meta_command *cmd)
{
    if (!get_vhost(r, &cmd->vhost) || !get_name(r, "name", &cmd->name))
        return MADE_ERROR;
    return make_any_policy(r, cmd);
}

/* Would its component take the value? An address may hold a password, and what is wrong may be logged: it is
 * not repeated. */
static enum made
judge_parameter(const struct reader *r, const struct meta_command *cmd, const json_t *value)
{
    struct buffer why = {0};
    parameter_check(&why, cmd->component, cmd->name, value);
    bool has_login = why.len > 0 && memchr(why.data, '@', why.len);
    if (has_login)
        wrong(r, "an address of %.*s '%.*s' is not valid", SLICE_FMT(cmd->component), SLICE_FMT(cmd->name));
    else if (why.len > 0)
        wrong(r, "%.*s", (int)why.len - 1, why.data);
    bool is_good = why.len == 0;
    buffer_fini(&why);
    return is_good ? MADE_LAST : MADE_ERROR;
}

/* Policies and limits of vhosts are parameters in RabbitMQ. */
static enum made
make_parameter(const struct reader *r, struct meta_command *cmd)
{
    const json_t *value = json_object_get(r->item, "value");
    cmd->kind = META_PARAMETER_SET;
    if (!get_vhost(r, &cmd->vhost) || !get_name(r, "component", &cmd->component) ||
        !get_name(r, "name", &cmd->name))
        return MADE_ERROR;
    if (!value)
        return wrong(r, "\"value\" is missing");
    cmd->is_operator = slice_eq_str(cmd->component, "operator_policy");
    if (cmd->is_operator || slice_eq_str(cmd->component, "policy")) {
        struct reader inner = *r;
        inner.item = value;
        cmd->component = slice_of(NULL, 0);
        return make_any_policy(&inner, cmd);
    }
    cmd->value = json_text(r, value);
    if (slice_eq_str(cmd->component, "vhost-limits")) {
        cmd->kind = META_VHOST_LIMITS;
        cmd->component = cmd->name = slice_of(NULL, 0);
        return MADE_LAST;
    }
    return judge_parameter(r, cmd, value);
}

static enum made
make_global_parameter(const struct reader *r, struct meta_command *cmd)
{
    const json_t *value = json_object_get(r->item, "value");
    cmd->kind = META_PARAMETER_SET;
    if (!get_name(r, "name", &cmd->name))
        return MADE_ERROR;
    if (!value)
        return wrong(r, "\"value\" is missing");
    cmd->value = json_text(r, value);
    return MADE_LAST;
}

/* ---- exchanges, queues, bindings ---- */

static bool
get_thing(const struct reader *r, struct meta_command *cmd)
{
    return get_vhost(r, &cmd->vhost) && get_flag(r, "durable", true, &cmd->durable) &&
           get_flag(r, "auto_delete", false, &cmd->auto_delete) && get_arguments(r, &cmd->arguments);
}

/* Predeclared ones are there. */
static enum made
make_exchange(const struct reader *r, struct meta_command *cmd)
{
    cmd->kind = META_EXCHANGE_DECLARE;
    if (!get_thing(r, cmd) || !get_text(r, "name", NULL, &cmd->name) ||
        !get_text(r, "type", NULL, &cmd->type) || !get_flag(r, "internal", false, &cmd->internal))
        return MADE_ERROR;
    if (cmd->name.len > UINT8_MAX)
        return wrong(r, "\"name\" has %zu bytes, not 1 to 255", cmd->name.len);
    return cmd->name.len == 0 || slice_starts_with(cmd->name, "amq.") ? MADE_NOTHING : MADE_LAST;
}

/* A queue's type is an argument, which some files leave out beside "type". Names that begin with amq. belong
 * to the broker: such queues were made up for clients that are gone. */
static enum made
make_queue(const struct reader *r, struct meta_command *cmd)
{
    struct slice type;
    cmd->kind = META_QUEUE_DECLARE;
    if (!get_thing(r, cmd) || !get_name(r, "name", &cmd->name) || !get_text(r, "type", "classic", &type))
        return MADE_ERROR;
    const json_t *arguments = json_object_get(r->item, "arguments");
    if (!slice_eq_str(type, "classic") && !json_object_get(arguments, "x-queue-type")) {
        table_add_str(&r->d->texts[TEXT_ARGUMENTS], "x-queue-type", type);
        cmd->arguments = buffer_slice(&r->d->texts[TEXT_ARGUMENTS]);
    }
    return slice_starts_with(cmd->name, "amq.") ? MADE_NOTHING : MADE_LAST;
}

static enum made
make_binding(const struct reader *r, struct meta_command *cmd)
{
    struct slice to;
    if (!get_vhost(r, &cmd->vhost) || !get_text(r, "source", NULL, &cmd->source) ||
        !get_name(r, "destination", &cmd->name) || !get_text(r, "destination_type", NULL, &to) ||
        !get_text(r, "routing_key", NULL, &cmd->routing_key) || !get_arguments(r, &cmd->arguments))
        return MADE_ERROR;
    if (!slice_eq_str(to, "queue") && !slice_eq_str(to, "exchange"))
        return wrong(r, "\"destination_type\" is neither queue nor exchange");
    if (cmd->source.len > UINT8_MAX || cmd->routing_key.len > UINT8_MAX)
        return wrong(r, "\"source\" or \"routing_key\" has more than 255 bytes");
    cmd->kind = slice_eq_str(to, "queue") ? META_QUEUE_BIND : META_EXCHANGE_BIND;
    bool is_made_up = cmd->kind == META_QUEUE_BIND && slice_starts_with(cmd->name, "amq.");
    return cmd->source.len == 0 || is_made_up ? MADE_NOTHING : MADE_LAST;
}

/* ---- all of them ---- */

static enum made (*const makers[DEFINITIONS_SECTIONS])(const struct reader *r, struct meta_command *cmd) = {
    [DEFINITIONS_USERS] = make_user,
    [DEFINITIONS_VHOSTS] = make_vhost,
    [DEFINITIONS_PERMISSIONS] = make_permission,
    [DEFINITIONS_EXCHANGES] = make_exchange,
    [DEFINITIONS_TOPIC_PERMISSIONS] = make_topic_permission,
    [DEFINITIONS_GLOBAL_PARAMETERS] = make_global_parameter,
    [DEFINITIONS_POLICIES] = make_policy,
    [DEFINITIONS_PARAMETERS] = make_parameter,
    [DEFINITIONS_QUEUES] = make_queue,
    [DEFINITIONS_BINDINGS] = make_binding,
};

/* Definitions of one vhost say nothing about the rest of the node. */
static const json_t *
items_of(const struct definitions *d, unsigned section)
{
    bool is_of_node = section == DEFINITIONS_USERS || section == DEFINITIONS_VHOSTS ||
                      section == DEFINITIONS_PERMISSIONS || section == DEFINITIONS_TOPIC_PERMISSIONS ||
                      section == DEFINITIONS_GLOBAL_PARAMETERS;
    return d->vhost && is_of_node ? NULL : json_object_get(d->tree, definitions_keys[section]);
}

/* As definitions_next(), with d->why where something is wrong. */
static enum made
next(struct definitions *d, struct definitions_place *at, struct meta_command *cmd)
{
    for (; at->section < DEFINITIONS_SECTIONS; at->section++, at->index = 0) {
        const json_t *items = items_of(d, at->section);
        while (at->index < json_array_size(items)) {
            struct reader r = {.d = d,
                               .item = json_array_get(items, at->index),
                               .section = at->section,
                               .index = at->index,
                               .step = at->step};
            if (!json_is_object(r.item))
                return wrong(&r, "it is not an object");
            *cmd = (struct meta_command){0};
            enum made made = makers[at->section](&r, cmd);
            at->index += made == MADE ? 0 : 1;
            at->step = made == MADE ? at->step + 1 : 0;
            if (made != MADE_NOTHING)
                return made;
        }
    }
    return MADE_NOTHING;
}

bool
definitions_next(struct definitions *d, struct definitions_place *at, struct meta_command *cmd)
{
    enum made made = next(d, at, cmd);
    CHECK(made != MADE_ERROR); /* definitions_parse() has judged them */
    return made != MADE_NOTHING;
}

/* ---- parsing ---- */

static bool
parse(struct definitions *d, struct slice text)
{
    char why[128];
    d->tree = jsontext_parse(text, DEFINITIONS_BYTES_MAX, why);
    if (!d->tree)
        snprintf(d->why, sizeof d->why, "the definitions are not JSON: %s", why);
    else if (!json_is_object(d->tree))
        snprintf(d->why, sizeof d->why, "the definitions are not a JSON object");
    for (unsigned i = 0; !*d->why && i < DEFINITIONS_SECTIONS; i++) {
        const json_t *items = json_object_get(d->tree, definitions_keys[i]);
        if (items && !json_is_array(items) && !json_is_null(items))
            snprintf(d->why, sizeof d->why, "\"%s\" is not a list", definitions_keys[i]);
    }
    struct definitions_place at = {0};
    struct meta_command cmd;
    enum made made = MADE;
    while (!*d->why && (made == MADE || made == MADE_LAST))
        made = next(d, &at, &cmd);
    return !*d->why;
}

struct definitions *
definitions_parse(struct slice text, const char *vhost, struct io_world *world,
                  char why[DEFINITIONS_WHY_SIZE])
{
    struct definitions *d = calloc(1, sizeof *d);
    CHECK(d);
    d->world = world;
    if (vhost) {
        d->vhost = strdup(vhost);
        CHECK(d->vhost);
    }
    if (parse(d, text) && definitions_try(d))
        return d;
    memcpy(why, d->why, DEFINITIONS_WHY_SIZE);
    definitions_free(d);
    return NULL;
}

void
definitions_free(struct definitions *d)
{
    if (!d)
        return;
    json_decref(d->tree);
    free(d->vhost);
    for (size_t i = 0; i < d->need_count; i++)
        free((void *)d->needs[i].name.data);
    free(d->needs);
    for (size_t i = 0; i < sizeof d->texts / sizeof *d->texts; i++)
        buffer_fini(&d->texts[i]);
    free(d);
}

void
definitions_digest(struct slice text, char digest[DEFINITIONS_DIGEST_SIZE])
{
    uint8_t bytes[SHA256_DIGEST_LENGTH];
    SHA256(text.len > 0 ? text.data : bytes, text.len, bytes);
    *digest++ = '"';
    for (size_t i = 0; i < sizeof bytes; i++, digest += 2)
        snprintf(digest, 3, "%02x", bytes[i]);
    memcpy(digest, "\"", 2);
}
