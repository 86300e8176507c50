/*
 * Any bytes as a file of Erlang terms: parsing never crashes or leaks, says where and why when it refuses,
 * and what it makes of a good file is whole: counts are right, depth and number are within their limits,
 * atoms and strings are UTF-8. The same bytes go through the classic configuration.
 */
#include "wire/erlang_terms.h"

#include "app/config_classic.h"
#include "base/utf8.h"
#include "fuzz.h"

static unsigned
check_term(const struct erlang_term *term, unsigned depth)
{
    unsigned count = 0, made = 1;
    CHECK(depth <= ERLANG_TERMS_DEPTH_MAX && term->line > 0);
    if (term->kind == ERLANG_ATOM || term->kind == ERLANG_STRING)
        CHECK(utf8_is_valid(term->text));
    if (term->kind == ERLANG_ATOM)
        CHECK(term->text.len <= ERLANG_TERMS_ATOM_MAX);
    for (const struct erlang_term *item = term->first; item; item = item->next, count++)
        made += check_term(item, depth + 1);
    CHECK(count == term->count);
    return made;
}

static void
on_setting(void *arg, unsigned line, struct slice key, struct slice value)
{
    unsigned *settings = arg;
    CHECK(line > 0 && key.len > 0);
    *settings += 1;
}

static void
on_other(void *arg, unsigned line, struct slice name)
{
    CHECK(line > 0 && name.len > 0);
}

static void
on_wrong(void *arg, unsigned line, struct slice name, const char *expected)
{
    CHECK(line > 0 && name.len > 0 && *expected);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct erlang_terms terms;
    struct erlang_error error;
    unsigned settings = 0, made = 0, count = 0;
    const struct config_classic_sink sink = {on_setting, on_other, on_wrong, &settings};
    bool is_good = erlang_terms_parse(&terms, slice_of(data, size), &error);
    CHECK(is_good == (error.line == 0) && is_good == (error.text[0] == 0));
    if (is_good) {
        for (const struct erlang_term *term = terms.first; term; term = term->next, count++)
            made += check_term(term, 0);
        CHECK(count == terms.count && made <= ERLANG_TERMS_MAX);
        config_classic_read(&terms, &sink);
    }
    erlang_terms_fini(&terms);
    return 0;
}
