/*
 * A value is an object whose keys stand in a table: what each must be, and whether it must be there. The same
 * answer for the same value, always: nothing is looked up, neither queues nor hosts. RabbitMQ tells what is
 * wrong from the table's end to its beginning, unknown keys first, and so does this.
 *
 * Keys of later versions than 3.10 are known, too: definitions of those can be brought over.
 */
#include "broker/parameter_check.h"

#include "base/buffer.h"
#include "broker/jsontext.h"
#include "wire/amqp_uri.h"

enum { PARAMETER_CHECK_TEXT_MAX = 1024 };

typedef void check(struct buffer *wrong, const char *key, const json_t *v);

struct field {
    const char *key;
    check *check;
    bool is_mandatory;
};

static void
say(struct buffer *wrong, const char *key, const char *what, const json_t *v)
{
    buffer_add_fmt(wrong, "%s %s ", key, what);
    jsontext_add_erlang(wrong, v);
    buffer_add_u8(wrong, '\n');
}

/* The object (an empty list is one, too) has these keys and no others; `fields` ends with an empty row. */
static void
check_object(struct buffer *wrong, struct slice name, const struct field *const *tables, const json_t *v)
{
    const json_t *object = json_is_object(v) ? v : NULL;
    json_t *unknown = object ? json_copy((json_t *)object) : NULL;
    size_t last = 0;
    while (tables[last])
        for (const struct field *f = tables[last++]; f->key; f++)
            json_object_del(unknown, f->key);
    if (!object && !json_is_array(v)) {
        buffer_add_fmt(wrong, "%.*s", SLICE_FMT(name));
        say(wrong, "", "not a list", v);
        return;
    }
    if (json_object_size(unknown) > 0 || json_array_size(v) > 0) {
        buffer_add_str(wrong, "Unrecognised terms ");
        if (object)
            jsontext_add_proplist(wrong, unknown);
        else
            jsontext_add_erlang(wrong, v);
        buffer_add_fmt(wrong, " in %.*s\n", SLICE_FMT(name));
    }
    json_decref(unknown);
    while (last-- > 0) {
        const struct field *f = tables[last];
        while (f->key)
            f++;
        while (f-- > tables[last] && wrong->len < PARAMETER_CHECK_TEXT_MAX) {
            const json_t *item = json_object_get(object, f->key);
            if (item)
                f->check(wrong, f->key, item);
            else if (f->is_mandatory)
                buffer_add_fmt(wrong, "Key \"%s\" not found in %.*s\n", f->key, SLICE_FMT(name));
        }
    }
}

/* ---- what values can be ---- */

static void
check_text(struct buffer *wrong, const char *key, const json_t *v)
{
    if (!json_is_string(v))
        say(wrong, key, "should be binary, actually was", v);
}

static void
check_number(struct buffer *wrong, const char *key, const json_t *v)
{
    if (!json_is_number(v))
        say(wrong, key, "should be a number, actually was", v);
}

static void
check_boolean(struct buffer *wrong, const char *key, const json_t *v)
{
    if (!json_is_boolean(v))
        say(wrong, key, "should be boolean, actually was", v);
}

/* One of the words between commas. */
static void
check_word(struct buffer *wrong, const char *key, const json_t *v, const char *words)
{
    if (!json_is_string(v)) {
        check_text(wrong, key, v);
        return;
    }
    const char *text = json_string_value(v);
    buffer_add_fmt(wrong, "%s should be one of [", key);
    size_t start = wrong->len - strlen(key) - sizeof " should be one of [" + 1;
    for (const char *word = words; *word; word += strspn(word, ",")) {
        size_t len = strcspn(word, ",");
        if (strlen(text) == len && memcmp(text, word, len) == 0) {
            wrong->len = start;
            return;
        }
        buffer_add_fmt(wrong, "%s<<\"%.*s\">>", word == words ? "" : ",", (int)len, word);
        word += len;
    }
    say(wrong, "],", "actually was", v);
}

static void
check_ack_mode(struct buffer *wrong, const char *key, const json_t *v)
{
    check_word(wrong, key, v, "no-ack,on-publish,on-confirm");
}

static void
check_protocol(struct buffer *wrong, const char *key, const json_t *v)
{
    check_word(wrong, key, v, "amqp10,amqp091");
}

static void
check_cleanup_mode(struct buffer *wrong, const char *key, const json_t *v)
{
    check_word(wrong, key, v, "default,never");
}

static void
check_channel_use(struct buffer *wrong, const char *key, const json_t *v)
{
    check_word(wrong, key, v, "multiple,single");
}

static void
check_queue_type(struct buffer *wrong, const char *key, const json_t *v)
{
    check_word(wrong, key, v, "classic,quorum");
}

static void
check_delete_after(struct buffer *wrong, const char *key, const json_t *v)
{
    const char *word = json_is_string(v) ? json_string_value(v) : "";
    if ((json_is_integer(v) && json_integer_value(v) >= 0) || strcmp(word, "never") == 0 ||
        strcmp(word, "queue-length") == 0)
        return;
    say(wrong, key,
        "should be a number greater than or equal to 0, \"never\" or \"queue-length\", actually was", v);
}

static bool
check_one_uri(struct buffer *wrong, const char *key, const json_t *v)
{
    if (!json_is_string(v)) {
        say(wrong, key, "should be list, actually was", v);
        return false;
    }
    struct slice text = slice_of(json_string_value(v), json_string_length(v));
    struct amqp_uri uri;
    struct buffer why = {0};
    bool is_good = amqp_uri_parse(text, &uri, &why);
    if (!is_good)
        buffer_add_fmt(wrong, "\"%.*s\" not a valid URI: %.*s\n", SLICE_FMT(text),
                       SLICE_FMT(buffer_slice(&why)));
    buffer_fini(&why);
    return is_good;
}

/* One, or a list of them; of a list the first that is wrong is told. */
static void
check_uri(struct buffer *wrong, const char *key, const json_t *v)
{
    if (!json_is_array(v))
        check_one_uri(wrong, key, v);
    else
        for (size_t i = 0; i < json_array_size(v); i++)
            if (!check_one_uri(wrong, key, json_array_get(v, i)))
                return;
}

/* Arguments of queues and consumers are judged where they are used, by whoever declares the queue. */
static void
check_arguments(struct buffer *wrong, const char *key, const json_t *v)
{
    if (!json_is_object(v) && !(json_is_array(v) && json_array_size(v) == 0))
        say(wrong, key, "not a list", v);
}

static void
check_texts(struct buffer *wrong, const char *key, const json_t *v)
{
    const char *name;
    json_t *item;
    check_arguments(wrong, key, v);
    json_object_foreach((json_t *)v, name, item) if (wrong->len < PARAMETER_CHECK_TEXT_MAX)
        check_text(wrong, name, item);
}

static void
check_properties(struct buffer *wrong, const char *key, const json_t *v)
{
    static const struct field fields[] = {
        {"content_type", check_text, false},    {"content_encoding", check_text, false},
        {"delivery_mode", check_number, false}, {"priority", check_number, false},
        {"correlation_id", check_text, false},  {"reply_to", check_text, false},
        {"expiration", check_text, false},      {"message_id", check_text, false},
        {"timestamp", check_number, false},     {"type", check_text, false},
        {"user_id", check_text, false},         {"app_id", check_text, false},
        {"cluster_id", check_text, false},      {NULL, NULL, false},
    };
    const struct field *const tables[] = {fields, NULL};
    check_object(wrong, slice_str(key), tables, v);
}

/* ---- shovels ---- */

static const struct field shovel_fields[] = {
    {"reconnect-delay", check_number, false},
    {"ack-mode", check_ack_mode, false},
    {"src-protocol", check_protocol, false},
    {"dest-protocol", check_protocol, false},
    {"internal", check_boolean, false},
    {"internal_owner", check_arguments, false},
    {"src-predeclared", check_boolean, false},
    {"dest-predeclared", check_boolean, false},
    {NULL, NULL, false},
};
static const struct field source_091[] = {
    {"src-uri", check_uri, true},
    {"src-exchange", check_text, false},
    {"src-exchange-key", check_text, false},
    {"src-queue", check_text, false},
    {"src-queue-args", check_arguments, false},
    {"src-consumer-args", check_arguments, false},
    {"prefetch-count", check_number, false},
    {"src-prefetch-count", check_number, false},
    {"delete-after", check_delete_after, false},
    {"src-delete-after", check_delete_after, false},
    {NULL, NULL, false},
};
static const struct field source_10[] = {
    {"src-uri", check_uri, true},
    {"src-address", check_text, true},
    {"src-prefetch-count", check_number, false},
    {"src-delete-after", check_delete_after, false},
    {NULL, NULL, false},
};
static const struct field destination_091[] = {
    {"dest-uri", check_uri, true},
    {"dest-exchange", check_text, false},
    {"dest-exchange-key", check_text, false},
    {"dest-queue", check_text, false},
    {"dest-queue-args", check_arguments, false},
    {"add-forward-headers", check_boolean, false},
    {"add-timestamp-header", check_boolean, false},
    {"dest-add-forward-headers", check_boolean, false},
    {"dest-add-timestamp-header", check_boolean, false},
    {"publish-properties", check_properties, false},
    {"dest-publish-properties", check_properties, false},
    {NULL, NULL, false},
};
static const struct field destination_10[] = {
    {"dest-uri", check_uri, true},
    {"dest-address", check_text, true},
    {"dest-add-forward-headers", check_boolean, false},
    {"dest-add-timestamp-header", check_boolean, false},
    {"dest-application-properties", check_texts, false},
    {"dest-message-annotations", check_texts, false},
    {"dest-properties", check_texts, false},
    {NULL, NULL, false},
};

static bool
is_text(const json_t *object, const char *key, const char *text)
{
    const json_t *v = json_object_get(object, key);
    return json_is_string(v) && strcmp(json_string_value(v), text) == 0;
}

static bool
has(const json_t *object, const char *key)
{
    return json_object_get(object, key) != NULL;
}

static void
check_shovel(struct buffer *wrong, struct slice name, const json_t *v)
{
    bool is_source_10 = is_text(v, "src-protocol", "amqp10"),
         is_destination_10 = is_text(v, "dest-protocol", "amqp10");
    const json_t *after =
        json_object_get(v, has(v, "src-delete-after") ? "src-delete-after" : "delete-after");
    if (!is_source_10) {
        if (has(v, "src-exchange") && has(v, "src-queue"))
            buffer_add_str(wrong, "Cannot specify 'src-exchange' and 'src-queue'\n");
        else if (!has(v, "src-exchange") && !has(v, "src-queue"))
            buffer_add_str(wrong, "Must specify 'src-exchange' or 'src-queue'\n");
        if (json_is_integer(after) && is_text(v, "ack-mode", "no-ack"))
            buffer_add_str(wrong, "Cannot specify 'no-ack' and numerical 'delete-after'\n");
    }
    if (!is_destination_10 && has(v, "dest-exchange") && has(v, "dest-queue"))
        buffer_add_str(wrong, "Cannot specify 'dest-exchange' and 'dest-queue'\n");
    const struct field *const tables[] = {shovel_fields, is_source_10 ? source_10 : source_091,
                                          is_destination_10 ? destination_10 : destination_091, NULL};
    check_object(wrong, name, tables, v);
}

/* ---- federation ---- */

static const struct field upstream_fields[] = {{"uri", check_uri, true}, {NULL, NULL, false}};
static const struct field member_fields[] = {{"upstream", check_text, true}, {NULL, NULL, false}};
static const struct field link_fields[] = {
    {"exchange", check_text, false},
    {"queue", check_text, false},
    {"consumer-tag", check_text, false},
    {"prefetch-count", check_number, false},
    {"reconnect-delay", check_number, false},
    {"max-hops", check_number, false},
    {"expires", check_number, false},
    {"message-ttl", check_number, false},
    {"trust-user-id", check_boolean, false},
    {"ack-mode", check_ack_mode, false},
    {"resource-cleanup-mode", check_cleanup_mode, false},
    {"queue-type", check_queue_type, false},
    {"ha-policy", check_text, false},
    {"bind-nowait", check_boolean, false},
    {"channel-use-mode", check_channel_use, false},
    {NULL, NULL, false},
};

static void
check_upstream(struct buffer *wrong, struct slice name, const json_t *v)
{
    const struct field *const tables[] = {upstream_fields, link_fields, NULL};
    check_object(wrong, name, tables, v);
}

static void
check_set(struct buffer *wrong, struct slice name, const json_t *v)
{
    const struct field *const tables[] = {member_fields, link_fields, NULL};
    if (!json_is_array(v)) {
        buffer_add_fmt(wrong, "%.*s", SLICE_FMT(name));
        say(wrong, "", "should be list, actually was", v);
    }
    for (size_t i = 0; i < json_array_size(v) && wrong->len < PARAMETER_CHECK_TEXT_MAX; i++)
        check_object(wrong, name, tables, json_array_get(v, i));
}

/* ---- components ---- */

/* Policies and the limits of vhosts are parameters in RabbitMQ, too: here they have commands of their own. */
static const struct component {
    const char *name;
    void (*check)(struct buffer *wrong, struct slice name, const json_t *v);
} components[] = {
    {"shovel", check_shovel},
    {"federation-upstream", check_upstream},
    {"federation-upstream-set", check_set},
};

static const struct component *
find(struct slice name)
{
    for (size_t i = 0; i < sizeof components / sizeof *components; i++)
        if (slice_eq_str(name, components[i].name))
            return &components[i];
    return NULL;
}

bool
parameter_check_knows(struct slice component)
{
    return find(component) != NULL;
}

void
parameter_check(struct buffer *wrong, struct slice component, struct slice name, const json_t *value)
{
    const struct component *c = find(component);
    if (c)
        c->check(wrong, name, value);
}
