/* Erlang terms in text: every kind of constant, and what is said of the rest. */
#include "wire/erlang_terms.h"

#include "base/buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* after its own prerequisites */
#include <cmocka.h>

/* A term as text, with every distinction that the parser makes. */
static void
show(struct buffer *out, const struct erlang_term *term)
{
    static const char open[] = {[ERLANG_LIST] = '[', [ERLANG_TUPLE] = '{', [ERLANG_MAP] = '<'};
    static const char close[] = {[ERLANG_LIST] = ']', [ERLANG_TUPLE] = '}', [ERLANG_MAP] = '>'};
    switch (term->kind) {
    case ERLANG_ATOM: buffer_add_fmt(out, "%.*s", SLICE_FMT(term->text)); return;
    case ERLANG_STRING: buffer_add_fmt(out, "\"%.*s\"", SLICE_FMT(term->text)); return;
    case ERLANG_BINARY: buffer_add_fmt(out, "<<%.*s>>", SLICE_FMT(term->text)); return;
    case ERLANG_INTEGER: buffer_add_fmt(out, "%lld", (long long)term->integer); return;
    case ERLANG_FLOAT: buffer_add_fmt(out, "%g", term->real); return;
    default: break;
    }
    unsigned count = 0;
    buffer_add_u8(out, (uint8_t)open[term->kind]);
    for (const struct erlang_term *item = term->first; item; item = item->next, count++) {
        if (count > 0)
            buffer_add_u8(out, ' ');
        show(out, item);
    }
    buffer_add_u8(out, (uint8_t)close[term->kind]);
    assert_int_equal(count, term->count);
}

static void
expect_terms(const char *text, const char *shown)
{
    struct erlang_terms t;
    struct erlang_error error;
    struct buffer out = {0};
    if (!erlang_terms_parse(&t, slice_str(text), &error))
        fail_msg("%s: line %u: %s", text, error.line, error.text);
    for (const struct erlang_term *term = t.first; term; term = term->next) {
        show(&out, term);
        buffer_add_u8(&out, '.');
    }
    buffer_add_u8(&out, 0);
    assert_string_equal((const char *)out.data, shown);
    buffer_fini(&out);
    erlang_terms_fini(&t);
}

static void
expect_error(const char *text, unsigned line, const char *why)
{
    struct erlang_terms t;
    struct erlang_error error;
    assert_false(erlang_terms_parse(&t, slice_str(text), &error));
    assert_string_equal(error.text, why);
    assert_int_equal(error.line, line);
    erlang_terms_fini(&t);
}

static void
constants_of_every_kind_are_read(void **state)
{
    expect_terms("", "");
    expect_terms(" % only a comment", "");
    expect_terms("a.", "a.");
    expect_terms("aB_1@x. 'Hello, \\'you\\''.\n%end", "aB_1@x.Hello, 'you'.");
    expect_terms("[1, -2, +3, 16#fF, 2#101, -16#10, 1_000_000, $a, $\\n].",
                 "[1 -2 3 255 5 -16 1000000 97 10].");
    expect_terms("[1.5, -0.25, 1.0e3, 2.5E-1, 1_0.0].", "[1.5 -0.25 1000 0.25 10].");
    expect_terms("9223372036854775807.", "9223372036854775807.");
    expect_terms("[\"\", \"a\" \"b\"\n\"c\", \"\\x41\\x{263a}\\101\\^A\\e\\s\\d\\q\\\"\"].",
                 "[\"\" \"abc\" \"A\xe2\x98\xba"
                 "A\x01\x1b \x7fq\"\"].");
    expect_terms("[<<>>, <<\"x\">>, <<\"\xc3\xa9\"/utf8>>, <<65, 16#42>>, << \"a\" , 98 >>].",
                 "[<<>> <<x>> <<\xc3\xa9>> <<AB>> <<ab>>].");
}

static void
lists_tuples_and_maps_nest(void **state)
{
    expect_terms("[{},[],{a,[b,{c}]}, #{}, #{k => v, 1 => [2]}].", "[{} [] {a [b {c}]} <> <k v 1 [2]>].");
    expect_terms("\xef\xbb\xbf[{rabbit,\r\n  [%% nothing\r\n  ]}\r\n].\r\n", "[{rabbit []}].");
}

static void
mistakes_are_told_with_their_line(void **state)
{
    expect_error("[a", 1, "expected , or ]");
    expect_error("[\n{a, b]\n].", 2, "expected , or }");
    expect_error("[a,\n\n].", 3, "expected an Erlang term");
    expect_error("[a,", 1, "the file ends inside a term");
    expect_error("a", 1, "expected a full stop after the term");
    expect_error("a.b", 1, "expected a full stop after the term");
    expect_error("[a|b].", 1, "lists with a tail are not taken");
    expect_error("[\nPort].", 2, "variables have no place here");
    expect_error("#{a}.", 1, "expected => after a key");
    expect_error("\n\n\"abc\n\n", 3, "the quote is not closed");
    expect_error("'a", 1, "the quote is not closed");
    expect_error("\"\\x4\".", 1, "expected hexadecimal digits");
    expect_error("\"\\x{d800}\".", 1, "there is no such character");
    expect_error("9223372036854775808.", 1, "the number is too large");
    expect_error("99999999999999999999999.", 1, "the number is too large");
    expect_error("1#0.", 1, "a number's base is from 2 to 36");
    expect_error("2#2.", 1, "expected digits");
    expect_error("12ab.", 1, "this is no number");
    expect_error("1.5e.", 1, "this is no number");
    expect_error("1.0e999.", 1, "this is no number");
    expect_error("<<256>>.", 1, "a byte is from 0 to 255");
    expect_error("<<\"a\" b>>.", 1, "expected , or >> in a binary");
    expect_error("<<\"a\">.", 1, "expected >>");
    expect_error("f(x).", 1, "expected a full stop after the term");
    expect_error("a.\n\xff.", 2, "the line is not UTF-8");
}

static void
depth_and_number_and_atoms_are_bounded(void **state)
{
    struct buffer text = {0};
    for (unsigned i = 0; i < 1000; i++)
        buffer_add_str(&text, "[\n");
    buffer_add_u8(&text, 0);
    expect_error((const char *)text.data, ERLANG_TERMS_DEPTH_MAX + 1, "terms are nested too deep");
    buffer_clear(&text);
    for (unsigned i = 0; i < ERLANG_TERMS_DEPTH_MAX; i++)
        buffer_add_str(&text, "[");
    for (unsigned i = 0; i < ERLANG_TERMS_DEPTH_MAX; i++)
        buffer_add_str(&text, "]");
    buffer_add_str(&text, ".");
    struct erlang_terms t;
    struct erlang_error error;
    assert_true(erlang_terms_parse(&t, buffer_slice(&text), &error));
    erlang_terms_fini(&t);
    buffer_clear(&text);
    for (unsigned i = 0; i <= ERLANG_TERMS_MAX; i++)
        buffer_add_str(&text, "a.\n");
    buffer_add_u8(&text, 0);
    expect_error((const char *)text.data, ERLANG_TERMS_MAX + 1, "there are too many terms in the file");
    buffer_clear(&text);
    buffer_add_u8(&text, 'a');
    for (unsigned i = 0; i < ERLANG_TERMS_ATOM_MAX; i++)
        buffer_add_u8(&text, 'b');
    buffer_add_str(&text, ".");
    buffer_add_u8(&text, 0);
    expect_error((const char *)text.data, 1, "an atom has 255 characters at most");
    buffer_fini(&text);
}

static void
lists_of_pairs_are_looked_into(void **state)
{
    struct erlang_terms t;
    struct erlang_error error;
    const char *text = "[{a, 1}, b, {c, \"x\"}, {a, 2}, {\"d\", 3}].";
    assert_true(erlang_terms_parse(&t, slice_str(text), &error));
    assert_int_equal(erlang_terms_lookup(t.first, "a")->integer, 2);
    assert_null(erlang_terms_lookup(t.first, "b"));
    assert_null(erlang_terms_lookup(t.first, "d"));
    assert_null(erlang_terms_lookup(NULL, "a"));
    struct slice s;
    assert_true(erlang_terms_text(erlang_terms_lookup(t.first, "c"), &s));
    assert_true(slice_eq_str(s, "x"));
    assert_false(erlang_terms_text(t.first, &s));
    assert_true(erlang_terms_is_atom(t.first->first->next, "b"));
    erlang_terms_fini(&t);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constants_of_every_kind_are_read),
        cmocka_unit_test(lists_tuples_and_maps_nest),
        cmocka_unit_test(mistakes_are_told_with_their_line),
        cmocka_unit_test(depth_and_number_and_atoms_are_bounded),
        cmocka_unit_test(lists_of_pairs_are_looked_into),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
