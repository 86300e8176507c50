/* The lines of a file in rabbitmq.conf's format: `key = value`, and comments from # on. No meaning yet. */
#ifndef LEVERET_APP_CONFIG_TEXT_H
#define LEVERET_APP_CONFIG_TEXT_H

#include "base/slice.h"

/* Zeroed but for `rest`, which is the whole text. */
struct config_text {
    struct slice rest;
    unsigned line; /* of the last setting or error, from 1 */
};

struct config_setting_text {
    struct slice key, value; /* in the text; quotes are gone, a `\.` in the key is not */
    const char *error;       /* what is wrong with the line, instead of a key and a value; else NULL */
};

/* The next setting or wrong line; false at the end. */
bool config_text_next(struct config_text *text, struct config_setting_text *setting);

#endif
