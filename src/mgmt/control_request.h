/*
 * Requests in a stream of bytes: one line of JSON each, and perhaps a body behind it. Nothing here does I/O:
 * bytes come in a buffer, and how they were split on their way makes no difference.
 */
#ifndef LEVERET_MGMT_CONTROL_REQUEST_H
#define LEVERET_MGMT_CONTROL_REQUEST_H

#include "base/buffer.h"
#include "base/slice.h"

#include <jansson.h>

enum {
    CONTROL_LINE_MAX = 65536,     /* of a request, without its end */
    CONTROL_BODY_MAX = 256 << 20, /* behind one */
    CONTROL_USER_MAX = 255,       /* bytes of the asker's name */
};

enum control_request_state {
    CONTROL_REQUEST_PART,  /* of its line */
    CONTROL_REQUEST_LINE,  /* the line is known, its body has not arrived as a whole */
    CONTROL_REQUEST_WHOLE, /* to be run */
    CONTROL_REQUEST_BAD,   /* `why`; nothing behind it can be understood */
};

/* Zeroed: none has begun. */
struct control_request {
    enum control_request_state state;
    json_t *root;        /* owns what the next three point to */
    const char *command; /* never empty */
    json_t *arguments;   /* an object, or NULL */
    const char *user;    /* "" if it was not said */
    size_t seen, line_len, body_len;
    char why[160];
};

/*
 * Looks on in `in`, which begins with this request's first byte; the state says how far it got. PART and
 * LINE: call again with more bytes.
 */
enum control_request_state control_request_parse(struct control_request *r, const struct buffer *in);
/* WHOLE: what is behind the line. */
struct slice control_request_body(const struct control_request *r, const struct buffer *in);
/* The request is over: its bytes leave `in`, its memory goes, and the next one may begin. */
void control_request_end(struct control_request *r, struct buffer *in);

#endif
