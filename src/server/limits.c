/* The defaults, as limits.h has them. */
/* exports: server_limits_default */
#include "server/limits.h"

const struct server_limits *
server_limits_default(void)
{
    static const struct server_limits defaults = {
#define X(name, value, what) .name = value,
        SERVER_LIMIT_TABLE(X)
#undef X
    };
    return &defaults;
}
