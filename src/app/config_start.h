/* The configuration that the process runs with: command line, environment, and the machine's files. */
#ifndef LEVERET_APP_CONFIG_START_H
#define LEVERET_APP_CONFIG_START_H

#include "app/config.h"
#include "app/options.h"

/*
 * Reads everything, at the start and again for a reload. Files that --config names are the only ones that are
 * read then (with the variables of the process); else config_files.h says which. As config_load().
 */
bool config_start_load(struct config *c, const struct options *o, struct config_report *report);

#endif
