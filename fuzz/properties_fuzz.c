/* A property run: decoding and encoding meet, and removing or setting one property leaves the others alone.
 */
#include "base/buffer.h"
#include "fuzz.h"
#include "wire/properties.h"

static void
check_without(struct slice run, enum property property, struct buffer *scratch)
{
    struct slice value, removed_run, set_run, found;
    size_t room = run.len + PROPERTIES_REPLACE_EXTRA;
    buffer_clear(scratch);
    uint8_t *removed = buffer_reserve(scratch, 3 * room), *set = removed + room;
    removed_run = slice_of(removed, properties_replace(removed, run, property, NULL));
    CHECK(properties_validate(removed_run) == ERR_OK);
    CHECK(!properties_has(removed_run, property));
    if (!properties_find(run, property, &value)) {
        CHECK(removed_run.len == run.len);
        return;
    }
    set_run = slice_of(set, properties_replace(set, removed_run, property, &value));
    CHECK(slice_eq(set_run, run));
    CHECK(properties_find(set_run, property, &found) && slice_eq(found, value));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct slice run = slice_of(data, len);
    struct properties p, again;
    struct buffer scratch = {0};
    enum err err = properties_decode(run, &p);
    CHECK(properties_validate(run) == err);
    if (err)
        return 0;
    CHECK(properties_size(&p) == len);
    uint8_t *out = buffer_reserve(&scratch, len);
    CHECK(properties_encode(out, &p) == len);
    CHECK(len == 2 || memcmp(out + 2, data + 2, len - 2) == 0); /* the spare flag may differ */
    CHECK(properties_decode(slice_of(out, len), &again) == ERR_OK);
    for (int i = 0; i < PROPERTY_COUNT; i++)
        check_without(run, (enum property)i, &scratch);
    (void)properties_headers(run);
    (void)properties_octet(run, PROPERTY_PRIORITY, 0);
    buffer_fini(&scratch);
    return 0;
}
