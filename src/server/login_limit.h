/*
 * How often a source may fail to log in. A source is an IPv4 address or an IPv6 /64; loopback addresses are
 * none. Beyond its budget a source is refused without a look at the password, so that guessing does not go
 * faster than the budget refills.
 *
 * Any thread may ask and tell; there are no locks.
 */
#ifndef LEVERET_SERVER_LOGIN_LIMIT_H
#define LEVERET_SERVER_LOGIN_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct login_limit;
struct net_addr;

enum {
    LOGIN_LIMIT_SOURCES_MAX = 4096, /* known at a time: 32 KiB, whoever knocks */
    LOGIN_LIMIT_PER_BUCKET = 8,     /* a cache line */
};

/*
 * A source may fail `failures_max` times at once (0: there is no limit), and gets the whole budget back in
 * `window_ms`, evenly. `seed` is a secret: without it nobody finds two addresses that share a place.
 */
struct login_limit *login_limit_new(uint32_t failures_max, uint32_t window_ms, uint64_t seed);
/* NULL is harmless. */
void login_limit_free(struct login_limit *l);

/* Milliseconds until this source may try again; 0: now. */
uint64_t login_limit_wait_ms(const struct login_limit *l, const struct net_addr *source, uint64_t now_ms);
/* A login from there has failed. True: that was the last one of its budget. */
bool login_limit_failed(struct login_limit *l, const struct net_addr *source, uint64_t now_ms);

#endif
