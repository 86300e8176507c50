/* The tables as a whole: what every row must have, and finding one. */
#include "ctl/commands.h"
#include "ctl/complete.h"
#include "ctl/help.h"
#include "ctl/manual.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
every_row_is_complete(void **state)
{
    for (size_t t = 0; commands_tables[t]; t++)
        for (const struct ctl_command *row = commands_tables[t]; row->name; row++) {
            bool is_complete = row->run && row->usage && row->summary && row->summary[0] &&
                               (row->tools & CTL_ALL) && row->group < CTL_GROUP_COUNT &&
                               (!row->columns || row->columns_default) &&
                               (row->args_min <= row->args_max || (row->flags & CTL_ANY_ARGS)) &&
                               (!row->formatter || format_find(row->formatter));
            if (!is_complete)
                fail_msg("%s", row->name);
        }
}

static void
no_tool_has_a_command_twice(void **state)
{
    for (size_t t = 0; commands_tables[t]; t++)
        for (const struct ctl_command *row = commands_tables[t]; row->name; row++)
            for (unsigned tool = 1; tool < CTL_ALL; tool <<= 1)
                if ((row->tools & tool) && commands_find(row->name, tool) != row)
                    fail_msg("%s", row->name);
}

/* leveretctl has all commands: none may hide another's. */
static void
no_name_means_two_commands(void **state)
{
    for (size_t t = 0; commands_tables[t]; t++)
        for (const struct ctl_command *row = commands_tables[t]; row->name; row++)
            if (commands_find(row->name, CTL_ALL) != row)
                fail_msg("%s", row->name);
}

static void
default_columns_are_columns(void **state)
{
    for (size_t t = 0; commands_tables[t]; t++)
        for (const struct ctl_command *row = commands_tables[t]; row->name; row++)
            for (const char *from = row->columns ? row->columns_default : ""; *from;) {
                char padded[64], all[4096];
                size_t len = strcspn(from, " ");
                snprintf(padded, sizeof padded, " %.*s ", (int)len, from);
                snprintf(all, sizeof all, " %s ", row->columns);
                if (!strstr(all, padded))
                    fail_msg("%s: %s", row->name, padded);
                from += len + (from[len] == ' ');
            }
}

/* An option in a usage line that no row has would be refused. */
static void
options_of_usage_lines_exist(void **state)
{
    for (size_t t = 0; commands_tables[t]; t++)
        for (const struct ctl_command *row = commands_tables[t]; row->name; row++)
            for (const char *at = strstr(row->usage, "--"); at; at = strstr(at + 2, "--")) {
                char name[64];
                size_t len = strspn(at + 2, "abcdefghijklmnopqrstuvwxyz-");
                snprintf(name, sizeof name, "%.*s", (int)len, at + 2);
                bool is_known = strcmp(name, "vhost") == 0 || strcmp(name, "no-table-headers") == 0 ||
                                strcmp(name, "timeout") == 0 || strcmp(name, "node") == 0;
                for (const struct ctl_option *o = row->options; o && o->name; o++)
                    is_known = is_known || strcmp(o->name, name) == 0;
                if (!is_known)
                    fail_msg("%s: --%s", row->name, name);
            }
}

static void
mistyped_name_finds_the_nearest(void **state)
{
    assert_string_equal(commands_like("list_queue", CTL_CTL)->name, "list_queues");
    assert_string_equal(commands_like("stopapp", CTL_CTL)->name, "stop_app");
    assert_null(commands_like("bogus_command", CTL_CTL));
    assert_null(commands_find("list_queues", CTL_PLUGINS));
}

static void
commands_of_a_group_are_in_order(void **state)
{
    const struct ctl_command *found[COMMANDS_MAX];
    size_t count = commands_of_group(CTL_GROUP_NODES, CTL_CTL, found, COMMANDS_MAX);
    assert_true(count > 5);
    for (size_t i = 1; i < count; i++)
        assert_true(strcmp(found[i - 1]->name, found[i]->name) < 0);
}

static void
completion_names_commands_options_and_columns(void **state)
{
    struct buffer text = {0};
    complete_prefix(&text, "stop", CTL_CTL);
    buffer_add_u8(&text, 0);
    assert_string_equal((const char *)text.data, "stop\nstop_app\n");
    buffer_clear(&text);
    complete_script(&text, "bash");
    buffer_add_u8(&text, 0);
    assert_non_null(strstr((const char *)text.data, "list_queues) words='--online --offline --local name "));
    buffer_fini(&text);
}

/* Every command is in the page, and no line of its texts is taken for a request of roff's. */
static void
manual_page_has_every_command(void **state)
{
    struct buffer page = {0};
    manual_page(&page, "leveretctl", CTL_ALL);
    buffer_add_u8(&page, 0);
    const char *text = (const char *)page.data;
    for (size_t t = 0; commands_tables[t]; t++)
        for (const struct ctl_command *row = commands_tables[t]; row->name; row++) {
            char line[80];
            snprintf(line, sizeof line, "\n.B %s\n", row->name);
            if (!strstr(text, line))
                fail_msg("%s", row->name);
        }
    for (const char *at = text; at; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (*at == '.' && strspn(at + 1, "BIPRSTHEbr") == 0)
            fail_msg("%.40s", at);
        if (*at == '\'')
            fail_msg("%.40s", at);
    }
    buffer_fini(&page);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_complete),
        cmocka_unit_test(no_tool_has_a_command_twice),
        cmocka_unit_test(no_name_means_two_commands),
        cmocka_unit_test(default_columns_are_columns),
        cmocka_unit_test(options_of_usage_lines_exist),
        cmocka_unit_test(mistyped_name_finds_the_nearest),
        cmocka_unit_test(commands_of_a_group_are_in_order),
        cmocka_unit_test(completion_names_commands_options_and_columns),
        cmocka_unit_test(manual_page_has_every_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
