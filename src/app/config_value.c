/*
 * One parser per type of config.h. All of a text must be the value. Nothing is looked up outside: whether a
 * file can be read or an address belongs to this machine is not asked here.
 */
#include "app/config_value.h"

#include "base/check.h"
#include "base/log.h"
#include "base/text.h"
#include "broker/policy.h"
#include "broker/regex.h"

#include <arpa/inet.h>
#include <stdlib.h>

static void *
member(struct config *c, const struct config_row *row)
{
    return (char *)c + row->offset;
}

static char *
text_copy(struct slice s)
{
    char *copy = malloc(s.len + 1);
    CHECK(copy);
    if (s.len > 0)
        memcpy(copy, s.data, s.len);
    copy[s.len] = 0;
    return copy;
}

/* "a\.b" is "a.b". */
static char *
name_copy(struct slice s)
{
    char *copy = text_copy(s), *to = copy;
    for (const char *from = copy; *from; from++) {
        if (*from == '\\' && from[1])
            from++;
        *to++ = *from;
    }
    *to = 0;
    return copy;
}

bool
config_value_is_name(struct slice part, const char *name)
{
    char *copy = name_copy(part);
    bool is_same = strcmp(copy, name) == 0;
    free(copy);
    return is_same;
}

static bool
parse_bool(struct slice s, bool *out)
{
    *out = slice_eq_str(s, "true") || slice_eq_str(s, "on");
    return *out || slice_eq_str(s, "false") || slice_eq_str(s, "off");
}

static bool
parse_integer(const struct config_row *row, struct slice s, int64_t *out)
{
    if (row->type == CONFIG_LIMIT && slice_eq_str(s, "infinity")) {
        *out = CONFIG_INFINITY;
        return true;
    }
    int64_t value;
    if (text_to_i64(s, &value) != ERR_OK || value < row->least || value > row->most)
        return false;
    *out = value;
    return true;
}

static bool
parse_size(const struct config_row *row, struct slice s, uint64_t *out)
{
    uint64_t value;
    if (text_to_bytes(s, &value) != ERR_OK || value < (uint64_t)row->least || value > (uint64_t)row->most)
        return false;
    *out = value;
    return true;
}

/* Digits with at most one point; above 0. */
static bool
parse_ratio(const struct config_row *row, struct slice s, double *out)
{
    double value = 0, weight = 1;
    bool has_point = false, has_digit = false;
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.data[i];
        if (c == '.' && !has_point) {
            has_point = true;
        } else if (c >= '0' && c <= '9') {
            has_digit = true;
            if (has_point)
                value += (weight /= 10) * (c - '0');
            else
                value = value * 10 + (c - '0');
        } else {
            return false;
        }
    }
    if (!has_digit || !(value > 0 && value <= (double)row->most))
        return false;
    *out = value;
    return true;
}

static bool
parse_word(const struct config_row *row, struct slice s, int *out)
{
    struct slice word;
    for (size_t i = 0; (word = config_row_word(row, i)).len > 0; i++)
        if (slice_eq(word, s)) {
            *out = (int)i;
            return true;
        }
    return false;
}

/* RabbitMQ's levels above critical are critical. */
static bool
parse_level(struct slice s, int *out)
{
    char name[16];
    enum log_level level;
    if (s.len >= sizeof name || s.len == 0)
        return false;
    memcpy(name, s.data, s.len);
    name[s.len] = 0;
    if (strcmp(name, "alert") == 0 || strcmp(name, "emergency") == 0)
        level = LOG_LEVEL_CRITICAL;
    else if (!log_level_parse(name, &level))
        return false;
    *out = (int)level;
    return true;
}

/* Digits and a unit, again and again: "1h30m"; digits alone are milliseconds. */
static bool
parse_duration(const struct config_row *row, struct slice s, int64_t *out)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"ms", 1},       {"s", 1000},      {"m", 60000},     {"h", 3600000},
                 {"d", 86400000}, {"w", 604800000}, {"f", 1209600000}};
    int64_t total = 0;
    bool is_empty = s.len == 0;
    while (s.len > 0) {
        size_t digits = 0, letters, u = 0;
        uint64_t number;
        while (digits < s.len && s.data[digits] >= '0' && s.data[digits] <= '9')
            digits++;
        for (letters = digits; letters < s.len && s.data[letters] >= 'a' && s.data[letters] <= 'z';)
            letters++;
        struct slice unit = slice_of(s.data + digits, letters - digits);
        if (unit.len == 0 && (total > 0 || letters < s.len))
            return false;
        while (unit.len > 0 && u < sizeof units / sizeof *units && !slice_eq_str(unit, units[u].name))
            u++;
        if (u == sizeof units / sizeof *units ||
            text_to_u64_within(slice_of(s.data, digits), 0, (uint64_t)row->most, &number) != ERR_OK ||
            (int64_t)number > (row->most - total) / units[u].ms)
            return false;
        total += (int64_t)number * units[u].ms;
        s = slice_of(s.data + letters, s.len - letters);
    }
    *out = total;
    return !is_empty && total >= row->least;
}

static bool
parse_pattern(struct slice s)
{
    struct regex_error error;
    struct regex *r = s.len <= POLICY_PATTERN_MAX ? regex_new(s, &error) : NULL;
    regex_free(r);
    return r != NULL;
}

/* "5672", "127.0.0.1:5672", "[::1]:5672" and, as RabbitMQ writes it, "::1:5672". */
static bool
parse_address(struct slice s, struct config_address *out)
{
    *out = (struct config_address){0};
    size_t colon = s.len;
    while (colon > 0 && s.data[colon - 1] != ':')
        colon--;
    uint64_t port;
    if (text_to_u64_within(slice_of(s.data + colon, s.len - colon), 0, UINT16_MAX, &port) != ERR_OK)
        return false;
    out->port = (uint16_t)port;
    if (colon == 0)
        return true;
    struct slice host = slice_of(s.data, colon - 1);
    bool has_brackets = host.len >= 2 && host.data[0] == '[' && host.data[host.len - 1] == ']';
    if (has_brackets)
        host = slice_of(host.data + 1, host.len - 2);
    if (host.len == 0 || host.len >= sizeof out->host || memchr(host.data, 0, host.len))
        return false;
    memcpy(out->host, host.data, host.len);
    uint8_t binary[16];
    return inet_pton(AF_INET6, out->host, binary) == 1 ||
           (!has_brackets && inet_pton(AF_INET, out->host, binary) == 1);
}

static bool
parse_address_or_none(struct slice s, struct config_address *out)
{
    bool is_none = slice_eq_str(s, "none");
    struct config_address address = {0};
    if (!is_none && !parse_address(s, &address))
        return false;
    address.is_set = true;
    address.is_none = is_none;
    *out = address;
    return true;
}

bool
config_value_set(struct config *c, const struct config_row *row, struct slice text)
{
    void *to = member(c, row);
    switch (row->type) {
    case CONFIG_BOOL: return parse_bool(text, to);
    case CONFIG_INTEGER:
    case CONFIG_LIMIT: return parse_integer(row, text, to);
    case CONFIG_SIZE: return parse_size(row, text, to);
    case CONFIG_RATIO: return parse_ratio(row, text, to);
    case CONFIG_ENUM: return parse_word(row, text, to);
    case CONFIG_LEVEL: return parse_level(text, to);
    case CONFIG_ADDRESS: return parse_address_or_none(text, to);
    case CONFIG_STRING:
    case CONFIG_SECRET:
    case CONFIG_FILE:
        free(*(char **)to);
        *(char **)to = text_copy(text);
        return true;
    default: CHECK_UNREACHABLE("a list's elements are made by config_value_item");
    }
}

bool
config_value_item(const struct config_row *row, struct slice name, struct slice text,
                  struct config_item *item, bool *is_wanted)
{
    struct config_item made = {0};
    int word = 0;
    uint64_t bytes = 0;
    bool is_good = true;
    *is_wanted = true;
    switch (row->type) {
    case CONFIG_ADDRESSES: is_good = parse_address(text, &made.address); break;
    case CONFIG_FLAGS: is_good = parse_bool(text, is_wanted); break;
    case CONFIG_ENUMS: is_good = parse_word(row, text, &word); break;
    case CONFIG_LEVELS: is_good = parse_level(text, &word); break;
    case CONFIG_PATTERNS: is_good = parse_pattern(text); break;
    case CONFIG_NUMBERS: is_good = parse_integer(row, text, &made.value); break;
    case CONFIG_SIZES: is_good = parse_size(row, text, &bytes); break;
    case CONFIG_DURATIONS: is_good = parse_duration(row, text, &made.value); break;
    default: break;
    }
    if (!is_good)
        return false;
    if (row->type == CONFIG_ENUMS || row->type == CONFIG_LEVELS)
        made.value = word;
    else if (row->type == CONFIG_SIZES)
        made.value = (int64_t)bytes;
    made.name = name_copy(name);
    made.text = text_copy(text);
    *item = made;
    return true;
}

void
config_value_item_fini(struct config_item *item)
{
    free(item->name);
    free(item->text);
}

static bool
is_text(const struct config_row *row)
{
    return row->type == CONFIG_STRING || row->type == CONFIG_SECRET || row->type == CONFIG_FILE;
}

void
config_value_fini(struct config *c, const struct config_row *row)
{
    if (is_text(row)) {
        char **text = member(c, row);
        free(*text);
        *text = NULL;
    } else if (config_row_is_list(row)) {
        struct config_list *list = member(c, row);
        for (size_t i = 0; i < list->count; i++)
            config_value_item_fini(&list->items[i]);
        free(list->items);
        *list = (struct config_list){0};
    }
}

/* Members that own nothing. */
static size_t
plain_size(enum config_type type)
{
    switch (type) {
#define X(name, ctype)                                                                                       \
    case CONFIG_##name: return sizeof(ctype);
        CONFIG_TYPE_TABLE(X)
#undef X
    }
    CHECK_UNREACHABLE("there are no other types");
}

void
config_value_copy(struct config *to, const struct config *from, const struct config_row *row)
{
    const void *source = (const char *)from + row->offset;
    config_value_fini(to, row);
    if (is_text(row)) {
        const char *text = *(char *const *)source;
        *(char **)member(to, row) = text ? text_copy(slice_str(text)) : NULL;
    } else if (!config_row_is_list(row)) {
        memcpy(member(to, row), source, plain_size(row->type));
    } else {
        const struct config_list *list = source;
        struct config_list *copy = member(to, row);
        copy->items = calloc(list->count + 1, sizeof *copy->items);
        CHECK(copy->items);
        for (; copy->count < list->count; copy->count++) {
            struct config_item *item = &copy->items[copy->count];
            *item = list->items[copy->count];
            item->name = text_copy(slice_str(item->name));
            item->text = text_copy(slice_str(item->text));
        }
    }
}
