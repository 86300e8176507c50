/*
 * A segment's file, as it stands and with its checksums put right. What its footer says must hold together;
 * its entries must lie within their runs, whatever their lengths say.
 */
#include "base/byteorder.h"
#include "fuzz.h"
#include "store/segment_impl.h"

#include <stdlib.h>
#include <xxhash.h>

enum { ID = 1 };

/* The trailer's own fields but the counts, the footer's checksum, and the trailer's. */
static void
mend_trailer(uint8_t *file, size_t len)
{
    uint8_t *t = file + len - SEGMENT_TRAILER, fresh[256];
    struct buffer b = {0};
    segment_footer_put(&(struct segment_index){0}, NULL, ID, 0, &b); /* for magic and version */
    memcpy(fresh, b.data, SEGMENT_TRAILER);
    buffer_fini(&b);
    memcpy(t, fresh, 12);
    le64_put(t + 24, ID);
    le64_put(t + 32, len);
    struct segment_trailer counts = {
        .run_count = le32_get(t + 12), .body_count = le32_get(t + 16), .words = le32_get(t + 20)};
    uint64_t size = segment_footer_size(&counts);
    if (size <= len - SEGMENT_TRAILER)
        le64_put(t + 40, XXH3_64bits(t - size, (size_t)size));
    le64_put(t + 56, XXH3_64bits(t, 56));
}

static void
mend_entry(uint8_t *p, uint64_t room)
{
    if (room < SEGMENT_ENTRY_MIN)
        return;
    uint32_t length = le32_get(p);
    if (length >= SEGMENT_ENTRY_MIN && length <= room)
        le32_put(p + 4, (uint32_t)XXH3_64bits_withSeed(p + 8, length - 8, ID));
}

static bool
is_inside(struct slice part, const uint8_t *p, uint32_t length)
{
    return part.len == 0 || (part.data >= p && part.data + part.len <= p + length);
}

static void
walk_run(uint8_t *file, const struct segment_run *run, bool mends)
{
    for (uint64_t at = run->offset, end = run->offset + run->length; at < end;) {
        struct segment_entry e, shorter;
        if (mends)
            mend_entry(file + at, end - at);
        if (segment_entry_parse(slice_of(file + at, (size_t)(end - at)), end - at, ID, &e) != ERR_OK)
            return;
        CHECK(e.length >= SEGMENT_ENTRY_MIN && e.length <= end - at);
        CHECK(is_inside(e.m.exchange, file + at, e.length) &&
              is_inside(e.m.routing_key, file + at, e.length));
        CHECK(is_inside(e.m.properties, file + at, e.length) && is_inside(e.m.body, file + at, e.length));
        if (!(e.flags & SEGMENT_SAME)) {
            uint8_t *again = malloc(e.length);
            CHECK(again && segment_entry_size(&e.m, false) == e.length);
            segment_entry_put(again, e.length, ID, e.sequence, &e.m, e.flags & SEGMENT_TRANSIENT, 0);
            CHECK(memcmp(again, file + at, e.length) == 0);
            free(again);
        }
        CHECK(segment_entry_parse(slice_of(file + at, e.length - 1), end - at, ID, &shorter) ==
              ERR_TRUNCATED);
        at += e.length;
    }
}

static void
try(uint8_t *file, size_t len, bool mends)
{
    struct segment_trailer t;
    struct segment_index ix;
    if (mends)
        mend_trailer(file, len);
    const uint8_t *trailer = file + len - SEGMENT_TRAILER;
    if (segment_trailer_parse(trailer, ID, len, &t) != ERR_OK)
        return;
    size_t size = (size_t)segment_footer_size(&t);
    if (segment_footer_parse(slice_of(trailer - size, size), &t, &ix) != ERR_OK)
        return;
    CHECK(ix.live_count <= ix.entry_count);
    for (uint32_t i = 0; i < ix.run_count; i++) {
        CHECK(ix.runs[i].offset + ix.runs[i].length <= len - SEGMENT_TRAILER - size);
        CHECK(ix.runs[i].bit + segment_run_span(&ix.runs[i]) <= ix.bits);
        walk_run(file, &ix.runs[i], mends);
    }
    segment_index_fini(&ix);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < SEGMENT_HEADER + SEGMENT_TRAILER)
        return 0;
    uint8_t *copy = malloc(len);
    CHECK(copy);
    memcpy(copy, data, len);
    (void)!segment_header_parse(copy, ID);
    try(copy, len, false);
    try(copy, len, true);
    free(copy);
    return 0;
}
