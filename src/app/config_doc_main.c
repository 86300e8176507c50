/* Writes the table of keys to standard output: `config_doc markdown` or `config_doc text`. Part of the build
 * only. */
#include "app/config.h"

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
    } else {
        dprintf(STDERR_FILENO, "usage: config_doc markdown|text\n");
        return 2;
    }
    bool is_written = dprintf(STDOUT_FILENO, "%.*s", SLICE_FMT(buffer_slice(&out))) == (int)out.len;
    buffer_fini(&out);
    return is_written ? 0 : 1;
}
