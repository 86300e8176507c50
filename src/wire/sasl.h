/*
 * What a client answers to connection.start: the SASL mechanisms of one step. Parsing only: who may come in
 * is decided elsewhere.
 */
#ifndef LEVERET_WIRE_SASL_H
#define LEVERET_WIRE_SASL_H

#include "base/err.h"
#include "base/slice.h"

enum sasl_mechanism {
    SASL_PLAIN,    /* RFC 4616: NUL user NUL password; an identity to act as stands before that, or nothing */
    SASL_AMQPLAIN, /* the fields of a table with LOGIN and PASSWORD */
    SASL_EXTERNAL, /* RFC 4422, appendix A: [authzid]; the user comes from the certificate */
    SASL_ANONYMOUS, /* RFC 4505: [trace], taken for nothing */
    SASL_MECHANISM_COUNT,
};

struct sasl_response {
    struct slice authzid, user, password; /* empty where the mechanism has none */
};

const char *sasl_mechanism_name(enum sasl_mechanism mechanism);
/* Exact upper case, as RabbitMQ wants it. False for an unknown one. */
bool sasl_mechanism_by_name(struct slice name, enum sasl_mechanism *out);

/*
 * The slices point into `response`. ERR_SYNTAX when it is not of the mechanism's form, or where a name is not
 * UTF-8; ERR_NOT_FOUND for AMQPLAIN without LOGIN or PASSWORD;
 * ERR_UNSUPPORTED for PLAIN with an identity to act as, which RabbitMQ refuses too. Passwords may be any
 * bytes without NUL (PLAIN).
 */
enum err ERR_USE sasl_parse(enum sasl_mechanism mechanism, struct slice response, struct sasl_response *out);

#endif
