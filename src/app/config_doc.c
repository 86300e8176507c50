/*
 * The table of keys for people: what `leveret --help-config` prints and what doc/configuration.md is made of
 * (`make docs`; `make tidy` fails when the page is not what this file writes).
 */
#include "app/config_row.h"

/* A section starts at the row with this name. */
static const struct {
    const char *name, *title;
} sections[] = {
    {"listeners.tcp.$name", "Listeners and connections"},
    {"ssl_options.cacertfile", "TLS"},
    {"auth_mechanisms.$n", "Users and logging in"},
    {"heartbeat", "AMQP"},
    {"vm_memory_high_watermark.relative", "Node"},
    {"log.dir", "Log"},
    {"leveret.data_dir", "Leveret's own"},
};

const char *
config_doc_section(const struct config_row *row)
{
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
        if (strcmp(sections[i].name, row->name) == 0)
            return sections[i].title;
    return NULL;
}

/* A secret's default is no secret: it is RabbitMQ's, and known. */
static const char *
fallback_of(const struct config_row *row)
{
    return row->fallback[0] ? row->fallback : "not set";
}

void
config_doc_text(struct buffer *out)
{
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *row = &config_rows[i];
        const char *title = config_doc_section(row);
        if (title)
            buffer_add_fmt(out, "%s# %s\n", i == 0 ? "" : "\n", title);
        buffer_add_fmt(out, "%s = %s\n    %s\n    ", row->name, fallback_of(row), row->text);
        config_row_expected(row, out);
        buffer_add_u8(out, '\n');
    }
}

static void
ignored_markdown(struct buffer *out)
{
    buffer_add_str(out,
                   "\n## Keys of RabbitMQ's without effect\n\n"
                   "These are accepted, with one warning at the start that names them; `**` is any rest.\n\n"
                   "| key | why |\n|---|---|\n");
    for (size_t i = 0; i < config_ignored_count; i++)
        buffer_add_fmt(out, "| `%s` | %s |\n", config_ignored_rows[i].pattern, config_ignored_rows[i].text);
}

static void
refused_markdown(struct buffer *out)
{
    buffer_add_str(out, "\n## Keys of RabbitMQ's that refuse the start\n\n"
                        "A node that overlooked these would be less safe than its configuration says.\n\n"
                        "| key | why |\n|---|---|\n");
    for (size_t i = 0; i < config_refused_count; i++)
        buffer_add_fmt(out, "| `%s` | %s |\n", config_refused_rows[i].pattern, config_refused_rows[i].text);
}

void
config_doc_markdown(struct buffer *out)
{
    buffer_add_str(out, "# Configuration\n\n"
                        "<!-- Written by `make docs` from src/app/config_keys.h: change it there. -->\n\n"
                        "The file has RabbitMQ's `rabbitmq.conf` format: one `key = value` a line, comments "
                        "after `#`. A later line of\n"
                        "the same key wins; an option on the command line wins over the file. A value in "
                        "single quotes may have `#` and\n"
                        "spaces at its ends. Sizes are bytes or take a unit: `kB`, `MB`, `GB`, `TB` are "
                        "powers of 1000, `k`, `KiB`,\n"
                        "`MiB` and so on powers of 1024. An unknown key or a wrong value refuses the start "
                        "and names file and line;\n"
                        "`leveret --check-config` looks without starting.\n\n"
                        "`$name` in a key is a part of your choice: `listeners.tcp.local = 127.0.0.1:5672`. "
                        "Setting one such key\n"
                        "replaces the default of the whole list, and the key without that part takes `none`: "
                        "`loopback_users = none`.\n");
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *row = &config_rows[i];
        const char *title = config_doc_section(row);
        if (title)
            buffer_add_fmt(
                out, "\n## %s\n\n| key | default | value | meaning | reloads |\n|---|---|---|---|---|\n",
                title);
        buffer_add_fmt(out, "| `%s` | `%s` | ", row->name, fallback_of(row));
        config_row_expected(row, out);
        buffer_add_fmt(out, " | %s | %s |\n", row->text, config_row_reloads(row) ? "yes" : "");
    }
    ignored_markdown(out);
    refused_markdown(out);
}
