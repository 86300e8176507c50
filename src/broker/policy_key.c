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

static const struct test {
    value_test *is_valid;
    const char *what; /* it "is not a valid ..." */
} test_alternate_exchange = {is_text, "alternate exchange name"},
  test_consumer_timeout = {is_count, "consumer timeout"},
  test_dead_letter_exchange = {is_text, "dead letter exchange name"},
  test_dead_letter_routing_key = {is_text, "dead letter routing key"},
  test_dead_letter_strategy = {is_strategy, "dead letter strategy"},
  test_delivery_limit = {is_integer, "delivery limit"}, test_expires = {is_positive, "queue expiry"},
  test_upstream = {is_text, "federation upstream name"},
  test_upstream_set = {is_text, "federation upstream set name"},
  test_upstream_pattern = {is_text, "federation upstream pattern name"}, test_ha = {is_any, ""},
  test_initial_cluster_size = {is_count, "cluster size"}, test_max_age = {is_age, "max age"},
  test_max_in_memory_bytes = {is_count, "maximum memory in bytes"},
  test_max_in_memory_length = {is_count, "maximum memory in bytes"},
  test_max_length = {is_count, "maximum length"},
  test_max_length_bytes = {is_count, "maximum length in bytes"}, test_message_ttl = {is_count, "message TTL"},
  test_overflow = {is_overflow, "overflow value"},
  test_queue_leader_locator = {is_leader_locator, "queue leader locator value"},
  test_queue_master_locator = {is_master_locator, "queue-master-locator value"},
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
check_ha_nodes(struct buffer *wrong, const json_t *params)
{
    json_t *others = json_array();
    for (size_t i = 0; i < json_array_size(params); i++)
        if (!json_is_string(json_array_get(params, i)))
            json_array_append(others, json_array_get(params, i));
    if (json_array_size(others) > 0)
        add_line(wrong, "ha-mode=\"nodes\" takes a list of strings, ", others, " was not a string");
    json_decref(others);
}

static void
check_ha_params(struct buffer *wrong, const char *mode, const json_t *params)
{
    if (strcmp(mode, "all") == 0) {
        if (params)
            buffer_add_str(wrong, "ha-mode=\"all\" does not take parameters\n");
    } else if (strcmp(mode, "exactly") == 0) {
        if (!params)
            buffer_add_str(wrong, "ha-mode=\"exactly\" takes an integer, none given\n");
        else if (!is_positive(params))
            add_line(wrong, "ha-mode=\"exactly\" takes an integer, ", params, " given");
    } else if (!params) {
        buffer_add_str(wrong, "ha-mode=\"nodes\" takes a list, none given\n");
    } else if (!json_is_array(params)) {
        add_line(wrong, "ha-mode=\"nodes\" takes a list, ", params, " given");
    } else if (json_array_size(params) == 0) {
        buffer_add_str(wrong, "ha-mode=\"nodes\" list must be non-empty\n");
    } else {
        check_ha_nodes(wrong, params);
    }
}

/* What goes with ha-mode, in RabbitMQ's order: the first that is wrong is told. */
static void
check_ha_others(struct buffer *wrong, const json_t *d)
{
    static const struct {
        const char *key, *one, *other;
    } words[] = {
        {"ha-sync-mode", "manual", "automatic"},
        {"ha-sync-batch-size", NULL, NULL}, /* a number */
        {"ha-promote-on-shutdown", "always", "when-synced"},
        {"ha-promote-on-failure", "always", "when-synced"},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const json_t *v = json_object_get(d, words[i].key);
        if (!v || (words[i].one ? IS_ONE_OF(v, words[i].one, words[i].other) : is_positive(v)))
            continue;
        if (words[i].one) {
            buffer_add_fmt(wrong, "%s must be \"%s\" or \"%s\", got ", words[i].key, words[i].one,
                           words[i].other);
            add_line(wrong, "", v, "");
        } else {
            add_line(wrong, "ha-sync-batch-size takes an integer greater than 0, ", v, " given");
        }
        return;
    }
}

static void
check_ha(struct buffer *wrong, const json_t *d)
{
    static const char *const others[] = {"ha-params", "ha-sync-mode", "ha-sync-batch-size",
                                         "ha-promote-on-shutdown", "ha-promote-on-failure"};
    const json_t *mode = json_object_get(d, "ha-mode");
    size_t start = wrong->len;
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
    if (wrong->len == start)
        check_ha_others(wrong, d);
}

/* At most one way of naming upstreams. */
static void
check_federation(struct buffer *wrong, const json_t *d)
{
    const json_t *pattern = json_object_get(d, "federation-upstream-pattern");
    struct regex_error error;
    if (!!json_object_get(d, "federation-upstream") + !!json_object_get(d, "federation-upstream-set") +
            !!pattern >
        1) {
        buffer_add_str(wrong, "cannot specify federation-upstream, federation-upstream-set or "
                              "federation-upstream-pattern together\n");
        return;
    }
    struct slice text = slice_of(json_string_value(pattern), json_string_length(pattern));
    struct regex *r = pattern ? regex_new(text, &error) : NULL;
    if (pattern && !r) {
        struct buffer start = {0};
        buffer_add_fmt(&start,
                       "could not compile pattern %.*s to a regular expression. Error: ", SLICE_FMT(text));
        regex_error_add(wrong, buffer_slice(&start), &error);
        buffer_fini(&start);
    }
    regex_free(r);
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
            buffer_add_fmt(wrong,
                           key == POLICY_KEY_QUEUE_MASTER_LOCATOR ? " invalid %s\n" : " is not a valid %s\n",
                           tests[key]->what);
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
