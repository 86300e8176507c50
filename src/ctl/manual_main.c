/* Writes to standard output what an installation has beside the tool: `manual page`, `manual bash`. Part of
 * the build only. */
#include "ctl/commands.h"
#include "ctl/complete.h"
#include "ctl/manual.h"

#include <stdio.h>
#include <string.h>

int
main(int argc, char **argv)
{
    struct buffer out = {0};
    if (argc == 2 && strcmp(argv[1], "page") == 0) {
        manual_page(&out, "leveretctl", CTL_ALL);
    } else if (argc == 2 && strcmp(argv[1], "bash") == 0) {
        complete_script(&out, "bash");
    } else {
        fprintf(stderr, "usage: manual page|bash\n");
        return 2;
    }
    bool is_written = fwrite(out.data, 1, out.len, stdout) == out.len && fflush(stdout) == 0;
    buffer_fini(&out);
    return is_written ? 0 : 1;
}
