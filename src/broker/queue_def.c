/* Finding queues, and who may use or declare them again. They come and go in meta_queue.c. */
#include "broker/queue_def.h"

#include "base/hash.h"
#include "broker/equivalence.h"
#include "broker/meta_impl.h"
#include "broker/queue_args.h"
#include "broker/reply.h"
#include "wire/amqp.h"
#include "wire/table.h"

static bool
name_eq(const void *item, const void *key)
{
    return slice_eq(queue_def_name(item), *(const struct slice *)key);
}

const struct queue_def *
queue_def_find(const struct vhost *v, struct slice name)
{
    return cmap_find(&v->queues, hash_bytes(name), name_eq, &name);
}

static bool
id_eq(const void *item, const void *key)
{
    return ((const struct queue_def *)item)->id == *(const uint64_t *)key;
}

const struct queue_def *
queue_def_find_id(const struct meta *m, uint64_t id)
{
    return cmap_find(&m->queues, hash_u64(id), id_eq, &id);
}

unsigned
queue_def_target(const struct queue_def *q)
{
    return queue_args_type(q->arguments);
}

static uint16_t
locked(const struct queue_def *q, char text[256])
{
    return reply_fail(
        text, AMQP_REPLY_RESOURCE_LOCKED,
        "cannot obtain exclusive access to locked queue '%s' in vhost '%s'. It could be originally declared "
        "on "
        "another connection or the exclusive property value does not match that of the original declaration.",
        q->name, q->vhost->name);
}

uint16_t
queue_def_check_exclusive(const struct queue_def *q, uint64_t connection_id, char text[256])
{
    return q->exclusive_owner == 0 || q->exclusive_owner == connection_id ? 0 : locked(q, text);
}

uint16_t
queue_def_check_name(struct slice name, char text[256])
{
    if (!slice_starts_with(name, "amq."))
        return 0;
    return reply_fail(text, AMQP_REPLY_ACCESS_REFUSED, "queue name '%.*s' contains reserved prefix 'amq.*'",
                      SLICE_FMT(name));
}

/* An exclusive queue is never durable, whatever was asked for. */
uint16_t
queue_def_check_redeclare(const struct queue_def *q, const struct meta_command *cmd, char text[256])
{
    uint16_t code = queue_def_check_name(cmd->name, text);
    if (code)
        return code;
    if (q->exclusive_owner != (cmd->exclusive ? cmd->connection_id : 0))
        return locked(q, text);
    char what[EQUIVALENCE_NAME_MAX];
    equivalence_name(what, "queue", queue_def_name(q), slice_of(q->vhost->name, q->vhost->name_size));
    code = equivalence_bool("durable", what, cmd->durable && !cmd->exclusive, q->durable, text);
    if (!code)
        code = equivalence_bool("auto_delete", what, cmd->auto_delete, q->auto_delete, text);
    unsigned at = 0;
    for (const char *key; !code && (key = queue_args_known(queue_def_target(q), &at));)
        code = equivalence_argument(key, what, cmd->arguments, q->arguments, text);
    return code;
}
