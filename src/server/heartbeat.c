/*
 * Heartbeats. The interval is what tune-ok says. Twice per interval: if nothing was sent since the last tick,
 * a heartbeat frame goes out; if nothing was received in four ticks in a row, the client is gone and the
 * socket is closed without a word (RabbitMQ: two checks, one interval apart). While we do not read, silence
 * proves nothing and is not counted; neither do heartbeats pile up behind output that the client does not
 * take.
 */
#include "server/heartbeat.h"
#include "server/connection.h"

#include <stdio.h>

enum { HEARTBEAT_TICKS = 2, HEARTBEAT_MISSED_MAX = 2 * HEARTBEAT_TICKS };

static void heartbeat_tick(void *arg);

static void
heartbeat_next(struct connection *c)
{
    timer_start(c->home->shard, &c->timer, c->heartbeat_s * 1000u / HEARTBEAT_TICKS, heartbeat_tick, c);
}

void
heartbeat_start(struct connection *c)
{
    c->missed = 0;
    c->flags &= (uint16_t) ~(CONNECTION_HEARD | CONNECTION_SPOKE);
    if (c->heartbeat_s)
        heartbeat_next(c);
    else
        timer_stop(&c->timer);
}

static void
heartbeat_tick(void *arg)
{
    struct connection *c = arg;
    if (c->state != CONNECTION_RUNNING && c->state != CONNECTION_OPENING)
        return;
    if (c->blocked || c->flags & CONNECTION_HEARD)
        c->missed = 0;
    else if (++c->missed >= HEARTBEAT_MISSED_MAX) {
        char why[64];
        snprintf(why, sizeof why, "missed heartbeats from client, timeout: %us", c->heartbeat_s);
        connection_lost(c, why);
        return;
    }
    if (!(c->flags & CONNECTION_SPOKE) && !c->out) {
        memcpy(connection_reserve(c, FRAME_OVERHEAD), frame_heartbeat, FRAME_OVERHEAD);
        connection_commit(c, FRAME_OVERHEAD);
    }
    c->flags &= (uint16_t) ~(CONNECTION_HEARD | CONNECTION_SPOKE);
    heartbeat_next(c);
}
