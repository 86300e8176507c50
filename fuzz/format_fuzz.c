/*
 * Any JSON as what a node answers: each format prints it, as a row and as a value, without a crash; and
 * nothing in a row of a table ends it before its end of line.
 */
#include "ctl/format.h"
#include "fuzz.h"

#include <stdlib.h>

static const char *const names[] = {"table",       "pretty_table", "csv",   "json",
                                    "json_stream", "erlang",       "string"};
static const char *const columns[] = {"a", "b", "c"};

static void
print(const struct format *format, const json_t *answer)
{
    char *text = NULL;
    size_t len = 0;
    struct format_out o = {.format = format,
                           .file = open_memstream(&text, &len),
                           .columns = columns,
                           .column_count = 3,
                           .separator = ',',
                           .delimiter = '\n'};
    CHECK(o.file);
    if (format->begin)
        format->begin(&o);
    format->row(&o, answer);
    if (format->end)
        format->end(&o);
    if (format->is_text && format->begin == NULL) {
        fflush(o.file);
        CHECK(len > 0 && memchr(text, '\n', len) == text + len - 1);
    }
    format->value(&o, answer);
    fclose(o.file);
    format_out_fini(&o);
    free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *answer = json_loadb((const char *)data, size, JSON_DECODE_ANY, NULL);
    for (size_t i = 0; answer && i < sizeof names / sizeof *names; i++)
        print(format_find(names[i]), answer);
    json_decref(answer);
    return 0;
}
