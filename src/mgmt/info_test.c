/* Lists of a simulated node: every column has a value of its type; what stays is shown once, whatever happens
 * between two slices. */
#include "mgmt/info.h"

#include "broker/meta.h"
#include "mgmt/info_pid.h"
#include "mgmt/info_value.h"
#include "server/channel.h"
#include "server/session_fixture.h"
#include "wire/table.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SHARDS = 3 };

static struct server *
server_of(void **state)
{
    return session_world_node(*state)->server;
}

/* ---- running a query ---- */

/* The rows of one slice, added to `all`. */
static void
take_rows(struct info_query *q, json_t *all)
{
    char *at = (char *)q->rows.data, *end = at + q->rows.len;
    while (at < end) {
        char *eol = memchr(at, '\n', (size_t)(end - at));
        assert_non_null(eol);
        assert_int_equal(strncmp(at, "r ", 2), 0);
        json_t *row = json_loadb(at + 2, (size_t)(eol - at - 2), 0, NULL);
        assert_non_null(row);
        assert_int_equal(json_array_size(row), q->column_count);
        json_array_append_new(all, row);
        at = eol + 1;
    }
    buffer_clear(&q->rows);
}

/* One slice; false: that was all. */
static bool
slice(void **state, struct info_query *q, json_t *all)
{
    unsigned shard;
    if (!info_query_next(q, SHARDS, &shard))
        return false;
    info_slice(q, server_of(state)->parts[shard]);
    take_rows(q, all);
    return true;
}

static void
query_init(struct info_query *q, const struct info_kind *kind, const char *columns)
{
    char copy[256];
    info_query_init(q, kind);
    info_query_vhost(q, "/");
    snprintf(copy, sizeof copy, "%s", columns);
    for (char *rest = copy, *name; (name = strsep(&rest, " "));)
        assert_int_equal(info_query_column(q, name), ERR_OK);
}

static json_t *
list(void **state, const struct info_kind *kind, const char *columns)
{
    struct info_query q;
    json_t *all = json_array();
    query_init(&q, kind, columns);
    while (slice(state, &q, all))
        ;
    info_query_fini(&q);
    return all;
}

/* In how many rows the first column is this text. */
static unsigned
count(const json_t *rows, const char *text)
{
    unsigned n = 0;
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row)
    {
        const char *first = json_string_value(json_array_get(row, 0));
        n += first && strcmp(first, text) == 0;
    }
    return n;
}

/* ---- columns ---- */

static void
assert_type(const struct info_column *column, const json_t *v)
{
    bool is_none = json_is_string(v) && !*json_string_value(v);
    bool good = is_none;
    switch (column->type) {
    case INFO_STRING: good = json_is_string(v); break;
    case INFO_NUMBER: good |= json_is_number(v); break;
    case INFO_BOOLEAN: good = json_is_boolean(v); break;
    case INFO_TABLE:
    case INFO_TUPLES: good = json_is_array(v); break;
    case INFO_PID: good |= json_is_string(v) && strncmp(json_string_value(v), "<", 1) == 0; break;
    case INFO_LIST: good |= json_is_array(v); break;
    case INFO_MAP: good = json_is_object(v); break;
    }
    if (!good)
        fail_msg("column %s has a value of another type", column->name);
}

static void
assert_all_columns(void **state, const struct info_kind *kind, size_t rows_min)
{
    struct info_query q;
    size_t i;
    json_t *all = json_array(), *row;
    info_query_init(&q, kind);
    info_query_vhost(&q, "/");
    info_query_all_columns(&q);
    while (slice(state, &q, all))
        ;
    assert_true(json_array_size(all) >= rows_min);
    json_array_foreach(all, i, row) for (unsigned c = 0; c < q.column_count; c++)
        assert_type(q.columns[c], json_array_get(row, c));
    json_decref(all);
    info_query_fini(&q);
}

static void
consume(struct session_client *c, uint16_t channel, const char *queue, const char *tag)
{
    struct buffer arguments = {0};
    table_add_int32(&arguments, "x-priority", 5);
    struct amqp_basic_consume m = {
        .queue = slice_str(queue), .consumer_tag = slice_str(tag), .arguments = buffer_slice(&arguments)};
    session_send(c, channel, AMQP_BASIC_CONSUME, &m);
    session_expect(c, channel, AMQP_BASIC_CONSUME_OK, NULL);
    buffer_fini(&arguments);
}

static void
bind(struct session_client *c, const char *queue, const char *key)
{
    struct amqp_queue_bind m = {
        .queue = slice_str(queue), .exchange = slice_str("amq.topic"), .routing_key = slice_str(key)};
    session_send(c, 1, AMQP_QUEUE_BIND, &m);
    session_expect(c, 1, AMQP_QUEUE_BIND_OK, NULL);
}

static void
test_every_column_has_a_value_of_its_type(void **state)
{
    struct session_client *idle = session_login(*state), *c = session_login(*state);
    session_declare(c, 1, "used");
    session_declare(c, 1, "never used");
    bind(c, "used", "a.#");
    session_publish(c, 1, "", "used", "body");
    consume(c, 1, "used", "tag");
    session_world_wait(*state, 10);
    assert_all_columns(state, &info_queue_kind, 2);
    assert_all_columns(state, &info_exchange_kind, 7);
    assert_all_columns(state, &info_binding_kind, 3);
    assert_all_columns(state, &info_connection_kind, 2);
    assert_all_columns(state, &info_channel_kind, 2);
    assert_all_columns(state, &info_consumer_kind, 1);
    assert_all_columns(state, &info_vhost_kind, 1);
    assert_all_columns(state, &info_user_kind, 1);
    session_client_free(idle);
    session_client_free(c);
}

static void
assert_row(void **state, const struct info_kind *kind, const char *columns, const char *expected)
{
    json_t *rows = list(state, kind, columns), *wanted = json_loads(expected, 0, NULL), *row;
    size_t i;
    bool found = false;
    assert_non_null(wanted);
    json_array_foreach(rows, i, row) found |= json_equal(row, wanted);
    if (!found) {
        char *text = json_dumps(rows, 0);
        fail_msg("no row %s in %s", expected, text);
    }
    json_decref(rows);
    json_decref(wanted);
}

static void
test_values_are_those_of_the_thing(void **state)
{
    struct session_client *c = session_login(*state);
    struct amqp_basic_qos qos = {.prefetch_count = 1};
    session_send(c, 1, AMQP_BASIC_QOS, &qos);
    session_expect(c, 1, AMQP_BASIC_QOS_OK, NULL);
    session_declare(c, 1, "q\"\xc3\xa9");
    bind(c, "q\"\xc3\xa9", "a.#");
    for (int i = 0; i < 3; i++)
        session_publish(c, 1, "", "q\"\xc3\xa9", "12345");
    consume(c, 1, "q\"\xc3\xa9", "tag");
    session_world_wait(*state, 10);
    assert_row(
        state, &info_queue_kind,
        "name messages messages_ready messages_unacknowledged message_bytes message_bytes_unacknowledged "
        "consumers consumer_capacity durable exclusive owner_pid state type",
        "[\"q\\\"\\u00e9\",3,2,1,15,5,1,0.0,false,false,\"\",\"running\",\"classic\"]");
    assert_row(state, &info_binding_kind,
               "source_name destination_name destination_kind routing_key arguments",
               "[\"amq.topic\",\"q\\\"\\u00e9\",\"queue\",\"a.#\",[]]");
    assert_row(state, &info_binding_kind, "source_name destination_name routing_key",
               "[\"\",\"q\\\"\\u00e9\",\"q\\\"\\u00e9\"]");
    assert_row(state, &info_consumer_kind,
               "queue_name consumer_tag ack_required prefetch_count active arguments",
               "[\"q\\\"\\u00e9\",\"tag\",true,1,true,[[\"x-priority\",\"signedint\",5]]]");
    assert_row(
        state, &info_channel_kind,
        "number user vhost transactional confirm consumer_count messages_unacknowledged prefetch_count",
        "[1,\"guest\",\"/\",false,false,1,1,1]");
    assert_row(state, &info_connection_kind, "user vhost state channels protocol auth_mechanism ssl",
               "[\"guest\",\"/\",\"running\",1,\"{0,9,1}\",\"PLAIN\",false]");
    assert_row(state, &info_exchange_kind, "name type durable auto_delete internal arguments",
               "[\"amq.topic\",\"topic\",true,false,false,[]]");
    session_client_free(c);
}

static void
test_exclusive_consumers_and_queues(void **state)
{
    struct session_client *c = session_login(*state);
    struct amqp_queue_declare declare = {.queue = slice_str("mine"), .exclusive = true};
    struct amqp_basic_consume m = {
        .queue = slice_str("mine"), .consumer_tag = slice_str("alone"), .exclusive = true};
    session_send(c, 1, AMQP_QUEUE_DECLARE, &declare);
    session_expect(c, 1, AMQP_QUEUE_DECLARE_OK, NULL);
    session_send(c, 1, AMQP_BASIC_CONSUME, &m);
    session_expect(c, 1, AMQP_BASIC_CONSUME_OK, NULL);
    json_t *channels = list(state, &info_channel_kind, "pid connection");
    const json_t *channel = json_array_get(channels, 0);
    char expected[300];
    snprintf(expected, sizeof expected, "[\"mine\",true,\"%s\",\"%s\",\"alone\"]",
             json_string_value(json_array_get(channel, 1)), json_string_value(json_array_get(channel, 0)));
    assert_row(state, &info_queue_kind,
               "name exclusive owner_pid exclusive_consumer_pid exclusive_consumer_tag", expected);
    json_decref(channels);
    session_client_free(c);
}

static void
apply_commands(struct session_node *n, uint64_t arg)
{
    struct meta_command commands[] = {
        {.kind = META_POLICY_SET,
         .vhost = slice_str("/"),
         .name = slice_str("short"),
         .pattern = slice_str("^(q|amq.topic)$"),
         .apply_to = slice_str("all"),
         .value = slice_str("{\"max-length\":5,\"alternate-exchange\":\"amq.fanout\"}")},
        {.kind = META_VHOST_SET,
         .name = slice_str("/"),
         .changes = VHOST_CHANGE_DESCRIPTION | VHOST_CHANGE_TAGS | VHOST_CHANGE_TRACING,
         .description = slice_str("the first"),
         .tags = slice_str("a,b"),
         .is_tracing = true},
    };
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        struct meta_result result = {0};
        meta_apply(n->node.meta, &commands[i], &result);
        assert_int_equal(result.code, 0);
    }
}

static void
test_policies_and_metadata_of_vhosts(void **state)
{
    struct session_client *c = session_login(*state);
    session_declare(c, 1, "q");
    session_node_run(session_world_node(*state), apply_commands, 0);
    session_world_wait(*state, 50);
    assert_row(state, &info_queue_kind, "name policy operator_policy effective_policy_definition",
               "[\"q\",\"short\",\"\",{\"max-length\":5,\"alternate-exchange\":\"amq.fanout\"}]");
    assert_row(state, &info_exchange_kind, "name policy", "[\"amq.topic\",\"short\"]");
    assert_row(state, &info_vhost_kind, "name description tags tracing",
               "[\"/\",\"the first\",[\"a\",\"b\"],true]");
    session_client_free(c);
}

static void
test_unknown_columns_vhosts_and_too_many_columns(void **state)
{
    struct info_query q;
    query_init(&q, &info_queue_kind, "name");
    assert_int_equal(info_query_column(&q, "bogus"), ERR_NOT_FOUND);
    for (unsigned i = 1; i < INFO_COLUMNS_MAX; i++)
        assert_int_equal(info_query_column(&q, "name"), ERR_OK);
    assert_int_equal(info_query_column(&q, "name"), ERR_LIMIT);
    info_query_vhost(&q, "nosuch");
    json_t *all = json_array();
    while (slice(state, &q, all))
        ;
    assert_int_equal(json_array_size(all), 0);
    json_decref(all);
    info_query_fini(&q);
}

static void
test_tables_keep_their_types(void **state)
{
    struct buffer table = {0}, out = {0};
    size_t at = table_add_table_begin(&table, "t");
    table_add_bool(&table, "b", true);
    table_end(&table, at);
    at = table_add_array_begin(&table, "a");
    table_add_str(&table, NULL, slice_str("x"));
    table_add_int64(&table, NULL, -1);
    table_end(&table, at);
    table_add_double(&table, "d", 0.5);
    table_add_void(&table, "v");
    table_add_timestamp(&table, "ts", 7);
    table_add_timestamp(&table, "most", INT64_MAX);
    table_add_timestamp(&table, "more", UINT64_MAX);
    info_value_table(&out, buffer_slice(&table));
    buffer_add_u8(&out, 0);
    assert_string_equal((char *)out.data, "[[\"t\",\"table\",[[\"b\",\"bool\",true]]],"
                                          "[\"a\",\"array\",[[\"longstr\",\"x\"],[\"long\",-1]]],"
                                          "[\"d\",\"double\",0.5],[\"v\",\"void\",null],"
                                          "[\"ts\",\"timestamp\",7],"
                                          "[\"most\",\"timestamp\",9223372036854775807],"
                                          "[\"more\",\"timestamp\",\"18446744073709551615\"]]");
    buffer_fini(&table);
    buffer_fini(&out);
}

static void
test_text_is_always_json(void **state)
{
    static const char text[] = "a\"\\\n\x01\xff\xc3\xa9\xe2\x82";
    struct buffer out = {0};
    info_value_string(&out, slice_of(text, sizeof text - 1));
    buffer_add_u8(&out, 0);
    assert_string_equal((char *)out.data, "\"a\\\"\\\\\\u000a\\u0001\\ufffd\xc3\xa9\\ufffd\\ufffd\"");
    buffer_fini(&out);
}

/* ---- while everything changes ---- */

/* Some stay, as many others come or go between any two slices. */
static void
test_queues_that_stay_are_shown_once(void **state)
{
    enum { STAYING = 3000, PASSING = 6000 };
    struct session_client *c = session_login(*state);
    struct info_query q;
    json_t *all = json_array();
    char name[32];
    unsigned passing = 0, slices = 0;
    for (unsigned i = 0; i < STAYING; i++) {
        snprintf(name, sizeof name, "staying%u", i);
        session_declare(c, 1, name);
    }
    query_init(&q, &info_queue_kind, "name messages");
    while (slice(state, &q, all)) {
        slices++;
        for (unsigned i = 0; i < PASSING / 6 && passing < PASSING; i++, passing++) {
            snprintf(name, sizeof name, "passing%u", passing);
            session_declare(c, 1, name);
        }
    }
    assert_true(slices > STAYING / INFO_SLICE_ROWS);
    unsigned char seen[STAYING] = {0};
    size_t i;
    json_t *row;
    json_array_foreach(all, i, row)
    {
        unsigned n;
        if (sscanf(json_string_value(json_array_get(row, 0)), "staying%u", &n) == 1)
            assert_int_equal(seen[n]++, 0);
    }
    for (unsigned n = 0; n < STAYING; n++)
        assert_int_equal(seen[n], 1);
    json_decref(all);
    info_query_fini(&q);
    session_client_free(c);
}

/* Of shards that do not answer: what another shard knows of their queues. */
static void
test_queues_of_other_shards(void **state)
{
    struct session_client *c[SHARDS];
    bool foreign[SHARDS] = {false, true, false};
    struct info_query q;
    json_t *all = json_array();
    char name[32];
    for (unsigned i = 0; i < SHARDS; i++) { /* each declares on its own shard */
        c[i] = session_login(*state);
        snprintf(name, sizeof name, "q%u", i);
        session_declare(c[i], 1, name);
    }
    query_init(&q, &info_queue_kind, "name messages");
    q.foreign = foreign;
    q.first_shard = 2;
    while (slice(state, &q, all))
        ;
    assert_int_equal(json_array_size(all), 1);
    assert_int_equal(count(all, "q1"), 1);
    json_decref(all);
    info_query_fini(&q);
    for (unsigned i = 0; i < SHARDS; i++)
        session_client_free(c[i]);
}

static bool
has_moved(void **state, unsigned moved)
{
    unsigned n = 0;
    for (unsigned i = 0; i < SHARDS; i++) {
        size_t cursor = 0;
        const struct connection *c;
        while ((c = slots_next(&server_of(state)->parts[i]->connections, &cursor, NULL)))
            n += connection_has_moved(c);
    }
    return n == moved;
}

/* Clients begin to use queues of all shards, one after the other, between the slices of a list that is asked
 * for row by row: each moves when it does. */
static void
test_connections_that_move_are_shown_once(void **state)
{
    enum { CLIENTS = 24 };
    struct session_client *c[CLIENTS];
    char name[32];
    for (unsigned i = 0; i < CLIENTS; i++) {
        c[i] = session_login(*state);
        snprintf(name, sizeof name, "q%u", i);
        if (i < 6)
            session_declare(c[i], 1, name);
    }
    for (unsigned late = 0; late < 2 * SHARDS; late++) {
        struct info_query q;
        json_t *all = json_array();
        unsigned slices = 0, next = 6 + late * 3;
        query_init(&q, &info_connection_kind, "pid");
        while (slice(state, &q, all)) {
            if (slices++ != late)
                continue;
            for (unsigned i = 0; i < 3; i++, next++) {
                snprintf(name, sizeof name, "q%u", (next + 1) % 6); /* on another shard */
                consume(c[next], 1, name, "t");
            }
        }
        assert_int_equal(json_array_size(all), CLIENTS);
        for (unsigned i = 0; i < CLIENTS; i++)
            assert_int_equal(count(all, json_string_value(json_array_get(json_array_get(all, i), 0))), 1);
        json_decref(all);
        info_query_fini(&q);
    }
    assert_false(has_moved(state, 0));
    for (unsigned i = 0; i < CLIENTS; i++)
        session_client_free(c[i]);
}

/* One that has not opened its vhost is in none: neither in one that is there, nor in one that is not. */
static void
test_a_vhost_of_connections_is_a_filter(void **state)
{
    struct session_client *c = session_login(*state), *halfway = session_client_open(*state);
    session_client_send(halfway, "AMQP\x00\x00\x09\x01", 8);
    session_expect(halfway, 0, AMQP_CONNECTION_START, NULL);
    static const struct {
        const char *vhost;
        size_t rows;
    } cases[] = {{"", 2}, {"/", 1}, {"nosuch", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct info_query q;
        json_t *all = json_array();
        query_init(&q, &info_connection_kind, "pid");
        info_query_vhost(&q, cases[i].vhost);
        while (slice(state, &q, all))
            ;
        assert_int_equal(json_array_size(all), cases[i].rows);
        json_decref(all);
        info_query_fini(&q);
    }
    session_client_free(halfway);
    session_client_free(c);
}

static void
test_channels_and_consumers_of_one_connection(void **state)
{
    enum { CHANNELS = 40, CONSUMERS = 50 };
    struct session_client *c = session_login(*state);
    char tag[32];
    session_declare(c, 1, "q");
    for (uint16_t n = 1; n <= CHANNELS; n++) {
        if (n > 1)
            session_open_channel(c, n);
        for (unsigned i = 0; i < CONSUMERS; i++) {
            snprintf(tag, sizeof tag, "%u-%u", n, i);
            consume(c, n, "q", tag);
        }
    }
    json_t *rows = list(state, &info_channel_kind, "pid");
    assert_int_equal(json_array_size(rows), CHANNELS);
    json_decref(rows);
    rows = list(state, &info_consumer_kind, "consumer_tag channel_pid");
    assert_int_equal(json_array_size(rows), CHANNELS * CONSUMERS);
    assert_int_equal(count(rows, "1-0"), 1);
    assert_int_equal(count(rows, "40-49"), 1);
    json_decref(rows);
    session_client_free(c);
}

static void
assert_activity(void **state, const char *tag, bool is_active, const char *status)
{
    size_t i;
    json_t *rows = list(state, &info_consumer_kind, "consumer_tag active activity_status"), *row;
    assert_int_equal(count(rows, tag), 1);
    json_array_foreach(rows, i, row)
    {
        if (strcmp(json_string_value(json_array_get(row, 0)), tag) != 0)
            continue;
        assert_int_equal(json_is_true(json_array_get(row, 1)), is_active);
        assert_string_equal(json_string_value(json_array_get(row, 2)), status);
    }
    json_decref(rows);
}

/* The queue's shard says who is active, wherever the consumer's channel lives. */
static void
test_of_single_active_consumers_the_others_wait(void **state)
{
    struct session_client *c[SHARDS];
    struct buffer arguments = {0};
    char name[32];
    for (unsigned i = 0; i < SHARDS; i++) { /* each is settled on its own shard */
        c[i] = session_login(*state);
        snprintf(name, sizeof name, "q%u", i);
        session_declare(c[i], 1, name);
        consume(c[i], 1, name, name);
    }
    table_add_bool(&arguments, "x-single-active-consumer", true);
    struct amqp_queue_declare m = {.queue = slice_str("single"), .arguments = buffer_slice(&arguments)};
    session_send(c[0], 1, AMQP_QUEUE_DECLARE, &m);
    session_expect(c[0], 1, AMQP_QUEUE_DECLARE_OK, NULL);
    buffer_fini(&arguments);
    for (unsigned i = 0; i < SHARDS; i++) {
        snprintf(name, sizeof name, "single%u", i);
        consume(c[i], 1, "single", name);
    }
    assert_activity(state, "q1", true, "up");
    for (unsigned i = 0; i < SHARDS; i++) {
        snprintf(name, sizeof name, "single%u", i);
        assert_activity(state, name, true, "single_active");
        for (unsigned next = i + 1; next < SHARDS; next++) {
            snprintf(name, sizeof name, "single%u", next);
            assert_activity(state, name, false, "waiting");
        }
        session_logout(c[i]);
        session_world_wait(*state, 1000);
    }
}

/* Clients choose their channels' numbers, and may leave out what they like. */
static void
test_channels_far_apart_are_shown_in_order(void **state)
{
    enum { CLIENTS = 20 };
    static const unsigned numbers[] = {1, UINT16_MAX - 1, UINT16_MAX};
    struct session_client *c[CLIENTS];
    struct info_query q;
    for (unsigned i = 0; i < CLIENTS; i++) {
        c[i] = session_login(*state);
        session_open_channel(c[i], UINT16_MAX - 1);
        session_open_channel(c[i], UINT16_MAX);
    }
    query_init(&q, &info_channel_kind, "number");
    json_t *all = json_array();
    while (slice(state, &q, all))
        ;
    assert_int_equal(json_array_size(all), 3 * CLIENTS);
    size_t i;
    json_t *row;
    json_array_foreach(all, i, row)
        assert_int_equal(json_integer_value(json_array_get(row, 0)), numbers[i % 3]);
    json_decref(all);
    info_query_fini(&q);
    for (unsigned n = 0; n < CLIENTS; n++)
        session_client_free(c[n]);
}

/* A consumer's channel may go while its consumers are being shown: those of the next are all shown. */
static void
test_consumers_of_the_next_channel_are_all_shown(void **state)
{
    enum { CONSUMERS = 2000 };
    struct session_client *c = session_login(*state);
    struct info_query q;
    json_t *all = json_array();
    char tag[32];
    session_declare(c, 1, "q");
    session_open_channel(c, 2);
    for (unsigned i = 0; i < 2 * CONSUMERS; i++) {
        snprintf(tag, sizeof tag, "%u", i);
        consume(c, (uint16_t)(1 + i / CONSUMERS), "q", tag);
    }
    query_init(&q, &info_consumer_kind, "channel_pid");
    bool is_closed = false;
    while (slice(state, &q, all))
        if (!is_closed && json_array_size(all) > 0) {
            struct amqp_channel_close m = {.reply_code = 200};
            session_send(c, 1, AMQP_CHANNEL_CLOSE, &m);
            session_expect(c, 1, AMQP_CHANNEL_CLOSE_OK, NULL);
            is_closed = true;
        }
    const json_t *last = json_array_get(all, json_array_size(all) - 1);
    assert_true(json_array_size(all) < 2 * CONSUMERS);
    assert_int_equal(count(all, json_string_value(json_array_get(last, 0))), CONSUMERS);
    json_decref(all);
    info_query_fini(&q);
    session_client_free(c);
}

/* ---- pids ---- */

static void
assert_pid(void **state, const char *text, enum info_pid_kind kind, uint64_t id)
{
    struct info_pid pid;
    assert_int_equal(info_pid_parse(slice_str(text), server_of(state), &pid), ERR_OK);
    assert_int_equal(pid.kind, kind);
    assert_int_equal(pid.id, id);
}

static void
test_pids_name_their_thing(void **state)
{
    struct session_client *c = session_login(*state);
    struct info_pid pid;
    session_declare(c, 1, "q");
    json_t *queues = list(state, &info_queue_kind, "pid"),
           *channels = list(state, &info_channel_kind, "pid connection");
    const json_t *channel = json_array_get(channels, 0);
    const struct connection *connection = NULL;
    for (unsigned i = 0; i < SHARDS && !connection; i++) {
        size_t cursor = 0;
        connection = slots_next(&server_of(state)->parts[i]->connections, &cursor, NULL);
    }
    const struct queue_def *q =
        queue_def_find(vhost_find(server_of(state)->node->meta, slice_str("/")), slice_str("q"));
    assert_pid(state, json_string_value(json_array_get(json_array_get(queues, 0), 0)), INFO_PID_QUEUE, q->id);
    assert_pid(state, json_string_value(json_array_get(channel, 0)), INFO_PID_CHANNEL, connection->id);
    assert_pid(state, json_string_value(json_array_get(channel, 1)), INFO_PID_CONNECTION, connection->id);
    assert_int_equal(info_pid_parse(slice_str("<0.1.0>"), server_of(state), &pid), ERR_SYNTAX);
    assert_int_equal(info_pid_parse(slice_str("<other@host.1.3.0>"), server_of(state), &pid), ERR_NOT_FOUND);
    assert_int_equal(info_pid_parse(slice_str("<"), server_of(state), &pid), ERR_SYNTAX);
    json_decref(queues);
    json_decref(channels);
    session_client_free(c);
}

static int
setup(void **state)
{
    *state = session_world_new(SHARDS, NULL, 1);
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_column_has_a_value_of_its_type, setup, teardown),
        cmocka_unit_test_setup_teardown(test_values_are_those_of_the_thing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_exclusive_consumers_and_queues, setup, teardown),
        cmocka_unit_test_setup_teardown(test_policies_and_metadata_of_vhosts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_columns_vhosts_and_too_many_columns, setup, teardown),
        cmocka_unit_test(test_tables_keep_their_types),
        cmocka_unit_test(test_text_is_always_json),
        cmocka_unit_test_setup_teardown(test_queues_that_stay_are_shown_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_queues_of_other_shards, setup, teardown),
        cmocka_unit_test_setup_teardown(test_connections_that_move_are_shown_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_vhost_of_connections_is_a_filter, setup, teardown),
        cmocka_unit_test_setup_teardown(test_channels_and_consumers_of_one_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(test_of_single_active_consumers_the_others_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(test_channels_far_apart_are_shown_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_consumers_of_the_next_channel_are_all_shown, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pids_name_their_thing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
