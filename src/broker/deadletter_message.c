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
find_keys(struct deadletter_letter *l, const struct message *m, struct slice headers,
          const struct deadletter_death *death)
{
    struct slice copies;
    struct table_value key;
    if (death->routing_key) {
        add_key(l, *death->routing_key);
        return;
    }
    add_key(l, message_routing_key(m));
    if (table_get_array(headers, "CC", &copies) != ERR_OK)
        return;
    for (struct table_iter it = table_iter_items(copies); table_iter_next(&it, NULL, &key);)
        if (key.type == TABLE_LONGSTR && key.bytes.len <= AMQP_SHORTSTR_MAX)
            add_key(l, key.bytes);
}

/* ---- the letter ---- */

static void
add_sized(struct buffer *out, struct slice bytes)
{
    buffer_add_u32(out, (uint32_t)bytes.len);
    buffer_add_slice(out, bytes);
}

/* Everything that the properties depend on is what it was the last time; else it is noted for the next one.
 */
static bool
is_as_before(struct deadletter_letter *l, const struct message *m, const struct deadletter_death *death)
{
    struct buffer *asked = &l->asked;
    asked->len = 0;
    buffer_add_u8(asked, (uint8_t)death->reason);
    buffer_add_u8(asked, death->routing_key != NULL);
    buffer_add_u64(asked, death->time_s);
    add_sized(asked, death->queue);
    add_sized(asked, message_exchange(m));
    add_sized(asked, message_routing_key(m));
    add_sized(asked, message_properties(m));
    if (slice_eq(buffer_slice(asked), buffer_slice(&l->from)))
        return true;
    struct buffer old = l->from;
    l->from = *asked;
    *asked = old;
    return false;
}

static void
write_properties(struct deadletter_letter *l, const struct message *m, const struct deadletter_death *death)
{
    struct properties p;
    struct buffer headers = {0};
    enum err e = properties_decode(message_properties(m), &p);
    CHECK(e == ERR_OK); /* it was validated when it came in */
    write_headers(&headers, m, &p, death);
    p.flags &= (uint16_t)~PROPERTY_FLAG(PROPERTY_EXPIRATION);
    p.flags |= PROPERTY_FLAG(PROPERTY_HEADERS);
    p.headers = buffer_slice(&headers);
    l->properties.len = 0;
    l->properties.len = properties_encode(buffer_reserve(&l->properties, properties_size(&p)), &p);
    buffer_fini(&headers);
}

bool
deadletter_letter_write(struct deadletter_letter *l, const struct message *m,
                        const struct deadletter_death *death)
{
    bool is_other = !is_as_before(l, m, death);
    if (is_other)
        write_properties(l, m, death);
    l->key_count = 0;
    find_keys(l, m, death->routing_key ? slice_of(NULL, 0) : properties_headers(message_properties(m)),
              death);
    return is_other;
}

void
deadletter_letter_fini(struct deadletter_letter *l)
{
    buffer_fini(&l->properties);
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
