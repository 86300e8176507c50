/* What rows of channels and of their consumers have in common. */
#ifndef LEVERET_MGMT_INFO_CHANNEL_H
#define LEVERET_MGMT_INFO_CHANNEL_H

#include "base/buffer.h"

struct channel;
struct connection;
struct info_query;
struct info_subject;

/* Of the connection that q->inner is in, the channel with the lowest number from q->inner on; NULL: none.
 * Only of those that it had when the walk came to it (q->inner 0). */
const struct channel *info_channel_next(struct info_query *q, const struct connection *c);
void info_channel_put_pid(struct buffer *out, const struct info_subject *s);

#endif
