/*
 * The properties of a message (class basic). On the wire they are a run: u16 of flags, then the values of the
 * properties whose flag is set, in the order of `enum property` (generated in amqp_methods.h, as is struct
 * properties). The broker keeps the run as the client sent it and reads single properties out of it.
 *
 * RabbitMQ 3.10 refuses the lowest flag (it would announce more flags), ignores the one above it, and
 * does not ask the short strings to be UTF-8. So does this.
 */
/* exports: property_ */
#ifndef LEVERET_WIRE_PROPERTIES_H
#define LEVERET_WIRE_PROPERTIES_H

#include "base/byteorder.h"
#include "base/err.h"
#include "base/slice.h"
#include "wire/amqp_methods.h"

#define PROPERTY_FLAG(property) ((uint16_t)(0x8000u >> (property)))

/*
 * The run ends exactly, and its headers are a valid table. ERR_TRUNCATED, ERR_SYNTAX (more flags, trailing
 * bytes), or what table_validate() says.
 */
enum err ERR_USE properties_validate(struct slice run);

/* The same, and fills the struct: absent ones are zero, out->flags says which are there. */
enum err ERR_USE properties_decode(struct slice run, struct properties *out);
/* The same, but for the headers: what is in the table is not looked at. */
enum err ERR_USE properties_read(struct slice run, struct properties *out);

/* The flags of a valid run. */
static inline uint16_t
properties_flags(struct slice run)
{
    return be16_get(run.data);
}

static inline bool
properties_has(struct slice run, enum property property)
{
    return (properties_flags(run) & PROPERTY_FLAG(property)) != 0;
}

/*
 * One property of a valid run: a short string's characters, a table's inside, the bytes of a number (1, or 8
 * of a timestamp). False when it is absent.
 */
bool properties_find(struct slice run, enum property property, struct slice *value);
/* A property of one octet (delivery_mode, priority); `absent` when it is not there. */
uint8_t properties_octet(struct slice run, enum property property, uint8_t absent);
/* The headers table; empty when absent. */
struct slice properties_headers(struct slice run);

/* out->flags says which are written. `out` has properties_size() bytes; returns them. Short strings fit 255
 * (CHECK). */
size_t properties_size(const struct properties *p);
size_t properties_encode(uint8_t *out, const struct properties *p);

/*
 * Copies a valid run with one property set to `value` (shaped as properties_find() gives it) or removed
 * (`value` NULL). `out` has run.len + value->len + PROPERTIES_REPLACE_EXTRA bytes and does not overlap.
 * Returns the new size.
 */
#define PROPERTIES_REPLACE_EXTRA 4
size_t properties_replace(uint8_t *out, struct slice run, enum property property, const struct slice *value);

/* "content_type"; and back, dashes or underscores: false for an unknown name. */
const char *property_name(enum property property);
bool property_by_name(struct slice name, enum property *property);

#endif
