/* The broker's defaults stand in its own table and, as text with units, in the configuration's: a node
 * without a configuration file and a simulated one have the same limits. */
#include "app/setup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void
the_configuration_repeats_the_brokers_defaults(void **state)
{
    struct config c;
    struct config_report report;
    assert_true(config_load(&c, &(struct config_request){0}, &report));
    struct broker_limits configured = setup_limits(&c), own = broker_limits_default();
#define X(name, value, what)                                                                                 \
    if (configured.name != own.name)                                                                         \
        fail_msg(#name ": %u in config_keys.h, %u in broker/limits.h", configured.name, own.name);
    BROKER_LIMIT_TABLE(X)
#undef X
    config_report_fini(&report);
    config_fini(&c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_configuration_repeats_the_brokers_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
