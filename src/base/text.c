/* Digits are taken one by one with a check before each step, so that nothing overflows on the way to
 * ERR_RANGE. */
#include "base/text.h"

/* Takes the digits at the front of `*s`; ERR_SYNTAX when there are none. */
static enum err
take_digits(struct slice *s, uint64_t *out)
{
    uint64_t value = 0;
    size_t n = 0;
    bool is_huge = false;
    for (; n < s->len && s->data[n] >= '0' && s->data[n] <= '9'; n++) {
        is_huge |= __builtin_mul_overflow(value, 10, &value);
        is_huge |= __builtin_add_overflow(value, (uint64_t)(s->data[n] - '0'), &value);
    }
    if (n == 0)
        return ERR_SYNTAX;
    *s = slice_of(s->data + n, s->len - n);
    *out = value;
    return is_huge ? ERR_RANGE : ERR_OK;
}

enum err
text_to_u64(struct slice s, uint64_t *out)
{
    uint64_t value;
    enum err e = take_digits(&s, &value);
    if (e == ERR_SYNTAX || s.len > 0)
        return ERR_SYNTAX;
    if (e == ERR_OK)
        *out = value;
    return e;
}

enum err
text_to_u64_within(struct slice s, uint64_t min, uint64_t max, uint64_t *out)
{
    uint64_t value;
    enum err e = text_to_u64(s, &value);
    if (e != ERR_OK)
        return e;
    if (value < min || value > max)
        return ERR_RANGE;
    *out = value;
    return ERR_OK;
}

enum err
text_to_i64(struct slice s, int64_t *out)
{
    bool is_negative = s.len > 0 && s.data[0] == '-';
    if (is_negative || (s.len > 0 && s.data[0] == '+'))
        s = slice_of(s.data + 1, s.len - 1);
    uint64_t value;
    enum err e = text_to_u64_within(s, 0, (uint64_t)INT64_MAX + is_negative, &value);
    if (e == ERR_OK)
        *out = (int64_t)(is_negative ? -value : value);
    return e;
}

static bool
is_letter(uint8_t c, char lower)
{
    return c == (uint8_t)lower || c == (uint8_t)(lower - 'a' + 'A');
}

/* The number of bytes in a unit; 0 when there is no such unit. */
static uint64_t
unit_bytes(struct slice unit)
{
    static const char prefixes[] = "kmgt";
    if (unit.len == 0)
        return 1;
    bool is_decimal = unit.len == 2 && is_letter(unit.data[1], 'b');
    bool is_binary = unit.len == 1 || (unit.len == 2 && is_letter(unit.data[1], 'i')) ||
                     (unit.len == 3 && is_letter(unit.data[1], 'i') && is_letter(unit.data[2], 'b'));
    if (!is_decimal && !is_binary)
        return 0;
    uint64_t bytes = 1;
    for (const char *p = prefixes; *p; p++) {
        bytes *= is_decimal ? 1000 : 1024;
        if (is_letter(unit.data[0], *p))
            return bytes;
    }
    return 0;
}

enum err
text_to_bytes(struct slice s, uint64_t *out)
{
    uint64_t value;
    enum err e = take_digits(&s, &value);
    if (e == ERR_SYNTAX)
        return e;
    uint64_t unit = unit_bytes(s);
    if (unit == 0)
        return ERR_SYNTAX;
    if (e != ERR_OK || __builtin_mul_overflow(value, unit, &value))
        return ERR_RANGE;
    *out = value;
    return ERR_OK;
}
