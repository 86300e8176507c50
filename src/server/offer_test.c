/* Offer: a copy that does not need the configuration that it was made of. */
#include "server/offer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* after its own prerequisites */
#include <cmocka.h>

static void
it_outlives_its_configuration(void **state)
{
    char user[] = "anna", password[] = "secret", loopback[] = "guest", other[] = "ops";
    struct server_config config;
    server_config_init(&config);
    config.channel_max = 7;
    config.frame_max = 5000;
    config.heartbeat_s = 9;
    config.mechanism_external = true;
    config.anonymous_user = slice_str(user);
    config.anonymous_password = slice_str(password);
    config.loopback_users[0] = slice_str(loopback);
    config.loopback_users[1] = slice_str(other);
    config.loopback_users_count = 2;
    struct offer *o = offer_new(&config), *held = offer_hold(o);
    memset(user, 'x', sizeof user - 1);
    memset(password, 'x', sizeof password - 1);
    memset(loopback, 'x', sizeof loopback - 1);
    memset(other, 'x', sizeof other - 1);
    config = (struct server_config){0};
    offer_drop(o);
    assert_int_equal(held->channel_max, 7);
    assert_int_equal(held->frame_max, 5000);
    assert_int_equal(held->heartbeat_s, 9);
    assert_true(held->mechanism_external && held->mechanism_plain && !held->mechanism_anonymous);
    assert_true(slice_eq_str(held->anonymous_user, "anna"));
    assert_true(slice_eq_str(held->anonymous_password, "secret"));
    assert_true(offer_is_loopback_only(held, slice_str("guest")));
    assert_true(offer_is_loopback_only(held, slice_str("ops")));
    assert_false(offer_is_loopback_only(held, slice_str("anna")));
    offer_drop(held);
    offer_drop(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_outlives_its_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
