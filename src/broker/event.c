/*
 * An event is a message without body: its key says what happened, its headers to whom. It is persistent and
 * has the time in seconds as its timestamp, in milliseconds as the last header.
 *
 * The exchange exists when the plugin is enabled, in the virtual host of the node's settings. Without it, or
 * when no binding fits the key, an event costs two look-ups. EVENT_HEADERS_MAX bounds what long arguments
 * add: headers stand in one frame.
 */
#include "broker/event.h"

#include "base/check.h"
#include "broker/erlterm.h"
#include "broker/inside.h"
#include "broker/message.h"
#include "broker/meta.h"
#include "wire/amqp.h"
#include "wire/properties.h"
#include "wire/table.h"

#include <jansson.h>
#include <stdatomic.h>

enum { EVENT_HEADERS_MAX = 65536, EVENT_JSON_DEPTH_MAX = 32, EVENT_DELIVERY_MODE = 2 };

static bool
is_watched(const struct node *node)
{
    return node->event_watch && atomic_load_explicit(&node->event_watch->watchers, memory_order_relaxed) > 0;
}

bool
event_begin(struct event *e, struct broker *b, const char *key)
{
    const char *name = b->node->event_vhost ? b->node->event_vhost : "/";
    const struct vhost *v = b->node->meta ? vhost_find(b->node->meta, slice_str(name)) : NULL;
    const struct exchange *x = v ? exchange_find(v, slice_str(EVENT_EXCHANGE)) : NULL;
    if (!x || !inside_is_wanted(b, x, slice_str(key)))
        v = NULL;
    if (!v && !is_watched(b->node))
        return false;
    *e = (struct event){.broker = b, .vhost = v, .key = key};
    return true;
}

static void
publish(const struct event *e, uint64_t now_ms)
{
    struct buffer out = {0};
    buffer_add_u16(&out, PROPERTY_FLAG(PROPERTY_HEADERS) | PROPERTY_FLAG(PROPERTY_DELIVERY_MODE) |
                             PROPERTY_FLAG(PROPERTY_TIMESTAMP));
    size_t at = table_begin(&out);
    buffer_add_slice(&out, buffer_slice(&e->headers));
    table_end(&out, at);
    buffer_add_u8(&out, EVENT_DELIVERY_MODE);
    buffer_add_u64(&out, now_ms / 1000);
    struct message *m =
        message_new(e->broker, slice_str(EVENT_EXCHANGE), slice_str(e->key), buffer_slice(&out), 0);
    inside_publish(e->broker, e->vhost, &m);
    buffer_fini(&out);
}

void
event_end(struct event *e)
{
    struct broker *b = e->broker;
    uint64_t now_ms = b->shard ? shard_wall_ms(b->shard) : b->now_ms;
    table_add_int64(&e->headers, "timestamp_in_ms", (int64_t)now_ms);
    if (e->vhost)
        publish(e, now_ms);
    if (is_watched(b->node))
        b->node->event_watch->told(b->node->event_watch, e->key, buffer_slice(&e->headers));
    buffer_fini(&e->headers);
}

/* ---- fields ---- */

/* {<<"name">>,type,value}: a table of this field alone in Erlang's words, without the list around it. */
static void
add_argument(struct buffer *out, struct slice name, const struct table_value *v)
{
    struct buffer one = {0}, text = {0};
    table_add_value(&one, name, v);
    erlterm_add(&text, &(struct table_value){.type = TABLE_TABLE, .bytes = buffer_slice(&one)});
    if (text.len > 2)
        table_add_str(out, NULL, slice_of(text.data + 1, text.len - 2));
    buffer_fini(&one);
    buffer_fini(&text);
}

void
event_add_arguments(struct event *e, const char *name, struct slice table)
{
    struct slice field;
    struct table_value v;
    size_t at = table_add_array_begin(&e->headers, name);
    for (struct table_iter it = table_iter_fields(table); table_iter_next(&it, &field, &v);) {
        if (e->headers.len > EVENT_HEADERS_MAX)
            break;
        add_argument(&e->headers, field, &v);
    }
    table_end(&e->headers, at);
}

static void add_json(struct buffer *out, const char *name, const json_t *value, int depth);

static void
add_members(struct buffer *out, const json_t *object, int depth)
{
    const char *key;
    json_t *member;
    json_object_foreach((json_t *)object, key, member) if (strlen(key) <= AMQP_SHORTSTR_MAX)
        add_json(out, key, member, depth);
}

static void
add_json(struct buffer *out, const char *name, const json_t *value, int depth)
{
    size_t at, i;
    json_t *item;
    if (depth > EVENT_JSON_DEPTH_MAX || out->len > EVENT_HEADERS_MAX)
        return;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        at = table_add_table_begin(out, name);
        add_members(out, value, depth + 1);
        table_end(out, at);
        break;
    case JSON_ARRAY:
        at = table_add_array_begin(out, name);
        json_array_foreach(value, i, item) add_json(out, NULL, item, depth + 1);
        table_end(out, at);
        break;
    case JSON_STRING:
        table_add_str(out, name, slice_of(json_string_value(value), json_string_length(value)));
        break;
    case JSON_INTEGER: table_add_int64(out, name, json_integer_value(value)); break;
    case JSON_REAL: table_add_double(out, name, json_real_value(value)); break;
    case JSON_TRUE:
    case JSON_FALSE: table_add_bool(out, name, json_is_true(value)); break;
    case JSON_NULL: table_add_void(out, name); break;
    }
}

static json_t *
load_json(struct slice json)
{
    return json_loadb((const char *)json.data, json.len, JSON_DECODE_ANY, NULL);
}

void
event_add_json(struct event *e, const char *name, struct slice json)
{
    json_t *value = load_json(json);
    if (value)
        add_json(&e->headers, name, value, 0);
    json_decref(value);
}

void
event_add_json_members(struct event *e, struct slice json)
{
    json_t *value = load_json(json);
    if (json_is_object(value))
        add_members(&e->headers, value, 0);
    json_decref(value);
}
