/*
 * What an operator demands of new passwords: RabbitMQ's credential_validator.* keys. Asked whenever a
 * password is set by its text, never at a login, and never for a hash that comes from elsewhere.
 */
#ifndef LEVERET_BROKER_CREDENTIAL_H
#define LEVERET_BROKER_CREDENTIAL_H

#include "base/err.h"
#include "base/slice.h"

enum credential_validator {
    CREDENTIAL_ACCEPT_EVERYTHING, /* the default: a blank one too, which means that nobody logs in by it */
    CREDENTIAL_MIN_LENGTH,        /* bytes */
    CREDENTIAL_REGEXP,            /* unanchored, over bytes */
};

enum {
    CREDENTIAL_MIN_LENGTH_DEFAULT = 5,   /* RabbitMQ's: "guest" passes */
    CREDENTIAL_PASSWORD_SIZE_MAX = 4096, /* whatever the rules say: it is hashed on the control thread */
    CREDENTIAL_TEXT_SIZE = 256,
};

struct credential_rules;

/* `pattern` is CREDENTIAL_REGEXP's. A pattern that does not compile: ERR_INVALID, and `why` says where it
 * breaks. */
ERR_USE enum err credential_rules_new(enum credential_validator validator, unsigned min_length,
                                      struct slice pattern, struct credential_rules **rules,
                                      char why[CREDENTIAL_TEXT_SIZE]);
/* NULL is harmless. */
void credential_rules_free(struct credential_rules *rules);

/* Any thread. Rules NULL: everything is accepted. False: `why` says in RabbitMQ's words what the password
 * lacks, without the password. */
bool credential_is_accepted(const struct credential_rules *rules, struct slice password,
                            char why[CREDENTIAL_TEXT_SIZE]);

#endif
