/*
 * A byte stream: the first byte says where it is split in two reads. Whatever frames come out of the whole
 * must come out of the two parts.
 */
#include "fuzz.h"
#include "wire/frame.h"

/* Steps over the frames of `in`; adds them to `digest`. Returns the error that ended it, *used what was
 * parsed. */
static enum err
parse_all(struct slice in, size_t *used, uint64_t *digest)
{
    *used = 0;
    for (;;) {
        struct frame f;
        struct slice rest = slice_of(in.data + *used, in.len - *used);
        size_t n;
        enum err err = frame_parse(rest, AMQP_FRAME_MIN_SIZE, &f, &n);
        if (err == ERR_TRUNCATED)
            CHECK(n > rest.len && n <= AMQP_FRAME_MIN_SIZE);
        if (err)
            return err;
        CHECK(n == f.payload.len + FRAME_OVERHEAD && n <= rest.len);
        for (size_t i = 0; i < f.payload.len; i++)
            *digest = *digest * 31 + f.payload.data[i];
        *digest = *digest * 31 + f.type + f.channel;
        struct content_header h;
        if (f.type == AMQP_FRAME_HEADER && content_header_decode(f.payload, &h) == ERR_OK)
            CHECK(h.properties.len >= 2 && h.properties.len + 12 == f.payload.len);
        *used += n;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < 1)
        return 0;
    struct slice in = slice_of(data + 1, len - 1);
    size_t split = data[0] < in.len ? data[0] : in.len;
    uint64_t whole = 0, parts = 0;
    size_t whole_used, first_used, rest_used = 0;
    enum err whole_err = parse_all(in, &whole_used, &whole);
    enum err parts_err = parse_all(slice_of(in.data, split), &first_used, &parts);
    if (parts_err == ERR_TRUNCATED)
        parts_err = parse_all(slice_of(in.data + first_used, in.len - first_used), &rest_used, &parts);
    CHECK(whole_err == parts_err);
    CHECK(whole_used == first_used + rest_used);
    CHECK(whole == parts);
    (void)!frame_protocol_header_check(in);
    return 0;
}
