/* Queues of the features workload: what they are declared as, what policies make of them, and how they go. */
#ifndef LEVERET_TEST_SIM_FEATURE_DECLARE_H
#define LEVERET_TEST_SIM_FEATURE_DECLARE_H

#include "feature_ops.h"

void feature_declare(struct features *f, uint8_t queue);
void feature_declare_delete(struct features *f, uint8_t queue);
void feature_declare_purge(struct features *f, uint8_t queue);
void feature_declare_policy(struct features *f);

#endif
