/*
 * The PROXY protocol (HAProxy's proxy-protocol.txt, versions 1 and 2): the header with which a proxy says
 * whom it speaks for.
 */
#ifndef LEVERET_WIRE_PROXY_H
#define LEVERET_WIRE_PROXY_H

#include "base/err.h"
#include "base/slice.h"

#define PROXY_V1_SIZE_MAX 107  /* the line with its CR LF */
#define PROXY_V2_SIZE_MAX 4096 /* the header with its addresses and extensions; the format allows 65,551 */

enum proxy_family {
    PROXY_LOCAL,   /* the proxy's own connection, a health check say: keep the socket's addresses */
    PROXY_UNKNOWN, /* it does not know or it is a family of no use here: the same */
    PROXY_INET,
    PROXY_INET6,
    PROXY_UNIX,
};

struct proxy_header {
    enum proxy_family family;
    uint8_t source[16], destination[16]; /* network order; the first 4 for PROXY_INET */
    uint16_t source_port, destination_port;
};

/*
 * The header at the start of a connection. ERR_OK: *used bytes are its. ERR_TRUNCATED: call again with more;
 * ERR_SYNTAX: it is none; ERR_LIMIT: larger than the limits above. Never waits for more than
 * PROXY_V2_SIZE_MAX bytes.
 */
enum err ERR_USE proxy_parse(struct slice in, struct proxy_header *out, size_t *used);
/*
 * After ERR_TRUNCATED: how many further bytes belong to the header for certain, at least 1. Who reads no more
 * than that leaves what follows the header in the socket.
 */
size_t proxy_missing(struct slice in);

#endif
