/* See manual.h. What reads as roff in the tables' texts is escaped. */
#include "app/manual.h"

#include "app/config_row.h"
#include "app/options.h"

static void
add_text(struct buffer *out, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if ((i == 0 || text.data[i - 1] == '\n') && (c == '.' || c == '\''))
            buffer_add_str(out, "\\&");
        if (c == '\\')
            buffer_add_str(out, "\\e");
        else if (c == '-')
            buffer_add_str(out, "\\-");
        else
            buffer_add_u8(out, c);
    }
}

static void
add_option(void *arg, const char *option, const char *argument, const char *help)
{
    struct buffer *out = arg;
    buffer_add_str(out, ".TP\n.B ");
    add_text(out, slice_str(option));
    if (argument) {
        buffer_add_u8(out, ' ');
        add_text(out, slice_str(argument));
    }
    buffer_add_u8(out, '\n');
    add_text(out, slice_str(help));
    buffer_add_str(out, "\n");
}

void
manual_program(struct buffer *out)
{
    buffer_add_str(
        out, ".TH leveret 8 \"\" \"Leveret " LEVERET_VERSION "\" \"Leveret\"\n"
             ".SH NAME\nleveret \\- a message broker for AMQP 0\\-9\\-1\n"
             ".SH SYNOPSIS\n.B leveret\n[OPTION ...]\n.br\n.B leveret store\nCOMMAND DIR\n"
             ".SH DESCRIPTION\n"
             "Serves AMQP clients until it is told to stop: by SIGTERM or SIGINT, or by "
             "\\fBleveretctl stop\\fP. It speaks RabbitMQ's protocol, reads RabbitMQ's configuration and "
             "answers to RabbitMQ's tools.\n.SH OPTIONS\n");
    options_each(add_option, out);
    buffer_add_str(
        out, ".SH DATA DIRECTORY\n"
             ".TP\n.B leveret store check DIR\nReads everything and tells what is damaged.\n"
             ".TP\n.B leveret store dump DIR [\\-\\-bodies]\nEverything as text, one line a thing.\n"
             ".TP\n.B leveret store backup DIR TARGET\nA copy as of one moment, also while the node runs.\n"
             ".SH EXIT STATUS\n"
             ".TP\n.B 0\nStopped cleanly.\n.TP\n.B 1\nCould not start, or not run on.\n"
             ".TP\n.B 2\nThe command line is wrong.\n"
             ".SH SEE ALSO\n.BR leveret.conf (5),\n.BR leveretctl (1)\n");
}

void
manual_config(struct buffer *out)
{
    buffer_add_str(
        out,
        ".TH leveret.conf 5 \"\" \"Leveret " LEVERET_VERSION "\" \"Leveret\"\n"
        ".SH NAME\nleveret.conf \\- configuration of the message broker leveret\n"
        ".SH DESCRIPTION\n"
        "The format is that of rabbitmq.conf: a line \\fBkey = value\\fP each, comments behind #. A later "
        "line of the same key wins. Sizes are bytes or take a unit: kB, MB, GB, TB are powers of 1000, k, "
        "KiB, MiB and so on of 1024. A key that is not known or a wrong value refuses the start, with the "
        "file and the line. \\fB$name\\fP in a key is a part of your choice.\n.SH KEYS\n");
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *row = &config_rows[i];
        const char *title = config_doc_section(row);
        if (title) {
            buffer_add_str(out, ".SS ");
            add_text(out, slice_str(title));
            buffer_add_u8(out, '\n');
        }
        buffer_add_str(out, ".TP\n.B ");
        add_text(out, slice_str(row->name));
        buffer_add_u8(out, '\n');
        add_text(out, slice_str(row->text));
        struct buffer expected = {0};
        config_row_expected(row, &expected);
        buffer_add_str(out, ":\n");
        add_text(out, buffer_slice(&expected));
        buffer_add_fmt(out, "%s", row->fallback[0] ? " [" : "");
        add_text(out, slice_str(row->fallback));
        buffer_add_str(out, row->fallback[0] ? "]\n" : "\n");
        buffer_fini(&expected);
    }
    buffer_add_str(
        out, ".SS Keys without effect\nKeys of RabbitMQ's that mean nothing here are accepted, and named in "
             "one warning at the start.\n.SH SEE ALSO\n.BR leveret (8)\n");
}
