/* The configuration as it counts, for `rabbitmqctl environment`, reports and the log. */
#ifndef LEVERET_APP_CONFIG_SHOW_H
#define LEVERET_APP_CONFIG_SHOW_H

#include "app/config_row.h"

struct config_shown {
    const struct config_row *row;
    struct slice name;     /* the whole key: "listeners.tcp.default" */
    struct slice value;    /* as a file would say it; of a secret "********" */
    const char *app, *key; /* in the classic form: "rabbit", "tcp_listeners" */
};

/* Calls `each` for every scalar that has a value and every element of a list (`none` for an empty list), in
 * the table's order. Slices are good during the call. */
void config_show(const struct config *c, void (*each)(void *arg, const struct config_shown *shown),
                 void *arg);

/* Whether both say the same about a row. */
bool config_show_same(const struct config *a, const struct config *b, const struct config_row *row);

#endif
