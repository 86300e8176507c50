/* Commands as bytes: every field there and back, what is refused, and the bytes themselves, which are kept on
 * disks. */
#include "durable/meta_codec.h"

#include "broker/meta_random_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void
assert_same(const struct meta_command *a, const struct meta_command *b)
{
    struct buffer left = {0}, right = {0};
    meta_codec_put(&left, a);
    meta_codec_put(&right, b);
    assert_int_equal(left.len, right.len);
    assert_memory_equal(left.data, right.data, left.len);
    buffer_fini(&left);
    buffer_fini(&right);
}

static struct meta_command
everything(void)
{
    static const uint8_t table[] = "\1kt\1";
    return (struct meta_command){.kind = META_QUEUE_DECLARE,
                                 .vhost = slice_str("v"),
                                 .name = slice_str("n"),
                                 .type = slice_str("t"),
                                 .arguments = slice_of(table, sizeof table - 1),
                                 .source = slice_str("s"),
                                 .routing_key = slice_str("r"),
                                 .user = slice_str("u"),
                                 .configure = slice_str("c"),
                                 .write = slice_str("w"),
                                 .read = slice_str("d"),
                                 .password_hash = slice_str("p"),
                                 .tags = slice_str("g"),
                                 .durable = true,
                                 .auto_delete = true,
                                 .internal = true,
                                 .exclusive = true,
                                 .if_unused = true,
                                 .connection_id = 0x0102030405060708,
                                 .queue_id = 2,
                                 .random = UINT64_MAX,
                                 .forced_id = 3};
}

static void
the_bytes_never_change(void **state)
{
    static const uint8_t expected[] = "\1\13"
                                      "\1\1\0\0\0v\2\1\0\0\0n\3\1\0\0\0t\4\4\0\0\0\1kt\1"
                                      "\5\1\0\0\0s\6\1\0\0\0r\7\1\0\0\0u\10\1\0\0\0c"
                                      "\11\1\0\0\0w\12\1\0\0\0d\13\1\0\0\0p\14\1\0\0\0g"
                                      "\40\41\42\43\44\60\10\7\6\5\4\3\2\1\61\2\0\0\0\0\0\0\0"
                                      "\62\377\377\377\377\377\377\377\377\63\3\0\0\0\0\0\0\0";
    static const enum meta_kind kinds[] = {META_VHOST_ADD,
                                           META_VHOST_DELETE,
                                           META_USER_PUT,
                                           META_USER_DELETE,
                                           META_PERMISSION_SET,
                                           META_PERMISSION_CLEAR,
                                           META_EXCHANGE_DECLARE,
                                           META_EXCHANGE_DELETE,
                                           META_EXCHANGE_BIND,
                                           META_EXCHANGE_UNBIND,
                                           META_QUEUE_DECLARE,
                                           META_QUEUE_DELETE,
                                           META_QUEUE_BIND,
                                           META_QUEUE_UNBIND,
                                           META_NODE_STARTED,
                                           META_VHOST_SET,
                                           META_VHOST_LIMITS,
                                           META_USER_LIMITS,
                                           META_USER_LIMITS_CLEAR,
                                           META_TOPIC_PERMISSION_SET,
                                           META_TOPIC_PERMISSION_CLEAR,
                                           META_POLICY_SET,
                                           META_POLICY_CLEAR,
                                           META_PARAMETER_SET,
                                           META_PARAMETER_CLEAR,
                                           META_USER_SET};
    _Static_assert(sizeof kinds / sizeof *kinds == META_KINDS, "a number for each");
    struct buffer out = {0};
    struct meta_command c = everything(), back;
    meta_codec_put(&out, &c);
    assert_int_equal(out.len, sizeof expected - 1);
    assert_memory_equal(out.data, expected, out.len);
    assert_int_equal(meta_codec_get(buffer_slice(&out), &back), ERR_OK);
    assert_same(&c, &back);
    assert_true(back.kind == c.kind && back.exclusive && back.connection_id == c.connection_id);
    assert_true(slice_eq_str(back.tags, "g") && slice_eq(back.arguments, c.arguments));
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        buffer_clear(&out);
        meta_codec_put(&out, &(struct meta_command){.kind = kinds[i]});
        assert_int_equal(out.len, 2);
        assert_int_equal(out.data[1], i + 1);
    }
    buffer_fini(&out);
}

/* The fields that policies, parameters, limits and the like brought. */
static void
the_bytes_of_operators_things_never_change(void **state)
{
    static const uint8_t expected[] = "\1\26"
                                      "\15\1\0\0\0v\16\1\0\0\0c\17\1\0\0\0p\20\1\0\0\0a"
                                      "\21\1\0\0\0d\22\1\0\0\0q"
                                      "\45\46\47\57"
                                      "\66\377\377\377\377\377\377\377\377\67\3\0\0\0\0\0\0\0";
    const struct meta_command c = {.kind = META_POLICY_SET,
                                   .value = slice_str("v"),
                                   .component = slice_str("c"),
                                   .pattern = slice_str("p"),
                                   .apply_to = slice_str("a"),
                                   .description = slice_str("d"),
                                   .default_queue_type = slice_str("q"),
                                   .is_operator = true,
                                   .is_protected = true,
                                   .is_tracing = true,
                                   .is_judged = true,
                                   .priority = -1,
                                   .changes = 3};
    struct buffer out = {0};
    struct meta_command back;
    meta_codec_put(&out, &c);
    assert_int_equal(out.len, sizeof expected - 1);
    assert_memory_equal(out.data, expected, out.len);
    assert_int_equal(meta_codec_get(buffer_slice(&out), &back), ERR_OK);
    assert_same(&c, &back);
    assert_int_equal(back.priority, -1);
    buffer_fini(&out);
}

static void
commands_come_back_as_they_were(void **state)
{
    struct epoch epoch;
    epoch_init(&epoch, 1);
    struct node node = {.epoch = &epoch};
    node.meta = meta_new(&node);
    struct meta_random g = {.state = 1};
    struct buffer out = {0};
    for (unsigned i = 0; i < 5000; i++) {
        struct meta_command c = meta_random_next(&g, node.meta), back;
        struct meta_result r;
        buffer_clear(&out);
        meta_codec_put(&out, &c);
        assert_int_equal(meta_codec_get(buffer_slice(&out), &back), ERR_OK);
        assert_same(&c, &back);
        assert_int_equal(c.kind, back.kind);
        meta_apply(node.meta, &back, &r);
    }
    buffer_fini(&out);
    buffer_fini(&g.arguments);
    meta_free(node.meta);
    epoch_fini(&epoch);
}

/* In memory of its own size, so that the address sanitizer sees a read behind the end. */
static enum err
get(const void *bytes, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);
    struct meta_command c;
    assert_non_null(copy);
    memcpy(copy, bytes, len);
    enum err e = meta_codec_get(slice_of(copy, len), &c);
    free(copy);
    return e;
}
#define GET(text) get(text, sizeof(text) - 1)

static void
what_was_never_written_is_refused(void **state)
{
    assert_int_equal(GET(""), ERR_CORRUPT);
    assert_int_equal(GET("\1"), ERR_CORRUPT);
    assert_int_equal(GET("\0\1"), ERR_CORRUPT);
    assert_int_equal(GET("\1\13\1\0\0\0\0"), ERR_CORRUPT);             /* an empty text */
    assert_int_equal(GET("\1\13\1\2\0\0\0v"), ERR_CORRUPT);            /* longer than what is there */
    assert_int_equal(GET("\1\13\1\377\377\377\377v"), ERR_CORRUPT);    /* much longer */
    assert_int_equal(GET("\1\13\2\1\0\0\0n\1\1\0\0\0v"), ERR_CORRUPT); /* in another order */
    assert_int_equal(GET("\1\13\1\1\0\0\0v\1\1\0\0\0v"), ERR_CORRUPT); /* twice */
    assert_int_equal(GET("\1\13\61\0\0\0\0\0\0\0\0"), ERR_CORRUPT);    /* a zero */
    assert_int_equal(GET("\1\13\61\1\0\0"), ERR_CORRUPT);              /* half a number */
    assert_int_equal(GET("\1\13\4\3\0\0\0\1kt"), ERR_CORRUPT);         /* no table */
    assert_int_equal(GET("\1\13\43"), ERR_CORRUPT);                    /* exclusive, and nobody's */
    assert_int_equal(GET("\1\13\63\0\0\0\0\0\0\0\200"), ERR_CORRUPT);  /* an id out of reach */
    assert_int_equal(GET("\1\13\43\60\1\0\0\0\0\0\0\0"), ERR_OK);
}

static void
what_a_newer_version_wrote_is_known_as_that(void **state)
{
    assert_int_equal(GET("\2\13"), ERR_UNSUPPORTED);
    assert_int_equal(GET("\1\40"), ERR_UNSUPPORTED);
    assert_int_equal(GET("\1\0"), ERR_UNSUPPORTED);
    assert_int_equal(GET("\1\13\37\1"), ERR_UNSUPPORTED);
    assert_int_equal(GET("\1\13\377"), ERR_UNSUPPORTED);
}

static void
short_strings_are_short(void **state)
{
    static char text[300];
    memset(text, 'x', sizeof text);
    struct buffer out = {0};
    for (size_t len = 255; len <= 256; len++) {
        enum err expected = len == 255 ? ERR_OK : ERR_CORRUPT;
        const struct meta_command all[] = {
            {.name = slice_of(text, len)},   {.vhost = slice_of(text, len)},
            {.source = slice_of(text, len)}, {.routing_key = slice_of(text, len)},
            {.user = slice_of(text, len)},   {.type = slice_of(text, len)},
        };
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            buffer_clear(&out);
            meta_codec_put(&out, &all[i]);
            assert_int_equal(get(out.data, out.len), expected);
        }
    }
    buffer_fini(&out);
}

/* Cut off anywhere it is refused, or (behind a field) another command; it is never read beyond its end. */
static void
no_prefix_is_read_beyond_its_end(void **state)
{
    struct buffer out = {0}, again = {0};
    struct meta_command c = everything(), back;
    meta_codec_put(&out, &c);
    for (size_t len = 0; len < out.len; len++) {
        (void)get(out.data, len);
        if (meta_codec_get(slice_of(out.data, len), &back) != ERR_OK)
            continue;
        buffer_clear(&again);
        meta_codec_put(&again, &back);
        assert_int_equal(again.len, len);
        assert_memory_equal(again.data, out.data, len);
    }
    buffer_fini(&out);
    buffer_fini(&again);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bytes_never_change),
        cmocka_unit_test(the_bytes_of_operators_things_never_change),
        cmocka_unit_test(commands_come_back_as_they_were),
        cmocka_unit_test(what_was_never_written_is_refused),
        cmocka_unit_test(what_a_newer_version_wrote_is_known_as_that),
        cmocka_unit_test(short_strings_are_short),
        cmocka_unit_test(no_prefix_is_read_beyond_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
