/* Addresses as text: the same for both implementations. */
#include "io/net.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

const char *
net_addr_host_text(const struct net_addr *a, char text[NET_ADDR_TEXT_SIZE])
{
    if (a->family == NET_NONE ||
        !inet_ntop(a->family == NET_IPV6 ? AF_INET6 : AF_INET, a->ip, text, NET_ADDR_TEXT_SIZE))
        snprintf(text, NET_ADDR_TEXT_SIZE, "unknown");
    return text;
}

const char *
net_addr_text(const struct net_addr *a, char text[NET_ADDR_TEXT_SIZE])
{
    char host[NET_ADDR_TEXT_SIZE];
    net_addr_host_text(a, host);
    bool is_ipv6 = a->family == NET_IPV6;
    snprintf(text, NET_ADDR_TEXT_SIZE, "%s%.46s%s:%u", is_ipv6 ? "[" : "", host, is_ipv6 ? "]" : "", a->port);
    return text;
}

bool
net_addr_is_loopback(const struct net_addr *a)
{
    static const uint8_t ipv6_loopback[16] = {[15] = 1};
    if (a->family == NET_IPV4)
        return a->ip[0] == 127;
    return a->family == NET_IPV6 && memcmp(a->ip, ipv6_loopback, sizeof ipv6_loopback) == 0;
}
