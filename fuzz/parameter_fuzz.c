/*
 * A component's digit and a value: judging it never crashes, says the same twice, and is short however much
 * is wrong.
 */
#include "broker/jsontext.h"
#include "broker/parameter_check.h"
#include "fuzz.h"

enum { TEXT_MAX = 16384 };

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const components[] = {"shovel", "federation-upstream", "federation-upstream-set"};
    char why[128];
    if (size == 0 || size > 4096)
        return 0;
    struct slice component = slice_str(components[*data % 3]);
    json_t *value = jsontext_parse(slice_of(data + 1, size - 1), size, why);
    if (!value)
        return 0;
    struct buffer once = {0}, again = {0};
    parameter_check(&once, component, slice_str("name"), value);
    parameter_check(&again, component, slice_str("name"), value);
    CHECK(once.len <= TEXT_MAX && slice_eq(buffer_slice(&once), buffer_slice(&again)));
    buffer_fini(&once);
    buffer_fini(&again);
    json_decref(value);
    return 0;
}
