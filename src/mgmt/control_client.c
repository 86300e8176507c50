/*
 * A connection, and what came of it behind the last line that was given away. An answer's line has no limit
 * of its own here: the node is trusted as far as memory goes, a row is as long as its columns are.
 */
#include "mgmt/control_client.h"

#include "base/buffer.h"
#include "base/check.h"
#include "io/dial.h"
#include "mgmt/control_proof.h"

#include <stdio.h>
#include <stdlib.h>

enum { READ_SIZE = 65536, HELLO_MAX = 1024 };

struct control_client {
    struct dial *dial;
    struct buffer in;
    size_t given, seen; /* of `in`: the line that was given away, and what has no end of line */
    char node[CONTROL_NODE_SIZE];
};

/* The next line, without its end; more than `max` bytes are none (0: any number). */
static enum err
next_line(struct control_client *c, size_t max, struct slice *line)
{
    buffer_consume(&c->in, c->given);
    c->given = c->seen = 0;
    for (;;) {
        const uint8_t *from = c->in.data + c->seen;
        const uint8_t *end = c->in.len > c->seen ? memchr(from, '\n', c->in.len - c->seen) : NULL;
        if (end) {
            *line = slice_of(c->in.data, (size_t)(end - c->in.data));
            c->given = line->len + 1;
            return ERR_OK;
        }
        c->seen = c->in.len;
        if (max > 0 && c->in.len > max)
            return ERR_SYNTAX;
        size_t got;
        enum err e = dial_read(c->dial, buffer_reserve(&c->in, READ_SIZE), READ_SIZE, &got);
        if (e != ERR_OK)
            return e;
        c->in.len += got;
    }
}

static struct control_client *
client_of(struct dial *dial)
{
    struct control_client *c = calloc(1, sizeof *c);
    CHECK(c);
    c->dial = dial;
    return c;
}

enum err
control_client_local(const char *path, uint64_t timeout_ms, struct control_client **client, char *why)
{
    struct dial *dial;
    enum err e = dial_local(path, timeout_ms, &dial);
    if (e != ERR_OK)
        snprintf(why, CONTROL_CLIENT_WHY_SIZE, "cannot connect to %s: %s", path, err_text(e));
    else
        *client = client_of(dial);
    return e;
}

/* The words of a line: exactly `count`. */
static bool
split(struct slice line, struct slice *words, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const uint8_t *end = line.len ? memchr(line.data, ' ', line.len) : NULL;
        bool is_last = i + 1 == count;
        if (is_last ? end != NULL : end == NULL)
            return false;
        words[i] = is_last ? line : slice_of(line.data, (size_t)(end - line.data));
        if (!is_last)
            line = slice_of(end + 1, line.len - words[i].len - 1);
    }
    return true;
}

/* Both prove that they have the cookie. */
static enum err
prove(struct control_client *c, struct slice cookie)
{
    struct slice line, words[4];
    char server_nonce[CONTROL_NONCE_SIZE], nonce[CONTROL_NONCE_SIZE], proof[CONTROL_PROOF_SIZE];
    enum err e = next_line(c, HELLO_MAX, &line);
    if (e != ERR_OK)
        return e;
    if (!split(line, words, 4) || !slice_eq_str(words[0], "leveret-control") ||
        !slice_eq_str(words[1], "1") || words[2].len >= sizeof c->node || !control_proof_is_nonce(words[3]))
        return ERR_SYNTAX;
    snprintf(c->node, sizeof c->node, "%.*s", SLICE_FMT(words[2]));
    snprintf(server_nonce, sizeof server_nonce, "%.*s", SLICE_FMT(words[3]));
    control_proof_nonce(NULL, nonce);
    control_proof_make(cookie, "client", c->node, server_nonce, nonce, proof);
    struct buffer answer = {0};
    buffer_add_fmt(&answer, "auth %s %s\n", nonce, proof);
    e = dial_write(c->dial, answer.data, answer.len);
    buffer_fini(&answer);
    if (e != ERR_OK || (e = next_line(c, HELLO_MAX, &line)) != ERR_OK)
        return e;
    if (slice_starts_with(line, "e "))
        return ERR_PERMISSION;
    control_proof_make(cookie, "server", c->node, server_nonce, nonce, proof);
    if (!split(line, words, 2) || !slice_eq_str(words[0], "ok"))
        return ERR_SYNTAX;
    return control_proof_is_equal(words[1], proof) ? ERR_OK : ERR_PERMISSION;
}

enum err
control_client_tcp(const char *host, uint16_t port, struct slice cookie, uint64_t timeout_ms,
                   struct control_client **client, char *why)
{
    struct dial *dial;
    enum err e = dial_tcp(host, port, timeout_ms, &dial);
    if (e != ERR_OK) {
        snprintf(why, CONTROL_CLIENT_WHY_SIZE, "cannot connect to %s, port %u: %s", host, port, err_text(e));
        return e;
    }
    struct control_client *c = client_of(dial);
    e = prove(c, cookie);
    if (e == ERR_OK) {
        *client = c;
        return ERR_OK;
    }
    snprintf(why, CONTROL_CLIENT_WHY_SIZE, "%s, port %u: %s", host, port,
             e == ERR_PERMISSION ? "the node has another cookie"
             : e == ERR_SYNTAX   ? "what answers there is no Leveret node"
                                 : err_text(e));
    control_client_close(c);
    return e;
}

void
control_client_close(struct control_client *c)
{
    if (!c)
        return;
    dial_close(c->dial);
    buffer_fini(&c->in);
    free(c);
}

void
control_client_set_timeout(struct control_client *c, uint64_t timeout_ms)
{
    dial_set_timeout(c->dial, timeout_ms);
}

const char *
control_client_node(const struct control_client *c)
{
    return c->node;
}

enum err
control_client_ask(struct control_client *c, struct slice line, struct slice body)
{
    enum err e = dial_write(c->dial, line.data, line.len);
    if (e == ERR_OK)
        e = dial_write(c->dial, "\n", 1);
    if (e == ERR_OK && body.len > 0) {
        e = dial_write(c->dial, body.data, body.len);
        if (e == ERR_CLOSED) /* it has said why before it hung up */
            e = ERR_OK;
    }
    return e;
}

enum err
control_client_next(struct control_client *c, char *kind, struct slice *json)
{
    struct slice line;
    enum err e = next_line(c, 0, &line);
    if (e != ERR_OK)
        return e;
    if (line.len < 3 || line.data[1] != ' ' || !strchr("rdoe", line.data[0]))
        return ERR_SYNTAX;
    *kind = (char)line.data[0];
    *json = slice_of(line.data + 2, line.len - 2);
    return ERR_OK;
}
