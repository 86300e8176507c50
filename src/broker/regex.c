/*
 * A compiled expression is PCRE2's, under a name of our own: nobody else knows that library. With the JIT the
 * match limit counts another unit than without it, but it is a limit either way.
 */
#include "broker/regex.h"

#include "base/buffer.h"
#include "base/check.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

struct regex *
regex_new(struct slice pattern, struct regex_error *error)
{
    int code;
    const uint8_t *bytes = pattern.len > 0 ? pattern.data : (const uint8_t *)"";
    pcre2_code *compiled = pcre2_compile(bytes, pattern.len, 0, &code, &error->offset, NULL);
    if (!compiled) {
        pcre2_get_error_message(code, (PCRE2_UCHAR *)error->why, sizeof error->why);
        return NULL;
    }
    pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE); /* without a JIT it is interpreted */
    return (struct regex *)compiled;
}

void
regex_error_add(struct buffer *out, struct slice start, const struct regex_error *error)
{
    enum { LINE_MAX_CHARS = 80 };
    struct buffer term = {0};
    buffer_add_fmt(&term, "{\"%s\",", error->why);
    bool is_long = start.len + term.len + 3 > LINE_MAX_CHARS;
    buffer_add_slice(out, start);
    buffer_add_slice(out, buffer_slice(&term));
    if (is_long)
        buffer_add_fmt(out, "\n%*s", (int)start.len + 1, "");
    buffer_add_fmt(out, "%zu}\n", error->offset);
    buffer_fini(&term);
}

void
regex_free(struct regex *r)
{
    pcre2_code_free((pcre2_code *)r);
}

/* Of the library's answers. */
static int
match(const struct regex *r, struct slice subject, uint32_t work_max)
{
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    CHECK(context && data);
    pcre2_set_match_limit(context, work_max / (uint32_t)(subject.len + 1) + 1);
    pcre2_set_depth_limit(context, REGEX_DEPTH_LIMIT);
    pcre2_set_heap_limit(context, REGEX_HEAP_LIMIT_KIB);
    const uint8_t *bytes = subject.len > 0 ? subject.data : (const uint8_t *)"";
    int rc = pcre2_match((const pcre2_code *)r, bytes, subject.len, 0, 0, data, context);
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    return rc;
}

bool
regex_matches_within(const struct regex *r, struct slice subject, uint32_t work_max, uint64_t *cost)
{
    int rc = match(r, subject, work_max / REGEX_COST_DEAR);
    *cost += rc == PCRE2_ERROR_MATCHLIMIT ? REGEX_COST_DEAR : 1;
    if (rc == PCRE2_ERROR_MATCHLIMIT)
        rc = match(r, subject, work_max);
    return rc >= 0;
}

bool
regex_matches(const struct regex *r, struct slice subject)
{
    return match(r, subject, REGEX_WORK_MAX) >= 0;
}
