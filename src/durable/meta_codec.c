/*
 * | version u8 | kind u8 | fields |, a field being | number u8 | its value |. Numbers ascend; a field that is
 * empty, false or zero is not there, so that there is one way to write each command. Texts are | length u32 |
 * bytes |, numbers u64, both little-endian; of a flag the number is all.
 *
 * What is read here is applied: so lengths are bounded as the broker's own parsers bound them, and tables are
 * valid. Which shard a queue lives on is written as it was chosen, not how it was asked for.
 *
 * Numbers of kinds and fields are never used for anything else, nor is a field's form ever changed.
 */
#include "durable/meta_codec.h"

#include "base/check.h"
#include "wire/table.h"

enum {
    VERSION = 1,
    LENGTH_BYTES = 4,
    SHORT_MAX = UINT8_MAX, /* of what is a short string in AMQP */
    CODEC_ID_MAX_BITS = 62,
};

static const uint8_t kind_numbers[META_KINDS] = {
    [META_VHOST_ADD] = 1,
    [META_VHOST_DELETE] = 2,
    [META_USER_PUT] = 3,
    [META_USER_DELETE] = 4,
    [META_PERMISSION_SET] = 5,
    [META_PERMISSION_CLEAR] = 6,
    [META_EXCHANGE_DECLARE] = 7,
    [META_EXCHANGE_DELETE] = 8,
    [META_EXCHANGE_BIND] = 9,
    [META_EXCHANGE_UNBIND] = 10,
    [META_QUEUE_DECLARE] = 11,
    [META_QUEUE_DELETE] = 12,
    [META_QUEUE_BIND] = 13,
    [META_QUEUE_UNBIND] = 14,
    [META_NODE_STARTED] = 15,
    [META_VHOST_SET] = 16,
    [META_VHOST_LIMITS] = 17,
    [META_USER_LIMITS] = 18,
    [META_USER_LIMITS_CLEAR] = 19,
    [META_TOPIC_PERMISSION_SET] = 20,
    [META_TOPIC_PERMISSION_CLEAR] = 21,
    [META_POLICY_SET] = 22,
    [META_POLICY_CLEAR] = 23,
    [META_PARAMETER_SET] = 24,
    [META_PARAMETER_CLEAR] = 25,
    [META_USER_SET] = 26,
};

enum form { FORM_SHORT, FORM_LONG, FORM_FLAG, FORM_NUMBER };

static const struct field {
    uint8_t number;
    uint8_t form;
    uint16_t offset;
} fields[] = {
    {1, FORM_SHORT, offsetof(struct meta_command, vhost)},
    {2, FORM_SHORT, offsetof(struct meta_command, name)},
    {3, FORM_SHORT, offsetof(struct meta_command, type)},
    {4, FORM_LONG, offsetof(struct meta_command, arguments)},
    {5, FORM_SHORT, offsetof(struct meta_command, source)},
    {6, FORM_SHORT, offsetof(struct meta_command, routing_key)},
    {7, FORM_SHORT, offsetof(struct meta_command, user)},
    {8, FORM_LONG, offsetof(struct meta_command, configure)},
    {9, FORM_LONG, offsetof(struct meta_command, write)},
    {10, FORM_LONG, offsetof(struct meta_command, read)},
    {11, FORM_LONG, offsetof(struct meta_command, password_hash)},
    {12, FORM_LONG, offsetof(struct meta_command, tags)},
    {13, FORM_LONG, offsetof(struct meta_command, value)},
    {14, FORM_SHORT, offsetof(struct meta_command, component)},
    {15, FORM_LONG, offsetof(struct meta_command, pattern)},
    {16, FORM_SHORT, offsetof(struct meta_command, apply_to)},
    {17, FORM_LONG, offsetof(struct meta_command, description)},
    {18, FORM_SHORT, offsetof(struct meta_command, default_queue_type)},
    {32, FORM_FLAG, offsetof(struct meta_command, durable)},
    {33, FORM_FLAG, offsetof(struct meta_command, auto_delete)},
    {34, FORM_FLAG, offsetof(struct meta_command, internal)},
    {35, FORM_FLAG, offsetof(struct meta_command, exclusive)},
    {36, FORM_FLAG, offsetof(struct meta_command, if_unused)},
    {37, FORM_FLAG, offsetof(struct meta_command, is_operator)},
    {38, FORM_FLAG, offsetof(struct meta_command, is_protected)},
    {39, FORM_FLAG, offsetof(struct meta_command, is_tracing)},
    {47, FORM_FLAG, offsetof(struct meta_command, is_judged)},
    {48, FORM_NUMBER, offsetof(struct meta_command, connection_id)},
    {49, FORM_NUMBER, offsetof(struct meta_command, queue_id)},
    {50, FORM_NUMBER, offsetof(struct meta_command, random)},
    {51, FORM_NUMBER, offsetof(struct meta_command, forced_id)},
    {52, FORM_NUMBER, offsetof(struct meta_command, placed)},
    {54, FORM_NUMBER, offsetof(struct meta_command, priority)},
    {55, FORM_NUMBER, offsetof(struct meta_command, changes)},
};
enum { FIELDS = sizeof fields / sizeof *fields };

/* ---- writing ---- */

static void
put_text(struct buffer *out, uint8_t number, const struct slice *s)
{
    if (s->len == 0)
        return;
    CHECK(s->len <= UINT32_MAX);
    uint8_t *p = buffer_reserve(out, 1 + LENGTH_BYTES + s->len);
    p[0] = number;
    le32_put(p + 1, (uint32_t)s->len);
    memcpy(p + 1 + LENGTH_BYTES, s->data, s->len);
    out->len += 1 + LENGTH_BYTES + s->len;
}

static void
put_number(struct buffer *out, uint8_t number, uint64_t v)
{
    if (v == 0)
        return;
    uint8_t *p = buffer_reserve(out, 9);
    p[0] = number;
    le64_put(p + 1, v);
    out->len += 9;
}

void
meta_codec_put(struct buffer *out, const struct meta_command *cmd)
{
    CHECK((unsigned)cmd->kind < META_KINDS);
    buffer_add_u8(out, VERSION);
    buffer_add_u8(out, kind_numbers[cmd->kind]);
    for (const struct field *f = fields; f < fields + FIELDS; f++) {
        const void *at = (const char *)cmd + f->offset;
        if (f->form == FORM_NUMBER)
            put_number(out, f->number, *(const uint64_t *)at);
        else if (f->form != FORM_FLAG)
            put_text(out, f->number, at);
        else if (*(const bool *)at)
            buffer_add_u8(out, f->number);
    }
}

/* ---- reading ---- */

static enum err
get_text(struct slice *in, const struct field *f, struct slice *out)
{
    if (in->len < LENGTH_BYTES)
        return ERR_CORRUPT;
    uint32_t len = le32_get(in->data);
    if (len == 0 || len > in->len - LENGTH_BYTES || (f->form == FORM_SHORT && len > SHORT_MAX))
        return ERR_CORRUPT;
    *out = slice_of(in->data + LENGTH_BYTES, len);
    *in = slice_of(in->data + LENGTH_BYTES + len, in->len - LENGTH_BYTES - len);
    return ERR_OK;
}

static enum err
get_number(struct slice *in, uint64_t *out)
{
    if (in->len < sizeof *out)
        return ERR_CORRUPT;
    *out = le64_get(in->data);
    *in = slice_of(in->data + sizeof *out, in->len - sizeof *out);
    return *out == 0 ? ERR_CORRUPT : ERR_OK;
}

static enum err
get_field(struct slice *in, const struct field *f, struct meta_command *cmd)
{
    void *at = (char *)cmd + f->offset;
    *in = slice_of(in->data + 1, in->len - 1);
    if (f->form == FORM_NUMBER)
        return get_number(in, at);
    if (f->form != FORM_FLAG)
        return get_text(in, f, at);
    *(bool *)at = true;
    return ERR_OK;
}

static bool
get_kind(uint8_t number, enum meta_kind *kind)
{
    for (unsigned k = 0; k < META_KINDS; k++) {
        if (kind_numbers[k] == number) {
            *kind = (enum meta_kind)k;
            return true;
        }
    }
    return false;
}

/* What meta_apply() relies on. */
static bool
is_sound(const struct meta_command *cmd)
{
    if (cmd->arguments.len > 0 && table_validate(cmd->arguments) != ERR_OK)
        return false;
    return (!cmd->exclusive || cmd->connection_id != 0) && cmd->forced_id >> CODEC_ID_MAX_BITS == 0;
}

enum err
meta_codec_get(struct slice bytes, struct meta_command *cmd)
{
    *cmd = (struct meta_command){0};
    if (bytes.len < 2 || bytes.data[0] == 0)
        return ERR_CORRUPT;
    if (bytes.data[0] > VERSION || !get_kind(bytes.data[1], &cmd->kind))
        return ERR_UNSUPPORTED;
    const struct field *f = fields;
    uint8_t before = 0;
    for (struct slice in = slice_of(bytes.data + 2, bytes.len - 2); in.len > 0;) {
        uint8_t number = in.data[0];
        if (number <= before)
            return ERR_CORRUPT;
        while (f < fields + FIELDS && f->number < number)
            f++;
        if (f == fields + FIELDS || f->number != number)
            return ERR_UNSUPPORTED;
        enum err e = get_field(&in, f, cmd);
        if (e != ERR_OK)
            return e;
        before = number;
    }
    return is_sound(cmd) ? ERR_OK : ERR_CORRUPT;
}
