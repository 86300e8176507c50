/* Reading and writing x-death. What a client has put there is taken for history, as RabbitMQ does up to 3.13;
 * what is no array of tables is thrown away. */
#include "broker/deadletter_message.h"

#include "base/check.h"
#include "broker/message.h"
#include "wire/amqp.h"
#include "wire/properties.h"
#include "wire/table.h"

#include <stdlib.h>

/* Of one death among the headers: false when it says nothing of the kind. */
static bool
death_text(struct slice death, const char *name, struct slice *text)
{
    return table_get_str(death, name, text) == ERR_OK;
}

static bool
death_is(struct slice death, struct slice queue, const char *reason)
{
    struct slice its_queue, its_reason;
    return death_text(death, "queue", &its_queue) && slice_eq(its_queue, queue) &&
           death_text(death, "reason", &its_reason) && slice_eq_str(its_reason, reason);
}

/* Adds the fields in the order of their names, as RabbitMQ does with all but the very first death. */
static void
add_sorted(struct buffer *out, const struct buffer *fields)
{
    table_canonical(buffer_slice(fields), buffer_reserve(out, fields->len));
    out->len += fields->len;
}

/* ---- one death ---- */

static void
add_count(struct buffer *out, int64_t count)
{
    table_add_int64(out, "count", count);
}

/* The routing key, and those of CC. */
static void
add_routing_keys(struct buffer *out, const struct message *m, struct slice headers)
{
    struct slice copies;
    struct table_value key;
    size_t at = table_add_array_begin(out, "routing-keys");
    table_add_str(out, NULL, message_routing_key(m));
    if (table_get_array(headers, "CC", &copies) == ERR_OK)
        for (struct table_iter it = table_iter_items(copies); table_iter_next(&it, NULL, &key);)
            if (key.type == TABLE_LONGSTR)
                table_add_str(out, NULL, key.bytes);
    table_end(out, at);
}

static void
write_new_death(struct buffer *out, const struct message *m, const struct properties *p,
                const struct deadletter_death *death)
{
    add_count(out, 1);
    table_add_str(out, "reason", slice_str(deadletter_reason_name(death->reason)));
    table_add_str(out, "queue", death->queue);
    table_add_timestamp(out, "time", death->time_s);
    table_add_str(out, "exchange", message_exchange(m));
    add_routing_keys(out, m, p->headers);
    if (p->flags & PROPERTY_FLAG(PROPERTY_EXPIRATION))
        table_add_str(out, "original-expiration", p->expiration);
}

/* The same again: what it said the first time, with a higher count. */
static void
write_death_again(struct buffer *out, struct slice old)
{
    int64_t count;
    if (table_get_int(old, "count", &count) != ERR_OK || count < 0 || count == INT64_MAX)
        count = 0;
    add_count(out, count + 1);
    table_add_all_but(out, old, slice_str("count"));
}

/* ---- all of them ---- */

static void
add_deaths(struct buffer *out, const struct message *m, const struct properties *p,
           const struct deadletter_death *death, struct slice old)
{
    const char *reason = deadletter_reason_name(death->reason);
    struct table_value v, same;
    bool is_again = false;
    for (struct table_iter it = table_iter_items(old); !is_again && table_iter_next(&it, NULL, &same);)
        is_again = same.type == TABLE_TABLE && death_is(same.bytes, death->queue, reason);
    struct buffer fields = {0};
    if (is_again)
        write_death_again(&fields, same.bytes);
    else
        write_new_death(&fields, m, p, death);
    size_t at = table_add_array_begin(out, "x-death"), inner = table_add_table_begin(out, NULL);
    if (old.data)
        add_sorted(out, &fields);
    else
        buffer_add(out, fields.data, fields.len);
    table_end(out, inner);
    buffer_fini(&fields);
    unsigned count = 1;
    for (struct table_iter it = table_iter_items(old);
         count < DEADLETTER_DEATHS_MAX && table_iter_next(&it, NULL, &v);)
        if (v.type == TABLE_TABLE && !death_is(v.bytes, death->queue, reason)) {
            table_add_value(out, slice_of(NULL, 0), &v);
            count++;
        }
    table_end(out, at);
}

static void
add_story(struct buffer *out, bool is_last, const struct message *m, const struct deadletter_death *death)
{
    static const char *const names[2][3] = {
        {"x-first-death-exchange", "x-first-death-queue", "x-first-death-reason"},
        {"x-last-death-exchange", "x-last-death-queue", "x-last-death-reason"},
    };
    const char *const *name = names[is_last];
    table_add_str(out, name[0], message_exchange(m));
    table_add_str(out, name[1], death->queue);
    table_add_str(out, name[2], slice_str(deadletter_reason_name(death->reason)));
}

/* Headers that are written anew. `is_first`: those of the first death, too. */
static bool
is_replaced(struct slice name, bool is_first, const struct deadletter_death *death)
{
    return slice_eq_str(name, "x-death") || slice_starts_with(name, "x-last-death-") ||
           (is_first && slice_starts_with(name, "x-first-death-")) ||
           (death->routing_key && slice_eq_str(name, "CC"));
}

static void
write_headers(struct buffer *out, const struct message *m, const struct properties *p,
              const struct deadletter_death *death)
{
    struct slice old, name;
    struct table_value v;
    struct buffer all = {0};
    bool is_first = table_get_array(p->headers, "x-death", &old) != ERR_OK;
    if (is_first)
        old = slice_of(NULL, 0);
    for (struct table_iter it = table_iter_fields(p->headers); table_iter_next(&it, &name, &v);)
        if (!is_replaced(name, is_first, death))
            table_add_value(&all, name, &v);
    add_deaths(&all, m, p, death, old);
    if (is_first)
        add_story(&all, false, m, death);
    add_story(&all, true, m, death);
    add_sorted(out, &all);
    buffer_fini(&all);
}

/* ---- keys ---- */

static void
add_key(struct deadletter_letter *l, struct slice key)
{
    if (l->key_count == 0 && l->keys) { /* there is room for the first one */
        l->keys[l->key_count++] = key;
        return;
    }
    l->keys = realloc(l->keys, (l->key_count + 1) * sizeof *l->keys);
    CHECK(l->keys);
    l->keys[l->key_count++] = key;
}

static void
add_keys(struct deadletter_letter *l, struct slice array)
{
    struct table_value key;
    for (struct table_iter it = table_iter_items(array); table_iter_next(&it, NULL, &key);)
        if (key.type == TABLE_LONGSTR && key.bytes.len <= AMQP_SHORTSTR_MAX)
            add_key(l, key.bytes);
}

static void
find_keys(struct deadletter_letter *l, const struct message *m, struct slice headers,
          const struct deadletter_death *death)
{
    struct slice copies;
    if (death->routing_key) {
        add_key(l, *death->routing_key);
        return;
    }
    add_key(l, message_routing_key(m));
    if (table_get_array(headers, "CC", &copies) == ERR_OK)
        add_keys(l, copies);
    add_keys(l, message_hidden_keys(m));
}

/* ---- the letter ---- */

static void
add_sized(struct buffer *out, struct slice bytes)
{
    buffer_add_u32(out, (uint32_t)bytes.len);
    buffer_add_slice(out, bytes);
}

/* Everything that the headers depend on is what it was the last time; else it is noted for the next one. */
static bool
is_as_before(struct deadletter_letter *l, const struct message *m, const struct deadletter_death *death)
{
    struct buffer *asked = &l->asked;
    struct slice properties = message_properties(m), expiration = {0};
    bool has_expiration = properties_find(properties, PROPERTY_EXPIRATION, &expiration);
    buffer_clear(asked);
    buffer_add_u8(asked, (uint8_t)death->reason);
    buffer_add_u8(asked, (uint8_t)(has_expiration << 1 | (death->routing_key != NULL)));
    buffer_add_u64(asked, death->time_s);
    add_sized(asked, death->queue);
    add_sized(asked, message_exchange(m));
    add_sized(asked, message_routing_key(m));
    add_sized(asked, expiration);
    add_sized(asked, properties_headers(properties));
    if (slice_eq(buffer_slice(asked), buffer_slice(&l->from)))
        return true;
    struct buffer old = l->from;
    l->from = *asked;
    *asked = old;
    return false;
}

static void
write_letter_headers(struct deadletter_letter *l, const struct message *m,
                     const struct deadletter_death *death)
{
    struct properties p;
    enum err e = properties_decode(message_properties(m), &p);
    CHECK(e == ERR_OK); /* it was validated when it came in */
    buffer_clear(&l->headers);
    write_headers(&l->headers, m, &p, death);
}

/* The message's own, without expiration, and with the headers in the place of its headers; hidden keys stay
 * where they are. */
static void
write_properties(struct deadletter_letter *l, struct slice own, struct slice hidden)
{
    struct slice headers = buffer_slice(&l->headers);
    buffer_clear(&l->properties);
    if (hidden.len > 0)
        message_hide_keys(&l->properties, hidden);
    if (properties_has(own, PROPERTY_EXPIRATION)) {
        buffer_clear(&l->asked);
        uint8_t *without = buffer_reserve(&l->asked, own.len + PROPERTIES_REPLACE_EXTRA);
        own = slice_of(without, properties_replace(without, own, PROPERTY_EXPIRATION, NULL));
    }
    uint8_t *out = buffer_reserve(&l->properties, own.len + headers.len + PROPERTIES_REPLACE_EXTRA);
    l->properties.len += properties_replace(out, own, PROPERTY_HEADERS, &headers);
}

bool
deadletter_letter_write(struct deadletter_letter *l, const struct message *m,
                        const struct deadletter_death *death)
{
    bool is_other = !is_as_before(l, m, death);
    struct slice own = message_properties(m);
    if (is_other)
        write_letter_headers(l, m, death);
    write_properties(l, own, death->routing_key ? slice_of(NULL, 0) : message_hidden_keys(m));
    l->key_count = 0;
    find_keys(l, m, death->routing_key ? slice_of(NULL, 0) : properties_headers(own), death);
    return is_other;
}

void
deadletter_letter_fini(struct deadletter_letter *l)
{
    buffer_fini(&l->properties);
    buffer_fini(&l->headers);
    buffer_fini(&l->from);
    buffer_fini(&l->asked);
    free(l->keys);
    *l = (struct deadletter_letter){0};
}

/* ---- cycles ---- */

void
deadletter_cycle_init(struct deadletter_cycle *c, struct slice headers)
{
    struct slice deaths, name, reason;
    struct table_value v;
    c->count = 0;
    if (table_get_array(headers, "x-death", &deaths) != ERR_OK)
        return;
    for (struct table_iter it = table_iter_items(deaths);
         c->count < DEADLETTER_DEATHS_MAX && table_iter_next(&it, NULL, &v);) {
        if (v.type != TABLE_TABLE)
            continue;
        if (death_text(v.bytes, "reason", &reason) && slice_eq_str(reason, "rejected"))
            return;
        if (death_text(v.bytes, "queue", &name))
            c->queues[c->count++] = name;
    }
}

bool
deadletter_is_cycle(const struct deadletter_cycle *c, struct slice queue)
{
    for (unsigned i = 0; i < c->count; i++)
        if (slice_eq(c->queues[i], queue))
            return true;
    return false;
}
