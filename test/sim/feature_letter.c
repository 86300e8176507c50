/* The bytes of a message of the features workload: see feature.h. Everything that is there must be expected.
 */
#include "feature.h"

#include "base/buffer.h"
#include "base/check.h"
#include "wire/properties.h"
#include "wire/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_STORE "x-recent-history-no-store"

static uint8_t
body_byte(uint32_t number, uint32_t i)
{
    return (uint8_t)(number * 31 + i);
}

static void
write_headers(const struct feature_letter *l, struct buffer *headers)
{
    if (l->cc != FEATURE_NONE) {
        size_t at = table_add_array_begin(headers, "CC");
        table_add_str(headers, NULL, slice_str(feature_keys[l->cc]));
        table_end(headers, at);
    }
    if (l->is_not_stored)
        table_add_bool(headers, NO_STORE, true);
}

void
feature_write(const struct feature_letter *l, bool is_persistent, struct buffer *properties,
              struct buffer *body)
{
    char id[16], ttl[16];
    struct buffer headers = {0};
    snprintf(id, sizeof id, "m%u", l->number);
    snprintf(ttl, sizeof ttl, "%d", l->ttl_ms);
    struct properties p = {.flags =
                               PROPERTY_FLAG(PROPERTY_MESSAGE_ID) | PROPERTY_FLAG(PROPERTY_DELIVERY_MODE),
                           .message_id = slice_str(id),
                           .delivery_mode = is_persistent ? 2 : 1};
    if (l->ttl_ms != FEATURE_UNSET) {
        p.flags |= PROPERTY_FLAG(PROPERTY_EXPIRATION);
        p.expiration = slice_str(ttl);
    }
    if (l->priority != FEATURE_NONE) {
        p.flags |= PROPERTY_FLAG(PROPERTY_PRIORITY);
        p.priority = l->priority;
    }
    write_headers(l, &headers);
    if (headers.len > 0) {
        p.flags |= PROPERTY_FLAG(PROPERTY_HEADERS);
        p.headers = buffer_slice(&headers);
    }
    properties->len += properties_encode(buffer_reserve(properties, properties_size(&p)), &p);
    buffer_fini(&headers);
    uint32_t size = feature_body_size(l->number);
    uint8_t *bytes = buffer_reserve(body, size + 1);
    for (uint32_t i = 0; i < size; i++)
        bytes[i] = body_byte(l->number, i);
    body->len += size;
}

/* ---- reading ---- */

static bool
find_name(struct slice text, const char *const *names, unsigned count, uint8_t *index)
{
    for (*index = 0; *index < count; ++*index)
        if (slice_eq_str(text, names[*index]))
            return true;
    return false;
}

static bool
field_name(struct slice table, const char *field, const char *const *names, unsigned count, uint8_t *index)
{
    struct slice text;
    return table_get_str(table, field, &text) == ERR_OK && find_name(text, names, count, index);
}

static unsigned
count_fields(struct slice table)
{
    unsigned count = 0;
    struct slice name;
    struct table_value v;
    for (struct table_iter it = table_iter_fields(table); table_iter_next(&it, &name, &v);)
        count++;
    return count;
}

static bool
read_ttl(struct slice text, int32_t *ttl_ms)
{
    char digits[16] = "";
    if (text.len == 0 || text.len >= sizeof digits)
        return false;
    memcpy(digits, text.data, text.len);
    *ttl_ms = (int32_t)strtol(digits, NULL, 10);
    return true;
}

/* One key, or two when there is a CC. */
static bool
read_keys(struct slice array, uint8_t *key, uint8_t *cc)
{
    struct table_value v;
    struct table_iter it = table_iter_items(array);
    *cc = FEATURE_NONE;
    if (!table_iter_next(&it, NULL, &v) || v.type != TABLE_LONGSTR ||
        !find_name(v.bytes, feature_keys, FEATURE_KEYS, key))
        return false;
    if (!table_iter_next(&it, NULL, &v))
        return true;
    return v.type == TABLE_LONGSTR && find_name(v.bytes, feature_keys, FEATURE_KEYS, cc) &&
           !table_iter_next(&it, NULL, &v);
}

static bool
read_death(struct slice table, struct feature_death *d)
{
    int64_t count;
    struct slice keys, ttl;
    struct table_value time;
    d->ttl_ms = FEATURE_UNSET;
    bool ok = table_get_int(table, "count", &count) == ERR_OK && table_find_str(table, "time", &time) &&
              time.type == TABLE_TIMESTAMP && table_get_array(table, "routing-keys", &keys) == ERR_OK &&
              read_keys(keys, &d->key, &d->cc) &&
              field_name(table, "queue", feature_keys, FEATURE_QUEUES, &d->queue) &&
              field_name(table, "reason", feature_reasons, FEATURE_REASONS, &d->reason) &&
              field_name(table, "exchange", feature_exchanges, FEATURE_EXCHANGES, &d->exchange);
    if (!ok)
        return false;
    d->count = (uint16_t)count;
    bool has_ttl = table_get_str(table, "original-expiration", &ttl) == ERR_OK;
    return (!has_ttl || read_ttl(ttl, &d->ttl_ms)) && count_fields(table) == (has_ttl ? 7 : 6);
}

static bool
read_story(struct slice headers, const char *which, uint8_t story[3])
{
    char name[40];
    snprintf(name, sizeof name, "x-%s-death-exchange", which);
    if (!field_name(headers, name, feature_exchanges, FEATURE_EXCHANGES, &story[0]))
        return false;
    snprintf(name, sizeof name, "x-%s-death-queue", which);
    if (!field_name(headers, name, feature_keys, FEATURE_QUEUES, &story[1]))
        return false;
    snprintf(name, sizeof name, "x-%s-death-reason", which);
    return field_name(headers, name, feature_reasons, FEATURE_REASONS, &story[2]);
}

static bool
read_deaths(struct slice headers, struct feature_letter *l)
{
    struct slice deaths;
    struct table_value v;
    if (table_get_array(headers, "x-death", &deaths) != ERR_OK)
        return true;
    for (struct table_iter it = table_iter_items(deaths); table_iter_next(&it, NULL, &v);)
        if (l->death_count == FEATURE_DEATHS_MAX || v.type != TABLE_TABLE ||
            !read_death(v.bytes, &l->deaths[l->death_count++]))
            return false;
    return l->death_count > 0 && read_story(headers, "first", l->first) &&
           read_story(headers, "last", l->last);
}

/* -> how many fields these are; 99: one is strange. */
static unsigned
read_headers(struct feature_letter *l, struct slice headers)
{
    struct slice cc;
    uint8_t second;
    struct table_value returns;
    unsigned known = 0;
    l->cc = FEATURE_NONE;
    if (table_get_array(headers, "CC", &cc) == ERR_OK) {
        if (!read_keys(cc, &l->cc, &second) || second != FEATURE_NONE)
            return 99;
        known++;
    }
    if (table_get_bool(headers, NO_STORE, &l->is_not_stored) == ERR_OK)
        known++;
    if (table_find_str(headers, "x-delivery-count", &returns)) {
        if (!table_value_is_int(&returns) || returns.integer < 1 || returns.integer > UINT16_MAX)
            return 99;
        l->returns = (uint16_t)returns.integer;
        known++;
    }
    if (!read_deaths(headers, l))
        return 99;
    return known + (l->death_count ? 7u : 0u);
}

static const char *
read_properties(struct feature_letter *l, struct slice run)
{
    struct properties p;
    if (properties_decode(run, &p) != ERR_OK)
        return "broken properties";
    if (p.message_id.len < 2 || p.message_id.len > 10)
        return "no message-id";
    char id[16] = "";
    memcpy(id, p.message_id.data, p.message_id.len);
    l->number = (uint32_t)strtoul(id + 1, NULL, 10);
    l->ttl_ms = FEATURE_UNSET;
    if (p.flags & PROPERTY_FLAG(PROPERTY_EXPIRATION) && !read_ttl(p.expiration, &l->ttl_ms))
        return "a strange expiration";
    l->priority = p.flags & PROPERTY_FLAG(PROPERTY_PRIORITY) ? p.priority : FEATURE_NONE;
    if (read_headers(l, p.headers) != count_fields(p.headers))
        return "other headers, or strange ones";
    return NULL;
}

const char *
feature_read(struct feature_letter *l, struct slice exchange, struct slice key, struct slice properties,
             struct slice body)
{
    memset(l, 0, sizeof *l);
    const char *wrong = read_properties(l, properties);
    if (wrong)
        return wrong;
    if (!find_name(exchange, feature_exchanges, FEATURE_EXCHANGES, &l->exchange))
        return "an exchange that is none";
    if (!find_name(key, feature_keys, FEATURE_KEYS, &l->key))
        return "a routing key that is none";
    if (body.len != feature_body_size(l->number))
        return "a body of another size";
    for (uint32_t i = 0; i < body.len; i++)
        if (body.data[i] != body_byte(l->number, i))
            return "other bytes in the body";
    return NULL;
}
