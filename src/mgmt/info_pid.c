/* Names in both directions; the numbers of connections are session_pid.c's. */
#include "mgmt/info_pid.h"

#include "base/text.h"
#include "mgmt/info_value.h"
#include "server/connection.h"
#include "server/server.h"
#include "server/session_pid.h"

static uint64_t
connection_start(const struct server *server)
{
    return server->started_ms << CONNECTION_ID_TIME_SHIFT;
}

static uint64_t
number_of(const struct server *server, const struct info_pid *pid)
{
    return pid->kind == INFO_PID_QUEUE ? pid->id << 1 : session_pid_number(server, pid->id);
}

const char *
info_pid_text(const struct server *server, const struct info_pid *pid, char text[INFO_PID_TEXT_SIZE])
{
    return session_pid_text(server, number_of(server, pid), pid->channel, text);
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
    uint64_t shard = number & ((1u << SESSION_PID_SHARD_BITS) - 1);
    pid->id =
        shard << CONNECTION_ID_SHARD_SHIFT | ((number >> SESSION_PID_SHARD_BITS) + connection_start(server));
    return ERR_OK;
}
