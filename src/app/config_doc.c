/*
 * The table of keys for people: what `leveret --help-config` prints and what doc/configuration.md is made of
 * (`make docs`; `make tidy` fails when the page is not what this file writes).
 */
#include "app/config_env_keys.h"
#include "app/config_row.h"

/* A section starts at the row with this name. */
static const struct {
    const char *name, *title;
} sections[] = {
    {"listeners.tcp.$name", "Listeners and connections"},
    {"ssl_options.cacertfile", "TLS"},
    {"auth_mechanisms.$n", "Users and logging in"},
    {"default_queue_type", "New virtual hosts, and how many of what"},
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

static void
variables_markdown(struct buffer *out)
{
    static const struct {
        const char *name, *use, *text;
    } variables[] = {
#define X(name, use, what, text) {name, #use, text},
        CONFIG_ENV_TABLE(X)
#undef X
    };
    buffer_add_str(out, "\n## Environment\n\n"
                        "Each name stands for `RABBITMQ_name` (or `LEVERET_name`, which wins) among the "
                        "process's variables, and "
                        "for an\n"
                        "assignment in `rabbitmq-env.conf`, with `RABBITMQ_` or without, that counts where "
                        "the process has no such "
                        "variable. The\n"
                        "file is read, never run: what would need a shell is an error with its line.\n\n"
                        "| variable | meaning |\n|---|---|\n");
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        buffer_add_fmt(out, "| `%s` | %s%s |\n", variables[i].name,
                       strcmp(variables[i].use, "NOTHING") ? "" : "without effect: ", variables[i].text);
}

static void
files_markdown(struct buffer *out)
{
    buffer_add_str(
        out,
        "\n## Files\n\n"
        "With `--config` only the named files are read. Without, they are looked for in `/etc/leveret` if it "
        "has "
        "a `leveret.conf`,\n"
        "else in `/etc/rabbitmq`, where they have RabbitMQ's names (`SYS_PREFIX` goes before both):\n\n"
        "| file | what it is |\n|---|---|\n"
        "| `rabbitmq.conf` (`leveret.conf`) | the keys below |\n"
        "| `rabbitmq.config` | the same in RabbitMQ's classic form, Erlang terms; then neither "
        "`rabbitmq.conf` nor "
        "`advanced.config` is read |\n"
        "| `conf.d/*.conf` | more files with keys, in the order of their names; a later one wins |\n"
        "| `advanced.config` | the classic form again; it wins over the others, key by key |\n"
        "| `rabbitmq-env.conf` | variables: see Environment |\n"
        "| `enabled_plugins` | which plugins are enabled: `[rabbitmq_management].` |\n\n"
        "The log names the files that were read, and so does `rabbitmqctl status`. `leveret --show-config` "
        "prints "
        "what counts.\n"
        "From weak to strong: defaults, variables that files win over, files with keys, classic files, "
        "variables that "
        "win\n"
        "over files, options of the command line. What a stronger one says of a key, or of a list, replaces "
        "what "
        "weaker ones do.\n\n"
        "At SIGHUP everything is read again. Keys marked `yes` take effect at once, and no connection is "
        "closed; "
        "others\n"
        "that have changed are named in the log and wait for a restart; a wrong file changes nothing.\n");
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
    files_markdown(out);
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
    variables_markdown(out);
    ignored_markdown(out);
    refused_markdown(out);
}
