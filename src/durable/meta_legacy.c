/*
 * The first versions logged a command before they judged it, and judged it anew when they replayed it. What
 * they refused and later versions accept is written down here, as it was then, and never changes: the types
 * of exchanges, the types of queues with their arguments, and the forms of password hashes. What they refused
 * beside that is refused still.
 */
#include "durable/meta_legacy.h"

#include "wire/table.h"

enum { LEGACY_PASSWORD_HASH = 36 };

static bool
is_one_of(struct slice name, const char *const *all)
{
    while (*all && !slice_eq_str(name, *all))
        all++;
    return *all != NULL;
}

static bool
is_queue_refused(struct slice arguments)
{
    static const char *const foreign[] = {"x-dead-letter-strategy",
                                          "x-max-in-memory-length",
                                          "x-max-in-memory-bytes",
                                          "x-quorum-initial-group-size",
                                          "x-delivery-limit",
                                          "x-queue-leader-locator",
                                          "x-max-age",
                                          "x-stream-max-segment-size-bytes",
                                          "x-initial-cluster-size",
                                          NULL};
    struct slice name;
    struct table_value v;
    for (struct table_iter it = table_iter_fields(arguments); table_iter_next(&it, &name, &v);)
        if (is_one_of(name, foreign) || (slice_eq_str(name, "x-queue-type") &&
                                         (v.type != TABLE_LONGSTR || !slice_eq_str(v.bytes, "classic"))))
            return true;
    return false;
}

bool
meta_legacy_is_refused(const struct meta_command *cmd)
{
    static const char *const exchanges[] = {"direct", "fanout", "topic", "headers", NULL};
    switch (cmd->kind) {
    case META_EXCHANGE_DECLARE: return !is_one_of(cmd->type, exchanges);
    case META_QUEUE_DECLARE: return is_queue_refused(cmd->arguments);
    case META_USER_PUT: return cmd->password_hash.len && cmd->password_hash.len != LEGACY_PASSWORD_HASH;
    default: return false;
    }
}
