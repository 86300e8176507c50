/* Logs of versions that logged every command, refused ones, too. */
#ifndef LEVERET_DURABLE_META_LEGACY_H
#define LEVERET_DURABLE_META_LEGACY_H

#include "broker/meta.h"

/* Of a command without is_judged: the version that logged it refused it for its own words, which later ones
 * may accept. It must not be applied. */
bool meta_legacy_is_refused(const struct meta_command *cmd);

#endif
