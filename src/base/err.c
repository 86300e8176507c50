/* The texts of err.h's table. */
#include "base/err.h"

static const char *const texts[] = {
#define X(name, text) [name] = text,
    ERR_TABLE(X)
#undef X
};

const char *
err_text(enum err e)
{
    return (unsigned)e < sizeof texts / sizeof *texts ? texts[e] : "unknown error";
}
