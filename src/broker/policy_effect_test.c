/* Which policies apply, what they come to, and what becomes of things that are there when policies change. */
#include "broker/policy_effect.h"

#include "broker/meta_test.h"
#include "broker/policy.h"
#include "broker/queue_policy.h"
#include "broker/regex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void
set(struct fixture *f, const char *name, const char *pattern, int64_t priority, const char *definition)
{
    assert_int_equal(apply(f, (struct meta_command){.kind = META_POLICY_SET,
                                                    .name = slice_str(name),
                                                    .pattern = slice_str(pattern),
                                                    .priority = priority,
                                                    .value = slice_str(definition)}),
                     0);
}

static void
set_operator(struct fixture *f, const char *name, const char *definition)
{
    assert_int_equal(apply(f, (struct meta_command){.kind = META_POLICY_SET,
                                                    .name = slice_str(name),
                                                    .is_operator = true,
                                                    .value = slice_str(definition)}),
                     0);
}

static void
clear(struct fixture *f, const char *name)
{
    assert_int_equal(apply(f, (struct meta_command){.kind = META_POLICY_CLEAR, .name = slice_str(name)}), 0);
}

static const struct policy_effect *
effect(struct fixture *f, const char *name)
{
    return policy_effect_of_queue(queue(f, name));
}

static void
the_highest_priority_applies_then_the_first_name(void **state)
{
    struct fixture *f = fixture_new(1);
    declare_queue(f, "q");
    assert_null(effect(f, "q"));
    set(f, "b", "^q", 1, "{\"max-length\":1}");
    assert_true(slice_eq_str(effect(f, "q")->policy, "b"));
    set(f, "c", "^q", 1, "{\"max-length\":1}");
    assert_true(slice_eq_str(effect(f, "q")->policy, "b"));
    set(f, "a", "^q", 1, "{\"max-length\":1}");
    assert_true(slice_eq_str(effect(f, "q")->policy, "a"));
    set(f, "z", "^q", 2, "{\"max-length\":1}");
    assert_true(slice_eq_str(effect(f, "q")->policy, "z"));
    set(f, "other", "^x", 9, "{\"max-length\":1}");
    assert_true(slice_eq_str(effect(f, "q")->policy, "z"));
    clear(f, "z");
    assert_true(slice_eq_str(effect(f, "q")->policy, "a"));
    set(f, "b", "q$", 5, "{\"max-length\":1}"); /* again, with another priority */
    assert_true(slice_eq_str(effect(f, "q")->policy, "b"));
    fixture_free(f);
}

static void
an_operators_value_is_merged_by_the_keys_rule(void **state)
{
    struct fixture *f = fixture_new(1);
    set(f, "p", "", 0,
        "{\"max-length\":10,\"message-ttl\":5,\"overflow\":\"drop-head\",\"queue-mode\":\"lazy\"}");
    set_operator(f, "o",
                 "{\"max-length\":20,\"message-ttl\":1,\"overflow\":\"reject-publish\",\"expires\":9}");
    declare_queue(f, "q");
    const struct policy_effect *e = effect(f, "q");
    assert_true(slice_eq_str(e->operator_policy, "o") && slice_eq_str(e->policy, "p"));
    assert_true(slice_eq_str(e->definition, "{\"expires\":9,\"max-length\":10,\"message-ttl\":1,\"overflow\":"
                                            "\"reject-publish\",\"queue-mode\":\"lazy\"}"));
    assert_int_equal(e->of[POLICY_KEY_MAX_LENGTH].number, 10);
    assert_int_equal(e->of[POLICY_KEY_MESSAGE_TTL].number, 1);
    fixture_free(f);
}

static void
keys_for_other_things_are_shown_and_do_nothing(void **state)
{
    struct fixture *f = fixture_new(1);
    set(f, "p", "", 0, "{\"max-length\":10,\"alternate-exchange\":\"ae\",\"max-age\":\"1D\"}");
    declare_queue(f, "q");
    const struct policy_effect *e = effect(f, "q");
    assert_true(policy_effect_has(e, POLICY_KEY_MAX_LENGTH));
    assert_false(policy_effect_has(e, POLICY_KEY_ALTERNATE_EXCHANGE));
    assert_false(policy_effect_has(e, POLICY_KEY_MAX_AGE));
    assert_true(
        slice_eq_str(e->definition, "{\"alternate-exchange\":\"ae\",\"max-age\":\"1D\",\"max-length\":10}"));
    fixture_free(f);
}

static void
an_argument_and_a_policy_come_to_one_behaviour(void **state)
{
    struct fixture *f = fixture_new(1);
    struct buffer arguments = {0};
    table_add_int64(&arguments, "x-max-length", 5);
    table_add_int64(&arguments, "x-expires", 100);
    table_add_str(&arguments, "x-overflow", slice_str("reject-publish"));
    table_add_str(&arguments, "x-dead-letter-exchange", slice_str("mine"));
    set(f, "p", "", 0,
        "{\"max-length\":7,\"expires\":50,\"overflow\":\"drop-head\",\"dead-letter-exchange\":\"theirs\","
        "\"dead-letter-routing-key\":\"k\",\"message-ttl\":3}");
    assert_int_equal(apply(f, (struct meta_command){.kind = META_QUEUE_DECLARE,
                                                    .name = slice_str("q"),
                                                    .arguments = buffer_slice(&arguments)}),
                     0);
    declare_queue(f, "bare");
    struct queue_policy p;
    queue_policy_of(queue(f, "q"), &p);
    assert_int_equal(p.max_length, 5);
    assert_int_equal(p.expires_ms, 50);
    assert_int_equal(p.message_ttl_ms, 3);
    assert_int_equal(p.max_length_bytes, QUEUE_POLICY_NONE);
    assert_int_equal(p.overflow, QUEUE_OVERFLOW_REJECT);
    assert_true(p.has_dead_letter_exchange && slice_eq_str(p.dead_letter_exchange, "mine"));
    assert_true(p.has_dead_letter_routing_key && slice_eq_str(p.dead_letter_routing_key, "k"));
    queue_policy_of(queue(f, "bare"), &p);
    assert_int_equal(p.max_length, 7);
    assert_int_equal(p.overflow, QUEUE_OVERFLOW_DROP_HEAD);
    assert_true(slice_eq_str(p.dead_letter_exchange, "theirs"));
    clear(f, "p");
    queue_policy_of(queue(f, "bare"), &p);
    assert_int_equal(p.max_length, QUEUE_POLICY_NONE);
    assert_false(p.has_dead_letter_exchange);
    buffer_fini(&arguments);
    fixture_free(f);
}

/* Thousands of queues learn of a change in slices; those that are declared meanwhile know it at once. */
static void
many_queues_learn_of_a_change_in_turns(void **state)
{
    enum { MANY = 5000, LATER = 4000 };
    struct fixture *f = fixture_new(1);
    char name[32];
    unsigned turns = 0;
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "q%u", i);
        declare_queue(f, name);
    }
    set(f, "p", "^q", 0, "{\"max-length\":1}");
    for (unsigned i = MANY; i < MANY + LATER; i++) { /* the table of the queues grows under the walk */
        snprintf(name, sizeof name, "q%u", i);
        declare_queue(f, name);
        assert_non_null(effect(f, name));
    }
    while (meta_turn(f->node.meta))
        turns++;
    assert_in_range(turns, 5, 200);
    for (unsigned i = 0; i < MANY + LATER; i++) {
        snprintf(name, sizeof name, "q%u", i);
        assert_non_null(effect(f, name));
        assert_ptr_equal(effect(f, name), effect(f, "q0")); /* one for all */
    }
    clear(f, "p");
    while (meta_turn(f->node.meta))
        ;
    assert_null(effect(f, "q4999"));
    fixture_free(f);
}

/* Without a limit this pattern takes longer for a name than anybody lives. */
static void
a_pattern_that_explodes_does_not_match(void **state)
{
    static const char name[] =
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!";
    struct fixture *f = fixture_new(1);
    declare_queue(f, name);
    set(f, "p", "^(a|a)*$", 0, "{\"max-length\":1}");
    assert_null(effect(f, name));
    /* Not so much at one place, but it may begin at two hundred. */
    char many[201];
    snprintf(many, sizeof many, "%0199dc", 0);
    declare_queue(f, many);
    declare_queue(f, "0000000000c");
    set(f, "p", "(?:0?){10}[bc]", 0, "{\"max-length\":1}");
    assert_non_null(effect(f, "0000000000c"));
    assert_null(effect(f, many));
    fixture_free(f);
}

/* Nearly as much as is allowed, at each place where a match may begin; many such names, and many such
 * policies: a turn takes few of them. */
static void
a_dear_pattern_makes_slices_short(void **state)
{
    enum { NAMES = 200 };
    struct fixture *f = fixture_new(1);
    char name[256];
    for (unsigned i = 0; i < NAMES; i++) {
        snprintf(name, sizeof name, "q%03u%0250d", i, 0);
        declare_queue(f, name);
    }
    struct vhost *v = (struct vhost *)root(f);
    set(f, "p", "0*0*[ab]", 0, "{\"max-length\":1}");
    uint64_t work = v->policy_work, most = 0;
    unsigned turns = 0;
    for (bool more = true; more; turns++) {
        more = meta_turn(f->node.meta);
        most = v->policy_work - work > most ? v->policy_work - work : most;
        work = v->policy_work;
    }
    assert_in_range(turns, NAMES / 16, NAMES);
    assert_in_range(most, 1, POLICY_TURN_WORK + REGEX_COST_DEAR);
    assert_null(effect(f, name));
    fixture_free(f);
}

static void
a_policy_gives_an_exchange_its_alternate(void **state)
{
    struct fixture *f = fixture_new(1);
    declare_exchange(f, "x", "direct");
    declare_exchange(f, "ae", "fanout");
    declare_queue(f, "lost");
    bind_queue(f, "ae", "lost", "");
    struct buffer arguments = {0};
    table_add_str(&arguments, "alternate-exchange", slice_str("none"));
    assert_int_equal(apply(f, (struct meta_command){.kind = META_EXCHANGE_DECLARE,
                                                    .name = slice_str("own"),
                                                    .type = slice_str("direct"),
                                                    .arguments = buffer_slice(&arguments)}),
                     0);
    uint64_t before = exchange_generation(exchange(f, "x"));
    set(f, "p", "^(x|own)$", 0, "{\"alternate-exchange\":\"ae\"}");
    assert_true(slice_eq_str(exchange_alternate(exchange(f, "x")), "ae"));
    assert_true(slice_eq_str(exchange_alternate(exchange(f, "own")), "none"));
    assert_true(exchange_generation(exchange(f, "x")) > before);
    /* The alternate's own changes are changes of the routes from x, as if it stood in its arguments. */
    before = exchange_generation(exchange(f, "x"));
    unbind_queue(f, "ae", "lost", "");
    assert_true(exchange_generation(exchange(f, "x")) > before);
    clear(f, "p");
    assert_int_equal(exchange_alternate(exchange(f, "x")).len, 0);
    buffer_fini(&arguments);
    fixture_free(f);
}

enum { MANY = 100000 };

/* Turns until everything knows of a change; none did more than a slice and what the last thing cost: a user's
 * and an operator's policy are looked for. */
static unsigned
turns_within(struct fixture *f, uint64_t before)
{
    const struct vhost *v = root(f);
    unsigned turns = 0;
    bool is_more = true;
    for (; is_more; turns++) {
        assert_true(v->policy_work - before <= POLICY_TURN_WORK + 2);
        before = v->policy_work;
        is_more = meta_turn(f->node.meta);
    }
    return turns;
}

static void
a_change_for_100000_queues_goes_in_bounded_turns(void **state)
{
    struct fixture *f = fixture_new(1);
    char name[16];
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "q%u", i);
        declare_queue(f, name);
    }
    uint64_t before = root(f)->policy_work;
    set(f, "p", "^q", 0, "{\"max-length\":1}");
    assert_true(turns_within(f, before) > MANY / POLICY_TURN_WORK);
    assert_non_null(effect(f, "q0"));
    assert_non_null(effect(f, "q99999"));
    before = root(f)->policy_work;
    set(f, "p", "^q.*9$", 0, "{\"max-length\":2}");
    assert_true(turns_within(f, before) > MANY / POLICY_TURN_WORK);
    assert_null(effect(f, "q0"));
    assert_non_null(effect(f, "q99999"));
    before = root(f)->policy_work;
    clear(f, "p");
    assert_true(turns_within(f, before) > MANY / 2 / POLICY_TURN_WORK);
    assert_null(effect(f, "q99999"));
    fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_highest_priority_applies_then_the_first_name),
        cmocka_unit_test(an_operators_value_is_merged_by_the_keys_rule),
        cmocka_unit_test(keys_for_other_things_are_shown_and_do_nothing),
        cmocka_unit_test(an_argument_and_a_policy_come_to_one_behaviour),
        cmocka_unit_test(many_queues_learn_of_a_change_in_turns),
        cmocka_unit_test(a_pattern_that_explodes_does_not_match),
        cmocka_unit_test(a_dear_pattern_makes_slices_short),
        cmocka_unit_test(a_policy_gives_an_exchange_its_alternate),
        cmocka_unit_test(a_change_for_100000_queues_goes_in_bounded_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
