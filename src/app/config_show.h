/* The configuration as it counts, for people: `leveret --show-config`; and what differs between two. */
#ifndef LEVERET_APP_CONFIG_SHOW_H
#define LEVERET_APP_CONFIG_SHOW_H

#include "app/config_row.h"

struct config_shown {
    const struct config_row *row;
    struct slice name;  /* the whole key: "listeners.tcp.default" */
    struct slice value; /* as a file would say it; of a secret "********" */
};

/* Calls `each` for every scalar that has a value and every element of a list (`none` for an empty list), in
 * the table's order. Slices are good during the call. */
void config_show(const struct config *c, void (*each)(void *arg, const struct config_shown *shown),
                 void *arg);

/* All of it as lines for a file. */
void config_show_text(const struct config *c, struct buffer *out);

/* Whether both say the same about a row. */
bool config_show_same(const struct config *a, const struct config *b, const struct config_row *row);

#endif
