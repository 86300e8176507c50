/* Shared by definitions*.c. */
#ifndef LEVERET_MGMT_DEFINITIONS_IMPL_H
#define LEVERET_MGMT_DEFINITIONS_IMPL_H

#include "mgmt/definitions.h"

/* definitions_try.c: does everything on an empty node; collects the needs. False with d->why. */
bool definitions_try(struct definitions *d);

#endif
