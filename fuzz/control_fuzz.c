/*
 * Any bytes as a client's stream of requests: they are found, or the first that is none is, the same ones
 * however the bytes were split on their way; and a request never holds more than its limits.
 */
#include "base/buffer.h"
#include "fuzz.h"
#include "mgmt/control_request.h"

/* What was found, as text: commands with their askers and bodies, then the state at the end. */
static void
describe(const struct control_request *r, const struct buffer *in, struct buffer *out)
{
    struct slice body = control_request_body(r, in);
    CHECK(r->command && *r->command && r->user && r->line_len <= CONTROL_LINE_MAX + 1);
    CHECK(!r->arguments || json_is_object(r->arguments));
    CHECK(r->line_len + body.len <= in->len && body.len <= CONTROL_BODY_MAX);
    buffer_add_fmt(out, "%s by %s with %zu: ", r->command, r->user, json_object_size(r->arguments));
    buffer_add_slice(out, body);
    buffer_add_u8(out, '\n');
}

/* In pieces of `step` bytes; 0: as a whole. */
static void
run(struct slice input, size_t step, struct buffer *out)
{
    struct control_request r = {0};
    struct buffer in = {0};
    enum control_request_state state = CONTROL_REQUEST_PART;
    for (size_t at = 0; at < input.len && state != CONTROL_REQUEST_BAD;) {
        size_t n = step && step < input.len - at ? step : input.len - at;
        buffer_add(&in, input.data + at, n);
        at += n;
        while ((state = control_request_parse(&r, &in)) == CONTROL_REQUEST_WHOLE) {
            describe(&r, &in, out);
            control_request_end(&r, &in);
            if (in.len == 0)
                break;
        }
    }
    if (state == CONTROL_REQUEST_BAD)
        buffer_add_fmt(out, "bad: %s", r.why);
    else
        buffer_add_fmt(out, "%zu left", in.len);
    control_request_end(&r, &in);
    buffer_fini(&in);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t steps[] = {1, 2, 7, 64};
    struct slice input = slice_of(data, size);
    struct buffer whole = {0};
    run(input, 0, &whole);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct buffer split = {0};
        run(input, steps[i], &split);
        CHECK(slice_eq(buffer_slice(&whole), buffer_slice(&split)));
        buffer_fini(&split);
    }
    buffer_fini(&whole);
    return 0;
}
