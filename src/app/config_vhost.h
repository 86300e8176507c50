/*
 * The keys of config_vhost_keys.h by what they are about: those whose part of the operator's choice is the
 * same describe one thing, with the type of its keys: limits, an operator policy, a user.
 */
#ifndef LEVERET_APP_CONFIG_VHOST_H
#define LEVERET_APP_CONFIG_VHOST_H

#include "app/config.h"

enum config_vhost_kind { CONFIG_VHOST_LIMITS, CONFIG_VHOST_POLICY, CONFIG_VHOST_USER };

/* Every thing of that kind by its name: numbers by their size, then the others alphabetically. */
void config_vhost_each(const struct config *c, enum config_vhost_kind kind,
                       void (*fn)(void *arg, const char *name), void *arg);
/* What one of its keys says. */
const char *config_vhost_text(const struct config_list *list, const char *name, const char *fallback);

struct json_t;
/* {"max-length": 5}: a new reference. Limits or a policy. */
struct json_t *config_vhost_definition(const struct config *c, enum config_vhost_kind kind, const char *name);

/* What only several keys together can get wrong, with the row of one of them. */
struct config_row;
typedef void config_vhost_wrong_fn(void *arg, const struct config_row *row, const char *name,
                                   struct slice text);
void config_vhost_check(const struct config *c, config_vhost_wrong_fn *wrong, void *arg);

#endif
