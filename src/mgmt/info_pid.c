/*
 * A connection's id is (shard, milliseconds since 1970, number): connection.h. Its number here is counted
 * from the start of the node: (milliseconds and number since then, shard, 1).
 */
#include "mgmt/info_pid.h"

#include "base/text.h"
#include "mgmt/info_value.h"
#include "server/connection.h"
#include "server/server.h"

#include <inttypes.h>
#include <stdio.h>

enum { PID_SHARD_BITS = 64 - CONNECTION_ID_SHARD_SHIFT };

static uint64_t
connection_start(const struct server *server)
{
    return server->started_ms << CONNECTION_ID_TIME_SHIFT;
}

static uint64_t
number_of(const struct server *server, const struct info_pid *pid)
{
    if (pid->kind == INFO_PID_QUEUE)
        return pid->id << 1;
    uint64_t time = pid->id & ((UINT64_C(1) << CONNECTION_ID_SHARD_SHIFT) - 1);
    return ((time - connection_start(server)) << PID_SHARD_BITS | connection_id_shard(pid->id)) << 1 | 1;
}

const char *
info_pid_text(const struct server *server, const struct info_pid *pid, char text[INFO_PID_TEXT_SIZE])
{
    snprintf(text, INFO_PID_TEXT_SIZE, "<%s.%" PRIu64 ".%" PRIu64 ".%u>", server->node->name,
             server->started_ms / 1000, number_of(server, pid), pid->channel);
    return text;
}

void
info_pid_put(struct buffer *out, const struct server *server, const struct info_pid *pid)
{
    char text[INFO_PID_TEXT_SIZE];
    info_value_text(out, info_pid_text(server, pid, text));
}

/* Cuts the last ".digits" off. */
static bool
cut_number(struct slice *text, uint64_t *n)
{
    size_t at = text->len;
    while (at > 0 && text->data[at - 1] != '.')
        at--;
    if (at == 0 || text_to_u64(slice_of(text->data + at, text->len - at), n))
        return false;
    text->len = at - 1;
    return true;
}

enum err
info_pid_parse(struct slice text, const struct server *server, struct info_pid *pid)
{
    uint64_t channel, number, started;
    if (text.len < 2 || text.data[0] != '<' || text.data[text.len - 1] != '>')
        return ERR_SYNTAX;
    text = slice_of(text.data + 1, text.len - 2);
    if (!cut_number(&text, &channel) || !cut_number(&text, &number) || !cut_number(&text, &started) ||
        channel > UINT16_MAX)
        return ERR_SYNTAX;
    if (!slice_eq_str(text, server->node->name) || started != server->started_ms / 1000)
        return ERR_NOT_FOUND;
    pid->channel = (uint16_t)channel;
    pid->kind = !(number & 1) ? INFO_PID_QUEUE : channel ? INFO_PID_CHANNEL : INFO_PID_CONNECTION;
    number >>= 1;
    if (pid->kind == INFO_PID_QUEUE) {
        pid->id = number;
        return channel ? ERR_NOT_FOUND : ERR_OK;
    }
    uint64_t shard = number & ((1u << PID_SHARD_BITS) - 1);
    pid->id = shard << CONNECTION_ID_SHARD_SHIFT | ((number >> PID_SHARD_BITS) + connection_start(server));
    return ERR_OK;
}
