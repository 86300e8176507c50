/* What needs no node: ciphers, hashes, encrypted configuration values. */
#include "ctl/commands.h"

const struct ctl_command commands_local[] = {
    {0},
};
