/*
 * Reading and writing x-death. What a client has put there is taken for history, as RabbitMQ does up to 3.13;
 * what is no array of tables is thrown away.
 *
 *   message's own headers   a  b  ........................  y  z
 *   ours, by name                 x-death  x-first-*  x-last-*
 *
 * Ours come from the *story*, which is the same for all messages that die alike and is written once for them.
 * A message that has died before gets another x-death, with its deaths from before copied behind this one.
 */
#include "broker/deadletter_message.h"

#include "base/check.h"
#include "broker/message.h"
#include "wire/amqp.h"
#include "wire/properties.h"
#include "wire/table.h"

#include <stdlib.h>

/* ---- a death among the headers ---- */

struct death_read {
    struct slice fields;
    struct slice queue, reason; /* data NULL: it says nothing of the kind */
    size_t count_at;            /* where in `fields` the number is; 0: not known */
    bool is_as_written;         /* as we and RabbitMQ write it: sorted, with one count, of eight bytes */
};

static struct death_read
read_death(struct slice fields)
{
    struct death_read d = {.fields = fields, .is_as_written = true};
    struct slice last = slice_of(NULL, 0);
    struct table_field f;
    for (struct table_iter it = table_iter_fields(fields); table_iter_next_field(&it, &f); last = f.name) {
        d.is_as_written = d.is_as_written && slice_compare(last, f.name) < 0;
        if (f.type == TABLE_LONGSTR && !d.queue.data && slice_eq_str(f.name, "queue"))
            d.queue = f.bytes;
        else if (f.type == TABLE_LONGSTR && !d.reason.data && slice_eq_str(f.name, "reason"))
            d.reason = f.bytes;
        else if (f.type == TABLE_INT64 && slice_eq_str(f.name, "count"))
            d.count_at = (size_t)(f.bytes.data - fields.data);
    }
    d.is_as_written = d.is_as_written && d.count_at;
    return d;
}

/* Adds the fields in the order of their names, as RabbitMQ does with all but the very first death. */
static void
add_sorted(struct buffer *out, struct slice fields)
{
    table_canonical(fields, buffer_reserve(out, fields.len));
    out->len += fields.len;
}

/* ---- the story of one death: what all messages tell that die alike ---- */

static void
begin_field(struct deadletter_fields *f)
{
    f->at[f->count++] = (uint32_t)f->bytes.len;
}

static void
add_text(struct deadletter_fields *f, const char *name, struct slice text)
{
    begin_field(f);
    table_add_str(&f->bytes, name, text);
}

/* The routing key, and those of CC. */
static void
add_routing_keys(struct buffer *out, const struct message *m, struct slice copies)
{
    struct table_value key;
    size_t at = table_add_array_begin(out, "routing-keys");
    table_add_str(out, NULL, message_routing_key(m));
    for (struct table_iter it = table_iter_items(copies); table_iter_next(&it, NULL, &key);)
        if (key.type == TABLE_LONGSTR)
            table_add_str(out, NULL, key.bytes);
    table_end(out, at);
}

static void
write_death(struct buffer *out, const struct message *m, const struct properties *p, struct slice copies,
            const struct deadletter_death *death)
{
    table_add_int64(out, "count", 1);
    table_add_str(out, "reason", slice_str(deadletter_reason_name(death->reason)));
    table_add_str(out, "queue", death->queue);
    table_add_timestamp(out, "time", death->time_s);
    table_add_str(out, "exchange", message_exchange(m));
    add_routing_keys(out, m, copies);
    if (p->flags & PROPERTY_FLAG(PROPERTY_EXPIRATION))
        table_add_str(out, "original-expiration", p->expiration);
}

static void
write_story(struct deadletter_story *s, const struct message *m, const struct properties *p,
            struct slice copies, const struct deadletter_death *death)
{
    struct slice reason = slice_str(deadletter_reason_name(death->reason)), exchange = message_exchange(m);
    struct deadletter_fields *f = &s->first;
    buffer_clear(&s->death);
    buffer_clear(&s->sorted);
    buffer_clear(&f->bytes);
    f->count = 0;
    write_death(&s->death, m, p, copies, death);
    add_sorted(&s->sorted, buffer_slice(&s->death));
    begin_field(f);
    size_t at = table_add_array_begin(&f->bytes, "x-death");
    table_add_table(&f->bytes, NULL, buffer_slice(&s->death));
    table_end(&f->bytes, at);
    add_text(f, "x-first-death-exchange", exchange);
    add_text(f, "x-first-death-queue", death->queue);
    add_text(f, "x-first-death-reason", reason);
    add_text(f, "x-last-death-exchange", exchange);
    add_text(f, "x-last-death-queue", death->queue);
    add_text(f, "x-last-death-reason", reason);
}

/* Everything that the story depends on is what it was the last time; else it is noted for the next one. */
static bool
is_told_already(struct deadletter_story *s, const struct message *m, const struct properties *p,
                struct slice copies, const struct deadletter_death *death)
{
    const struct slice asked[DEADLETTER_ASKED] = {death->queue, message_exchange(m), message_routing_key(m),
                                                  p->expiration, copies};
    bool has_expiration = p->flags & PROPERTY_FLAG(PROPERTY_EXPIRATION);
    bool is_same = s->time_s == death->time_s && s->reason == death->reason &&
                   s->has_expiration == has_expiration && s->death.len > 0;
    const uint8_t *at = s->from.data;
    for (unsigned i = 0; is_same && i < DEADLETTER_ASKED; at += s->from_sizes[i++])
        is_same = slice_eq(asked[i], slice_of(at, s->from_sizes[i]));
    if (is_same)
        return true;
    s->time_s = death->time_s;
    s->reason = death->reason;
    s->has_expiration = has_expiration;
    buffer_clear(&s->from);
    for (unsigned i = 0; i < DEADLETTER_ASKED; i++) {
        buffer_add_slice(&s->from, asked[i]);
        s->from_sizes[i] = (uint32_t)asked[i].len;
    }
    return false;
}

/* ---- deaths before this one ---- */

static int64_t
one_more(int64_t count)
{
    return count < 0 || count == INT64_MAX ? 1 : count + 1;
}

/* The same again: what it said the first time, with a higher count. */
static void
write_death_again(struct deadletter_letter *l, struct buffer *out, const struct death_read *old)
{
    if (old->is_as_written) {
        buffer_add_slice(out, old->fields);
        uint8_t *count = out->data + out->len - old->fields.len + old->count_at;
        be64_put(count, (uint64_t)one_more((int64_t)be64_get(count)));
        return;
    }
    int64_t count;
    if (table_get_int(old->fields, "count", &count) != ERR_OK)
        count = 0;
    buffer_clear(&l->scratch);
    table_add_int64(&l->scratch, "count", one_more(count));
    table_add_all_but(&l->scratch, old->fields, slice_str("count"));
    add_sorted(out, buffer_slice(&l->scratch));
}

/* A death that goes on telling: where the message was, as far back as to a rejection. */
static void
note_for_cycles(struct deadletter_cycle *c, const struct death_read *d)
{
    c->is_ended |= d->reason.data && slice_eq_str(d->reason, "rejected");
    if (!c->is_ended && d->queue.data)
        c->queues[c->count++] = d->queue;
}

/* What x-death goes on telling into `l->others`, newest first; into `same`, where there is one, the death
 * that happens again. */
static void
read_deaths(struct deadletter_letter *l, struct slice deaths, const struct deadletter_death *death,
            struct death_read *same)
{
    struct slice reason = slice_str(deadletter_reason_name(death->reason));
    struct table_field item;
    unsigned left = DEADLETTER_DEATHS_MAX - 1;
    *same = (struct death_read){.is_as_written = false};
    buffer_clear(&l->others);
    for (struct table_iter it = table_iter_items(deaths); table_iter_next_field(&it, &item);) {
        if (item.type != TABLE_TABLE)
            continue;
        struct death_read d = read_death(item.bytes);
        if (d.queue.data && slice_eq(d.queue, death->queue) && d.reason.data && slice_eq(d.reason, reason)) {
            if (!same->queue.data)
                *same = d;
        } else if (left > 0 && l->others.len + item.whole.len <= DEADLETTER_DEATHS_BYTES_MAX) {
            table_add_field(&l->others, &item);
            note_for_cycles(&l->cycle, &d);
            left--;
        } else {
            left = 0; /* nor any that is older */
        }
    }
}

/* x-death of one that has died before, and what else this death tells. */
static void
write_later(struct deadletter_letter *l, struct slice deaths, const struct deadletter_death *death)
{
    const struct deadletter_story *s = &l->story;
    struct deadletter_fields *f = &l->later;
    struct death_read same;
    read_deaths(l, deaths, death, &same);
    buffer_clear(&f->bytes);
    f->count = 0;
    begin_field(f);
    size_t at = table_add_array_begin(&f->bytes, "x-death");
    size_t inner = table_add_table_begin(&f->bytes, NULL);
    if (same.queue.data)
        write_death_again(l, &f->bytes, &same);
    else
        buffer_add_slice(&f->bytes, buffer_slice(&s->sorted));
    table_end(&f->bytes, inner);
    buffer_add_slice(&f->bytes, buffer_slice(&l->others));
    table_end(&f->bytes, at);
    uint32_t last_at = s->first.at[DEADLETTER_LAST];
    for (unsigned i = DEADLETTER_LAST; i < DEADLETTER_FIELDS; i++)
        f->at[f->count++] = (uint32_t)f->bytes.len + s->first.at[i] - last_at;
    buffer_add(&f->bytes, s->first.bytes.data + last_at, s->first.bytes.len - last_at);
}

/* ---- the headers ---- */

static const struct slice no_bytes = {.data = NULL, .len = 0};

/* The first field of each name counts. No array: data NULL. */
static void
find_arrays(struct slice headers, struct slice *deaths, struct slice *copies)
{
    *deaths = *copies = no_bytes;
    if (headers.len == 0)
        return;
    if (table_get_array(headers, "x-death", deaths) != ERR_OK)
        *deaths = no_bytes;
    if (table_get_array(headers, "CC", copies) != ERR_OK)
        *copies = no_bytes;
}

/* Headers that are written anew. `is_first`: those of the first death, too. */
static bool
is_replaced(struct slice name, bool is_first, const struct deadletter_death *death)
{
    if (name.len > 0 && name.data[0] == 'x')
        return slice_eq_str(name, "x-death") || slice_starts_with(name, "x-last-death-") ||
               (is_first && slice_starts_with(name, "x-first-death-"));
    return death->routing_key && slice_eq_str(name, "CC");
}

static struct slice
name_of(const struct deadletter_fields *f, unsigned i)
{
    const uint8_t *field = f->bytes.data + f->at[i];
    return slice_of(field + 1, field[0]);
}

/* Those from the i-th on whose names come before `name`; NULL: all of them. Returns the next one. */
static unsigned
add_fields_before(struct buffer *out, const struct deadletter_fields *f, unsigned i, const struct slice *name)
{
    unsigned end = i;
    while (end < f->count && (!name || slice_compare(name_of(f, end), *name) < 0))
        end++;
    if (end > i)
        buffer_add(out, f->bytes.data + f->at[i], (end < f->count ? f->at[end] : f->bytes.len) - f->at[i]);
    return end;
}

/* The message's own, with ours between them, by name. Most are in that order already: only where they turn
 * out not to be is anything sorted. */
static void
write_headers(struct deadletter_letter *l, struct slice own, const struct deadletter_fields *ours,
              const struct deadletter_death *death)
{
    bool is_first = ours == &l->story.first, is_sorted = true;
    struct slice last = no_bytes;
    struct table_field f;
    unsigned next = 0;
    buffer_clear(&l->headers);
    for (struct table_iter it = table_iter_fields(own); table_iter_next_field(&it, &f);) {
        if (is_replaced(f.name, is_first, death))
            continue;
        is_sorted = is_sorted && slice_compare(last, f.name) <= 0;
        last = f.name;
        next = add_fields_before(&l->headers, ours, next, &f.name);
        table_add_field(&l->headers, &f);
    }
    add_fields_before(&l->headers, ours, next, NULL);
    if (is_sorted)
        return;
    buffer_clear(&l->scratch);
    add_sorted(&l->scratch, buffer_slice(&l->headers));
    struct buffer sorted = l->scratch;
    l->scratch = l->headers;
    l->headers = sorted;
}

/* ---- keys ---- */

static void
add_key(struct deadletter_letter *l, struct slice key)
{
    if (l->key_count == l->key_cap) {
        l->key_cap = l->key_cap ? l->key_cap * 2 : 4;
        l->keys = realloc(l->keys, l->key_cap * sizeof *l->keys);
        CHECK(l->keys);
    }
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
find_keys(struct deadletter_letter *l, const struct message *m, struct slice copies,
          const struct deadletter_death *death)
{
    l->key_count = 0;
    if (death->routing_key) {
        add_key(l, *death->routing_key);
        return;
    }
    add_key(l, message_routing_key(m));
    add_keys(l, copies);
    add_keys(l, message_hidden_keys(m));
}

/* ---- the letter ---- */

/* The message's own, without expiration, and with the headers in the place of its headers; hidden keys stay
 * where they are, unless the letter has a key of its own. */
static void
write_properties(struct deadletter_letter *l, struct properties *p, struct slice hidden)
{
    p->flags = (uint16_t)((p->flags & ~PROPERTY_FLAG(PROPERTY_EXPIRATION)) | PROPERTY_FLAG(PROPERTY_HEADERS));
    p->headers = buffer_slice(&l->headers);
    l->facts = message_facts_of(p);
    buffer_clear(&l->properties);
    if (hidden.len > 0) {
        message_hide_keys(&l->properties, hidden);
        l->facts.flags |= MESSAGE_HAS_HIDDEN_KEYS;
    }
    l->properties.len += properties_encode(buffer_reserve(&l->properties, properties_size(p)), p);
}

void
deadletter_letter_write(struct deadletter_letter *l, const struct message *m,
                        const struct deadletter_death *death)
{
    struct properties p;
    struct slice deaths, copies;
    enum err e = properties_read(message_properties(m), &p);
    CHECK(e == ERR_OK); /* it was validated when it came in */
    find_arrays(p.headers, &deaths, &copies);
    if (!is_told_already(&l->story, m, &p, copies, death))
        write_story(&l->story, m, &p, copies, death);
    l->cycle.is_ended = false;
    l->cycle.queues[0] = death->queue;
    l->cycle.count = 1;
    if (deaths.data)
        write_later(l, deaths, death);
    write_headers(l, p.headers, deaths.data ? &l->later : &l->story.first, death);
    write_properties(l, &p, death->routing_key ? no_bytes : message_hidden_keys(m));
    find_keys(l, m, copies, death);
}

void
deadletter_letter_fini(struct deadletter_letter *l)
{
    buffer_fini(&l->properties);
    buffer_fini(&l->headers);
    buffer_fini(&l->story.from);
    buffer_fini(&l->story.death);
    buffer_fini(&l->story.sorted);
    buffer_fini(&l->story.first.bytes);
    buffer_fini(&l->later.bytes);
    buffer_fini(&l->others);
    buffer_fini(&l->scratch);
    free(l->keys);
    *l = (struct deadletter_letter){0};
}

bool
deadletter_is_cycle(const struct deadletter_cycle *c, struct slice queue)
{
    for (unsigned i = 0; i < c->count; i++)
        if (slice_eq(c->queues[i], queue))
            return true;
    return false;
}
