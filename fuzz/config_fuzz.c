/*
 * Any bytes as a configuration file: loading never crashes, leaks or reads a file; what it reports is clean
 * text, and it reports an error exactly when it refuses; an option wins over whatever the file says.
 */
#include "app/config.h"
#include "app/config_env_file.h"
#include "base/utf8.h"
#include "fuzz.h"

static enum err
read_input(void *arg, const char *path, struct buffer *text)
{
    const struct slice *input = arg;
    (void)path;
    buffer_add_slice(text, *input);
    return ERR_OK;
}

static enum err
probe_nothing(void *arg, const char *path)
{
    (void)arg;
    return path[0] == '/' ? ERR_OK : ERR_NOT_FOUND;
}

static void
check_report(const struct buffer *lines)
{
    CHECK(utf8_is_valid(buffer_slice(lines)));
    for (size_t i = 0; i < lines->len; i++)
        CHECK((lines->data[i] >= 0x20 && lines->data[i] != 0x7f) || lines->data[i] == '\n' ||
              lines->data[i] == '\t');
    CHECK(lines->len == 0 || lines->data[lines->len - 1] == '\n');
}

static void
check_list(const struct config_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        CHECK(list->items[i].name && list->items[i].text);
}

/* The same bytes as rabbitmq-env.conf: names are names, an error is the last thing, lines only go forward. */
static void
check_env_file(struct slice input)
{
    struct config_env_file f = {.rest = input};
    struct config_env_assignment a;
    unsigned line = 0;
    bool has_ended = false;
    while (config_env_file_next(&f, &a)) {
        CHECK(!has_ended && a.line >= line);
        CHECK(a.error || a.name.len > 0);
        line = a.line;
        has_ended = a.error != NULL;
    }
    config_env_file_fini(&f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of(data, size);
    /* The same bytes in both forms: as lines, and, in a third of the cases, as Erlang terms on top of them.
     */
    const char *files[] = {size % 2 ? "fuzz" : "fuzz.conf", "fuzz.config"};
    struct config_override overrides[] = {{"--shards", "leveret.shards", "2", CONFIG_OPTION}};
    struct config_request request = {
        .files = files,
        .file_count = size % 3 ? 1 : 2,
        .overrides = overrides,
        .override_count = 1,
        .io = {.read = read_input, .probe = probe_nothing, .arg = &input},
    };
    struct config c;
    struct config_report report;
    bool is_good = config_load(&c, &request, &report);
    CHECK(is_good == (report.error_count == 0) && is_good == (report.errors.len == 0));
    check_report(&report.errors);
    check_report(&report.warnings);
    if (is_good) {
        CHECK(c.shards == 2 && c.heartbeat_s >= 0 && c.heartbeat_s <= 65535);
        CHECK(c.frame_max == 0 || c.frame_max >= CONFIG_FRAME_LEAST);
        CHECK(c.memory_watermark_ratio > 0 && c.memory_watermark_ratio <= 1);
        CHECK(c.default_user && c.default_vhost && c.auth_mechanisms.count > 0);
        check_list(&c.listeners_tcp);
        check_list(&c.loopback_users);
        check_list(&c.log_levels);
    }
    config_fini(&c);
    config_report_fini(&report);
    check_env_file(input);
    return 0;
}
