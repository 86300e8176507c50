/* A PROXY header: a shorter read never gives another answer than "more" before the same answer, and never
 * asks for more than the header has. */
#include "fuzz.h"
#include "wire/proxy.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct proxy_header whole, part;
    size_t whole_used, used;
    enum err err = proxy_parse(slice_of(data, len), &whole, &whole_used);
    CHECK(err != ERR_TRUNCATED || len < PROXY_V2_SIZE_MAX);
    CHECK(err != ERR_OK || (whole_used <= len && whole_used <= PROXY_V2_SIZE_MAX));
    for (size_t n = 0; n < len && n < 256; n++) {
        enum err shorter = proxy_parse(slice_of(data, n), &part, &used);
        if (shorter == ERR_TRUNCATED) {
            size_t missing = proxy_missing(slice_of(data, n));
            CHECK(missing > 0 && n + missing <= PROXY_V2_SIZE_MAX);
            CHECK(err != ERR_OK || n + missing <= whole_used);
            continue;
        }
        CHECK(shorter == err);
        CHECK(shorter != ERR_OK || (used == whole_used && memcmp(&part, &whole, sizeof part) == 0));
    }
    return 0;
}
