/*
 * `A.1<`: the next message of the channel against a pattern.
 *
 * A received method is rendered as text, field by field, and the expected text is a pattern over it: `*`
 * stands for anything, an unbound `$name` for anything that is remembered. Fields that are not named may be
 * anything.
 */
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A received method with its fields as text, and the content that followed it. */
struct message {
    bool is_method;
    struct notation_method method;
    struct pairs fields;
    struct bytes props;
    struct bytes body;
    struct bytes raw; /* what came, for people */
};

/* ---- receiving ---- */

static void
message_fini(struct message *m)
{
    pairs_fini(&m->fields);
    bytes_fini(&m->props);
    bytes_fini(&m->body);
    bytes_fini(&m->raw);
}

/* The header and body frames after a method with content. */
static bool
content_receive(struct run *run, const struct address *a, struct message *m, struct bytes *why)
{
    struct client_frame *header = client_next(a->connection, run->options, a->channel, false, why);
    bool ok = header != NULL && header->type == CLIENT_FRAME_HEADER && header->payload.size >= 14;
    uint64_t size = 0;
    if (ok) {
        for (unsigned i = 4; i < 12; i++) {
            size = size << 8 | header->payload.data[i];
        }
        ok = notation_props_decode(header->payload.data + 12, header->payload.size - 12, &m->props, why);
    } else if (header != NULL) {
        bytes_printf(why, "a content header should follow %s", m->method.name);
    }
    if (header != NULL) {
        client_frame_free(header);
    }
    while (ok && m->body.size < size) {
        struct client_frame *body = client_next(a->connection, run->options, a->channel, false, why);
        ok = body != NULL && body->type == CLIENT_FRAME_BODY && body->payload.size > 0 &&
             m->body.size + body->payload.size <= size;
        if (ok) {
            bytes_append(&m->body, body->payload.data, body->payload.size);
        } else if (body != NULL) {
            bytes_printf(why, "a body frame should follow, of at most what the header has announced");
        }
        if (body != NULL) {
            client_frame_free(body);
        }
    }
    return ok;
}

/* The next method of the channel with its content, or another frame in m->raw. */
static bool
message_receive(struct run *run, const struct address *a, bool heartbeats, struct message *m,
                struct bytes *why)
{
    struct client_frame *frame = client_next(a->connection, run->options, a->channel, heartbeats, why);
    if (frame == NULL) {
        return false;
    }
    bool ok = true;
    const uint8_t *p = frame->payload.data;
    if (frame->type == CLIENT_FRAME_METHOD && frame->payload.size >= 4) {
        m->is_method =
            notation_method_by_id((unsigned)(p[0] << 8 | p[1]), (unsigned)(p[2] << 8 | p[3]), &m->method);
    }
    client_frame_describe(frame, &m->raw);
    if (m->is_method) {
        ok = notation_method_decode(&m->method, p + 4, frame->payload.size - 4, pairs_put, &m->fields, why);
        client_observe(a->connection, a->channel, m->method.name);
    }
    client_frame_free(frame);
    if (ok && m->is_method && m->method.has_content) {
        ok = content_receive(run, a, m, why);
        bytes_printf(&m->raw, " ; props=%s ; body of %zu octets", bytes_text(&m->props), m->body.size);
    }
    return ok;
}

static bool
glob(const char *pattern, const char *text)
{
    const char *star = NULL, *from = NULL;
    while (*text != 0) {
        if (*pattern == '*') {
            star = pattern++;
            from = text;
        } else if (*pattern == *text) {
            pattern++;
            text++;
        } else if (star != NULL) {
            pattern = star + 1;
            text = ++from;
        } else {
            return false;
        }
    }
    pattern += strspn(pattern, "*");
    return *pattern == 0;
}

/* Compares a text that holds an unbound `$name`, quoted or not, and remembers what stands in its place. */
static bool
value_capture(struct run *run, const char *pattern, const char *dollar, const char *text)
{
    char name[32], value[1024];
    size_t size = strlen(text), length;
    snprintf(name, sizeof(name), "%s", dollar + 1);
    length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
    name[length] = 0;
    struct bytes prefix = {0}, start = {0};
    bytes_append(&prefix, pattern, (size_t)(dollar - pattern));
    bool matches = false;
    for (size_t from = 0; !matches && from <= size; from++) {
        start.size = 0;
        bytes_append(&start, text, from);
        bool fits = glob(bytes_text(&prefix), bytes_text(&start));
        for (size_t to = from; fits && !matches && to <= size; to++) {
            matches = memchr(text + from, '"', to - from) == NULL && to - from < sizeof(value) - 3 &&
                      glob(dollar + 1 + length, text + to);
            if (matches) {
                bool quoted = from > 0;
                snprintf(value, sizeof(value), "%s%.*s%s", quoted ? "\"" : "", (int)(to - from), text + from,
                         quoted ? "\"" : "");
                variable_set(run, name, value);
            }
        }
    }
    bytes_fini(&prefix);
    bytes_fini(&start);
    return matches;
}

/* Compares a received text with its pattern; `$name` remembers it, as a whole or within quotes. */
static bool
value_matches(struct run *run, const char *pattern, const char *text)
{
    if (pattern[0] == '$') {
        variable_set(run, pattern + 1, text);
        return true;
    }
    struct bytes squeezed = {0};
    notation_squeeze(&squeezed, pattern);
    const char *wanted = bytes_text(&squeezed), *dollar = strchr(wanted, '$');
    bool ok = dollar == NULL ? glob(wanted, text) : value_capture(run, wanted, dollar, text);
    bytes_fini(&squeezed);
    return ok;
}

static bool
body_matches(const char *pattern, const struct message *m, struct bytes *why)
{
    struct bytes expected = {0};
    bool ok = true;
    if (strcmp(pattern, "*") != 0) {
        ok = notation_octets(&expected, pattern, why) && expected.size == m->body.size &&
             (expected.size == 0 || memcmp(expected.data, m->body.data, expected.size) == 0);
    }
    if (!ok) {
        int shown = m->body.size < 80 ? (int)m->body.size : 80;
        bytes_printf(why, "body is %zu octets \"%.*s\"", m->body.size, shown, (const char *)m->body.data);
    }
    bytes_fini(&expected);
    return ok;
}

/* Whether the message is what the line says; captures are kept only if it is. */
static bool
message_matches(struct run *run, const char *text, struct message *m, struct bytes *why)
{
    char word[48];
    const char *rest = text + line_word(text, word, sizeof(word));
    struct notation_method method;
    if (!notation_method_by_name(word, &method)) {
        return run_fail(run, "no method is called %s", word);
    }
    if (!m->is_method || strcmp(m->method.name, word) != 0) {
        bytes_printf(why, "came %s", bytes_text(&m->raw));
        return false;
    }
    struct pairs expected = {0};
    unsigned variables = run->variable_count;
    bool ok = pairs_parse(run, rest, &expected) && pairs_check(run, &method, &expected);
    for (unsigned i = 0; ok && i < expected.count; i++) {
        const char *key = bytes_text(&expected.pair[i].key);
        const char *pattern = bytes_text(&expected.pair[i].value);
        if (strcmp(key, "body") == 0) {
            ok = body_matches(pattern, m, why);
            continue;
        }
        const char *value = strcmp(key, "props") == 0 ? bytes_text(&m->props) : pairs_get(&m->fields, key);
        ok = value != NULL && value_matches(run, pattern, value);
        if (!ok) {
            bytes_printf(why, "%s is %s in %s", key, value == NULL ? "missing" : value, bytes_text(&m->raw));
        }
    }
    while (!ok && run->variable_count > variables) {
        bytes_fini(&run->variables[--run->variable_count].value);
    }
    pairs_fini(&expected);
    return ok;
}

/* Books a confirm; anything else is none of its business. */
static bool
message_confirm(const struct address *a, struct message *m, struct bytes *why)
{
    if (!m->is_method ||
        (strcmp(m->method.name, "basic.ack") != 0 && strcmp(m->method.name, "basic.nack") != 0)) {
        return true;
    }
    return client_confirm(client_channel(a->connection, a->channel),
                          strtoull(pairs_get(&m->fields, "delivery-tag"), NULL, 10),
                          strcmp(pairs_get(&m->fields, "multiple"), "1") == 0, why);
}

/* Takes acks until publishes 1..n are confirmed; `only_one` takes one message and says whether it was one. */
static bool
acks_receive(struct run *run, const struct address *a, unsigned n, struct bytes *why)
{
    bool ok = true;
    while (ok && client_channel(a->connection, a->channel)->covered < n) {
        struct message m = {0};
        ok = message_receive(run, a, false, &m, why) && message_matches(run, "basic.ack", &m, why) &&
             message_confirm(a, &m, why);
        message_fini(&m);
    }
    if (ok && client_channel(a->connection, a->channel)->covered > n) {
        bytes_printf(why, "%u publishes are confirmed", client_channel(a->connection, a->channel)->covered);
        return false;
    }
    return ok;
}

/* The end of the connection, with or without a connection.close before it. */
static bool
gone_receive(struct run *run, const struct address *a, struct bytes *why)
{
    struct message m = {0};
    struct bytes ended = {0};
    bool ok = true;
    if (message_receive(run, a, false, &m, &ended)) {
        ok = message_matches(run, "connection.close", &m, why) &&
             run_format(run, "%s> connection.close-ok", a->text);
    }
    message_fini(&m);
    bytes_fini(&ended);
    a->connection->is_ready = false;
    return ok && client_expect_end(a->connection, run->options, why);
}

static bool
expect_word(struct run *run, const struct address *a, const char *text, bool *handled, struct bytes *why)
{
    unsigned n;
    *handled = true;
    if (strcmp(text, "closed") == 0) {
        a->connection->is_ready = false;
        return client_expect_end(a->connection, run->options, why);
    }
    if (strcmp(text, "gone") == 0) {
        return gone_receive(run, a, why);
    }
    if (strcmp(text, "nothing") == 0) {
        return run_format(run, "%s> channel.flow active=1", a->text) &&
               run_format(run, "%s< channel.flow-ok active=1", a->text);
    }
    if (sscanf(text, "acks up-to %u", &n) == 1) {
        return acks_receive(run, a, n, why);
    }
    if (strcmp(text, "heartbeat") == 0 || strcmp(text, "protocol-header") == 0) {
        struct message m = {0};
        bool ok = message_receive(run, a, text[0] == 'h', &m, why) &&
                  strncmp(bytes_text(&m.raw), text, strlen(text)) == 0;
        if (!ok && m.raw.size > 0) {
            bytes_printf(why, "came %s", bytes_text(&m.raw));
        }
        message_fini(&m);
        return ok;
    }
    *handled = false;
    return true;
}

bool
expect_statement(struct run *run, const struct address *a, const char *text)
{
    if (!a->connection->is_open) {
        return run_fail(run, "%s is not connected", a->text);
    }
    struct bytes why = {0};
    bool handled;
    bool ok = expect_word(run, a, text, &handled, &why);
    if (!handled) {
        struct message m = {0};
        ok = message_receive(run, a, false, &m, &why) && message_matches(run, text, &m, &why) &&
             message_confirm(a, &m, &why);
        message_fini(&m);
    }
    if (!ok) {
        run_fail(run, "expected %s< %s: %s", a->text, text, bytes_text(&why));
    }
    bytes_fini(&why);
    return ok;
}

bool
expect_or_not(struct run *run, const struct address *a, const char *text, bool *matched)
{
    struct bytes why = {0};
    struct message m = {0};
    bool ok = message_receive(run, a, false, &m, &why);
    *matched = ok && message_matches(run, text, &m, &why);
    ok = ok && (message_confirm(a, &m, &why));
    if (!ok) {
        run_fail(run, "waiting for %s< %s: %s", a->text, text, bytes_text(&why));
    }
    message_fini(&m);
    bytes_fini(&why);
    return ok;
}

/* Whether the message satisfies the line of the block; `done` when the line needs no more. */
static bool
unordered_try(struct run *run, const struct address *a, const char *text, struct message *m, bool *done,
              struct bytes *why)
{
    unsigned n;
    *done = true;
    if (sscanf(text, "acks up-to %u", &n) != 1) {
        return message_matches(run, text, m, why) && message_confirm(a, m, why);
    }
    if (!message_matches(run, "basic.ack", m, why) || !message_confirm(a, m, why)) {
        return false;
    }
    *done = client_channel(a->connection, a->channel)->covered >= n;
    return true;
}

/* Takes one message for the first line's channel and strikes out the line that it satisfies. */
bool
expect_unordered(struct run *run, struct block *block)
{
    struct bytes why = {0}, first = {0};
    struct address a, other;
    struct message m = {0};
    char sign;
    line_expand(run, bytes_text(&block->lines[0]), &first);
    const char *expected = run_address(run, bytes_text(&first), &a, &sign);
    if (expected == NULL || sign != '<') {
        bytes_fini(&first);
        return run_fail(run, "unordered blocks hold expectations only");
    }
    bool ok = message_receive(run, &a, false, &m, &why);
    bool matched = false;
    for (unsigned i = 0; ok && !matched && i < block->count; i++) {
        struct bytes line = {0};
        line_expand(run, bytes_text(&block->lines[i]), &line);
        const char *text = run_address(run, bytes_text(&line), &other, &sign);
        bool done = false;
        why.size = 0;
        matched =
            text != NULL && strcmp(other.text, a.text) == 0 && unordered_try(run, &a, text, &m, &done, &why);
        if (matched && done) {
            bytes_fini(&block->lines[i]);
            memmove(&block->lines[i], &block->lines[i + 1], sizeof(block->lines[0]) * (--block->count - i));
        }
        bytes_fini(&line);
    }
    if (!matched) {
        run_fail(run, "unordered, still expected %s: %s%s", bytes_text(&first),
                 ok ? "came " : bytes_text(&why), ok ? bytes_text(&m.raw) : "");
    }
    message_fini(&m);
    bytes_fini(&first);
    bytes_fini(&why);
    return matched;
}
