/*
 * The rules are made once, from the configuration, and only read afterwards, by whichever thread sets a
 * password. An operator's pattern is matched within limits: it must not keep the control thread busy because
 * somebody chose a long password.
 */
#include "broker/credential.h"

#include "base/check.h"
#include "broker/regex.h"

#include <stdio.h>
#include <stdlib.h>

struct credential_rules {
    enum credential_validator validator;
    unsigned min_length;
    struct regex *pattern; /* CREDENTIAL_REGEXP's */
};

enum err
credential_rules_new(enum credential_validator validator, unsigned min_length, struct slice pattern,
                     struct credential_rules **rules, char why[CREDENTIAL_TEXT_SIZE])
{
    struct credential_rules *r = calloc(1, sizeof *r);
    CHECK(r);
    *rules = NULL;
    r->validator = validator;
    r->min_length = min_length;
    if (validator == CREDENTIAL_REGEXP) {
        struct regex_error error;
        r->pattern = regex_new(pattern, &error);
        if (!r->pattern) {
            snprintf(why, CREDENTIAL_TEXT_SIZE, "%s at offset %zu", error.why, error.offset);
            free(r);
            return ERR_SYNTAX;
        }
    }
    *rules = r;
    return ERR_OK;
}

void
credential_rules_free(struct credential_rules *r)
{
    if (!r)
        return;
    regex_free(r->pattern);
    free(r);
}

bool
credential_is_accepted(const struct credential_rules *r, struct slice password,
                       char why[CREDENTIAL_TEXT_SIZE])
{
    if (password.len > CREDENTIAL_PASSWORD_SIZE_MAX) {
        snprintf(why, CREDENTIAL_TEXT_SIZE, "a password has at most %d bytes", CREDENTIAL_PASSWORD_SIZE_MAX);
        return false;
    }
    if (r && r->validator == CREDENTIAL_MIN_LENGTH && password.len < r->min_length) {
        snprintf(why, CREDENTIAL_TEXT_SIZE, "minimum required password length is %u", r->min_length);
        return false;
    }
    if (r && r->validator == CREDENTIAL_REGEXP && !regex_matches(r->pattern, password)) {
        snprintf(why, CREDENTIAL_TEXT_SIZE,
                 "provided password does not match the validator regular expression");
        return false;
    }
    return true;
}
