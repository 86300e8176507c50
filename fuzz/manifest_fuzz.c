/*
 * A manifest, as it stands and with its checksum put right: what is taken must be written again as the same
 * bytes.
 */
#include "base/byteorder.h"
#include "fuzz.h"
#include "store/manifest.h"

#include <stdlib.h>
#include <xxhash.h>

static void
try(struct slice file)
{
    struct manifest_view view;
    struct buffer again;
    if (manifest_parse(file, &view) != ERR_OK)
        return;
    buffer_init(&again);
    manifest_format(&view, &again);
    CHECK(slice_eq(buffer_slice(&again), file));
    for (size_t i = 0; i < view.segment_count; i++)
        CHECK(view.segments[i].id < view.next_id);
    buffer_fini(&again);
    manifest_view_free(&view);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    try(slice_of(data, len));
    if (len < 8)
        return 0;
    uint8_t *copy = malloc(len);
    CHECK(copy);
    memcpy(copy, data, len);
    le64_put(copy + len - 8, XXH3_64bits(copy, len - 8));
    try(slice_of(copy, len));
    free(copy);
    return 0;
}
