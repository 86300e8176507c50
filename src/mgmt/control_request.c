/*
 * The line is read once, when its end has arrived; then only bytes are counted. What it says stays where it
 * is, in the buffer and in the JSON value, until the end of the request.
 */
#include "mgmt/control_request.h"

#include <stdio.h>

static enum control_request_state
bad(struct control_request *r, const char *why)
{
    snprintf(r->why, sizeof r->why, "%s", why);
    return r->state = CONTROL_REQUEST_BAD;
}

/* What is in the line, checked; false and `why`. */
static bool
read_line(struct control_request *r, struct slice line)
{
    json_error_t error;
    r->root = json_loadb((const char *)line.data, line.len, JSON_REJECT_DUPLICATES, &error);
    if (!r->root) {
        snprintf(r->why, sizeof r->why, "the request is not JSON: %.100s", error.text);
        return false;
    }
    json_t *command = json_object_get(r->root, "command"), *user = json_object_get(r->root, "user"),
           *body = json_object_get(r->root, "body");
    r->arguments = json_object_get(r->root, "arguments");
    const char *why = NULL;
    if (!json_is_object(r->root))
        why = "the request is not a JSON object";
    else if (!json_is_string(command) || json_string_length(command) == 0)
        why = "the request names no command";
    else if (r->arguments && !json_is_object(r->arguments))
        why = "arguments must be an object";
    else if (user && (!json_is_string(user) || json_string_length(user) > CONTROL_USER_MAX))
        why = "user must be a string of at most 255 bytes";
    else if (body && (!json_is_integer(body) || json_integer_value(body) < 0))
        why = "body must be a number of bytes";
    else if (body && json_integer_value(body) > CONTROL_BODY_MAX)
        why = "the body is longer than 256 MiB";
    if (why) {
        snprintf(r->why, sizeof r->why, "%s", why);
        return false;
    }
    r->command = json_string_value(command);
    r->user = user ? json_string_value(user) : "";
    r->body_len = body ? (size_t)json_integer_value(body) : 0;
    return true;
}

enum control_request_state
control_request_parse(struct control_request *r, const struct buffer *in)
{
    if (r->state == CONTROL_REQUEST_PART) {
        const uint8_t *end = in->len > r->seen ? memchr(in->data + r->seen, '\n', in->len - r->seen) : NULL;
        r->seen = in->len;
        if ((end ? (size_t)(end - in->data) : in->len) > CONTROL_LINE_MAX)
            return bad(r, "the request is longer than 64 KiB");
        if (!end)
            return CONTROL_REQUEST_PART;
        struct slice line = slice_of(in->data, (size_t)(end - in->data));
        r->line_len = line.len + 1;
        r->state = read_line(r, line) ? CONTROL_REQUEST_LINE : CONTROL_REQUEST_BAD;
    }
    if (r->state == CONTROL_REQUEST_LINE && in->len - r->line_len >= r->body_len)
        r->state = CONTROL_REQUEST_WHOLE;
    return r->state;
}

struct slice
control_request_body(const struct control_request *r, const struct buffer *in)
{
    return slice_of(in->data + r->line_len, r->body_len);
}

void
control_request_end(struct control_request *r, struct buffer *in)
{
    if (r->state == CONTROL_REQUEST_WHOLE)
        buffer_consume(in, r->line_len + r->body_len);
    json_decref(r->root);
    *r = (struct control_request){0};
}
