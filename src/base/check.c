/* The one way out for a programmer's error: no allocation, no lock, no formatting library. */
#include "base/check.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
put(const char *text)
{
    ssize_t written = write(STDERR_FILENO, text, strlen(text));
    (void)written;
}

void
check_failed(const char *file, int line, const char *what)
{
    char digits[12];
    char *p = digits + sizeof digits - 1;
    *p = 0;
    do {
        *--p = (char)('0' + line % 10);
        line /= 10;
    } while (line > 0 && p > digits);
    put(file);
    put(":");
    put(p);
    put(": check failed: ");
    put(what);
    put("\n");
    abort();
}
