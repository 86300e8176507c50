/* See content.h. */
#include "content.h"

#include "base/check.h"
#include "wire/properties.h"
#include "wire/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

static uint8_t
body_byte(uint64_t number, size_t i)
{
    return (uint8_t)((number * 2654435761u + i * 40503u) >> 7);
}

uint32_t
content_body_size(struct trial *t)
{
    switch (trial_random(t, 40)) {
    case 0: return 0;
    case 1: return (uint32_t)trial_random(t, CONTENT_BODY_MOST);
    case 2:
    case 3:
    case 4: return (uint32_t)trial_random(t, 9000);
    default: return (uint32_t)trial_random(t, 200);
    }
}

static void
make_properties(struct content *c, struct trial *t, uint64_t number, uint8_t delivery_mode,
                struct buffer *out)
{
    struct buffer headers = {0};
    char id[32], ttl[24];
    snprintf(id, sizeof id, "m%llu", (unsigned long long)number);
    struct properties p = {.flags = PROPERTY_FLAG(PROPERTY_MESSAGE_ID), .message_id = slice_str(id)};
    if (delivery_mode || trial_chance(t, 2)) {
        p.flags |= PROPERTY_FLAG(PROPERTY_DELIVERY_MODE);
        p.delivery_mode = delivery_mode ? delivery_mode : (uint8_t)(1 + trial_random(t, 2));
    }
    if (trial_chance(t, 3)) {
        table_add_int64(&headers, "n", (int64_t)number);
        table_add_str(&headers, "text", slice_str("some header"));
        p.flags |= PROPERTY_FLAG(PROPERTY_HEADERS);
        p.headers = buffer_slice(&headers);
    }
    if (trial_chance(t, 4)) {
        p.flags |= PROPERTY_FLAG(PROPERTY_CONTENT_TYPE) | PROPERTY_FLAG(PROPERTY_PRIORITY);
        p.content_type = slice_str("application/octet-stream");
        p.priority = c->priority = (uint8_t)trial_random(t, 10);
    }
    if (trial_chance(t, 8)) {
        p.flags |= PROPERTY_FLAG(PROPERTY_USER_ID) | PROPERTY_FLAG(PROPERTY_TIMESTAMP);
        p.user_id = slice_str("guest");
        p.timestamp = number;
    }
    if (c->ttl_ms >= 0) {
        snprintf(ttl, sizeof ttl, "%lld", (long long)c->ttl_ms);
        p.flags |= PROPERTY_FLAG(PROPERTY_EXPIRATION);
        p.expiration = slice_str(ttl);
    }
    uint8_t *bytes = buffer_reserve(out, properties_size(&p));
    out->len += properties_encode(bytes, &p);
    buffer_fini(&headers);
}

void
content_make(struct content *c, struct trial *t, uint64_t number, const char *exchange, const char *key,
             uint8_t delivery_mode, uint32_t body_size, struct buffer *properties, struct buffer *body)
{
    *c = (struct content){
        .exchange_size = (uint8_t)strlen(exchange), .key_size = (uint8_t)strlen(key), .body_size = body_size};
    CHECK(c->exchange_size < sizeof c->exchange && c->key_size < sizeof c->key);
    memcpy(c->exchange, exchange, c->exchange_size);
    memcpy(c->key, key, c->key_size);
    c->ttl_ms = !t->is_timeless && trial_chance(t, 8) ? (int64_t)trial_random(t, CONTENT_TTL_MOST_MS) : -1;
    make_properties(c, t, number, delivery_mode, properties);
    c->properties_hash = XXH64(properties->data, properties->len, 0);
    uint8_t *p = buffer_reserve(body, body_size + 1);
    for (size_t i = 0; i < body_size; i++)
        p[i] = body_byte(number, i);
    body->len += body_size;
}

bool
content_number(struct slice properties, uint64_t *number)
{
    struct slice id;
    char text[32] = "";
    if (!properties_find(properties, PROPERTY_MESSAGE_ID, &id) || id.len < 2 || id.len > 23)
        return false;
    memcpy(text, id.data, id.len);
    *number = strtoull(text + 1, NULL, 10);
    return text[0] == 'm';
}

const char *
content_difference(const struct content *c, uint64_t number, struct slice exchange, struct slice key,
                   struct slice properties, struct slice body)
{
    if (!slice_eq(exchange, slice_of(c->exchange, c->exchange_size)))
        return "another exchange";
    if (!slice_eq(key, slice_of(c->key, c->key_size)))
        return "another routing key";
    if (body.len != c->body_size)
        return "a body of another size";
    for (size_t i = 0; i < body.len; i++)
        if (body.data[i] != body_byte(number, i))
            return "other bytes in the body";
    if (XXH64(properties.data, properties.len, 0) != c->properties_hash)
        return "other properties";
    return NULL;
}
