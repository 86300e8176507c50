/* The first byte is the mechanism, the rest the response; what comes out lies inside it. */
#include "fuzz.h"
#include "wire/sasl.h"

static void
check_inside(struct slice part, const uint8_t *data, size_t len)
{
    CHECK(part.len == 0 || (part.data >= data && part.data + part.len <= data + len));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sasl_response r;
    enum sasl_mechanism named;
    if (len < 1)
        return 0;
    enum sasl_mechanism mechanism = (enum sasl_mechanism)(data[0] % SASL_MECHANISM_COUNT);
    enum err err = sasl_parse(mechanism, slice_of(data + 1, len - 1), &r);
    check_inside(r.authzid, data, len);
    check_inside(r.user, data, len);
    check_inside(r.password, data, len);
    CHECK(!err || r.user.len + r.password.len + r.authzid.len == 0);
    if (sasl_mechanism_by_name(slice_of(data, len), &named))
        CHECK(slice_eq_str(slice_of(data, len), sasl_mechanism_name(named)));
    return 0;
}
