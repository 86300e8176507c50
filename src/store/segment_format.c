/*
 * The bytes of a segment, both ways, without any I/O. Nothing here trusts what it reads.
 *
 *   header, 64 B:  magic u64 | version u32 | zero u32 | id u64 | zeros | XXH3 u64 of the 56 bytes before
 *   entries:       see segment.h; one run's stand together, and the runs' one behind the other
 *   footer:        runs x (queue u64, first u64, last u64, length u64 of its entries' bytes, epoch u32, count
 *                  u32) | bodies x (id u64, bit u32) | words x u64 of the bitmap of what is not there after a
 *                  restart (0 words: nothing is set)
 *   trailer, 64 B: magic u64 | version u32 | runs u32 | bodies u32 | words u32 | id u64
 *                  | size of the file u64 | XXH3 u64 of the footer
 *                  | 1 if an entry expires, else 0 u32 | zeros | XXH3 u64 of the 56 bytes before
 *
 * An entry's checksum is the lower half of XXH3 over what follows it, seeded with the segment's id: an entry
 * of another file never passes. A run's offset and first bit follow from those before it.
 */
#include "base/byteorder.h"
#include "base/check.h"
#include "store/segment_impl.h"

#include <stdlib.h>
#include <xxhash.h>

#define HEADER_MAGIC  UINT64_C(0x31544e454d474553) /* "SEGMENT1" */
#define TRAILER_MAGIC UINT64_C(0x31444e4547455331) /* "1SEGEND1" */

enum {
    ENTRY_FIXED = 33, /* of an entry that is not SEGMENT_SAME */
    RUN_BYTES = 40,
    BODY_BYTES = 12,
    ALL_FLAGS = SEGMENT_SAME | SEGMENT_BODY_FILE | SEGMENT_TRANSIENT | SEGMENT_EXPIRES,
    EXPIRES = 8, /* bytes at the end of an entry with SEGMENT_EXPIRES */
    SEALED = 56, /* bytes of header and trailer under their checksum */
};

/* ---- header ---- */

void
segment_header_put(uint8_t *out, uint64_t id)
{
    memset(out, 0, SEGMENT_HEADER);
    le64_put(out, HEADER_MAGIC);
    le32_put(out + 8, STORE_MESSAGE_VERSION);
    le64_put(out + 16, id);
    le64_put(out + SEALED, XXH3_64bits(out, SEALED));
}

/* Of header and trailer: magic and checksum, and then the version. */
static enum err
check_seal(const uint8_t *p, uint64_t magic)
{
    if (le64_get(p) != magic || le64_get(p + SEALED) != XXH3_64bits(p, SEALED))
        return ERR_CORRUPT;
    if (le32_get(p + 8) > STORE_MESSAGE_VERSION)
        return ERR_UNSUPPORTED;
    return le32_get(p + 8) > 0 ? ERR_OK : ERR_CORRUPT;
}

enum err
segment_header_parse(const uint8_t *header, uint64_t id)
{
    enum err e = check_seal(header, HEADER_MAGIC);
    return e == ERR_OK && le64_get(header + 16) != id ? ERR_CORRUPT : e;
}

/* ---- entries ---- */

size_t
segment_entry_size(const struct record_message *m, bool is_same)
{
    size_t expires = m->expires_at ? EXPIRES : 0;
    if (is_same)
        return SEGMENT_ENTRY_MIN + expires;
    return ENTRY_FIXED + expires + (m->body_file ? 8 : 0) + m->exchange.len + m->routing_key.len +
           m->properties.len + (m->body_file ? 0 : m->body.len);
}

static uint8_t *
put_slice(uint8_t *out, struct slice s)
{
    if (s.len > 0)
        memcpy(out, s.data, s.len);
    return out + s.len;
}

static void
put_message(uint8_t *out, const struct record_message *m)
{
    CHECK(m->exchange.len <= UINT8_MAX && m->routing_key.len <= UINT16_MAX);
    CHECK(m->body_file || m->body.len == m->body_size);
    out[17] = m->flags;
    out[18] = (uint8_t)m->exchange.len;
    le16_put(out + 19, (uint16_t)m->routing_key.len);
    le32_put(out + 21, (uint32_t)m->properties.len);
    le64_put(out + 25, m->body_size);
    out += ENTRY_FIXED;
    if (m->body_file) {
        le64_put(out, m->body_file);
        out += 8;
    }
    out = put_slice(out, m->exchange);
    out = put_slice(out, m->routing_key);
    out = put_slice(out, m->properties);
    if (!m->body_file)
        put_slice(out, m->body);
}

void
segment_entry_put(uint8_t *out, size_t size, uint64_t id, uint64_t sequence, const struct record_message *m,
                  bool is_transient, uint64_t distance)
{
    CHECK(size <= UINT32_MAX);
    le32_put(out, (uint32_t)size);
    le64_put(out + 8, sequence);
    out[16] = (uint8_t)((is_transient ? SEGMENT_TRANSIENT : 0) | (m->expires_at ? SEGMENT_EXPIRES : 0));
    if (m->expires_at)
        le64_put(out + size - EXPIRES, m->expires_at);
    if (distance) {
        out[16] |= SEGMENT_SAME;
        le64_put(out + 17, distance);
    } else {
        out[16] |= m->body_file ? SEGMENT_BODY_FILE : 0;
        put_message(out, m);
    }
    le32_put(out + 4, (uint32_t)XXH3_64bits_withSeed(out + 8, size - 8, id));
}

static bool
take_slice(struct slice *in, size_t len, struct slice *s)
{
    if (len > in->len)
        return false;
    *s = slice_of(in->data, len);
    *in = slice_of(in->data + len, in->len - len);
    return true;
}

/* `in` is the entry, but for the time at its end. */
static bool
parse_message(struct slice in, uint8_t flags, struct record_message *m)
{
    const uint8_t *p = in.data;
    size_t fixed = flags & SEGMENT_BODY_FILE ? ENTRY_FIXED + 8 : ENTRY_FIXED;
    if (in.len < fixed)
        return false;
    *m = (struct record_message){.flags = p[17],
                                 .expires_at = m->expires_at,
                                 .body_size = le64_get(p + 25),
                                 .body_file = flags & SEGMENT_BODY_FILE ? le64_get(p + 33) : 0};
    in = slice_of(p + fixed, in.len - fixed);
    if (!take_slice(&in, p[18], &m->exchange) || !take_slice(&in, le16_get(p + 19), &m->routing_key) ||
        !take_slice(&in, le32_get(p + 21), &m->properties))
        return false;
    m->body = in;
    return flags & SEGMENT_BODY_FILE ? in.len == 0 && m->body_file != 0 : in.len == m->body_size;
}

enum err
segment_entry_parse(struct slice in, uint64_t room, uint64_t id, struct segment_entry *e)
{
    e->length = SEGMENT_ENTRY_MIN;
    if (room < SEGMENT_ENTRY_MIN)
        return ERR_CORRUPT;
    if (in.len < SEGMENT_ENTRY_MIN)
        return ERR_TRUNCATED;
    const uint8_t *p = in.data;
    uint32_t length = le32_get(p);
    if (length < SEGMENT_ENTRY_MIN || length > room)
        return ERR_CORRUPT;
    e->length = length;
    if (length > in.len)
        return ERR_TRUNCATED;
    if (le32_get(p + 4) != (uint32_t)XXH3_64bits_withSeed(p + 8, length - 8, id))
        return ERR_CORRUPT;
    e->sequence = le64_get(p + 8);
    e->flags = p[16];
    e->distance = 0;
    e->m = (struct record_message){0};
    if (e->flags & ~ALL_FLAGS)
        return ERR_CORRUPT;
    if (e->flags & SEGMENT_EXPIRES) {
        if (length < SEGMENT_ENTRY_MIN + EXPIRES)
            return ERR_CORRUPT;
        length -= EXPIRES;
        e->m.expires_at = le64_get(p + length);
        if (e->m.expires_at == 0)
            return ERR_CORRUPT;
    }
    if (e->flags & SEGMENT_SAME) {
        e->distance = le64_get(p + 17);
        return length == SEGMENT_ENTRY_MIN && e->distance > 0 && !(e->flags & SEGMENT_BODY_FILE)
                   ? ERR_OK
                   : ERR_CORRUPT;
    }
    return parse_message(slice_of(p, length), e->flags, &e->m) ? ERR_OK : ERR_CORRUPT;
}

/* ---- footer ---- */

static bool
has_bits(const uint64_t *words, size_t n)
{
    for (size_t i = 0; words && i < n; i++)
        if (words[i])
            return true;
    return false;
}

static void
put_trailer(uint8_t *out, const struct segment_trailer *t)
{
    memset(out, 0, SEGMENT_TRAILER);
    le64_put(out, TRAILER_MAGIC);
    le32_put(out + 8, STORE_MESSAGE_VERSION);
    le32_put(out + 12, t->run_count);
    le32_put(out + 16, t->body_count);
    le32_put(out + 20, t->words);
    le64_put(out + 24, t->id);
    le64_put(out + 32, t->file_size);
    le64_put(out + 40, t->footer_checksum);
    le32_put(out + 48, t->may_expire);
    le64_put(out + SEALED, XXH3_64bits(out, SEALED));
}

void
segment_footer_put(const struct segment_index *ix, const uint64_t *absent, uint64_t id, uint64_t offset,
                   struct buffer *out)
{
    size_t words = segment_words(ix->bits);
    struct segment_trailer t = {.id = id,
                                .run_count = ix->run_count,
                                .body_count = ix->body_count,
                                .may_expire = ix->may_expire,
                                .words = has_bits(absent, words) ? (uint32_t)words : 0};
    size_t size = (size_t)segment_footer_size(&t);
    t.file_size = offset + size + SEGMENT_TRAILER;
    uint8_t *start = buffer_reserve(out, size + SEGMENT_TRAILER), *p = start;
    for (uint32_t i = 0; i < ix->run_count; i++, p += RUN_BYTES) {
        const struct segment_run *run = &ix->runs[i];
        le64_put(p, run->queue_id);
        le64_put(p + 8, run->first);
        le64_put(p + 16, run->last);
        le64_put(p + 24, run->length);
        le32_put(p + 32, run->epoch);
        le32_put(p + 36, run->count);
    }
    for (uint32_t i = 0; i < ix->body_count; i++, p += BODY_BYTES) {
        le64_put(p, ix->bodies[i].id);
        le32_put(p + 8, ix->bodies[i].bit);
    }
    for (size_t i = 0; i < t.words; i++, p += 8)
        le64_put(p, absent[i]);
    t.footer_checksum = XXH3_64bits(start, size);
    put_trailer(p, &t);
    out->len += size + SEGMENT_TRAILER;
}

uint64_t
segment_footer_size(const struct segment_trailer *t)
{
    return (uint64_t)t->run_count * RUN_BYTES + (uint64_t)t->body_count * BODY_BYTES + (uint64_t)t->words * 8;
}

enum err
segment_trailer_parse(const uint8_t *trailer, uint64_t id, uint64_t file_size, struct segment_trailer *t)
{
    enum err e = check_seal(trailer, TRAILER_MAGIC);
    if (e != ERR_OK)
        return e;
    *t = (struct segment_trailer){.run_count = le32_get(trailer + 12),
                                  .body_count = le32_get(trailer + 16),
                                  .words = le32_get(trailer + 20),
                                  .may_expire = le32_get(trailer + 48) != 0,
                                  .id = le64_get(trailer + 24),
                                  .file_size = le64_get(trailer + 32),
                                  .footer_checksum = le64_get(trailer + 40)};
    bool fits = t->id == id && t->file_size == file_size &&
                file_size >= SEGMENT_HEADER + SEGMENT_TRAILER + segment_footer_size(t);
    return fits ? ERR_OK : ERR_CORRUPT;
}

/* Runs follow one another without a gap, in bytes and in bits, from the header to `end`. */
static bool
parse_runs(const uint8_t *p, uint64_t end, struct segment_index *ix)
{
    uint64_t offset = SEGMENT_HEADER, bit = 0;
    for (uint32_t i = 0; i < ix->run_count; i++, p += RUN_BYTES) {
        struct segment_run *run = &ix->runs[i];
        *run = (struct segment_run){.queue_id = le64_get(p),
                                    .first = le64_get(p + 8),
                                    .last = le64_get(p + 16),
                                    .offset = offset,
                                    .length = le64_get(p + 24),
                                    .epoch = le32_get(p + 32),
                                    .count = le32_get(p + 36),
                                    .bit = (uint32_t)bit};
        if (run->last < run->first || run->last - run->first >= UINT32_MAX - bit || run->count == 0 ||
            run->count > segment_run_span(run) || run->length > end - offset ||
            run->length / SEGMENT_ENTRY_MIN < run->count)
            return false;
        offset += run->length;
        bit += segment_run_span(run);
        ix->entry_count += run->count;
    }
    ix->bits = (uint32_t)bit;
    return offset == end;
}

static bool
parse_bodies(const uint8_t *p, struct segment_index *ix)
{
    for (uint32_t i = 0; i < ix->body_count; i++, p += BODY_BYTES) {
        ix->bodies[i] = (struct segment_body){.id = le64_get(p), .bit = le32_get(p + 8)};
        if (ix->bodies[i].id == 0 || ix->bodies[i].bit >= ix->bits ||
            (i > 0 && ix->bodies[i].bit <= ix->bodies[i - 1].bit))
            return false;
    }
    return true;
}

static void *
new_array(size_t count, size_t size)
{
    void *array = count ? calloc(count, size) : NULL;
    CHECK(array || !count);
    return array;
}

enum err
segment_footer_parse(struct slice footer, const struct segment_trailer *t, struct segment_index *ix)
{
    *ix = (struct segment_index){0};
    if (footer.len != segment_footer_size(t) || XXH3_64bits(footer.data, footer.len) != t->footer_checksum)
        return ERR_CORRUPT;
    *ix = (struct segment_index){
        .runs = new_array(t->run_count, sizeof *ix->runs),
        .live = new_array(t->run_count, sizeof *ix->live),
        .run_count = t->run_count,
        .run_capacity = t->run_count,
        .words = t->words,
        .dead = new_array(t->words, sizeof *ix->dead),
        .bodies = new_array(t->body_count, sizeof *ix->bodies),
        .body_count = t->body_count,
        .body_capacity = t->body_count,
        .may_expire = t->may_expire,
    };
    const uint8_t *bodies = footer.data + (size_t)t->run_count * RUN_BYTES,
                  *words = bodies + (size_t)t->body_count * BODY_BYTES;
    bool good = parse_runs(footer.data, t->file_size - SEGMENT_TRAILER - footer.len, ix) &&
                parse_bodies(bodies, ix) && (t->words == 0 || t->words == segment_words(ix->bits));
    for (size_t i = 0; i < t->words; i++)
        ix->dead[i] = le64_get(words + i * 8);
    if (good && segment_index_count(ix))
        return ERR_OK;
    segment_index_fini(ix);
    return ERR_CORRUPT;
}
