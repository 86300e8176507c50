/* Taking a SASL response apart. One step each: no mechanism here has a challenge. */
#include "wire/sasl.h"

#include "base/check.h"
#include "base/utf8.h"
#include "wire/table.h"

static const char *const names[SASL_MECHANISM_COUNT] = {
    [SASL_PLAIN] = "PLAIN",
    [SASL_AMQPLAIN] = "AMQPLAIN",
    [SASL_EXTERNAL] = "EXTERNAL",
    [SASL_ANONYMOUS] = "ANONYMOUS",
};

const char *
sasl_mechanism_name(enum sasl_mechanism mechanism)
{
    return names[mechanism];
}

bool
sasl_mechanism_by_name(struct slice name, enum sasl_mechanism *out)
{
    for (int i = 0; i < SASL_MECHANISM_COUNT; i++) {
        if (slice_eq_str(name, names[i])) {
            *out = (enum sasl_mechanism)i;
            return true;
        }
    }
    return false;
}

/* Cuts `rest` at its first NUL. */
static bool
take_until_nul(struct slice *rest, struct slice *out)
{
    const uint8_t *nul = rest->len ? memchr(rest->data, 0, rest->len) : NULL;
    if (!nul)
        return false;
    *out = slice_of(rest->data, (size_t)(nul - rest->data));
    *rest = slice_of(nul + 1, rest->len - out->len - 1);
    return true;
}

static enum err
parse_plain(struct slice response, struct sasl_response *out)
{
    struct slice rest = response, more;
    if (!take_until_nul(&rest, &out->authzid) || !take_until_nul(&rest, &out->user))
        return ERR_SYNTAX;
    out->password = rest;
    return take_until_nul(&rest, &more) ? ERR_SYNTAX : ERR_OK;
}

static enum err
parse_amqplain(struct slice response, struct sasl_response *out)
{
    if (table_validate(response))
        return ERR_SYNTAX;
    if (table_get_str(response, "LOGIN", &out->user) || table_get_str(response, "PASSWORD", &out->password))
        return ERR_NOT_FOUND;
    return ERR_OK;
}

enum err
sasl_parse(enum sasl_mechanism mechanism, struct slice response, struct sasl_response *out)
{
    struct sasl_response parsed = {0};
    enum err err = ERR_OK;
    *out = parsed;
    switch (mechanism) {
    case SASL_PLAIN: err = parse_plain(response, &parsed); break;
    case SASL_AMQPLAIN: err = parse_amqplain(response, &parsed); break;
    case SASL_EXTERNAL: parsed.authzid = response; break;
    case SASL_ANONYMOUS: break;
    default: CHECK_UNREACHABLE("no such mechanism");
    }
    if (err)
        return err;
    /* RabbitMQ knows no identity to act as but the one that logs in */
    if (mechanism == SASL_PLAIN && parsed.authzid.len)
        return ERR_UNSUPPORTED;
    if (!utf8_is_valid(parsed.authzid) || !utf8_is_valid(parsed.user))
        return ERR_SYNTAX;
    *out = parsed;
    return ERR_OK;
}
