/* The kernel's random bytes. */
#include "base/check.h"
#include "io/random.h"

#include <errno.h>
#include <sys/random.h>

void
random_bytes(struct io_world *world, void *data, size_t len)
{
    CHECK(!world);
    for (size_t done = 0; done < len;) {
        ssize_t n = getrandom((char *)data + done, len - done, 0);
        CHECK(n >= 0 || errno == EINTR);
        if (n > 0)
            done += (size_t)n;
    }
}
