/* What rows of channels and of their consumers have in common. */
#ifndef LEVERET_MGMT_INFO_CHANNEL_H
#define LEVERET_MGMT_INFO_CHANNEL_H

#include "base/buffer.h"

struct channel;
struct connection;
struct info_subject;

/* The channel with the lowest number from `number` on; NULL: none. */
const struct channel *info_channel_next(const struct connection *c, uint64_t number);
void info_channel_put_pid(struct buffer *out, const struct info_subject *s);

#endif
