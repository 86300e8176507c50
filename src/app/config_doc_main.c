/* Writes the table of keys to standard output, `config_doc markdown` or `config_doc text`, or a manual page.
 * Part of the build only. */
#include "app/config.h"
#include "app/manual.h"

#include <stdio.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
    struct buffer out = {0};
    if (argc == 2 && strcmp(argv[1], "markdown") == 0) {
        config_doc_markdown(&out);
    } else if (argc == 2 && strcmp(argv[1], "text") == 0) {
        config_doc_text(&out);
    } else if (argc == 2 && strcmp(argv[1], "leveret.8") == 0) {
        manual_program(&out);
    } else if (argc == 2 && strcmp(argv[1], "leveret.conf.5") == 0) {
        manual_config(&out);
    } else {
        dprintf(STDERR_FILENO, "usage: config_doc markdown|text|leveret.8|leveret.conf.5\n");
        return 2;
    }
    bool is_written = dprintf(STDOUT_FILENO, "%.*s", SLICE_FMT(buffer_slice(&out))) == (int)out.len;
    buffer_fini(&out);
    return is_written ? 0 : 1;
}
