/* What operators declare: policies with their definitions, parameters, limits, topic permissions, the
 * metadata of virtual hosts. The texts are those of RabbitMQ 3.10.8's recorded errors. */
#include "broker/meta_test.h"
#include "broker/parameter.h"
#include "broker/policy.h"
#include "broker/topic_permission.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static uint16_t
set_policy(struct fixture *f, const char *pattern, const char *definition)
{
    return apply(f, (struct meta_command){.kind = META_POLICY_SET,
                                          .name = slice_str("bad"),
                                          .pattern = slice_str(pattern),
                                          .value = slice_str(definition)});
}

static void
definitions_are_refused_in_rabbitmqs_words(void **state)
{
    static const struct {
        const char *pattern, *definition, *text;
    } rows[] = {
        {"^", "{\"ha-mode\":\"bogus\"}", "<<\"bogus\">> is not a valid ha-mode value\n"},
        {"^", "{\"max-priority\":5}", "[{<<\"max-priority\">>,5}] are not recognised policy settings\n"},
        {"^", "{\"single-active-consumer\":true}",
         "[{<<\"single-active-consumer\">>,true}] are not recognised policy settings\n"},
        {"^", "{\"nosuchkey\":1}", "[{<<\"nosuchkey\">>,1}] are not recognised policy settings\n"},
        {"^", "{\"message-ttl\":\"abc\"}", "<<\"abc\">> is not a valid message TTL\n"},
        {"^", "{\"message-ttl\":-1}", "-1 is not a valid message TTL\n"},
        {"[", "{\"max-length\":1}",
         "pattern should be regular expression but is invalid: {\"missing terminating ] for character "
         "class\",\n                                                      1}\n"},
        {"^", "{\"ha-mode\":\"exactly\"}", "ha-mode=\"exactly\" takes an integer, none given\n"},
        {"^", "{\"ha-params\":2}",
         "ha-mode must be specified to specify ha-params, ha-sync-mode or ha-promote-on-shutdown\n"},
        {"^", "{}", "no policy provided\n"},
        {"^", "{\"expires\":0}", "0 is not a valid queue expiry\n"},
        {"^", "{\"overflow\":\"odd\"}", "<<\"odd\">> is not a valid overflow value\n"},
        {"^", "{\"queue-version\":3}", "3 is not a valid queue-version value\n"},
        {"^", "{\"max-age\":\"7\"}", "<<\"7\">> is not a valid max age\n"},
    };
    struct fixture *f = fixture_new(1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[256];
        snprintf(text, sizeof text, "Validation failed\n\n%s", rows[i].text);
        assert_int_equal(set_policy(f, rows[i].pattern, rows[i].definition), 406);
        assert_string_equal(f->r.text, text);
    }
    assert_int_equal(set_policy(f, "^", "{\"ha-mode\":"), 502);
    assert_string_equal(f->r.text, "JSON decoding error. Reason: badarg");
    assert_null(policy_find(root(f), false, slice_str("bad")));
    fixture_free(f);
}

static void
whom_a_policy_is_for_is_one_of_six_words(void **state)
{
    static const char *const words[] = {"",        "all",           "queues",        "exchanges",
                                        "streams", "quorum_queues", "classic_queues"};
    struct fixture *f = fixture_new(1);
    struct meta_command c = {.kind = META_POLICY_SET,
                             .name = slice_str("p"),
                             .value = slice_str("{\"max-length\":1}"),
                             .apply_to = slice_str("bogus")};
    assert_int_equal(apply(f, c), 406);
    assert_string_equal(f->r.text, "Validation failed\n\napply-to 'bogus' unrecognised; should be 'queues', "
                                   "'exchanges' or 'all'\n");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        c.apply_to = slice_str(words[i]);
        assert_int_equal(apply(f, c), 0);
        const struct policy *p = policy_find(root(f), false, slice_str("p"));
        assert_string_equal(policy_applies_name(p->apply_to), i == 0 ? "all" : words[i]);
    }
    fixture_free(f);
}

static void
every_key_is_accepted_with_a_good_value(void **state)
{
    static const char *const good[] = {
        "{\"alternate-exchange\":\"x\"}",
        "{\"consumer-timeout\":60000}",
        "{\"dead-letter-exchange\":\"\"}",
        "{\"dead-letter-routing-key\":\"k\"}",
        "{\"dead-letter-strategy\":\"at-least-once\"}",
        "{\"delivery-limit\":0}",
        "{\"expires\":1}",
        "{\"federation-upstream\":\"u\"}",
        "{\"federation-upstream-set\":\"all\"}",
        "{\"federation-upstream-pattern\":\"^u\"}",
        "{\"ha-mode\":\"all\",\"ha-sync-mode\":\"automatic\",\"ha-sync-batch-size\":1,"
        "\"ha-promote-on-shutdown\":\"always\",\"ha-promote-on-failure\":\"when-synced\"}",
        "{\"ha-mode\":\"exactly\",\"ha-params\":2}",
        "{\"ha-mode\":\"nodes\",\"ha-params\":[\"rabbit@a\"]}",
        "{\"initial-cluster-size\":3}",
        "{\"max-age\":\"7D\"}",
        "{\"max-in-memory-bytes\":0}",
        "{\"max-in-memory-length\":0}",
        "{\"max-length\":0}",
        "{\"max-length-bytes\":0}",
        "{\"message-ttl\":0}",
        "{\"overflow\":\"reject-publish-dlx\"}",
        "{\"queue-leader-locator\":\"balanced\"}",
        "{\"queue-master-locator\":\"min-masters\"}",
        "{\"queue-mode\":\"lazy\"}",
        "{\"queue-version\":2}",
        "{\"stream-filter-size-bytes\":16}",
        "{\"stream-max-segment-size-bytes\":500000000}",
        "{\"target-group-size\":3}"};
    struct fixture *f = fixture_new(1);
    uint64_t seen = 0;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(set_policy(f, "^", good[i]), 0);
        seen |= policy_find(root(f), false, slice_str("bad"))->values.set;
    }
    assert_int_equal(seen, (UINT64_C(1) << POLICY_KEYS) - 1);
    fixture_free(f);
}

static void
operators_may_set_only_what_can_be_merged(void **state)
{
    struct fixture *f = fixture_new(1);
    struct meta_command c = {.kind = META_POLICY_SET,
                             .name = slice_str("op"),
                             .is_operator = true,
                             .value = slice_str("{\"max-length\":1,\"queue-mode\":\"lazy\"}")};
    assert_int_equal(apply(f, c), 406);
    assert_string_equal(f->r.text, "Validation failed\n\n[{<<\"queue-mode\">>,<<\"lazy\">>}] are not "
                                   "recognised policy settings\n");
    c.value = slice_str("{\"max-length\": 1}");
    assert_int_equal(apply(f, c), 0);
    assert_true(slice_eq_str(policy_find(root(f), true, slice_str("op"))->definition, "{\"max-length\":1}"));
    assert_null(policy_find(root(f), false, slice_str("op")));
    fixture_free(f);
}

static void
what_is_not_there_cannot_be_cleared(void **state)
{
    struct fixture *f = fixture_new(1);
    assert_int_equal(apply(f, (struct meta_command){.kind = META_POLICY_CLEAR, .name = slice_str("nosuch")}),
                     404);
    assert_string_equal(f->r.text, "Parameter does not exist");
    assert_int_equal(apply(f, (struct meta_command){.kind = META_PARAMETER_CLEAR,
                                                    .component = slice_str("shovel"),
                                                    .name = slice_str("nosuch")}),
                     404);
    assert_string_equal(f->r.text, "Parameter does not exist");
    fixture_free(f);
}

static void
too_much_of_anything_is_refused(void **state)
{
    struct fixture *f = fixture_new(1);
    char *text = calloc(1, POLICY_DEFINITION_MAX + 2);
    memset(text, ' ', POLICY_DEFINITION_MAX + 1);
    assert_int_equal(set_policy(f, "^", text), 406);
    text[POLICY_PATTERN_MAX + 1] = 0;
    assert_int_equal(set_policy(f, text, "{\"max-length\":1}"), 406);
    char name[32];
    struct meta_command c = {.kind = META_POLICY_SET, .value = slice_str("{\"max-length\":1}")};
    for (unsigned i = 0; i < POLICIES_PER_VHOST_MAX; i++) {
        snprintf(name, sizeof name, "p%u", i);
        c.name = slice_str(name);
        assert_int_equal(apply(f, c), 0);
    }
    c.name = slice_str("one more");
    assert_int_equal(apply(f, c), 406);
    c.name = slice_str("p7"); /* is there already */
    assert_int_equal(apply(f, c), 0);
    c.is_operator = true; /* these are counted apart */
    assert_int_equal(apply(f, c), 0);
    free(text);
    fixture_free(f);
}

static void
parameters_are_json_of_a_known_component(void **state)
{
    struct fixture *f = fixture_new(1);
    struct meta_command c = {.kind = META_PARAMETER_SET,
                             .component = slice_str("shovel"),
                             .name = slice_str("s"),
                             .value = slice_str(" {\"b\": [1, true], \"a\": \"x\"} ")};
    assert_int_equal(apply(f, c), 0);
    const struct parameter *p = parameter_find(f->node.meta, root(f), slice_str("shovel"), slice_str("s"));
    assert_true(slice_eq_str(p->value, "{\"a\":\"x\",\"b\":[1,true]}"));
    c.value = slice_str("{\"b\":");
    assert_int_equal(apply(f, c), 502);
    c.component = slice_str("odd");
    c.value = slice_str("1");
    assert_int_equal(apply(f, c), 406);
    assert_string_equal(f->r.text, "Validation failed\n\ncomponent odd not found\n");
    c = (struct meta_command){
        .kind = META_PARAMETER_CLEAR, .component = slice_str("shovel"), .name = slice_str("s")};
    assert_int_equal(apply(f, c), 0);
    assert_null(parameter_find(f->node.meta, root(f), slice_str("shovel"), slice_str("s")));
    fixture_free(f);
}

static void
the_clusters_name_is_a_global_parameter(void **state)
{
    struct fixture *f = fixture_new(1);
    f->node.name = "rabbit@here";
    assert_true(slice_eq_str(parameter_cluster_name(f->node.meta), "rabbit@here"));
    struct meta_command c = {
        .kind = META_PARAMETER_SET, .name = slice_str("cluster_name"), .value = slice_str("\"prod\"")};
    assert_int_equal(apply(f, c), 0);
    assert_true(slice_eq_str(parameter_cluster_name(f->node.meta), "prod"));
    fixture_free(f);
}

static void
a_vhost_takes_no_more_queues_than_its_limit(void **state)
{
    struct fixture *f = fixture_new(1);
    struct meta_command limits = {.kind = META_VHOST_LIMITS, .value = slice_str("{\"max-queues\":2}")};
    assert_int_equal(apply(f, limits), 0);
    assert_int_equal(declare_queue(f, "a"), 0);
    assert_int_equal(declare_queue(f, "b"), 0);
    assert_int_equal(declare_queue(f, "c"), 406);
    assert_string_equal(f->r.text, "cannot declare queue 'c': queue limit in vhost '/' (2) is reached");
    assert_int_equal(declare_queue(f, "b"), 0); /* is there */
    limits.value = slice_str("{\"max-connections\":5}");
    assert_int_equal(apply(f, limits), 0); /* takes the place of the others */
    assert_int_equal(declare_queue(f, "c"), 0);
    limits.value = slice_str("{\"bogus\":5}");
    assert_int_equal(apply(f, limits), 406);
    assert_string_equal(f->r.text, "Validation failed\n\nUnrecognised terms [{<<\"bogus\">>,5}] in limits\n");
    limits.value = slice_str("{\"max-queues\":\"x\"}");
    assert_int_equal(apply(f, limits), 406);
    assert_string_equal(f->r.text,
                        "Validation failed\n\nmax-queues should be a number, actually was <<\"x\">>\n");
    assert_int_equal(atomic_load(&root(f)->connections_max), 5);
    fixture_free(f);
}

static void
limits_of_a_user_stay_when_its_password_changes(void **state)
{
    struct fixture *f = fixture_new(1);
    struct meta_command put = {.kind = META_USER_PUT, .name = slice_str("ann")};
    assert_int_equal(apply(f, put), 0);
    struct meta_command c = {
        .kind = META_USER_LIMITS, .name = slice_str("ann"), .value = slice_str("{\"max-connections\":3}")};
    assert_int_equal(apply(f, c), 0);
    c.value = slice_str("{\"max-channels\":4}");
    assert_int_equal(apply(f, c), 0);
    put.tags = slice_str("monitoring");
    assert_int_equal(apply(f, put), 0);
    const struct user *u = user_find(f->node.meta, slice_str("ann"));
    assert_int_equal(u->connections_max, 3);
    assert_int_equal(u->channels_max, 4);
    struct meta_command clear = {
        .kind = META_USER_LIMITS_CLEAR, .user = slice_str("ann"), .name = slice_str("max-channels")};
    assert_int_equal(apply(f, clear), 0);
    u = user_find(f->node.meta, slice_str("ann"));
    assert_true(u->connections_max == 3 && u->channels_max == -1);
    assert_true(slice_eq_str(u->tags_text, "monitoring"));
    fixture_free(f);
}

static bool
may(struct fixture *f, enum permission kind, const char *key)
{
    return topic_permission_is_granted(f->node.meta, slice_str("a.b"), root(f), slice_str("amq.topic"), kind,
                                       slice_str(key));
}

static void
topic_permissions_fill_in_whom_they_are_for(void **state)
{
    struct fixture *f = fixture_new(1);
    assert_int_equal(apply(f, (struct meta_command){.kind = META_USER_PUT, .name = slice_str("a.b")}), 0);
    assert_true(may(f, PERMISSION_WRITE, "anything"));
    struct meta_command c = {.kind = META_TOPIC_PERMISSION_SET,
                             .user = slice_str("a.b"),
                             .name = slice_str("amq.topic"),
                             .write = slice_str("^{username}-{vhost}-"),
                             .read = slice_str("")};
    uint64_t before = permission_generation(f->node.meta);
    assert_int_equal(apply(f, c), 0);
    assert_true(permission_generation(f->node.meta) > before);
    assert_true(may(f, PERMISSION_WRITE, "a.b-/-x"));
    assert_false(may(f, PERMISSION_WRITE, "axb-/-x")); /* a name is no expression */
    assert_false(may(f, PERMISSION_READ, "a.b-/-x"));
    assert_true(may(f, PERMISSION_READ, ""));
    c.read = slice_str("(");
    assert_int_equal(apply(f, c), 406);
    c.kind = META_TOPIC_PERMISSION_CLEAR;
    c.name = slice_of(NULL, 0);
    assert_int_equal(apply(f, c), 0);
    assert_true(may(f, PERMISSION_READ, "anything"));
    fixture_free(f);
}

static void
a_protected_vhost_is_not_deleted(void **state)
{
    struct fixture *f = fixture_new(1);
    struct meta_command set = {.kind = META_VHOST_SET,
                               .name = slice_str("/"),
                               .changes = VHOST_CHANGE_PROTECTED,
                               .is_protected = true};
    struct meta_command delete = {.kind = META_VHOST_DELETE, .name = slice_str("/")};
    assert_int_equal(apply(f, set), 0);
    assert_int_equal(apply(f, delete), 406);
    set.is_protected = false;
    assert_int_equal(apply(f, set), 0);
    assert_int_equal(apply(f, delete), 0);
    fixture_free(f);
}

static void
of_a_vhosts_metadata_only_what_is_named_changes(void **state)
{
    struct fixture *f = fixture_new(1);
    struct meta_command set = {.kind = META_VHOST_SET,
                               .name = slice_str("/"),
                               .changes = VHOST_CHANGE_DESCRIPTION | VHOST_CHANGE_DEFAULT_QUEUE_TYPE,
                               .description = slice_str("all of it"),
                               .default_queue_type = slice_str("quorum"),
                               .tags = slice_str("not these")};
    assert_int_equal(apply(f, set), 0);
    const struct vhost_metadata *d = vhost_metadata(root(f));
    assert_true(slice_eq_str(d->description, "all of it") && slice_eq_str(d->default_queue_type, "quorum"));
    assert_int_equal(d->tags.len, 0);
    set.default_queue_type = slice_str("odd");
    assert_int_equal(apply(f, set), 406);
    set = (struct meta_command){
        .kind = META_VHOST_SET, .name = slice_str("/"), .changes = VHOST_CHANGE_TRACING, .is_tracing = true};
    assert_false(meta_is_lasting(f->node.meta, &set));
    assert_int_equal(apply(f, set), 0);
    assert_true(vhost_is_tracing(root(f)));
    assert_int_equal(apply(f, (struct meta_command){.kind = META_NODE_STARTED}), 0);
    assert_false(vhost_is_tracing(root(f)));
    assert_true(slice_eq_str(vhost_metadata(root(f))->description, "all of it"));
    fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(definitions_are_refused_in_rabbitmqs_words),
        cmocka_unit_test(whom_a_policy_is_for_is_one_of_six_words),
        cmocka_unit_test(every_key_is_accepted_with_a_good_value),
        cmocka_unit_test(operators_may_set_only_what_can_be_merged),
        cmocka_unit_test(what_is_not_there_cannot_be_cleared),
        cmocka_unit_test(too_much_of_anything_is_refused),
        cmocka_unit_test(parameters_are_json_of_a_known_component),
        cmocka_unit_test(the_clusters_name_is_a_global_parameter),
        cmocka_unit_test(a_vhost_takes_no_more_queues_than_its_limit),
        cmocka_unit_test(limits_of_a_user_stay_when_its_password_changes),
        cmocka_unit_test(topic_permissions_fill_in_whom_they_are_for),
        cmocka_unit_test(a_protected_vhost_is_not_deleted),
        cmocka_unit_test(of_a_vhosts_metadata_only_what_is_named_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
