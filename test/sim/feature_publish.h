/* What goes in, in the features workload, and the exchanges that it goes through. */
#ifndef LEVERET_TEST_SIM_FEATURE_PUBLISH_H
#define LEVERET_TEST_SIM_FEATURE_PUBLISH_H

#include "feature_ops.h"

void feature_publish(struct features *f);
/* A queue is bound to fx.history, or is no longer. */
void feature_publish_bind(struct features *f);
/* fx.missing comes or goes. */
void feature_publish_missing(struct features *f);
/* Without a word to the model: what the exchanges are at the start. */
void feature_publish_set_up(struct features *f);

#endif
