/*
 * An address is taken apart from the left: scheme, authority (up to the first / ? or #), path, query.
 * RabbitMQ is generous, and so is this: unknown parameters mean nothing, a fragment is dropped, what stands
 * behind ] of an IPv6 host may be missing. Reasons are RabbitMQ's terms (uri_parser, amqp_uri), because they
 * end up in the error texts of set_parameter.
 */
#include "wire/amqp_uri.h"

#include "base/buffer.h"

#include <stdio.h>

/* Texts between them are cut: what is refused is never repeated in full length. */
enum { WHY_TEXT_MAX = 256 };

static void
add_text(struct buffer *why, struct slice s)
{
    if (s.len == 0)
        buffer_add_str(why, "[]");
    else
        buffer_add_fmt(why, "\"%.*s\"", (int)(s.len < WHY_TEXT_MAX ? s.len : WHY_TEXT_MAX), s.data);
}

/* Says {BEFORE"TEXT"AFTER. */
static bool
fail(struct buffer *why, const char *before, struct slice text, const char *after)
{
    if (why) {
        buffer_add_str(why, before);
        if (text.data)
            add_text(why, text);
        buffer_add_str(why, after);
    }
    return false;
}

/* Cuts what is before `c` off; all of it if there is no `c`. True: there is one. */
static bool
cut(struct slice *rest, char c, struct slice *before)
{
    const uint8_t *at = rest->len > 0 ? memchr(rest->data, c, rest->len) : NULL;
    size_t len = at ? (size_t)(at - rest->data) : rest->len;
    *before = slice_of(rest->data, len);
    *rest = at ? slice_of(at + 1, rest->len - len - 1) : slice_of(rest->data + len, 0);
    return at != NULL;
}

static bool
is_hex(uint8_t c)
{
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'f');
}

static bool
check_percents(struct slice s, struct buffer *why)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] != '%')
            continue;
        size_t left = s.len - i;
        if (left > 2 && is_hex(s.data[i + 1]) && is_hex(s.data[i + 2]))
            continue;
        if (why) {
            buffer_add_str(why, left > 2 ? "{invalid_entitiy,['%'" : "{unterminated_entity,['%'");
            for (size_t k = 1; k < left && k < 3; k++)
                buffer_add_fmt(why, ",%u", s.data[i + k]);
            buffer_add_str(why, "]}");
        }
        return false;
    }
    return true;
}

static bool
is_integer(struct slice s)
{
    size_t sign = s.len > 0 && (*s.data == '-' || *s.data == '+');
    for (size_t i = sign; i < s.len; i++)
        if (s.data[i] < '0' || s.data[i] > '9')
            return false;
    return s.len > sign;
}

static bool
parse_port(struct slice s, struct amqp_uri *u, struct slice whole, struct buffer *why)
{
    unsigned port = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9')
            return fail(why, "{unable_to_parse_uri,{malformed_uri,", whole, "}}");
        port = port > UINT16_MAX ? port : port * 10 + (s.data[i] - '0');
    }
    if (s.len > 0 && (port == 0 || port > UINT16_MAX)) {
        if (why)
            buffer_add_fmt(why, "{port_out_of_range,%.*s}", (int)(s.len < 20 ? s.len : 20), s.data);
        return false;
    }
    u->port = (uint16_t)port;
    return true;
}

/* [USER[:PASSWORD]@][HOST][:PORT] */
static bool
parse_authority(struct slice a, struct amqp_uri *u, struct slice whole, struct buffer *why)
{
    struct slice login, rest = a;
    if (cut(&rest, '@', &login)) {
        bool has_password = cut(&login, ':', &u->user);
        u->password = has_password ? login : slice_of(NULL, 0);
        a = rest;
        if (!check_percents(u->user, why) || !check_percents(u->password, why))
            return false;
    }
    if (slice_starts_with(a, "[")) {
        a = slice_of(a.data + 1, a.len - 1);
        cut(&a, ']', &u->host);
        if (slice_starts_with(a, ":"))
            a = slice_of(a.data + 1, a.len - 1);
    } else {
        cut(&a, ':', &u->host);
    }
    return parse_port(a, u, whole, why);
}

/* One path segment at most. */
static bool
parse_path(struct slice path, struct amqp_uri *u, struct buffer *why)
{
    if (path.len == 0)
        return true;
    u->vhost = slice_of(path.data + 1, path.len - 1);
    if (u->vhost.len > 0 && memchr(u->vhost.data, '/', u->vhost.len))
        return fail(why, "{invalid_vhost,", u->vhost, "}");
    return check_percents(u->vhost, why);
}

/* A parameter's value is wrong: {KIND,KEY,"VALUE",[{"KEY","VALUE"},...],REASON} */
static bool
bad_parameter(const struct amqp_uri *u, struct slice key, struct slice value, bool is_boolean, bool is_tls,
              struct buffer *why)
{
    if (!why)
        return false;
    buffer_add_fmt(why, "{%s,%.*s,", is_tls ? "invalid_ssl_parameter" : "invalid_amqp_params_parameter",
                   SLICE_FMT(key));
    add_text(why, value);
    buffer_add_str(why, ",[");
    struct slice one, name, rest = u->query;
    for (size_t start = why->len; rest.len > 0 && why->len - start < WHY_TEXT_MAX;) {
        buffer_add_str(why, why->len == start ? "{" : ",{");
        cut(&rest, '&', &one);
        cut(&one, '=', &name);
        add_text(why, name);
        buffer_add_str(why, ",");
        add_text(why, one);
        buffer_add_str(why, "}");
    }
    buffer_add_str(why, is_boolean ? "],{require_boolean," : "],{not_an_integer,");
    if (is_boolean && value.len > 0 && value.len < WHY_TEXT_MAX)
        buffer_add_slice(why, value);
    else
        add_text(why, value);
    buffer_add_str(why, "}}");
    return false;
}

static bool
check_query(const struct amqp_uri *u, struct buffer *why)
{
    struct slice value, key, rest = u->query;
    while (rest.len > 0) {
        cut(&rest, '&', &value);
        cut(&value, '=', &key);
        bool is_boolean = u->is_tls && slice_eq_str(key, "fail_if_no_peer_cert");
        bool is_depth = u->is_tls && slice_eq_str(key, "depth");
        bool is_number = is_depth || slice_eq_str(key, "heartbeat") || slice_eq_str(key, "channel_max") ||
                         slice_eq_str(key, "connection_timeout");
        if ((is_boolean && !slice_eq_str(value, "true") && !slice_eq_str(value, "false")) ||
            (is_number && !is_integer(value)))
            return bad_parameter(u, key, value, is_boolean, is_boolean || is_depth, why);
    }
    return true;
}

static bool
parse(struct slice text, struct amqp_uri *u, struct buffer *why)
{
    struct slice scheme, rest = text;
    *u = (struct amqp_uri){.port = 0};
    if (!cut(&rest, ':', &scheme))
        return fail(why, "{unable_to_parse_uri,no_scheme}", slice_of(NULL, 0), "");
    if (!slice_starts_with(rest, "//"))
        return fail(why, "{case_clause,", rest, "}");
    u->is_tls = slice_eq_str(scheme, "amqps") || slice_eq_str(scheme, "AMQPS");
    if (!u->is_tls && !slice_eq_str(scheme, "amqp") && !slice_eq_str(scheme, "AMQP"))
        return fail(why, "{unexpected_uri_scheme,", scheme, "}");
    rest = slice_of(rest.data + 2, rest.len - 2);
    size_t end = 0;
    while (end < rest.len && !memchr("/?#", rest.data[end], 3))
        end++;
    struct slice authority = slice_of(rest.data, end), path;
    rest = slice_of(rest.data + end, rest.len - end);
    cut(&rest, '#', &path); /* the fragment goes */
    rest = path;
    u->query = cut(&rest, '?', &path) ? rest : slice_of(NULL, 0);
    if (!parse_authority(authority, u, text, why) || !parse_path(path, u, why))
        return false;
    /* Of a connection to the node itself the parameters mean nothing; over TLS there is none. */
    if (u->host.len == 0)
        return u->is_tls ? fail(why, "{badrecord,amqp_params_direct}", slice_of(NULL, 0), "") : true;
    return check_query(u, why);
}

bool
amqp_uri_parse(struct slice text, struct amqp_uri *out, struct buffer *why)
{
    struct buffer reason = {0};
    bool is_good = parse(text, out, why ? &reason : NULL);
    if (!is_good && why) {
        buffer_add_fmt(why, "{%.*s,", SLICE_FMT(buffer_slice(&reason)));
        add_text(why, text);
        buffer_add_str(why, "}");
    }
    buffer_fini(&reason);
    return is_good;
}
