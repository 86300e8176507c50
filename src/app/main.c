/* leveret: the broker. Exit codes: 0 stopped cleanly, 1 could not start or run, 2 wrong command line; those
 * of `leveret store` are in store_command.h. */
#include "app/config_show.h"
#include "app/config_start.h"
#include "app/detach.h"
#include "app/notify.h"
#include "app/options.h"
#include "app/process.h"
#include "app/setup.h"
#include "app/store_command.h"
#include "base/buffer.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int
print_and_free(struct buffer *text)
{
    fwrite(text->data, 1, text->len, stdout);
    buffer_fini(text);
    return 0;
}

/* Who waits for the node: the service manager, and a parent process or a person. */
struct waiting {
    struct notify manager;
    int detached; /* detach_start()'s; -1: not in the background */
};

static void
on_ready(void *arg, const char *line)
{
    struct waiting *w = arg;
    notify_ready(&w->manager, line);
    if (w->detached >= 0) {
        detach_ready(w->detached, line);
        return;
    }
    printf("%s\n", line);
    fflush(stdout);
}

static void
on_stopping(void *arg)
{
    struct waiting *w = arg;
    notify_stopping(&w->manager);
}

/* Loads the configuration and says on standard error what is wrong with it. */
static bool
load(struct config *c, const struct options *o, struct config_report *report)
{
    bool good = config_start_load(c, o, report);
    fprintf(stderr, "%.*s%.*s", SLICE_FMT(buffer_slice(&report->warnings)),
            SLICE_FMT(buffer_slice(&report->errors)));
    return good;
}

/* Whether they are readable is known; whether they are certificates, and fit, is not. */
static bool
check_certificates(const struct config *c)
{
    char why[512];
    struct tls_context *context = setup_tls(c, why, sizeof why);
    if (context)
        tls_context_drop(context);
    else if (*why)
        fprintf(stderr, "%s\n", why);
    return context || !*why;
}

static bool
load_again(void *arg, struct config *c, struct config_report *report)
{
    return config_start_load(c, arg, report);
}

static int
run(struct options *o)
{
    struct config c;
    int code = 1;
    struct config_report report;
    bool good = load(&c, o, &report);
    if (good && o->action == OPTIONS_CHECK_CONFIG)
        good = check_certificates(&c);
    if (good && o->action == OPTIONS_CHECK_CONFIG) {
        printf("the configuration is good\n");
        code = 0;
    } else if (good && o->action == OPTIONS_SHOW_CONFIG) {
        struct buffer text = {0};
        config_show_text(&c, &text);
        code = print_and_free(&text);
    } else if (good) {
        struct waiting waiting = {.detached = o->is_detached ? detach_start() : -1};
        notify_begin(&waiting.manager);
        struct process_request request = {.config = &c,
                                          .warnings = buffer_slice(&report.warnings),
                                          .load = load_again,
                                          .load_arg = o,
                                          .log_file = o->is_detached ? "leveret.log" : NULL,
                                          .on_ready = on_ready,
                                          .on_stopping = on_stopping,
                                          .arg = &waiting};
        code = process_run(&request);
        notify_end(&waiting.manager);
    }
    config_report_fini(&report);
    config_fini(&c);
    return code;
}

/* What is opened next must not become standard output or error: messages for people would go into it. */
static void
keep_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            _exit(1);
}

int
main(int argc, char **argv)
{
    keep_standard_descriptors();
    struct options o;
    char error[OPTIONS_ERROR_SIZE];
    struct buffer text = {0};
    if (argc > 1 && strcmp(argv[1], "store") == 0)
        return store_command_run(argc - 2, argv + 2);
    if (!options_parse(&o, argc, argv, error)) {
        fprintf(stderr, "leveret: %s\nTry 'leveret --help'.\n", error);
        return 2;
    }
    switch (o.action) {
    case OPTIONS_HELP:
        options_help(&text);
        store_command_help(&text);
        return print_and_free(&text);
    case OPTIONS_HELP_CONFIG: config_doc_text(&text); return print_and_free(&text);
    case OPTIONS_VERSION: printf("leveret " LEVERET_VERSION "\n"); return 0;
    default: return run(&o);
    }
}
