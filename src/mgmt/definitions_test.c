/* Definitions on nodes without shards: files that RabbitMQ exported, what is refused before anything happens,
 * and that an export imports to the same. */
#include "mgmt/definitions.h"

#include "base/check.h"
#include "broker/meta.h"
#include "broker/parameter.h"
#include "broker/permission.h"
#include "broker/policy.h"
#include "broker/topic_permission.h"
#include "io/file.h"
#include "mgmt/definitions_export.h"
#include "wire/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define FILES DEFINITIONS_DIR "/"

/* Of "secret", with the salt 01 02 03 04. */
#define HASH_MD5 "AQIDBDgk9ci8Lfh6CKE9Y0AUfmU="
#define HASH_SHA512                                                                                          \
    "AQIDBPhTH2L5HGYB1LWOrn+YpvuQmVOXKGqgsuiJRIZTILRoEvblSJo/WAsy"                                           \
    "m3IZTfuaIaK5KR2o5KwFfTv6KsxfMIE="

struct fixture {
    struct epoch epoch;
    struct node node;
    char why[DEFINITIONS_WHY_SIZE];
};

static struct fixture *
fixture_new(void)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    epoch_init(&f->epoch, 1);
    f->node.epoch = &f->epoch;
    f->node.meta = meta_new(&f->node);
    return f;
}

static void
fixture_free(struct fixture *f)
{
    meta_free(f->node.meta);
    epoch_fini(&f->epoch);
    free(f);
}

static const struct vhost *
root(struct fixture *f)
{
    return vhost_find(f->node.meta, slice_str("/"));
}

/* What is wrong with it, or NULL: then it is applied. */
static const char *
import(struct fixture *f, const char *text, const char *vhost)
{
    struct definitions_tally tally = {0};
    struct definitions_place at = {0};
    struct meta_command cmd;
    struct definitions *d = definitions_parse(slice_str(text), vhost, NULL, f->why);
    if (!d)
        return f->why;
    f->why[0] = 0;
    for (size_t i = 0; i < d->need_count && !f->why[0]; i++)
        (void)definitions_has_need(f->node.meta, &d->needs[i], f->why);
    while (!f->why[0] && definitions_next(d, &at, &cmd)) {
        struct meta_result r;
        meta_apply(f->node.meta, &cmd, &r);
        (void)definitions_count(&tally, at.section, &cmd, &r, f->why);
    }
    json_decref(tally.left_names);
    definitions_free(d);
    return f->why[0] ? f->why : NULL;
}

/* What an import says that it did. It is all well. */
static json_t *
import_result(struct fixture *f, const char *text)
{
    struct definitions_tally tally = {0};
    struct definitions_place at = {0};
    struct meta_command cmd;
    struct definitions *d = definitions_parse(slice_str(text), NULL, NULL, f->why);
    assert_non_null(d);
    assert_int_equal(d->need_count, 0);
    while (definitions_next(d, &at, &cmd)) {
        struct meta_result r;
        meta_apply(f->node.meta, &cmd, &r);
        assert_true(definitions_count(&tally, at.section, &cmd, &r, f->why));
    }
    definitions_free(d);
    return definitions_tally_result(&tally);
}

/* In as many pieces as it takes; to be free()d. */
static char *
export_all(struct fixture *f, const char *vhost)
{
    struct buffer all = {0};
    struct definitions_export *x = definitions_export_new(vhost);
    enum definitions_exported state;
    do {
        state = definitions_export_piece(x, f->node.meta, "3.12.14");
        buffer_add_slice(&all, buffer_slice(definitions_export_text(x)));
        buffer_clear(definitions_export_text(x));
    } while (state == DEFINITIONS_MORE);
    assert_int_equal(state, DEFINITIONS_ALL);
    definitions_export_free(x);
    buffer_add_u8(&all, 0);
    return (char *)all.data;
}

static void
dump(struct fixture *f, struct buffer *out)
{
    meta_dump(f->node.meta, out);
    buffer_add_u8(out, 0);
}

static char *
read_file(const char *name)
{
    char *text;
    size_t len;
    assert_int_equal(file_read_all(NULL, name, 1 << 20, &text, &len), ERR_OK);
    return text;
}

static bool
logs_in(struct fixture *f, const char *name, const char *password)
{
    const struct user *u = user_find(f->node.meta, slice_str(name));
    return u && user_password_matches(u, slice_str(password));
}

static void
what_rabbitmqs_http_api_exported_is_imported(void **state)
{
    struct fixture *f = fixture_new();
    char *text = read_file(FILES "rabbitmq-3.10.8-http.json");
    assert_null(import(f, text, NULL));
    assert_true(logs_in(f, "fed", "fed"));
    assert_true(logs_in(f, "guest", "guest"));
    assert_false(logs_in(f, "guest", "fed"));
    assert_true(permission_is_granted(f->node.meta, slice_str("fed"), root(f), PERMISSION_READ,
                                      slice_str("anything")));
    assert_non_null(queue_def_find(root(f), slice_str("live.q")));
    assert_int_equal(exchange_find(root(f), slice_str("fed.x"))->type, EXCHANGE_TOPIC);
    assert_non_null(policy_find(root(f), false, slice_str("fed-me")));
    assert_non_null(parameter_find(f->node.meta, root(f), slice_str("shovel"), slice_str("dyn1")));
    assert_true(slice_eq_str(parameter_find_global(f->node.meta, "internal_cluster_id")->value,
                             "\"rabbitmq-cluster-id-SGm1N8ySO9sZEhg_fXSfCw\""));
    free(text);
    fixture_free(f);
}

/* Policies of both kinds, limits, topic permissions, metadata: what RabbitMQ had of all this. */
static void
what_operators_declared_in_rabbitmq_is_imported(void **state)
{
    struct fixture *f = fixture_new();
    char *text = read_file(FILES "rabbitmq-3.10.8-operator.json");
    json_t *result = import_result(f, text);
    assert_int_equal(json_integer_value(json_object_get(result, "left")), 1); /* of an internal exchange */
    assert_true(logs_in(f, "ann", "secret"));
    const struct vhost *v = vhost_find(f->node.meta, slice_str("two"));
    assert_int_equal(atomic_load(&v->queues_max), 7);
    assert_true(slice_eq_str(vhost_metadata(v)->description, "the second"));
    assert_non_null(policy_find(v, true, slice_str("o")));
    assert_true(policy_find(root(f), false, slice_str("p"))->priority == -2);
    assert_non_null(topic_permission_find(f->node.meta, slice_str("ann"), v, slice_str("amq.topic")));
    assert_int_equal(user_find(f->node.meta, slice_str("ann"))->channels_max, 50);
    json_decref(result);
    free(text);
    fixture_free(f);
}

/* rabbitmqctl export_definitions of 3.10 writes what is in an operator policy as a list of pairs. */
static void
an_operator_policy_of_pairs_is_imported(void **state)
{
    static const char format[] =
        "{\"vhosts\":[{\"name\":\"/\"}],\"parameters\":[{\"component\":\"operator_policy\","
        "\"name\":\"o\",\"vhost\":\"/\",\"value\":{\"apply-to\":\"all\",\"definition\":%s,"
        "\"pattern\":\"^q\",\"priority\":0}}]}";
    static const char *const wrong[] = {"[[\"max-length\"]]", "[[\"max-length\",1,2]]", "[[1,2]]", "[5]",
                                        "5"};
    char text[512];
    struct fixture *f = fixture_new();
    snprintf(text, sizeof text, format, "[[\"max-length\",10],[\"expires\",5]]");
    assert_null(import(f, text, NULL));
    const struct policy *p = policy_find(root(f), true, slice_str("o"));
    assert_non_null(p);
    assert_true(slice_eq_str(p->definition, "{\"expires\":5,\"max-length\":10}"));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        snprintf(text, sizeof text, format, wrong[i]);
        assert_non_null(strstr(import(f, text, NULL), "parameter 'o' in vhost '/'"));
    }
    fixture_free(f);
}

/* Streams are not here: which thing cannot be had is said, and nothing is half done. */
static void
a_type_of_queue_that_is_not_here_is_named(void **state)
{
    struct fixture *f = fixture_new();
    char *text = read_file(FILES "rabbitmq-3.10.8-ctl.json");
    assert_non_null(
        strstr(import(f, text, NULL), "queue 'q.stream' in vhost '/': invalid arg 'x-queue-type'"));
    assert_null(root(f));
    free(text);
    fixture_free(f);
}

/* An export is complete: it makes an equal node. And importing it again changes nothing. */
static void
an_export_makes_an_equal_node(void **state)
{
    static const char text[] =
        "{\"users\":[{\"name\":\"ann\",\"password\":\"secret\",\"tags\":\"administrator,odd\","
        "\"limits\":{\"max-channels\":3}},{\"name\":\"bob\",\"password_hash\":\"\",\"tags\":[]}],"
        "\"vhosts\":[{\"name\":\"/\",\"description\":\"all\",\"tags\":[\"a\",\"b\"]},"
        "{\"name\":\"two\",\"metadata\":{\"description\":\"d\",\"tags\":[],\"default_queue_type\":"
        "\"classic\","
        "\"protected_from_deletion\":true},\"limits\":{\"max-queues\":7}}],"
        "\"permissions\":[{\"user\":\"ann\",\"vhost\":\"two\",\"configure\":\"^a\",\"write\":\"\",\"read\":"
        "\".*\"}],"
        "\"topic_permissions\":[{\"user\":\"ann\",\"vhost\":\"two\",\"exchange\":\"amq.topic\",\"write\":\"^{"
        "username}\","
        "\"read\":\"\"}],"
        "\"global_parameters\":[{\"name\":\"cluster_name\",\"value\":\"here\"}],"
        "\"parameters\":[{\"component\":\"shovel\",\"vhost\":\"two\",\"name\":\"s\",\"value\":"
        "{\"src-uri\":[\"amqp://\"],\"dest-uri\":\"amqp://"
        "h\",\"src-queue\":\"q\",\"src-queue-args\":{\"x\":null}}},"
        "{\"component\":\"operator_policy\",\"vhost\":\"two\",\"name\":\"o\",\"value\":{\"pattern\":\"^q\","
        "\"definition\":{\"max-length\":5},\"priority\":2,\"apply-to\":\"queues\"}},"
        "{\"component\":\"vhost-limits\",\"vhost\":\"/"
        "\",\"name\":\"limits\",\"value\":{\"max-connections\":9}}],"
        "\"policies\":[{\"vhost\":\"two\",\"name\":\"p\",\"pattern\":\"\\\\.x$\",\"definition\":{\"expires\":"
        "7},"
        "\"priority\":-3}],"
        "\"exchanges\":[{\"name\":\"e\",\"vhost\":\"two\",\"type\":\"headers\",\"durable\":true,\"auto_"
        "delete\":false,"
        "\"internal\":true,\"arguments\":{\"alternate-exchange\":\"amq.fanout\"}}],"
        "\"queues\":[{\"name\":\"q\",\"vhost\":\"two\",\"durable\":false,\"auto_delete\":true,"
        "\"arguments\":{\"x-max-length\":4,\"y\":{\"n\":[1.5,true,null,\"s\"]}}}],"
        "\"bindings\":[{\"source\":\"e\",\"vhost\":\"two\",\"destination\":\"q\",\"destination_type\":"
        "\"queue\","
        "\"routing_key\":\"k\",\"arguments\":{\"x-match\":\"any\"}},"
        "{\"source\":\"amq.topic\",\"vhost\":\"two\",\"destination\":\"e\",\"destination_type\":\"exchange\","
        "\"routing_key\":\"#\",\"arguments\":{}}]}";
    struct fixture *f = fixture_new(), *g = fixture_new();
    struct buffer first = {0}, again = {0}, other = {0};
    assert_null(import(f, text, NULL));
    dump(f, &first);
    assert_non_null(strstr((char *)first.data, "operator policy 'o' in 'two' '^q' for queues priority=2"));
    assert_non_null(strstr((char *)first.data, "limits={\"max-queues\":7} protected"));
    char *exported = export_all(f, NULL);
    assert_null(import(f, exported, NULL));
    dump(f, &again);
    assert_string_equal(first.data, again.data);
    assert_null(import(g, exported, NULL));
    char *second = export_all(g, NULL);
    dump(g, &other);
    assert_true(logs_in(g, "ann", "secret"));
    assert_int_equal(strlen(second), strlen(exported)); /* tables have an order of their own */
    free(second);
    free(exported);
    buffer_fini(&first);
    buffer_fini(&again);
    buffer_fini(&other);
    fixture_free(f);
    fixture_free(g);
}

static void
bad_definitions_are_refused_as_a_whole(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"", "the definitions are not JSON: "},
        {"{\"queues\":[", "the definitions are not JSON: "},
        {"[]", "the definitions are not a JSON object"},
        {"{\"users\":{}}", "\"users\" is not a list"},
        {"{\"users\":[7]}", "users[0]: it is not an object"},
        {"{\"users\":[{}]}", "users[0]: \"name\" is missing"},
        {"{\"users\":[{\"name\":\"\"}]}", "users[0]: \"name\" has 0 bytes, not 1 to 255"},
        {"{\"users\":[{\"name\":\"a\",\"password_hash\":\"abc\"}]}",
         "users[0]: \"password_hash\" is not the Base64 of a hash of a known algorithm"},
        {"{\"users\":[{\"name\":\"a\",\"password_hash\":\"AAAA\"}]}",
         "users[0]: \"password_hash\" is not the Base64 of a hash of a known algorithm"},
        {"{\"users\":[{\"name\":\"a\",\"password_hash\":\"\",\"hashing_algorithm\":\"rot13\"}]}",
         "users[0]: hashing algorithm 'rot13' is unknown"},
        {"{\"users\":[{\"name\":\"a\",\"tags\":7}]}", "users[0]: \"tags\" is neither a list nor a string"},
        {"{\"vhosts\":[{\"name\":\"v\",\"default_queue_type\":\"odd\"}]}",
         "vhost 'v': default queue type 'odd' is unknown"},
        {"{\"queues\":[{\"vhost\":\"/\",\"name\":\"q\",\"durable\":\"yes\"}]}",
         "queues[0]: \"durable\" is neither true nor false"},
        {"{\"queues\":[{\"vhost\":\"/\",\"name\":\"q\",\"arguments\":{\"x-max-length\":-1}}]}",
         "queue 'q' in vhost '/': invalid arg 'x-max-length'"},
        {"{\"exchanges\":[{\"vhost\":\"/\",\"name\":\"x\",\"type\":\"x-odd\"}]}",
         "exchange 'x' in vhost '/': unknown exchange type 'x-odd'"},
        {"{\"policies\":[{\"vhost\":\"/"
         "\",\"name\":\"p\",\"pattern\":\"[\",\"definition\":{\"max-length\":1}}]}",
         "policy 'p' in vhost '/': Validation failed"},
        {"{\"policies\":[{\"vhost\":\"/\",\"name\":\"p\",\"pattern\":\"\",\"definition\":{\"odd\":1}}]}",
         "policy 'p' in vhost '/': Validation failed"},
        {"{\"bindings\":[{\"vhost\":\"/"
         "\",\"source\":\"x\",\"destination\":\"q\",\"destination_type\":\"odd\","
         "\"routing_key\":\"\"}]}",
         "bindings[0]: \"destination_type\" is neither queue nor exchange"},
        {"{\"bindings\":[{\"vhost\":\"nope\",\"source\":\"x\",\"destination\":\"q\","
         "\"destination_type\":\"queue\",\"routing_key\":\"\"}]}",
         "the definitions refer to vhost 'nope', which is neither in them nor on the node"},
        {"{\"permissions\":[{\"vhost\":\"/"
         "\",\"user\":\"eve\",\"configure\":\"\",\"write\":\"\",\"read\":\"\"}]}",
         "the definitions refer to user 'eve', which is neither in them nor on the node"},
        {"{\"parameters\":[{\"vhost\":\"/"
         "\",\"component\":\"federation-upstream\",\"name\":\"u\",\"value\":{}}]}",
         "parameters[0]: Key \"uri\" not found in u"},
        {"{\"parameters\":[{\"vhost\":\"/\",\"component\":\"federation-upstream\",\"name\":\"u\",\"value\":"
         "{\"uri\":\"amqp://u:secret@h:0\"}}]}",
         "parameters[0]: an address of federation-upstream 'u' is not valid"},
    };
    struct fixture *f = fixture_new();
    struct buffer before = {0}, after = {0};
    assert_null(import(f, "{\"vhosts\":[{\"name\":\"/\"}]}", NULL));
    dump(f, &before);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *why = import(f, rows[i].text, NULL);
        assert_non_null(why);
        if (strncmp(why, rows[i].why, strlen(rows[i].why)) != 0)
            assert_string_equal(why, rows[i].why);
        buffer_clear(&after);
        dump(f, &after);
        assert_string_equal(before.data, after.data);
    }
    buffer_fini(&before);
    buffer_fini(&after);
    fixture_free(f);
}

static void
json_that_is_nested_without_an_end_is_refused(void **state)
{
    enum { DEEP = 100000 };
    struct fixture *f = fixture_new();
    char *text = malloc(DEEP + 1);
    memset(text, '[', DEEP);
    text[DEEP] = 0;
    assert_non_null(strstr(import(f, text, NULL), "not JSON: maximum parsing depth reached"));
    free(text);
    fixture_free(f);
}

/* RabbitMQ exports a binding of an internal exchange, and not the exchange. */
static void
a_binding_of_what_is_not_there_is_left_out_and_named(void **state)
{
    static const char text[] =
        "{\"vhosts\":[{\"name\":\"/\"}],\"queues\":[{\"vhost\":\"/\",\"name\":\"q\"}],\"bindings\":["
        "{\"vhost\":\"/\",\"source\":\"inner\",\"destination\":\"q\",\"destination_type\":\"queue\","
        "\"routing_key\":\"\"},{\"vhost\":\"/\",\"source\":\"amq.topic\",\"destination\":\"gone\","
        "\"destination_type\":\"queue\",\"routing_key\":\"\"},{\"vhost\":\"/\",\"source\":\"amq.topic\","
        "\"destination\":\"q\",\"destination_type\":\"queue\",\"routing_key\":\"\"}]}";
    struct fixture *f = fixture_new();
    json_t *result = import_result(f, text);
    assert_int_equal(json_integer_value(json_object_get(result, "bindings")), 1);
    assert_int_equal(json_integer_value(json_object_get(result, "left")), 2);
    assert_non_null(strstr(json_string_value(json_array_get(json_object_get(result, "left_names"), 0)),
                           "binding to 'q' in vhost '/': no exchange 'inner' in vhost '/'"));
    json_decref(result);
    fixture_free(f);
}

/* A queue that is there with other arguments is left; so is what RabbitMQ made up for a client. */
static void
what_is_there_otherwise_is_left_and_named(void **state)
{
    static const char text[] =
        "{\"vhosts\":[{\"name\":\"/\"}],\"queues\":[{\"vhost\":\"/\",\"name\":\"q\",\"arguments\":{}},"
        "{\"vhost\":\"/\",\"name\":\"q\",\"arguments\":{\"x-max-length\":1}},"
        "{\"vhost\":\"/\",\"name\":\"amq.gen-x\",\"arguments\":{}}],"
        "\"bindings\":[{\"vhost\":\"/\",\"source\":\"amq.topic\",\"destination\":\"amq.gen-x\","
        "\"destination_type\":\"queue\",\"routing_key\":\"\"}]}";
    struct fixture *f = fixture_new();
    json_t *result = import_result(f, text);
    assert_int_equal(json_integer_value(json_object_get(result, "queues")), 1);
    assert_int_equal(json_integer_value(json_object_get(result, "left")), 1);
    assert_non_null(strstr(json_string_value(json_array_get(json_object_get(result, "left_names"), 0)),
                           "queue 'q' in vhost '/': inequivalent arg 'x-max-length'"));
    json_decref(result);
    fixture_free(f);
}

static void
limits_of_a_vhost_may_be_pairs(void **state)
{
    struct fixture *f = fixture_new();
    assert_null(import(
        f, "{\"vhosts\":[{\"name\":\"/\",\"limits\":[[\"max-queues\",7],[\"max-connections\",3]]}]}", NULL));
    assert_int_equal(atomic_load(&root(f)->queues_max), 7);
    assert_int_equal(atomic_load(&root(f)->connections_max), 3);
    assert_non_null(import(f, "{\"vhosts\":[{\"name\":\"/\",\"limits\":[[\"max-odd\",7]]}]}", NULL));
    fixture_free(f);
}

static void
definitions_of_one_vhost_are_for_that_one(void **state)
{
    static const char node[] = "{\"vhosts\":[{\"name\":\"/\"},{\"name\":\"two\"}],\"queues\":["
                               "{\"vhost\":\"/\",\"name\":\"a\"},{\"vhost\":\"two\",\"name\":\"b\"}]}";
    struct fixture *f = fixture_new();
    assert_null(import(f, node, NULL));
    char *text = export_all(f, "two");
    assert_null(strstr(text, "vhost"));
    assert_null(strstr(text, "\"a\""));
    assert_non_null(strstr(text, "\"name\":\"b\""));
    assert_null(import(f, text, "/"));
    assert_non_null(queue_def_find(root(f), slice_str("b")));
    assert_string_equal(import(f, "{\"queues\":[{\"vhost\":\"two\",\"name\":\"c\"}]}", "/"),
                        "queues[0]: it is of vhost 'two', and these definitions are for '/'");
    free(text);
    fixture_free(f);
}

static void
hashes_of_every_kind_are_imported(void **state)
{
    static const char text[] =
        "{\"users\":[{\"name\":\"md5\",\"hashing_algorithm\":\"rabbit_password_hashing_md5\","
        "\"password_hash\":\"" HASH_MD5 "\"},{\"name\":\"sha512\",\"hashing_algorithm\":"
        "\"rabbit_password_hashing_sha512\",\"password_hash\":\"" HASH_SHA512 "\"},"
        "{\"name\":\"old\",\"password_hash\":\"" HASH_MD5 "\"}]}";
    struct fixture *f = fixture_new();
    assert_null(import(f, text, NULL));
    assert_true(logs_in(f, "md5", "secret"));
    assert_true(logs_in(f, "old", "secret"));
    assert_true(logs_in(f, "sha512", "secret"));
    assert_false(logs_in(f, "sha512", "Secret"));
    fixture_free(f);
}

static void
a_file_and_a_directory_are_loaded(void **state)
{
    struct fixture *f = fixture_new();
    json_t *result = NULL;
    assert_true(
        definitions_load(f->node.meta, NULL, FILES "rabbitmq-3.10.8-http.json", false, &result, f->why));
    assert_int_equal(json_integer_value(json_object_get(result, "users")), 2);
    json_decref(result);
    assert_false(definitions_load(f->node.meta, NULL, FILES "no-such-file.json", false, &result, f->why));
    assert_non_null(strstr(f->why, "no-such-file.json: "));
    assert_true(definitions_load(f->node.meta, NULL, FILES "directory", true, &result, f->why));
    json_decref(result);
    assert_true(slice_eq_str(parameter_find_global(f->node.meta, "cluster_name")->value, "\"second\""));
    assert_true(definitions_load(f->node.meta, NULL, FILES "directory", true, &result, f->why));
    assert_true(json_is_true(json_object_get(result, "unchanged")));
    json_decref(result);
    fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_rabbitmqs_http_api_exported_is_imported),
        cmocka_unit_test(what_operators_declared_in_rabbitmq_is_imported),
        cmocka_unit_test(an_operator_policy_of_pairs_is_imported),
        cmocka_unit_test(a_type_of_queue_that_is_not_here_is_named),
        cmocka_unit_test(an_export_makes_an_equal_node),
        cmocka_unit_test(bad_definitions_are_refused_as_a_whole),
        cmocka_unit_test(json_that_is_nested_without_an_end_is_refused),
        cmocka_unit_test(a_binding_of_what_is_not_there_is_left_out_and_named),
        cmocka_unit_test(what_is_there_otherwise_is_left_and_named),
        cmocka_unit_test(limits_of_a_vhost_may_be_pairs),
        cmocka_unit_test(definitions_of_one_vhost_are_for_that_one),
        cmocka_unit_test(hashes_of_every_kind_are_imported),
        cmocka_unit_test(a_file_and_a_directory_are_loaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
