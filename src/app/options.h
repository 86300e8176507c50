/* The command line of leveret. */
#ifndef LEVERET_APP_OPTIONS_H
#define LEVERET_APP_OPTIONS_H

#include "app/config.h"

enum {
    OPTIONS_FILES_MAX = 8,
    OPTIONS_OVERRIDES_MAX = 32,
    OPTIONS_ERROR_SIZE = 256,
};

enum options_action {
    OPTIONS_RUN,
    OPTIONS_CHECK_CONFIG, /* load the configuration, say whether it is good, exit with 0 or 1 */
    OPTIONS_SHOW_CONFIG,  /* likewise, and print what counts of it: config_show_text() */
    OPTIONS_VERSION,
    OPTIONS_HELP,
    OPTIONS_HELP_CONFIG, /* config_doc_text() */
};

/* Points into argv and into itself: neither may move while it is used. */
struct options {
    enum options_action action;
    bool is_detached;
    /* From --config. When there is none, config_files.c looks for them. */
    const char *files[OPTIONS_FILES_MAX];
    size_t file_count;
    struct config_override overrides[OPTIONS_OVERRIDES_MAX];
    size_t override_count;
    char keys[OPTIONS_OVERRIDES_MAX][32]; /* of listeners */
};

/*
 * False: `error` says what is wrong, without a full stop; the program ends with exit code 2. Uses
 * getopt_long, so not for two threads at once.
 */
bool options_parse(struct options *o, int argc, char **argv, char error[OPTIONS_ERROR_SIZE]);

/* Every option, in the order of the help; `argument` NULL: it takes none. */
void options_each(void (*fn)(void *arg, const char *option, const char *argument, const char *help),
                  void *arg);

/* What `leveret --help` prints. */
void options_help(struct buffer *out);

#endif
