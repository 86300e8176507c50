/*
 * Every key has one test, in test_NAME: what its value must be, and what RabbitMQ says that it is not
 * ("... is not a valid message TTL"). Keys that belong together (ha-*, federation-*) are judged once more, as
 * a whole. An operator policy knows only the keys that have a rule for becoming one with a user's.
 */
#include "broker/policy_key.h"

#include "base/buffer.h"
#include "base/check.h"
#include "broker/jsontext.h"
#include "broker/regex.h"

typedef bool value_test(const json_t *v);

/* ---- what values can be ---- */

static bool
is_text(const json_t *v)
{
    return json_is_string(v);
}

static bool
is_any(const json_t *v)
{
    return true;
}

static bool
is_count(const json_t *v)
{
    return json_is_integer(v) && json_integer_value(v) >= 0;
}

static bool
is_positive(const json_t *v)
{
    return json_is_integer(v) && json_integer_value(v) > 0;
}

static bool
is_integer(const json_t *v)
{
    return json_is_integer(v);
}

static bool
is_segment_size(const json_t *v)
{
    return is_count(v) && json_integer_value(v) <= 3000000000;
}

static bool
is_filter_size(const json_t *v)
{
    return is_count(v) && json_integer_value(v) >= 16 && json_integer_value(v) <= 255;
}

static bool
is_version(const json_t *v)
{
    return is_positive(v) && json_integer_value(v) <= 2;
}

static bool
is_one_of(const json_t *v, const char *const *words)
{
    if (!json_is_string(v))
        return false;
    for (; *words; words++)
        if (strcmp(json_string_value(v), *words) == 0)
            return true;
    return false;
}
#define IS_ONE_OF(v, ...) is_one_of(v, (const char *const[]){__VA_ARGS__, NULL})

static bool
is_strategy(const json_t *v)
{
    return IS_ONE_OF(v, "at-most-once", "at-least-once");
}

static bool
is_overflow(const json_t *v)
{
    return IS_ONE_OF(v, "drop-head", "reject-publish", "reject-publish-dlx");
}

static bool
is_mode(const json_t *v)
{
    return IS_ONE_OF(v, "default", "lazy");
}

static bool
is_leader_locator(const json_t *v)
{
    return IS_ONE_OF(v, "client-local", "balanced", "random", "least-leaders");
}

static bool
is_master_locator(const json_t *v)
{
    return IS_ONE_OF(v, "min-masters", "client-local", "random");
}

/* "7D": digits and one of the letters. */
static bool
is_age(const json_t *v)
{
    const char *text = json_is_string(v) ? json_string_value(v) : "";
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && text[digits] && strchr("YMDhms", text[digits]) && !text[digits + 1];
}

static bool
is_regex(const json_t *v)
{
    struct regex_error error;
    if (!json_is_string(v))
        return false;
    struct regex *r = regex_new(slice_of(json_string_value(v), json_string_length(v)), &error);
    regex_free(r);
    return r != NULL;
}

static const struct test {
    value_test *is_valid;
    const char *what;
} test_alternate_exchange = {is_text, "alternate exchange name"},
  test_consumer_timeout = {is_count, "consumer timeout"},
  test_dead_letter_exchange = {is_text, "dead letter exchange name"},
  test_dead_letter_routing_key = {is_text, "dead letter routing key"},
  test_dead_letter_strategy = {is_strategy, "dead letter strategy"},
  test_delivery_limit = {is_integer, "delivery limit"}, test_expires = {is_positive, "queue expiry"},
  test_upstream = {is_text, "federation upstream name"},
  test_upstream_pattern = {is_regex, "federation upstream pattern"}, test_ha = {is_any, ""},
  test_initial_cluster_size = {is_count, "cluster size"}, test_max_age = {is_age, "max age"},
  test_max_in_memory_bytes = {is_count, "maximum memory in bytes"},
  test_max_in_memory_length = {is_count, "maximum memory in bytes"},
  test_max_length = {is_count, "maximum length"},
  test_max_length_bytes = {is_count, "maximum length in bytes"}, test_message_ttl = {is_count, "message TTL"},
  test_overflow = {is_overflow, "overflow value"},
  test_queue_leader_locator = {is_leader_locator, "queue leader locator value"},
  test_queue_master_locator = {is_master_locator, "queue master locator"},
  test_queue_mode = {is_mode, "queue-mode value"}, test_queue_version = {is_version, "queue-version value"},
  test_stream_filter_size = {is_filter_size, "filter size"},
  test_stream_segment_size = {is_segment_size, "segment size"},
  test_target_group_size = {is_count, "target group size"};

static const struct test *const tests[POLICY_KEYS] = {
#define X(key, name, test, targets, merge) &test_##test,
    POLICY_KEY_TABLE(X)
#undef X
};

const struct policy_key_row policy_key_rows[POLICY_KEYS] = {
#define X(key, name, test, targets, merge) {name, targets, POLICY_MERGE_##merge},
    POLICY_KEY_TABLE(X)
#undef X
};

static bool
find(const char *name, enum policy_key *key)
{
    for (unsigned k = 0; k < POLICY_KEYS; k++) {
        if (strcmp(policy_key_rows[k].name, name) == 0) {
            *key = k;
            return true;
        }
    }
    return false;
}

/* ---- keys that belong together ---- */

static void
add_line(struct buffer *wrong, const char *before, const json_t *v, const char *behind)
{
    buffer_add_str(wrong, before);
    jsontext_add_erlang(wrong, v);
    buffer_add_fmt(wrong, "%s\n", behind);
}

static void
check_ha_params(struct buffer *wrong, const char *mode, const json_t *params)
{
    const char *node = NULL;
    if (strcmp(mode, "all") == 0) {
        if (params && json_integer_value(params) != 0)
            add_line(wrong, "ha-mode=\"all\" does not take parameters, got ", params, "");
    } else if (strcmp(mode, "exactly") == 0) {
        if (!params)
            buffer_add_str(wrong, "ha-mode=\"exactly\" takes an integer, none given\n");
        else if (!is_positive(params))
            add_line(wrong, "ha-mode=\"exactly\" takes an integer, ", params, " given");
    } else if (!params || !json_is_array(params) || json_array_size(params) == 0) {
        buffer_add_str(wrong, params ? "ha-mode=\"nodes\" list must be non-empty\n"
                                     : "ha-mode=\"nodes\" requires a list, none given\n");
    } else {
        for (size_t i = 0; i < json_array_size(params) && !node; i++)
            if (!json_is_string(json_array_get(params, i)))
                node = "ha-mode=\"nodes\" has the following invalid nodes in it: ";
        if (node)
            add_line(wrong, node, params, "");
    }
}

/* A word of two, where there is one. */
static void
check_ha_word(struct buffer *wrong, const json_t *v, const char *key, const char *one, const char *other)
{
    if (!v || IS_ONE_OF(v, one, other))
        return;
    buffer_add_fmt(wrong, "%s must be \"%s\" or \"%s\", got ", key, one, other);
    add_line(wrong, "", v, "");
}

static void
check_ha(struct buffer *wrong, const json_t *d)
{
    static const char *const others[] = {"ha-params", "ha-sync-mode", "ha-sync-batch-size",
                                         "ha-promote-on-shutdown", "ha-promote-on-failure"};
    const json_t *mode = json_object_get(d, "ha-mode"), *batch = json_object_get(d, others[2]);
    for (size_t i = 0; !mode && i < sizeof others / sizeof *others; i++) {
        if (json_object_get(d, others[i])) {
            buffer_add_str(wrong, "ha-mode must be specified to specify ha-params, ha-sync-mode or "
                                  "ha-promote-on-shutdown\n");
            return;
        }
    }
    if (!mode)
        return;
    if (!IS_ONE_OF(mode, "all", "exactly", "nodes")) {
        add_line(wrong, "", mode, " is not a valid ha-mode value");
        return;
    }
    check_ha_params(wrong, json_string_value(mode), json_object_get(d, "ha-params"));
    check_ha_word(wrong, json_object_get(d, "ha-sync-mode"), "ha-sync-mode", "manual", "automatic");
    if (batch && !is_positive(batch))
        add_line(wrong, "ha-sync-batch-size takes an integer greater than 0, ", batch, " given");
    check_ha_word(wrong, json_object_get(d, "ha-promote-on-shutdown"), "ha-promote-on-shutdown", "always",
                  "when-synced");
    check_ha_word(wrong, json_object_get(d, "ha-promote-on-failure"), "ha-promote-on-failure", "always",
                  "when-synced");
}

/* At most one way of naming upstreams. */
static void
check_federation(struct buffer *wrong, const json_t *d)
{
    static const char *const keys[] = {"federation-upstream-set", "federation-upstream",
                                       "federation-upstream-pattern"};
    const char *first = NULL;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (!json_object_get(d, keys[i]))
            continue;
        if (first)
            buffer_add_fmt(wrong, "cannot specify %s and %s together\n", first, keys[i]);
        first = keys[i];
    }
}

void
policy_key_check(struct buffer *wrong, struct json_t *definition, bool is_operator)
{
    const char *name;
    json_t *value, *unknown = json_object();
    size_t start = wrong->len;
    if (json_object_size(definition) == 0)
        buffer_add_str(wrong, "no policy provided\n");
    json_object_foreach(definition, name, value)
    {
        enum policy_key key;
        if (!find(name, &key) || (is_operator && policy_key_rows[key].merge == POLICY_MERGE_NONE))
            json_object_set(unknown, name, value);
        else if (!tests[key]->is_valid(value) && wrong->len == start) {
            jsontext_add_erlang(wrong, value);
            buffer_add_fmt(wrong, " is not a valid %s\n", tests[key]->what);
        }
    }
    if (wrong->len == start)
        check_ha(wrong, definition);
    if (wrong->len == start)
        check_federation(wrong, definition);
    if (wrong->len == start && json_object_size(unknown) > 0) {
        jsontext_add_proplist(wrong, unknown);
        buffer_add_str(wrong, " are not recognised policy settings\n");
    }
    json_decref(unknown);
}

/* ---- values ---- */

void
policy_values_init(struct policy_values *v, struct json_t *definition)
{
    const char *name;
    json_t *value;
    *v = (struct policy_values){.tree = definition};
    json_object_foreach(definition, name, value)
    {
        enum policy_key key;
        if (!find(name, &key))
            continue;
        v->set |= UINT64_C(1) << key;
        v->of[key] = (struct policy_value){.json = value, .number = json_integer_value(value)};
        if (json_is_string(value))
            v->of[key].text = slice_of(json_string_value(value), json_string_length(value));
    }
}

void
policy_values_fini(struct policy_values *v)
{
    json_decref(v->tree);
    v->tree = NULL;
}

const struct policy_value *
policy_key_merge(enum policy_key key, const struct policy_value *user, const struct policy_value *operators)
{
    bool is_lower = operators->number < user->number;
    switch (policy_key_rows[key].merge) {
    case POLICY_MERGE_MIN: return is_lower ? operators : user;
    case POLICY_MERGE_LIMIT: /* a negative one is none: then the other counts */
        if (operators->number < 0 || user->number < 0)
            is_lower = !is_lower;
        return is_lower ? operators : user;
    default: return operators;
    }
}
_Static_assert(POLICY_KEYS <= 64, "policy_values.set has a bit for each");
