/* The payload of a method frame: what decodes encodes to the same fields, and the generated decoders agree.
 */
#include "base/buffer.h"
#include "fuzz.h"
#include "wire/amqp.h"
#include "wire/frame.h"

static enum err
typed_decode(struct slice payload, union amqp_any *out)
{
    switch (amqp_method_id(payload)) {
#define X(upper, name)                                                                                       \
    case AMQP_##upper: return amqp_decode_##name(payload, &out->name);
        AMQP_METHODS_WITH_FIELDS(X)
#undef X
#define X(upper, name)                                                                                       \
    case AMQP_##upper: return amqp_decode_##name(payload);
        AMQP_METHODS_WITHOUT_FIELDS(X)
#undef X
    }
    return payload.len < 4 ? ERR_TRUNCATED : ERR_NOT_FOUND;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char what[] = "the bytes of a shortstr";
    struct slice payload = slice_of(data, len);
    const struct amqp_method *method, *again_method;
    union amqp_any typed, generic, again;
    enum err err = amqp_method_decode(payload, &method, &generic);
    CHECK(typed_decode(payload, &typed) == err);
    if (err)
        return 0;
    struct buffer text = {0}, frame = {0};
    size_t size, other_size;
    amqp_method_describe(method, &generic, &text);
    CHECK(text.len >= strlen(method->name));
    uint8_t *out = buffer_reserve(&frame, 2 * (len + FRAME_OVERHEAD));
    CHECK(amqp_method_encode(method, &generic, 1, out, len + FRAME_OVERHEAD, &size) == ERR_OK);
    CHECK(size == len + FRAME_OVERHEAD); /* one encoding only, but for undefined bits */
    CHECK(amqp_method_encode(method, &typed, 1, out + size, size, &other_size) == ERR_OK);
    CHECK(other_size == size && memcmp(out, out + size, size) == 0);
    struct slice encoded = slice_of(out + FRAME_HEADER_SIZE, size - FRAME_OVERHEAD);
    CHECK(amqp_method_decode(encoded, &again_method, &again) == ERR_OK && again_method == method);
    char reply[AMQP_REPLY_TEXT_SIZE];
    CHECK(amqp_reply_text(reply, 404, "%s '%.*s'", what, SLICE_FMT(payload)) < AMQP_REPLY_TEXT_SIZE);
    buffer_fini(&text);
    buffer_fini(&frame);
    return 0;
}
