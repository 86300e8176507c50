/* Users, passwords and permissions. */
#include "broker/meta_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static uint16_t
put_user(struct fixture *f, const char *name, const char *password, const char *tags)
{
    static const uint8_t salt[4] = {1, 2, 3, 4};
    uint8_t hash[36];
    user_password_hash(slice_str(password), salt, hash);
    return apply(f, (struct meta_command){.kind = META_USER_PUT,
                                          .name = slice_str(name),
                                          .tags = slice_str(tags),
                                          .password_hash = slice_of(hash, sizeof hash)});
}

static uint16_t
permit(struct fixture *f, const char *user, const char *configure, const char *write, const char *read)
{
    return apply(f, (struct meta_command){.kind = META_PERMISSION_SET,
                                          .user = slice_str(user),
                                          .configure = slice_str(configure),
                                          .write = slice_str(write),
                                          .read = slice_str(read)});
}

static bool
granted(struct fixture *f, const char *user, enum permission kind, const char *resource)
{
    return permission_is_granted(f->node.meta, slice_str(user), root(f), kind, slice_str(resource));
}

static void
passwords_are_salted_sha256(void **state)
{
    struct fixture *f = fixture_new(1);
    /* As sha256sum has it for the four bytes of salt and "test12". */
    static const uint8_t salt[4] = {0x90, 0x8d, 0xc6, 0x0a};
    static const uint8_t expected[36] = {0x90, 0x8d, 0xc6, 0x0a, 0xa5, 0xb9, 0x24, 0xb3, 0x09,
                                         0x6b, 0x88, 0x97, 0xd6, 0x5a, 0x3b, 0x5f, 0x80, 0xfa,
                                         0x5d, 0xb6, 0x2a, 0x94, 0xb8, 0x31, 0x22, 0xcd, 0xf4,
                                         0xf8, 0xfe, 0xad, 0x10, 0xd5, 0x15, 0xd8, 0xf3, 0x91};
    uint8_t hash[36];
    user_password_hash(slice_str("test12"), salt, hash);
    assert_memory_equal(hash, expected, sizeof expected);
    assert_int_equal(put_user(f, "u", "secret", ""), 0);
    const struct user *u = user_find(f->node.meta, slice_str("u"));
    assert_true(user_password_matches(u, slice_str("secret")));
    assert_false(user_password_matches(u, slice_str("Secret")));
    assert_false(user_password_matches(u, slice_str("")));
    apply(f, (struct meta_command){.kind = META_USER_PUT, .name = slice_str("none")});
    assert_false(user_password_matches(user_find(f->node.meta, slice_str("none")), slice_str("")));
    fixture_free(f);
}

static void
users_are_replaced_and_deleted(void **state)
{
    struct fixture *f = fixture_new(1);
    put_user(f, "u", "a", "administrator, monitoring,own");
    const struct user *u = user_find(f->node.meta, slice_str("u"));
    uint64_t id = u->id;
    assert_int_equal(u->tags, USER_TAG_ADMINISTRATOR | USER_TAG_MONITORING);
    assert_true(slice_eq_str(u->tags_text, "administrator, monitoring,own"));
    uint64_t generation = permission_generation(f->node.meta);
    put_user(f, "u", "b", "impersonator");
    assert_true(f->r.existed);
    u = user_find(f->node.meta, slice_str("u"));
    assert_true(u->id == id && u->tags == USER_TAG_IMPERSONATOR);
    assert_true(permission_generation(f->node.meta) > generation);
    permit(f, "u", ".*", ".*", ".*");
    assert_int_equal(apply(f, (struct meta_command){.kind = META_USER_DELETE, .name = slice_str("u")}), 0);
    assert_false(permission_has_vhost(f->node.meta, slice_str("u"), root(f)));
    assert_int_equal(apply(f, (struct meta_command){.kind = META_USER_DELETE, .name = slice_str("u")}), 404);
    assert_string_equal(f->r.text, "no user 'u'");
    assert_int_equal(apply(f, (struct meta_command){.kind = META_USER_PUT,
                                                    .name = slice_str("u"),
                                                    .password_hash = slice_str("short")}),
                     406);
    fixture_free(f);
}

static uint16_t
set_user(struct fixture *f, uint64_t changes, const char *tags, struct slice hash)
{
    return apply(f, (struct meta_command){.kind = META_USER_SET,
                                          .name = slice_str("ann"),
                                          .changes = changes,
                                          .tags = slice_str(tags),
                                          .password_hash = hash});
}

/* Two operators who change a user at once do not undo each other's change. */
static void
user_is_changed_by_parts(void **state)
{
    struct fixture *f = fixture_new(1);
    static const uint8_t salt[4] = {1, 2, 3, 4};
    uint8_t hash[36];
    user_password_hash(slice_str("secret"), salt, hash);
    struct slice none = slice_of(NULL, 0), secret = slice_of(hash, sizeof hash);
    assert_int_equal(set_user(f, USER_CHANGE_TAGS, "x", none), 404);
    assert_int_equal(set_user(f, USER_CHANGE_NEW, "", secret), 0);
    assert_int_equal(set_user(f, USER_CHANGE_NEW, "x", none), 406);
    assert_int_equal(apply(f, (struct meta_command){.kind = META_USER_LIMITS,
                                                    .name = slice_str("ann"),
                                                    .value = slice_str("{\"max-channels\":7}")}),
                     0);
    assert_int_equal(set_user(f, USER_CHANGE_TAGS, "monitoring,x", none), 0);
    const struct user *u = user_find(f->node.meta, slice_str("ann"));
    assert_non_null(u);
    assert_int_equal(u->tags, USER_TAG_MONITORING);
    assert_true(user_password_matches(u, slice_str("secret")));
    assert_int_equal(u->channels_max, 7);
    assert_int_equal(set_user(f, USER_CHANGE_PASSWORD, "", none), 0);
    u = user_find(f->node.meta, slice_str("ann"));
    assert_false(user_password_matches(u, slice_str("secret")));
    assert_true(slice_eq_str(u->tags_text, "monitoring,x"));
    assert_int_equal(u->channels_max, 7);
    fixture_free(f);
}

static void
permissions_are_regular_expressions(void **state)
{
    struct fixture *f = fixture_new(1);
    put_user(f, "u", "p", "");
    assert_false(granted(f, "u", PERMISSION_READ, "x"));
    assert_int_equal(permit(f, "u", "^own-", "", "a|^$"), 0);
    assert_true(permission_has_vhost(f->node.meta, slice_str("u"), root(f)));
    assert_true(granted(f, "u", PERMISSION_CONFIGURE, "own-q"));
    assert_false(granted(f, "u", PERMISSION_CONFIGURE, "my-own-q"));
    assert_false(granted(f, "u", PERMISSION_WRITE, "x")); /* an empty expression is ^$ */
    assert_true(granted(f, "u", PERMISSION_READ, "bar")); /* not anchored */
    assert_true(granted(f, "u", PERMISSION_READ, ""));    /* the default exchange is amq.default */
    assert_false(granted(f, "u", PERMISSION_WRITE, ""));
    assert_int_equal(apply(f, (struct meta_command){.kind = META_PERMISSION_CLEAR, .user = slice_str("u")}),
                     0);
    assert_false(granted(f, "u", PERMISSION_READ, "bar"));
    fixture_free(f);
}

static void
bad_permissions_are_refused(void **state)
{
    struct fixture *f = fixture_new(1);
    put_user(f, "u", "p", "");
    permit(f, "u", ".*", ".*", ".*");
    assert_int_equal(permit(f, "u", ".*", "(", ".*"), 406);
    assert_string_equal(f->r.text,
                        "regular expression '(' is invalid: missing closing parenthesis at offset 1");
    assert_true(granted(f, "u", PERMISSION_WRITE, "x")); /* the old ones stay */
    assert_int_equal(permit(f, "nobody", ".*", ".*", ".*"), 404);
    /* Exponential for a backtracking matcher: the limit says no. */
    assert_int_equal(permit(f, "u", "^(a|a)*$", "^(([a-z])+.)+[A-Z]([a-z])+$", ".*"), 0);
    assert_false(
        granted(f, "u", PERMISSION_WRITE, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
    fixture_free(f);
}

static void
permissions_go_with_their_vhost(void **state)
{
    struct fixture *f = fixture_new(1);
    put_user(f, "u", "p", "");
    permit(f, "u", ".*", ".*", ".*");
    apply(f, (struct meta_command){.kind = META_VHOST_DELETE, .name = slice_str("/")});
    apply(f, (struct meta_command){.kind = META_VHOST_ADD, .name = slice_str("/")});
    assert_false(permission_has_vhost(f->node.meta, slice_str("u"), root(f)));
    fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passwords_are_salted_sha256), cmocka_unit_test(users_are_replaced_and_deleted),
        cmocka_unit_test(user_is_changed_by_parts),    cmocka_unit_test(permissions_are_regular_expressions),
        cmocka_unit_test(bad_permissions_are_refused), cmocka_unit_test(permissions_go_with_their_vhost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
