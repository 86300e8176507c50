/*
 * The cookie's challenge (doc/control.md), the node's side: it says its nonce, the client answers with its
 * own and a proof, the node proves itself. One line either way; whatever else comes is the end, with the same
 * words, so that nothing is told apart.
 */
#include "mgmt/control_impl.h"

#include "base/log.h"
#include "io/shard.h"

#include <stdio.h>

enum { AUTH_LINE_MAX = 256, REFUSAL_LOG_MS = 1000 };

void
control_auth_begin(struct control_peer *p)
{
    struct control *c = p->control;
    control_proof_nonce(shards_world(shard_all(c->shard)), p->nonce);
    buffer_add_fmt(&p->out, "leveret-control 1 %s %s\n", c->config.host->node_name, p->nonce);
    control_peer_be_patient(p, CONTROL_AUTH_MS);
}

/* "auth NONCE PROOF": is the proof the cookie's? */
static bool
is_proved(struct control_peer *p, struct slice line, char nonce[CONTROL_NONCE_SIZE])
{
    static const size_t nonce_at = 5, proof_at = 5 + CONTROL_NONCE_SIZE;
    const struct control_config *f = &p->control->config;
    char proof[CONTROL_PROOF_SIZE];
    if (!slice_starts_with(line, "auth ") || line.len != proof_at + CONTROL_PROOF_SIZE - 1 ||
        line.data[proof_at - 1] != ' ' ||
        !control_proof_is_nonce(slice_of(line.data + nonce_at, CONTROL_NONCE_SIZE - 1)))
        return false;
    snprintf(nonce, CONTROL_NONCE_SIZE, "%.*s", CONTROL_NONCE_SIZE - 1, (const char *)line.data + nonce_at);
    control_proof_make(f->cookie, "client", f->host->node_name, p->nonce, nonce, proof);
    return control_proof_is_equal(slice_of(line.data + proof_at, CONTROL_PROOF_SIZE - 1), proof);
}

/* The log tells of one a second at most, whoever tries how often. */
static void
log_refusal(struct control_peer *p)
{
    struct control *c = p->control;
    uint64_t now = shard_now_ms(c->shard);
    c->refusals++;
    if (c->refusal_ms && now - c->refusal_ms < REFUSAL_LOG_MS)
        return;
    log_warning(c->config.log, LOG_GLOBAL,
                "control: %s did not prove that it has the cookie (%u such since the last message)",
                p->origin, c->refusals);
    c->refusal_ms = now;
    c->refusals = 0;
}

static void
refuse(struct control_peer *p)
{
    log_refusal(p);
    control_peer_error(p, CONTROL_WRONG_COOKIE, "the cookie is not this node's");
    p->is_ending = true;
}

bool
control_auth_read(struct control_peer *p)
{
    const uint8_t *end = memchr(p->in.data, '\n', p->in.len);
    char nonce[CONTROL_NONCE_SIZE], proof[CONTROL_PROOF_SIZE];
    if (!end && p->in.len <= AUTH_LINE_MAX)
        return false;
    size_t len = end ? (size_t)(end - p->in.data) : 0;
    if (!end || p->in.len != len + 1 || !is_proved(p, slice_of(p->in.data, len), nonce)) {
        refuse(p);
        return true;
    }
    const struct control_config *f = &p->control->config;
    control_proof_make(f->cookie, "server", f->host->node_name, p->nonce, nonce, proof);
    buffer_add_fmt(&p->out, "ok %s\n", proof);
    buffer_clear(&p->in);
    timer_stop(&p->patience);
    p->is_stranger = false;
    p->control->stranger_count--;
    if (p->control->tcp_count - p->control->stranger_count > CONTROL_PEERS_MAX) {
        control_peer_error(p, CONTROL_UNAVAILABLE, "too many connections to the peer port");
        p->is_ending = true;
    }
    return true;
}
