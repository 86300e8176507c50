/*
 * The rules are made once, from the configuration, and only read afterwards, by whichever thread sets a
 * password. An operator's pattern is matched within limits: it must not keep the control thread busy because
 * somebody chose a long password.
 */
#include "broker/credential.h"

#include "base/check.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>

enum { CREDENTIAL_MATCH_LIMIT = 100000, CREDENTIAL_DEPTH_LIMIT = 10000, CREDENTIAL_HEAP_LIMIT_KIB = 1024 };

struct credential_rules {
    enum credential_validator validator;
    unsigned min_length;
    pcre2_code *pattern; /* CREDENTIAL_REGEXP's */
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
        int error;
        size_t offset;
        r->pattern = pcre2_compile(pattern.len > 0 ? pattern.data : (const uint8_t *)"", pattern.len, 0,
                                   &error, &offset, NULL);
        if (!r->pattern) {
            char text[120];
            pcre2_get_error_message(error, (PCRE2_UCHAR *)text, sizeof text);
            snprintf(why, CREDENTIAL_TEXT_SIZE, "%s at offset %zu", text, offset);
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
    pcre2_code_free(r->pattern);
    free(r);
}

static bool
pattern_matches(const pcre2_code *pattern, struct slice password)
{
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    CHECK(context && data);
    pcre2_set_match_limit(context, CREDENTIAL_MATCH_LIMIT);
    pcre2_set_depth_limit(context, CREDENTIAL_DEPTH_LIMIT);
    pcre2_set_heap_limit(context, CREDENTIAL_HEAP_LIMIT_KIB);
    const uint8_t *bytes = password.len > 0 ? password.data : (const uint8_t *)"";
    int rc = pcre2_match(pattern, bytes, password.len, 0, 0, data, context);
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    return rc >= 0;
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
    if (r && r->validator == CREDENTIAL_REGEXP && !pattern_matches(r->pattern, password)) {
        snprintf(why, CREDENTIAL_TEXT_SIZE,
                 "provided password does not match the validator regular expression");
        return false;
    }
    return true;
}
