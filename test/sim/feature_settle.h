/* Messages that are got from a queue, and what becomes of those that a client holds, in the features
 * workload. */
#ifndef LEVERET_TEST_SIM_FEATURE_SETTLE_H
#define LEVERET_TEST_SIM_FEATURE_SETTLE_H

#include "feature_ops.h"

void feature_settle_get(struct features *f, struct feature_client *c, uint8_t queue, bool no_ack);
/* `index` of those that it holds, with `multiple` those before it. */
void feature_settle(struct features *f, struct feature_client *c, unsigned index, bool multiple, bool is_ack,
                    bool requeue);
void feature_settle_any(struct features *f);
bool feature_settle_can_get(const struct features *f, uint8_t queue);

#endif
