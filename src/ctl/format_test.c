/* Each format against what RabbitMQ's tools were recorded to print for such rows. */
#include "ctl/format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const columns[] = {"name", "messages"};

/* What the format makes of rows, which are JSON. */
static char *
print_rows(const char *format, const char *rows, bool is_streamed, bool has_headers)
{
    char *text = NULL;
    size_t len;
    json_t *list = json_loads(rows, 0, NULL), *row;
    assert_non_null(list);
    struct format_out o = {.format = format_find(format),
                           .file = open_memstream(&text, &len),
                           .columns = columns,
                           .column_count = 2,
                           .has_headers = has_headers,
                           .is_streamed = is_streamed,
                           .separator = ',',
                           .delimiter = '\n'};
    assert_non_null(o.format);
    if (o.format->begin)
        o.format->begin(&o);
    size_t i;
    json_array_foreach(list, i, row) o.format->row(&o, row);
    if (o.format->end)
        o.format->end(&o);
    fclose(o.file);
    format_out_fini(&o);
    json_decref(list);
    return text;
}

static void
check_rows(const char *format, const char *rows, bool is_streamed, const char *expected)
{
    char *text = print_rows(format, rows, is_streamed, true);
    assert_string_equal(text, expected);
    free(text);
}

#define ROWS "[[\"live.q\", 0], [\"q\\\"2\", 121]]"

static void
table_has_tabs_and_a_header(void **state)
{
    check_rows("table", ROWS, true, "name\tmessages\nlive.q\t0\nq\"2\t121\n");
    char *text = print_rows("table", ROWS, true, false);
    assert_string_equal(text, "live.q\t0\nq\"2\t121\n");
    free(text);
}

static void
empty_list_is_an_empty_line_unless_streamed(void **state)
{
    check_rows("table", "[]", false, "\n");
    check_rows("table", "[]", true, "");
    check_rows("json", "[]", false, "[]\n");
    check_rows("json", "[]", true, "[\n]\n");
    check_rows("csv", "[]", true, "");
    check_rows("erlang", "[]", true, "[]\n");
}

static void
csv_quotes_everything(void **state)
{
    check_rows("csv", ROWS, true, "\"name\",\"messages\"\n\"live.q\",\"0\"\n\"q\"\"2\",\"121\"\n");
}

static void
json_has_an_object_a_line(void **state)
{
    check_rows("json", ROWS, true,
               "[\n{\"name\":\"live.q\",\"messages\":0}\n,{\"name\":\"q\\\"2\",\"messages\":121}\n]\n");
    check_rows("json", "[[null, 1]]", true, "[\n{\"name\":\"\",\"messages\":1}\n]\n");
    check_rows("json_stream", ROWS, true,
               "{\"name\":\"live.q\",\"messages\":0}\n{\"name\":\"q\\\"2\",\"messages\":121}\n");
}

static void
erlang_has_property_lists(void **state)
{
    check_rows("erlang", ROWS, true,
               "[[{name,<<\"live.q\">>},{messages,0}],\n [{name,<<\"q\\\"2\">>},{messages,121}]]\n");
}

static void
pretty_table_is_drawn(void **state)
{
    check_rows("pretty_table", "[[\"live.q\", 1], [\"q\xc3\xa4\", 25083]]", true,
               "\033(0lqqqqqqqqwqqqqqqqqqqk\033(B\n"
               "\033(0x\033(B \033[1mname\033[0m   \033(0x\033(B \033[1mmessages\033[0m \033(0x\033(B\n"
               "\033(0tqqqqqqqqnqqqqqqqqqqu\033(B\n"
               "\033(0x\033(B live.q \033(0x\033(B 1        \033(0x\033(B\n"
               "\033(0tqqqqqqqqnqqqqqqqqqqu\033(B\n"
               "\033(0x\033(B q\xc3\xa4     \033(0x\033(B 25083    \033(0x\033(B\n"
               "\033(0mqqqqqqqqvqqqqqqqqqqj\033(B\n");
}

static void
check_value(const char *json, const char *expected, const char *term)
{
    struct buffer out = {0};
    json_t *value = json_loads(json, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    assert_non_null(value);
    format_value(&out, value);
    buffer_add_u8(&out, 0);
    assert_string_equal((const char *)out.data, expected);
    buffer_clear(&out);
    format_term(&out, value);
    buffer_add_u8(&out, 0);
    assert_string_equal((const char *)out.data, term);
    buffer_fini(&out);
    json_decref(value);
}

static void
values_read_as_rabbitmq_prints_them(void **state)
{
    check_value("true", "true", "true");
    check_value("null", "", "''");
    check_value("0.5", "0.5", "0.5");
    check_value("1.0", "1.0", "1.0");
    check_value("0.1", "0.1", "0.1");
    check_value("[]", "[]", "[]");
    check_value("[\"management\", \"policymaker\"]", "[management, policymaker]",
                "[<<\"management\">>,<<\"policymaker\">>]");
    check_value("[\"<rabbit@x.1795334106.2798.0>\"]", "[<rabbit@x.1795334106.2798.0>]",
                "[<rabbit@x.1795334106.2798.0>]");
    check_value("[[\"rabbit@x\", \"running\"]]", "[{rabbit@x, running}]",
                "[[<<\"rabbit@x\">>,<<\"running\">>]]");
    check_value("{\"a\": 1, \"B\": []}", "{\"B\":[],\"a\":1}", "[{a,1},{'B',[]}]");
}

static void
field_tables_keep_their_types_in_terms_alone(void **state)
{
    check_value("[[\"x-max-length\", \"long\", 1000], [\"k\", \"longstr\", \"v\"]]",
                "[{\"x-max-length\",1000},{\"k\",\"v\"}]",
                "[{<<\"x-max-length\">>,long,1000},{<<\"k\">>,longstr,<<\"v\">>}]");
    check_value("[[\"c\", \"table\", [[\"p\", \"bool\", true]]], [\"l\", \"array\", [[\"long\", 1]]]]",
                "[{\"c\",[{\"p\",true}]},{\"l\",[1]}]",
                "[{<<\"c\">>,table,[{<<\"p\">>,bool,true}]},{<<\"l\">>,array,[{long,1}]}]");
}

static void
no_name_ends_a_row_or_a_column(void **state)
{
    check_value("\"a\\tb\\nc\\u007f\"", "a\\011b\\012c\\177", "<<\"a\\tb\\nc\\d\">>");
    check_value("\"^two\\\\.\"", "^two\\.", "<<\"^two\\\\.\">>");
}

static void
nothing_a_client_says_reaches_the_terminal_as_a_control_character(void **state)
{
    check_value("\"\\u001b[31m\\u009b1m\\u00e9\"", "\\033[31m\\2331m\u00e9", "<<\"\\e[31m\\2331m\u00e9\">>");
    check_value("[[\"x\\u001b\", \"longstr\", \"v\\u001b\\u0001\\u009b\"]]",
                "[{\"x\\e\",\"v\\e\\001\\233\"}]", "[{<<\"x\\e\">>,longstr,<<\"v\\e\\001\\233\">>}]");
}

static void
a_nul_ends_no_text(void **state)
{
    check_value("\"a\\u0000b\"", "a\\000b", "<<\"a\\000b\">>");
    check_value("[[\"x\\u0000y\", \"longstr\", \"v\\u0000w\"]]", "[{\"x\\000y\",\"v\\000w\"}]",
                "[{<<\"x\\000y\">>,longstr,<<\"v\\000w\">>}]");
}

static void
atoms_that_need_quotes_have_them(void **state)
{
    check_value("[[\"rabbit@host\", \"running\"]]", "[{rabbit@host, running}]",
                "[[<<\"rabbit@host\">>,<<\"running\">>]]");
    check_value("[[\"rabbit@my-host.org\", \"running\"]]", "[{'rabbit@my-host.org', running}]",
                "[[<<\"rabbit@my-host.org\">>,<<\"running\">>]]");
    check_value("[[\"k\", \"odd\\ntype\", \"v\"]]", "[{\"k\",\"v\"}]",
                "[{<<\"k\">>,'odd\\ntype',<<\"v\">>}]");
    check_value("[[\"a\\n'b\\u001b\", \"running\"]]", "[{'a\\n\\'b\\e', running}]",
                "[[<<\"a\\n'b\\e\">>,<<\"running\">>]]");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_has_tabs_and_a_header),
        cmocka_unit_test(empty_list_is_an_empty_line_unless_streamed),
        cmocka_unit_test(csv_quotes_everything),
        cmocka_unit_test(json_has_an_object_a_line),
        cmocka_unit_test(erlang_has_property_lists),
        cmocka_unit_test(pretty_table_is_drawn),
        cmocka_unit_test(values_read_as_rabbitmq_prints_them),
        cmocka_unit_test(field_tables_keep_their_types_in_terms_alone),
        cmocka_unit_test(no_name_ends_a_row_or_a_column),
        cmocka_unit_test(a_nul_ends_no_text),
        cmocka_unit_test(nothing_a_client_says_reaches_the_terminal_as_a_control_character),
        cmocka_unit_test(atoms_that_need_quotes_have_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
