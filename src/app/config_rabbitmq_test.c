/*
 * RabbitMQ's own examples: every setting that they show is taken, or refused with a reason; and the classic
 * one as a whole. config_rabbitmq_test DIR (test/app/rabbitmq).
 */
#include "app/config_classic.h"
#include "app/config_test_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* after its own prerequisites */
#include <cmocka.h>

static const char *directory;

static struct buffer
file_text(const char *name)
{
    char path[4096];
    struct buffer text = {0};
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *f = fopen(path, "re");
    if (!f)
        fail_msg("cannot open %s", path);
    size_t got;
    while ((got = fread(buffer_reserve(&text, 4096), 1, 4096, f)) > 0)
        text.len += got;
    fclose(f);
    buffer_add_u8(&text, 0);
    return text;
}

/* Whether a file with this text is good; what is said of it in `told`. */
static bool
is_accepted(const char *name, const char *text, char *told, size_t size)
{
    struct config c;
    struct config_report report;
    const char *const files[] = {name, text, NULL}, *const names[] = {name};
    struct config_request request = {.files = names, .file_count = 1, .io = test_files_io(files)};
    request.io.probe = NULL;
    bool is_good = config_load(&c, &request, &report);
    snprintf(told, size, "%.*s%.*s", SLICE_FMT(buffer_slice(&report.errors)),
             SLICE_FMT(buffer_slice(&report.warnings)));
    config_fini(&c);
    config_report_fini(&report);
    return is_good;
}

/* Calls for each line that is no comment; how many there were. */
static unsigned
for_lines(const char *name, void (*each)(const char *line))
{
    struct buffer text = file_text(name);
    unsigned count = 0;
    char *rest = (char *)text.data, *line;
    while ((line = strsep(&rest, "\n")))
        if (*line && *line != '#') {
            each(line);
            count++;
        }
    buffer_fini(&text);
    return count;
}

static void
expect_accepted(const char *line)
{
    char told[1024];
    if (!is_accepted("rabbitmq.conf", line, told, sizeof told))
        fail_msg("%s: %s", line, told);
}

static void
expect_refused(const char *line)
{
    char told[1024];
    assert_false(is_accepted("rabbitmq.conf", line, told, sizeof told));
    if (strncmp(told, "rabbitmq.conf:1: ", 17) != 0 || strlen(told) < 25)
        fail_msg("%s: %s", line, told);
}

static void
settings_of_rabbitmqs_examples_are_taken(void **state)
{
    assert_true(for_lines("accepted.conf", expect_accepted) > 180);
}

static void
what_could_only_be_pretended_is_refused(void **state)
{
    assert_true(for_lines("refused.conf", expect_refused) > 10);
}

static void
the_classic_example_is_taken_as_a_whole(void **state)
{
    char told[4096];
    struct buffer text = file_text("classic.config");
    if (!is_accepted("rabbitmq.config", (const char *)text.data, told, sizeof told))
        fail_msg("%s", told);
    char *end = strchr(told, '\n');
    assert_true(strncmp(told, "keys without effect here: ", 26) == 0 && end && end[1] == 0); /* one warning */
    assert_null(strstr(told, "shovels"));
    buffer_fini(&text);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_of_rabbitmqs_examples_are_taken),
        cmocka_unit_test(what_could_only_be_pretended_is_refused),
        cmocka_unit_test(the_classic_example_is_taken_as_a_whole),
    };
    if (argc != 2) {
        fprintf(stderr, "usage: config_rabbitmq_test DIR\n");
        return 2;
    }
    directory = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
