/* Shell completion, from the tables. */
#ifndef LEVERET_CTL_COMPLETE_H
#define LEVERET_CTL_COMPLETE_H

#include "base/buffer.h"

/* The commands that begin with `prefix`, one a line. */
void complete_prefix(struct buffer *out, const char *prefix, unsigned tools);
/* A script for bash, or for zsh through bashcompinit: commands, options, columns of every tool. */
void complete_script(struct buffer *out, const char *shell);

#endif
