/* `A.1>`: from text to frames. Methods are encoded by the notation; what is wrong on purpose is written below
 * them. */
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- sending ---- */

static bool
header_encode(struct run *run, struct bytes *out, unsigned class_id, unsigned weight, uint64_t body_size,
              const char *props)
{
    struct bytes why = {0};
    bytes_put(out, class_id, 2);
    bytes_put(out, weight, 2);
    bytes_put(out, body_size, 8);
    bool ok = notation_props_encode(out, props == NULL ? "{}" : props, &why) ||
              run_fail(run, "%s", bytes_text(&why));
    bytes_fini(&why);
    return ok;
}

static bool
content_encode(struct run *run, struct bytes *out, const struct address *a, unsigned class_id,
               struct pairs *pairs)
{
    struct bytes payload = {0}, body = {0}, why = {0};
    const char *text = pairs_get(pairs, "body");
    bool ok = text == NULL || notation_octets(&body, text, &why) || run_fail(run, "%s", bytes_text(&why));
    ok = ok && header_encode(run, &payload, class_id, 0, body.size, pairs_get(pairs, "props"));
    client_frame_encode(out, CLIENT_FRAME_HEADER, a->channel, &payload, 0xCE);
    size_t room = a->connection->frame_max - 8;
    for (size_t at = 0; at < body.size; at += room) {
        struct bytes piece = {.data = body.data + at, .size = body.size - at < room ? body.size - at : room};
        client_frame_encode(out, CLIENT_FRAME_BODY, a->channel, &piece, 0xCE);
    }
    bytes_fini(&payload);
    bytes_fini(&body);
    bytes_fini(&why);
    return ok;
}

static bool
send_method(struct run *run, const struct address *a, const struct notation_method *method,
            struct pairs *pairs)
{
    struct bytes out = {0}, payload = {0}, why = {0};
    bool ok = pairs_check(run, method, pairs) &&
              (notation_method_encode(&payload, method, pairs_get, pairs, &why) ||
               run_fail(run, "%s", bytes_text(&why)));
    client_frame_encode(&out, CLIENT_FRAME_METHOD, a->channel, &payload, pairs_number(pairs, "end", 0xCE));
    if (ok && method->has_content && pairs_get(pairs, "bare") == NULL) {
        ok = content_encode(run, &out, a, method->class_id, pairs);
    }
    if (ok) {
        client_send(a->connection, run->options, &out);
        client_observe(a->connection, a->channel, method->name);
    }
    if (ok && strcmp(method->name, "connection.tune-ok") == 0 &&
        pairs_number(pairs, "frame-max", 0) >= 4096) {
        a->connection->frame_max = pairs_number(pairs, "frame-max", 0);
    }
    bytes_fini(&out);
    bytes_fini(&payload);
    bytes_fini(&why);
    return ok;
}

/* raw, frame, header, body, heartbeat: octets below the level of methods. */
static bool
send_low(struct run *run, const struct address *a, const char *word, const char *rest)
{
    struct bytes out = {0}, payload = {0}, why = {0};
    struct pairs pairs = {0};
    unsigned type = strcmp(word, "header") == 0      ? CLIENT_FRAME_HEADER
                    : strcmp(word, "body") == 0      ? CLIENT_FRAME_BODY
                    : strcmp(word, "heartbeat") == 0 ? CLIENT_FRAME_HEARTBEAT
                                                     : 0;
    bool ok = true;
    if (strcmp(word, "protocol-header") == 0) {
        bytes_append(&out, "AMQP\0\0\011\001", 8);
    } else if (type == CLIENT_FRAME_HEADER) {
        ok =
            pairs_parse(run, rest, &pairs) &&
            header_encode(run, &payload, pairs_number(&pairs, "class", 60), pairs_number(&pairs, "weight", 0),
                          pairs_number(&pairs, "body-size", 0), pairs_get(&pairs, "props"));
    } else if (strcmp(word, "frame") == 0) {
        type = (unsigned)strtoul(rest, (char **)&rest, 0);
        rest = line_skip_blanks(rest);
        ok = *rest == 0 || notation_octets(&payload, rest, &why) || run_fail(run, "%s", bytes_text(&why));
        client_frame_encode(&out, type, a->channel, &payload, 0xCE);
        type = 0;
    } else if (type != CLIENT_FRAME_HEARTBEAT) {
        struct bytes *to = type == 0 ? &out : &payload;
        ok = notation_octets(to, rest, &why) || run_fail(run, "%s", bytes_text(&why));
    }
    if (type != 0) {
        client_frame_encode(&out, type, a->channel, &payload, 0xCE);
    }
    if (ok) {
        client_send(a->connection, run->options, &out);
    }
    pairs_fini(&pairs);
    bytes_fini(&out);
    bytes_fini(&payload);
    bytes_fini(&why);
    return ok;
}

bool
send_statement(struct run *run, const struct address *a, const char *text)
{
    static const char *const low[] = {"raw", "frame", "header", "body", "heartbeat", "protocol-header"};
    char word[48];
    const char *rest = line_skip_blanks(text + line_word(text, word, sizeof(word)));
    const char *dollar = strchr(text, '$');
    if (dollar != NULL) {
        return run_fail(run, "nothing has given a value to %s (a dollar sign is written \\x24)", dollar);
    }
    if (!a->connection->is_open) {
        return run_fail(run, "%s is not connected", a->text);
    }
    for (size_t i = 0; i < sizeof(low) / sizeof(low[0]); i++) {
        if (strcmp(word, low[i]) == 0) {
            return send_low(run, a, word, rest);
        }
    }
    struct notation_method method;
    if (!notation_method_by_name(word, &method)) {
        return run_fail(run, "no method is called %s", word);
    }
    struct pairs pairs = {0};
    bool ok = pairs_parse(run, rest, &pairs) && send_method(run, a, &method, &pairs);
    pairs_fini(&pairs);
    return ok;
}
