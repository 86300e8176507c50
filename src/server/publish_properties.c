/*
 * user-id must be the connection's user, unless that one is an impersonator. expiration is a string of
 * digits. reply-to "amq.rabbitmq.reply-to" becomes the address of this channel's pseudo-queue. The arrays CC
 * and BCC in the headers are further routing keys; BCC is taken out of them before anybody gets the message.
 */
#include "server/publish_properties.h"

#include "base/check.h"
#include "broker/message.h"
#include "server/class.h"
#include "wire/properties.h"
#include "wire/table.h"

#include <stdlib.h>

/* RabbitMQ's bound: ten years */
static const uint64_t EXPIRATION_MAX_MS = 315360000000;

static bool
publish_fails(struct channel *ch, const char *text)
{
    channel_fail(ch, AMQP_REPLY_PRECONDITION_FAILED, AMQP_BASIC_PUBLISH, "%s", text);
    return false;
}

static bool
publish_user_id_ok(struct channel *ch, const struct properties *p)
{
    struct slice claimed = p->user_id, actual = intern_slice(ch->connection->user);
    if (!(p->flags & PROPERTY_FLAG(PROPERTY_USER_ID)) || slice_eq(claimed, actual))
        return true;
    const struct user *user = user_find(ch->connection->home->server->node->meta, actual);
    if (user && user->tags & USER_TAG_IMPERSONATOR)
        return true;
    channel_fail(ch, AMQP_REPLY_PRECONDITION_FAILED, AMQP_BASIC_PUBLISH,
                 "user_id property set to '%.*s' but authenticated user was '%.*s'", SLICE_FMT(claimed),
                 SLICE_FMT(actual));
    return false;
}

/* Erlang's string:to_integer(): a sign and digits, and what is left of the text behind them. */
static bool
publish_expiration_ok(struct channel *ch, const struct properties *p)
{
    struct slice text = p->expiration;
    if (!(p->flags & PROPERTY_FLAG(PROPERTY_EXPIRATION)))
        return true;
    size_t at = text.len && (text.data[0] == '-' || text.data[0] == '+') ? 1 : 0, first = at;
    uint64_t value = 0;
    for (; at < text.len && text.data[at] >= '0' && text.data[at] <= '9'; at++)
        value = value > EXPIRATION_MAX_MS ? value : value * 10 + (uint64_t)(text.data[at] - '0');
    struct slice digits = slice_of(text.data + first, at - first),
                 rest = slice_of(text.data + at, text.len - at);
    bool is_negative = first && text.data[0] == '-' && value > 0;
    if (digits.len && !rest.len && !is_negative && value <= EXPIRATION_MAX_MS)
        return true;
    const char *why = !digits.len   ? "no_integer"
                      : rest.len    ? "leftover_string"
                      : is_negative ? "value_negative"
                                    : "value_too_large";
    if (!digits.len)
        channel_fail(ch, AMQP_REPLY_PRECONDITION_FAILED, AMQP_BASIC_PUBLISH, "invalid expiration '%.*s': %s",
                     SLICE_FMT(text), why);
    else if (rest.len)
        channel_fail(ch, AMQP_REPLY_PRECONDITION_FAILED, AMQP_BASIC_PUBLISH,
                     "invalid expiration '%.*s': {%s,\"%.*s\"}", SLICE_FMT(text), why, SLICE_FMT(rest));
    else
        channel_fail(ch, AMQP_REPLY_PRECONDITION_FAILED, AMQP_BASIC_PUBLISH,
                     "invalid expiration '%.*s': {%s,%s%.*s}", SLICE_FMT(text), why, is_negative ? "-" : "",
                     SLICE_FMT(digits));
    return false;
}

/* ---- CC and BCC ---- */

/* The array of that name. False: failed; it is something else. */
static bool
publish_copies(struct channel *ch, struct slice headers, const char *name, struct slice *array)
{
    struct table_value value;
    *array = slice_of(NULL, 0);
    if (!table_find_str(headers, name, &value))
        return true;
    if (value.type != TABLE_ARRAY) {
        channel_fail(ch, AMQP_REPLY_PRECONDITION_FAILED, AMQP_BASIC_PUBLISH,
                     "invalid message: {unacceptable_type_in_header,\"%s\",%s}", name,
                     table_type_name(value.type));
        return false;
    }
    *array = value.bytes;
    return true;
}

static unsigned
publish_add_keys(struct slice array, struct slice *keys, unsigned n)
{
    struct table_iter it = table_iter_items(array);
    struct table_value value;
    while (table_iter_next(&it, NULL, &value)) {
        if (value.type != TABLE_LONGSTR || value.bytes.len > AMQP_SHORTSTR_MAX)
            continue;
        if (keys)
            keys[n] = value.bytes;
        n++;
    }
    return n;
}

static void
publish_replace(struct publish_properties *out, struct slice run, enum property property,
                const struct slice *value)
{
    struct buffer rewritten = {0};
    size_t room = run.len + (value ? value->len : 0) + PROPERTIES_REPLACE_EXTRA;
    uint8_t *at = buffer_reserve(&rewritten, room);
    rewritten.len = properties_replace(at, run, property, value);
    buffer_fini(&out->rewritten);
    out->rewritten = rewritten;
}

static bool
publish_copies_ok(struct channel *ch, struct slice run, struct slice headers, struct publish_properties *out)
{
    struct slice cc, bcc;
    if (!publish_copies(ch, headers, "CC", &cc) || !publish_copies(ch, headers, "BCC", &bcc))
        return false;
    if (!cc.data && !bcc.data)
        return true;
    unsigned count = publish_add_keys(bcc, NULL, publish_add_keys(cc, NULL, 1));
    out->keys = malloc(count * sizeof *out->keys);
    CHECK(out->keys);
    publish_add_keys(bcc, out->keys, publish_add_keys(cc, out->keys, 1));
    out->key_count = count;
    if (bcc.data) {
        struct buffer kept = {0};
        table_add_all_but(&kept, headers, slice_str("BCC"));
        struct slice inside = buffer_slice(&kept);
        publish_replace(out, run, PROPERTY_HEADERS, &inside);
        buffer_fini(&kept);
    }
    out->hidden = bcc;
    return true;
}

/* Dead letters go by the keys of BCC, too: they stay, where nobody sees them. */
static void
publish_hide(struct publish_properties *p)
{
    struct buffer out = {0};
    if (!p->hidden.len)
        return;
    message_hide_keys(&out, p->hidden);
    buffer_add_slice(&out, buffer_slice(&p->rewritten));
    buffer_fini(&p->rewritten);
    p->rewritten = out;
    p->facts.flags |= MESSAGE_HAS_HIDDEN_KEYS;
}

static bool
publish_reply_to_ok(struct channel *ch, struct slice run, struct slice reply_to,
                    struct publish_properties *out)
{
    if (!replyto_is_name(reply_to))
        return true;
    char address[REPLYTO_ADDRESS_SIZE];
    if (!direct_reply_address(ch, address))
        return publish_fails(ch, "fast reply consumer does not exist");
    struct slice value = slice_of(address, sizeof address);
    struct slice current = out->rewritten.len ? buffer_slice(&out->rewritten) : run;
    publish_replace(out, current, PROPERTY_REPLY_TO, &value);
    return true;
}

bool
publish_properties_check(struct channel *ch, struct slice run, struct publish_properties *out)
{
    struct properties p;
    enum err err = properties_decode(run, &p);
    if (channel_decode_failed(ch, AMQP_BASIC_PUBLISH, err))
        return false;
    *out = (struct publish_properties){.facts = message_facts_of(&p)};
    unsigned special =
        PROPERTY_FLAG(PROPERTY_HEADERS) | PROPERTY_FLAG(PROPERTY_REPLY_TO) | PROPERTY_FLAG(PROPERTY_USER_ID);
    if (!(p.flags & special))
        return publish_expiration_ok(ch, &p); /* the same bytes need no second look */
    out->is_special = true;
    if (publish_user_id_ok(ch, &p) && publish_expiration_ok(ch, &p) &&
        publish_copies_ok(ch, run, p.headers, out) && publish_reply_to_ok(ch, run, p.reply_to, out)) {
        publish_hide(out);
        return true;
    }
    publish_properties_fini(out);
    return false;
}

void
publish_properties_fini(struct publish_properties *p)
{
    free(p->keys);
    buffer_fini(&p->rewritten);
    *p = (struct publish_properties){0};
}
