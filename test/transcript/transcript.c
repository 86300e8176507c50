/*
 * The interpreter of transcripts: one line at a time, in order, no look-ahead but for blocks.
 *
 * A line is first expanded (bound variables become their values), then either sent or compared with what
 * came. A received method is rendered as text, field by field, and the expected text is a pattern over it:
 * `*` stands for anything, `$name` for anything that is remembered. Macros are written in the language
 * itself. A script that reaches its end must leave nothing unread: every open channel is asked for a round
 * trip.
 */
#include "transcript.h"
#include "run.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool run_line(struct run *run, const char *line);

bool
run_fail(struct run *run, const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (run->report->result != TRANSCRIPT_FAILED) {
        run->report->result = TRANSCRIPT_FAILED;
        bytes_printf(&run->report->reason, "line %u: %s", run->line, text);
    }
    return false;
}

bool
run_format(struct run *run, const char *format, ...)
{
    char line[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    return run_line(run, line);
}

/* ---- macros, written in the language ---- */

static const char *
unquoted(struct pairs *pairs, const char *key, const char *otherwise, char *text, size_t size)
{
    const char *value = pairs_get(pairs, key);
    size_t length = value == NULL ? 0 : strlen(value);
    if (length < 2 || value[0] != '"') {
        return otherwise;
    }
    snprintf(text, size, "%.*s", (int)length - 2, value + 1);
    return text;
}

static const char all_capabilities[] = "{publisher_confirms: true, exchange_exchange_bindings: true, "
                                       "basic.nack: true, consumer_cancel_notify: true, "
                                       "connection.blocked: true, authentication_failure_close: true}";

/* Opens a connection with the usual handshake. */
static bool
macro_open(struct run *run, const char *name, const char *text)
{
    char user[64], password[64], vhost[300];
    struct pairs pairs = {0};
    bool ok = pairs_parse(run, text, &pairs);
    const char *capabilities = pairs_get(&pairs, "capabilities");
    ok = ok && run_format(run, "%s: connect", name) && run_format(run, "%s> protocol-header", name) &&
         run_format(run, "%s< connection.start version-major=0 version-minor=9", name) &&
         run_format(run,
                    "%s> connection.start-ok client-properties={capabilities: %s} mechanism=\"PLAIN\" "
                    "response=\"\\x00%s\\x00%s\" locale=\"en_US\"",
                    name, capabilities == NULL ? all_capabilities : capabilities,
                    unquoted(&pairs, "user", "guest", user, sizeof(user)),
                    unquoted(&pairs, "password", "guest", password, sizeof(password))) &&
         run_format(run, "%s< connection.tune", name) &&
         run_format(run, "%s> connection.tune-ok channel-max=%u frame-max=%u heartbeat=%u", name,
                    pairs_number(&pairs, "channel-max", 2047), pairs_number(&pairs, "frame-max", 131072),
                    pairs_number(&pairs, "heartbeat", 0)) &&
         run_format(run, "%s> connection.open virtual-host=\"%s\"", name,
                    unquoted(&pairs, "vhost", "/", vhost, sizeof(vhost))) &&
         run_format(run, "%s< connection.open-ok", name);
    pairs_fini(&pairs);
    return ok;
}

static bool
statement_macro(struct run *run, const struct address *a, const char *text)
{
    struct bytes why = {0};
    bool is_channel = strchr(a->text, '.') != NULL;
    bool ok;
    if (is_channel && strcmp(text, "open") == 0) {
        return run_format(run, "%s> channel.open", a->text) &&
               run_format(run, "%s< channel.open-ok", a->text);
    }
    if (is_channel && strcmp(text, "close") == 0) {
        return run_format(run, "%s> channel.close reply-code=200 reply-text=\"bye\"", a->text) &&
               run_format(run, "%s< channel.close-ok", a->text);
    }
    if (!is_channel && strncmp(text, "open", 4) == 0 && (text[4] == 0 || text[4] == ' ')) {
        return macro_open(run, a->text, text + 4);
    }
    if (!is_channel && strcmp(text, "close") == 0) {
        return run_format(run, "%s> connection.close reply-code=200 reply-text=\"bye\"", a->text) &&
               run_format(run, "%s< connection.close-ok", a->text) && run_format(run, "%s: drop", a->text);
    }
    if (!is_channel && strcmp(text, "connect") == 0) {
        ok = client_connect(a->connection, run->options, &why) || run_fail(run, "%s", bytes_text(&why));
        bytes_fini(&why);
        return ok;
    }
    if (!is_channel && strcmp(text, "drop") == 0) {
        client_drop(a->connection, run->options);
        return true;
    }
    return run_fail(run, "%s: %s is no macro", a->text, text);
}

/* ---- lines ---- */

/* Reads `A`, `A.1` and the sign after it; NULL when the line does not start like that. */
const char *
run_address(struct run *run, const char *line, struct address *a, char *sign)
{
    int used = 0;
    if (line[0] < 'A' || line[0] > 'Z') {
        return NULL;
    }
    a->connection = &run->connections[line[0] - 'A'];
    a->channel = 0;
    if (line[1] == '.') {
        if (sscanf(line + 2, "%u%n", &a->channel, &used) != 1) {
            return NULL;
        }
        used++;
    }
    used++;
    snprintf(a->text, sizeof(a->text), "%.*s", used, line);
    *sign = line[used];
    if (strchr("<>:", *sign) == NULL || *sign == 0) {
        return NULL;
    }
    return line_skip_blanks(line + used + 1);
}

static bool
statement_names(struct run *run, const char *text)
{
    char name[32], value[128];
    int used = 0;
    while (sscanf(text, " %31[a-z0-9_]%n", name, &used) == 1) {
        snprintf(value, sizeof(value), "\"%s-%s\"", name, run->options->unique);
        variable_set(run, name, value);
        text += used;
    }
    return *line_skip_blanks(text) == 0 || run_fail(run, "names are lower-case words: %s", text);
}

static bool
statement_needs(struct run *run, const char *text)
{
    char needed[64];
    snprintf(needed, sizeof(needed), " %s ", line_skip_blanks(text));
    if (strstr(run->options->provides, needed) == NULL) {
        run->report->result = TRANSCRIPT_SKIPPED;
        return false;
    }
    return true;
}

static bool
statement_resource(struct run *run, const char *which, const char *text, bool *was_short)
{
    bool is_short = strcmp(text, "short") == 0;
    if (!is_short && strcmp(text, "enough") != 0) {
        return run_fail(run, "%s is short or enough, not %s", which, text);
    }
    *was_short = is_short;
    const struct transcript_net *net = run->options->net;
    return (net->resource != NULL && net->resource(net->ctx, which, is_short)) ||
           run_fail(run, "%s cannot be set", which);
}

static bool
run_line(struct run *run, const char *line)
{
    struct bytes expanded = {0};
    struct address a;
    char sign;
    line_expand(run, line_skip_blanks(line), &expanded);
    const char *text = bytes_text(&expanded);
    if (run->options->verbose && *text != 0 && *text != '#') {
        fprintf(stderr, "    %s\n", text);
    }
    bool ok;
    const char *rest;
    if (*text == 0 || *text == '#') {
        ok = true;
    } else if (strncmp(text, "names ", 6) == 0) {
        ok = statement_names(run, text + 6);
    } else if (strncmp(text, "memory ", 7) == 0) {
        ok = statement_resource(run, "memory", text + 7, &run->is_memory_short);
    } else if (strncmp(text, "disk ", 5) == 0) {
        ok = statement_resource(run, "disk", text + 5, &run->is_disk_short);
    } else if (strncmp(text, "needs:", 6) == 0) {
        ok = statement_needs(run, text + 6);
    } else if (strncmp(text, "differs:", 8) == 0) {
        ok = run->report->differs = true;
    } else if ((rest = run_address(run, text, &a, &sign)) == NULL) {
        ok = run_fail(run, "not a statement: %s", text);
    } else if (sign == '>') {
        ok = send_statement(run, &a, rest);
    } else {
        ok = sign == '<' ? expect_statement(run, &a, rest) : statement_macro(run, &a, rest);
    }
    bytes_fini(&expanded);
    return ok;
}

/* ---- blocks ---- */

enum { UNTIL_ROUNDS_MAX = 100000 };

/* The lines again and again, until the last one, an expectation, is what comes. */
static bool
block_until(struct run *run, struct block *block)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const time_t end = now.tv_sec + run->options->timeout_ms / 1000 + 1;
    bool ok = block->count > 0, matched = false;
    for (unsigned round = 1; ok && !matched; round++) {
        for (unsigned j = 0; ok && j + 1 < block->count; j++) {
            ok = run_line(run, bytes_text(&block->lines[j]));
        }
        struct bytes last = {0};
        struct address a;
        char sign;
        line_expand(run, bytes_text(&block->lines[block->count - 1]), &last);
        const char *expected = run_address(run, bytes_text(&last), &a, &sign);
        if (ok && (expected == NULL || sign != '<')) {
            ok = run_fail(run, "the last line of an until block is an expectation");
        }
        ok = ok && expect_or_not(run, &a, expected, &matched);
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (ok && !matched && (now.tv_sec > end || round == UNTIL_ROUNDS_MAX)) {
            ok = run_fail(run, "in vain: %s", bytes_text(&last));
        }
        bytes_fini(&last);
    }
    return ok;
}

static bool
block_run(struct run *run, struct block *block, unsigned repeat, bool is_until)
{
    bool ok = !is_until || block_until(run, block);
    char number[16];
    for (unsigned i = 1; ok && i <= repeat; i++) {
        snprintf(number, sizeof(number), "%u", i);
        variable_set(run, "i", number);
        for (unsigned j = 0; ok && j < block->count; j++) {
            ok = run_line(run, bytes_text(&block->lines[j]));
        }
    }
    while (ok && !is_until && repeat == 0 && block->count > 0) {
        ok = expect_unordered(run, block);
    }
    for (unsigned j = 0; j < block->count; j++) {
        bytes_fini(&block->lines[j]);
    }
    return ok;
}

/* Copies one line without its end; NULL at the end of the text. */
static const char *
line_next(const char *text, struct bytes *line)
{
    if (*text == 0) {
        return NULL;
    }
    size_t length = strcspn(text, "\n");
    line->size = 0;
    bytes_append(line, text, length);
    while (line->size > 0 && line->data[line->size - 1] == ' ') {
        line->size--;
    }
    return text + length + (text[length] == '\n');
}

/* The lines up to `}`. */
static const char *
block_read(struct run *run, const char *text, struct block *block)
{
    struct bytes line = {0};
    while ((text = line_next(text, &line)) != NULL) {
        run->line++;
        const char *p = line_skip_blanks(bytes_text(&line));
        if (*p == '}') {
            bytes_fini(&line);
            return text;
        }
        if (*p != 0 && *p != '#') {
            if (block->count == BLOCK_LINES_MAX) {
                break;
            }
            bytes_printf(&block->lines[block->count++], "%s", p);
        }
    }
    bytes_fini(&line);
    run_fail(run, "a block is too long or has no end");
    return NULL;
}

/* Runs the line at `text`, with the block that follows where it opens one; NULL on failure. */
static const char *
text_step(struct run *run, const char *text, struct bytes *line)
{
    unsigned repeat = 0;
    text = line_next(text, line);
    run->line++;
    const char *p = line_skip_blanks(bytes_text(line));
    bool is_until = strcmp(p, "until {") == 0;
    if (!is_until && strcmp(p, "unordered {") != 0 && sscanf(p, "repeat %u {", &repeat) != 1) {
        return run_line(run, p) ? text : NULL;
    }
    struct block block = {0};
    text = block_read(run, text, &block);
    return text != NULL && block_run(run, &block, repeat, is_until) ? text : NULL;
}

/* ---- the end ---- */

/* Nothing may have come that the transcript does not speak of. */
static bool
run_leftovers(struct run *run)
{
    bool ok = true;
    for (unsigned i = 0; i < CLIENT_CONNECTIONS_MAX; i++) {
        struct client *c = &run->connections[i];
        for (unsigned j = 0; ok && c->is_ready && j < c->channel_count; j++) {
            if (c->channels[j]->is_open) {
                ok = run_format(run, "%c.%u< nothing", 'A' + i, c->channels[j]->number);
            }
        }
    }
    for (unsigned i = 0; ok && i < CLIENT_CONNECTIONS_MAX; i++) {
        for (struct client_frame *f = run->connections[i].first; f != NULL; f = f->next) {
            if (f->type != CLIENT_FRAME_HEARTBEAT) {
                struct bytes text = {0};
                client_frame_describe(f, &text);
                ok = run_fail(run, "at the end %c has an unexpected %s", 'A' + i, bytes_text(&text));
                bytes_fini(&text);
                break;
            }
        }
    }
    return ok;
}

/* Closes what is open in good order, so that exclusive things are gone before the next transcript. */
static void
run_close(struct run *run)
{
    for (unsigned i = 0; i < CLIENT_CONNECTIONS_MAX; i++) {
        struct client *c = &run->connections[i];
        if (c->is_ready && !c->is_ended) {
            struct bytes why = {0};
            struct client_frame *frame;
            run_format(run, "%c> connection.close reply-code=200 reply-text=\"bye\"", 'A' + i);
            for (bool done = false; !done;) {
                frame = client_next(c, run->options, 0, false, &why);
                done = frame == NULL || client_frame_is(frame, "connection.close-ok");
                if (frame != NULL) {
                    client_frame_free(frame);
                }
            }
            bytes_fini(&why);
        }
        client_drop(c, run->options);
    }
}

void
transcript_run(const struct transcript_options *options, const char *name, const char *text,
               struct transcript_report *report)
{
    *report = (struct transcript_report){.result = TRANSCRIPT_PASSED};
    struct run *run = calloc(1, sizeof(*run));
    struct bytes line = {0};
    char unique[80];
    if (run == NULL) {
        abort();
    }
    run->options = options;
    run->report = report;
    snprintf(unique, sizeof(unique), "\"%s\"", options->unique);
    variable_set(run, "unique", unique);
    if (options->verbose) {
        fprintf(stderr, "%s\n", name);
    }
    while (text != NULL && *text != 0) {
        text = text_step(run, text, &line);
    }
    if (report->result == TRANSCRIPT_PASSED) {
        run_leftovers(run);
    }
    if (run->is_memory_short) {
        statement_resource(run, "memory", "enough", &run->is_memory_short);
    }
    if (run->is_disk_short) {
        statement_resource(run, "disk", "enough", &run->is_disk_short);
    }
    run_close(run);
    for (unsigned i = 0; i < run->variable_count; i++) {
        bytes_fini(&run->variables[i].value);
    }
    bytes_fini(&line);
    free(run);
}
