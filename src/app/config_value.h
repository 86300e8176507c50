/* A value's text into a row's type. */
#ifndef LEVERET_APP_CONFIG_VALUE_H
#define LEVERET_APP_CONFIG_VALUE_H

#include "app/config_row.h"

/* Sets a scalar row's member (a STRING's old text is freed). False: the text is not what
 * config_row_expected() says. */
bool config_value_set(struct config *c, const struct config_row *row, struct slice text);

/*
 * Makes a list's element; `name` is as in the key. False as above, and nothing is made. For FLAGS,
 * `*is_wanted` says whether the value was true.
 */
bool config_value_item(const struct config_row *row, struct slice name, struct slice text,
                       struct config_item *item, bool *is_wanted);
/* Is that part of a key the element's name? */
bool config_value_is_name(struct slice part, const char *name);
void config_value_item_fini(struct config_item *item);
/* Frees what a row has: a text, or a list's elements. */
void config_value_fini(struct config *c, const struct config_row *row);
/* Gives a row the value that it has in another configuration. */
void config_value_copy(struct config *to, const struct config *from, const struct config_row *row);

#endif
