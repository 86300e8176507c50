/* An import into a node that serves: parsed and judged on the asking thread, applied in batches on shard 0.
 */
#ifndef LEVERET_MGMT_DEFINITIONS_IMPORT_H
#define LEVERET_MGMT_DEFINITIONS_IMPORT_H

#include "base/slice.h"

struct control_call;

/* Answers the call: with definitions_tally_result(), or with what is wrong; then nothing was changed, unless
 * the text says what was. `vhost` NULL: definitions of the whole node. is_skipped_if_unchanged: a body that
 * was imported last time is not imported again. */
void definitions_import(struct control_call *call, struct slice body, const char *vhost,
                        bool is_skipped_if_unchanged);

#endif
