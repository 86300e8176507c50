/* Finding exchanges, and what may be declared again. They come and go in meta_exchange.c. */
#include "broker/exchange.h"

#include "base/check.h"
#include "base/hash.h"
#include "broker/equivalence.h"
#include "broker/meta.h"
#include "broker/reply.h"
#include "wire/amqp.h"

static const char *const type_names[EXCHANGE_TYPES] = {
    [EXCHANGE_DIRECT] = "direct",
    [EXCHANGE_FANOUT] = "fanout",
    [EXCHANGE_TOPIC] = "topic",
    [EXCHANGE_HEADERS] = "headers",
    [EXCHANGE_CONSISTENT_HASH] = "x-consistent-hash",
    [EXCHANGE_MODULUS_HASH] = "x-modulus-hash",
    [EXCHANGE_RANDOM] = "x-random",
    [EXCHANGE_LOCAL_RANDOM] = "x-local-random",
    [EXCHANGE_RECENT_HISTORY] = "x-recent-history",
};

static bool
exchange_eq(const void *item, const void *key)
{
    const struct exchange *x = item;
    return slice_eq(slice_of(x->name, x->name_size), *(const struct slice *)key);
}

const struct exchange *
exchange_find(const struct vhost *v, struct slice name)
{
    return cmap_find(&v->exchanges, hash_bytes(name), exchange_eq, &name);
}

bool
exchange_type_parse(struct slice name, enum exchange_type *out)
{
    for (int t = 0; t < EXCHANGE_TYPES; t++) {
        if (slice_eq_str(name, type_names[t])) {
            *out = (enum exchange_type)t;
            return true;
        }
    }
    return false;
}

const char *
exchange_type_name(enum exchange_type type)
{
    CHECK(type < EXCHANGE_TYPES);
    return type_names[type];
}

uint16_t
exchange_check_redeclare(const struct exchange *x, const struct meta_command *cmd, char text[256])
{
    char what[EQUIVALENCE_NAME_MAX];
    equivalence_name(what, "exchange", slice_of(x->name, x->name_size),
                     slice_of(x->vhost->name, x->vhost->name_size));
    enum exchange_type type;
    if (!exchange_type_parse(cmd->type, &type)) {
        return reply_fail(text, AMQP_REPLY_COMMAND_INVALID, "unknown exchange type '%.*s'",
                          SLICE_FMT(cmd->type));
    }
    if (type != x->type) {
        return reply_fail(text, AMQP_REPLY_PRECONDITION_FAILED,
                          "inequivalent arg 'type' for %s: received '%s' but current is '%s'", what,
                          exchange_type_name(type), exchange_type_name(x->type));
    }
    uint16_t code = equivalence_bool("durable", what, cmd->durable, x->durable, text);
    if (!code)
        code = equivalence_bool("auto_delete", what, cmd->auto_delete, x->auto_delete, text);
    if (!code)
        code = equivalence_bool("internal", what, cmd->internal, x->internal, text);
    if (!code)
        code = equivalence_argument("alternate-exchange", what, cmd->arguments, x->arguments, text);
    return code;
}
