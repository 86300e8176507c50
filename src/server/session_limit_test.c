/* Limits that an operator sets while clients are there: of a virtual host and of a user. */
#include "broker/meta.h"
#include "broker/user.h"
#include "broker/vhost.h"
#include "server/session_fixture.h"
#include "wire/amqp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct session_world *
world(void **state)
{
    return *state;
}

static void
apply(void **state, struct meta_command c)
{
    struct meta_result r;
    meta_apply(session_world_node(world(state))->node.meta, &c, &r);
    assert_int_equal(r.code, 0);
}

static void
set_vhost(void **state, const char *limits)
{
    apply(state, (struct meta_command){
                     .kind = META_VHOST_LIMITS, .vhost = slice_str("/"), .value = slice_str(limits)});
}

static void
set_user(void **state, const char *limits)
{
    apply(state, (struct meta_command){
                     .kind = META_USER_LIMITS, .name = slice_str("guest"), .value = slice_str(limits)});
}

static uint32_t
count_of_user(void **state)
{
    const struct user *u = user_find(session_world_node(world(state))->node.meta, slice_str("guest"));
    return atomic_load(&u->usage->connections);
}

/* Another client comes, and is refused with this text. */
static void
assert_refused(void **state, const char *text)
{
    struct session_client *c = session_client_open(world(state));
    struct amqp_connection_close close;
    struct amqp_connection_start_ok start = {.mechanism = slice_str("PLAIN"),
                                             .response = slice_of("\0guest\0guest", 12),
                                             .locale = slice_str("en_US")};
    struct amqp_connection_tune_ok tune = {.channel_max = 10, .frame_max = 131072};
    struct amqp_connection_open open = {.virtual_host = slice_str("/")};
    session_client_send(c, "AMQP\0\0\11\1", 8);
    session_expect(c, 0, AMQP_CONNECTION_START, NULL);
    session_send(c, 0, AMQP_CONNECTION_START_OK, &start);
    session_expect(c, 0, AMQP_CONNECTION_TUNE, NULL);
    session_send(c, 0, AMQP_CONNECTION_TUNE_OK, &tune);
    session_send(c, 0, AMQP_CONNECTION_OPEN, &open);
    session_expect(c, 0, AMQP_CONNECTION_CLOSE, &close);
    assert_int_equal(close.reply_code, 530);
    assert_true(slice_eq_str(close.reply_text, text));
    session_send(c, 0, AMQP_CONNECTION_CLOSE_OK, NULL);
    assert_true(session_client_is_ended(c));
    session_client_free(c);
}

static void
a_full_vhost_refuses_connections_until_one_goes(void **state)
{
    struct session_client *a = session_login(world(state)), *b = session_login(world(state));
    set_vhost(state, "{\"max-connections\":2}");
    assert_refused(
        state, "NOT_ALLOWED - access to vhost '/' refused for user 'guest': connection limit (2) is reached");
    session_logout(a);
    a = session_login(world(state));
    set_vhost(state, "{}");
    struct session_client *c = session_login(world(state));
    session_logout(a);
    session_logout(b);
    session_logout(c);
    assert_true(session_world_settle(world(state)));
    assert_int_equal(count_of_user(state), 0);
}

static void
a_user_has_no_more_connections_than_its_limit(void **state)
{
    struct session_client *a = session_login(world(state));
    set_user(state, "{\"max-connections\":1}");
    assert_int_equal(count_of_user(state), 1);
    assert_refused(state,
                   "NOT_ALLOWED - connection refused for user 'guest': user connection limit (1) is reached");
    set_user(state, "{\"max-connections\":0}"); /* who is there stays */
    assert_refused(state,
                   "NOT_ALLOWED - connection refused for user 'guest': user connection limit (0) is reached");
    session_declare(a, 1, "still here");
    set_user(state, "{\"max-connections\":-1}");
    session_logout(a);
    assert_true(session_world_settle(world(state)));
    assert_int_equal(count_of_user(state), 0);
}

static void
a_user_has_no_more_channels_than_its_limit(void **state)
{
    struct session_client *a = session_login(world(state)), *b = session_login(world(state));
    struct amqp_connection_close close;
    set_user(state, "{\"max-channels\":3}");
    session_open_channel(b, 2);
    session_send(b, 3, AMQP_CHANNEL_OPEN, NULL);
    session_expect(b, 0, AMQP_CONNECTION_CLOSE, &close);
    assert_int_equal(close.reply_code, 530);
    assert_true(slice_eq_str(close.reply_text, "NOT_ALLOWED - number of channels opened for user 'guest' has "
                                               "reached the maximum allowed user limit of (3)"));
    session_send(b, 0, AMQP_CONNECTION_CLOSE_OK, NULL);
    assert_true(session_client_is_ended(b));
    session_open_channel(a, 2); /* those of the other one are gone */
    session_open_channel(a, 3);
    set_user(state, "{\"max-channels\":-1}");
    session_logout(a);
    session_client_free(b);
    assert_true(session_world_settle(world(state)));
}

/* Its counts are the deleted one's until the last connection goes, and touch nobody who has the name later.
 */
static void
a_user_that_is_made_again_starts_from_nothing(void **state)
{
    struct session_client *a = session_login(world(state));
    const struct meta *m = session_world_node(world(state))->node.meta;
    const struct user *u = user_find(m, slice_str("guest"));
    uint8_t hash[68];
    size_t size = u->password_hash.len;
    memcpy(hash, u->password_hash.data, size);
    apply(state, (struct meta_command){.kind = META_USER_DELETE, .name = slice_str("guest")});
    apply(state, (struct meta_command){.kind = META_USER_PUT,
                                       .name = slice_str("guest"),
                                       .password_hash = slice_of(hash, size)});
    apply(state, (struct meta_command){.kind = META_PERMISSION_SET,
                                       .vhost = slice_str("/"),
                                       .user = slice_str("guest"),
                                       .configure = slice_str(".*"),
                                       .write = slice_str(".*"),
                                       .read = slice_str(".*")});
    set_user(state, "{\"max-connections\":1}");
    struct session_client *b = session_login(world(state));
    session_expect(a, 0, AMQP_CONNECTION_CLOSE, NULL); /* "user 'guest' is deleted" */
    session_send(a, 0, AMQP_CONNECTION_CLOSE_OK, NULL);
    assert_true(session_client_is_ended(a));
    session_client_free(a);
    assert_int_equal(count_of_user(state), 1);
    session_logout(b);
    assert_true(session_world_settle(world(state)));
    assert_int_equal(count_of_user(state), 0);
}

static int
setup(void **state)
{
    *state = session_world_new(2, NULL, 1);
    return 0;
}

static int
teardown(void **state)
{
    session_world_free(*state);
    return 0;
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_full_vhost_refuses_connections_until_one_goes),
        TEST(a_user_has_no_more_connections_than_its_limit),
        TEST(a_user_has_no_more_channels_than_its_limit),
        TEST(a_user_that_is_made_again_starts_from_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
