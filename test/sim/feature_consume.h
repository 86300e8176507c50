/* Consumers of the features workload: how they come, who is refused, and how they go, alone or with their
 * client. */
#ifndef LEVERET_TEST_SIM_FEATURE_CONSUME_H
#define LEVERET_TEST_SIM_FEATURE_CONSUME_H

#include "feature_ops.h"

/* A consumer comes or goes. */
void feature_consume(struct features *f);
/* The second client goes, and comes back. */
void feature_consume_lose(struct features *f);
/* Without a word to the model. */
void feature_consume_cancel_all(struct features *f);

#endif
