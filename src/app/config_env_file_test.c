/* rabbitmq-env.conf: assignments as a shell reads them, and nothing else. */
#include "app/config_env_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* after its own prerequisites */
#include <cmocka.h>

/* All of it as "line name=value|", or "line error|". */
static void
expect(const char *text, const char *shown)
{
    struct config_env_file f = {.rest = slice_str(text)};
    struct config_env_assignment a;
    struct buffer out = {0};
    while (config_env_file_next(&f, &a)) {
        buffer_add_fmt(&out, "%u ", a.line);
        if (a.error)
            buffer_add_fmt(&out, "%s|", a.error);
        else
            buffer_add_fmt(&out, "%.*s=%.*s|", SLICE_FMT(a.name), SLICE_FMT(a.value));
    }
    buffer_add_u8(&out, 0);
    assert_string_equal((const char *)out.data, shown);
    buffer_fini(&out);
    config_env_file_fini(&f);
}

static void
assignments_are_read_as_a_shell_reads_them(void **state)
{
    expect("", "");
    expect("# nothing\n\n   # more\n", "");
    expect("NODENAME=rabbit@here\r\nNODE_PORT=5673", "1 NODENAME=rabbit@here|2 NODE_PORT=5673|");
    expect("export A=1 B=2; C=3 # D=4\n", "1 A=1|1 B=2|1 C=3|");
    expect("A=\nB=''\n", "1 A=|2 B=|");
    expect("A='x y $z `'\nB=\"x \\\"y\\\" \\$z \\a\"\nC=a'b'\"c\"d\\ e#f\n",
           "1 A=x y $z `|2 B=x \"y\" $z \\a|3 C=abcd e#f|");
    expect("A='two\nlines'\nB=1\\\n2\nC=3", "1 A=two\nlines|3 B=12|5 C=3|");
    expect("A=1\nexport A\nexport\n", "1 A=1|");
}

static void
what_a_shell_would_run_is_an_error(void **state)
{
#define SHELL  "this needs a shell, and nothing is run here: write the value itself|"
#define ASSIGN "only assignments are read here, and nothing is run: NAME=value|"
    expect("A=1\n\nNODENAME=rabbit@$(hostname)\nB=2\n", "1 A=1|3 " SHELL);
    expect("A=`id`", "1 " SHELL);
    expect("A=\"$HOME\"", "1 " SHELL);
    expect("A=${B}", "1 " SHELL);
    expect("A=~/x", "1 " SHELL);
    expect("A=1&", "1 " SHELL);
    expect("A=1 > /tmp/x", "1 A=1|1 " ASSIGN);
    expect("ulimit -n 1000\nA=1", "1 " ASSIGN);
    expect("if true; then\nA=1\nfi", "1 " ASSIGN);
    expect(". /etc/default/x\n", "1 " ASSIGN);
    expect("A = 1", "1 " ASSIGN);
    expect("9A=1", "1 " ASSIGN);
    expect("\n\nA='x\n\n", "3 the quote is not closed|");
    expect("A=\"x", "1 the quote is not closed|");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(assignments_are_read_as_a_shell_reads_them),
        cmocka_unit_test(what_a_shell_would_run_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
