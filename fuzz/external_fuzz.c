/* Any bytes as an Erlang external term: printing never crashes or reads past the end, and what is printed is
 * bounded by what came. */
#include "ctl/external.h"
#include "fuzz.h"

enum { GROWTH_MAX = 16 }; /* a byte is an escape of four, an integer of eleven digits */

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer out = {0};
    enum err e = external_print(&out, slice_of(data, size));
    CHECK(e == ERR_OK || e == ERR_SYNTAX || e == ERR_UNSUPPORTED || e == ERR_LIMIT);
    CHECK(out.len <= GROWTH_MAX * size);
    buffer_fini(&out);
    return 0;
}
