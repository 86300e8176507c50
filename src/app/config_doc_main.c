/* Writes the table of keys to standard output: `config_doc markdown` or `config_doc text`. Part of the build
 * only. */
#include "app/config.h"

#include <stdio.h>

int
main(int argc, char **argv)
{
    struct buffer out = {0};
    if (argc == 2 && strcmp(argv[1], "markdown") == 0) {
        config_doc_markdown(&out);
    } else if (argc == 2 && strcmp(argv[1], "text") == 0) {
        config_doc_text(&out);
    } else {
        fputs("usage: config_doc markdown|text\n",
              stderr); /* tidy: allowed because this program only prints */
        return 2;
    }
    bool is_written = fwrite(out.data, 1, out.len, stdout) == out.len && fflush(stdout) == 0;
    buffer_fini(&out);
    return is_written ? 0 : 1;
}
