/*
 * A metadata command as bytes, for the log and for snapshots: a version octet, the kind, then the fields that
 * are set, each | number u8 | ... |, so that fields can be added without a new format.
 */
#ifndef LEVERET_DURABLE_META_CODEC_H
#define LEVERET_DURABLE_META_CODEC_H

#include "base/buffer.h"
#include "base/err.h"
#include "broker/meta.h"

void meta_codec_put(struct buffer *out, const struct meta_command *cmd);
/* Slices point into `bytes`. ERR_CORRUPT; ERR_UNSUPPORTED for a kind or a field of a newer version. */
ERR_USE enum err meta_codec_get(struct slice bytes, struct meta_command *cmd);

#endif
