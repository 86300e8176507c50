/*
 * The PROXY header that comes before everything else, TLS included, when proxy_protocol is on: whom the proxy
 * speaks for becomes the connection's peer, for the log and for users that may log in over loopback only. It
 * is read past TLS and never a byte beyond its end; what has come of it waits in the tail.
 */
#include "server/connection.h"
#include "wire/proxy.h"

static void
connection_proxied(struct connection *c, const struct proxy_header *header)
{
    struct net_addr peer = {.port = header->source_port};
    if (header->family != PROXY_INET && header->family != PROXY_INET6)
        return; /* the proxy's own, or nothing that is an address here */
    peer.family = header->family == PROXY_INET ? NET_IPV4 : NET_IPV6;
    memcpy(peer.ip, header->source, header->family == PROXY_INET ? 4 : 16);
    net_set_peer(c->stream.net, &peer);
}

bool
connection_read_proxy(struct connection *c)
{
    uint8_t bytes[PROXY_V2_SIZE_MAX];
    struct proxy_header header;
    size_t len = c->tail ? c->tail->len : 0, used;
    enum err err;
    if (len)
        memcpy(bytes, c->tail->bytes, len);
    while ((err = proxy_parse(slice_of(bytes, len), &header, &used)) == ERR_TRUNCATED) {
        struct iovec iov = {.iov_base = bytes + len, .iov_len = proxy_missing(slice_of(bytes, len))};
        ssize_t got = net_readv(c->stream.net, &iov, 1);
        if (got <= 0) {
            connection_keep(c, slice_of(bytes, len));
            if (got == NET_AGAIN)
                connection_want(c);
            else
                connection_ended(c, got);
            return false;
        }
        len += (size_t)got;
    }
    connection_keep(c, slice_of(NULL, 0));
    if (err) {
        connection_lost(c, "it does not begin with a PROXY header, and proxy_protocol is on");
        return false;
    }
    connection_proxied(c, &header);
    c->state = CONNECTION_HEADER;
    return true;
}
