/*
 * The rows of config_keys.h. A key is a list of parts between dots ("\." is a dot inside a part); a pattern
 * is the same with `$name` for any one part and a final `**` for one or more. Matching goes part by part and
 * never backtracks.
 */
#include "app/config_row.h"

#include "base/text.h"

#include <stdlib.h>

const struct config_row config_rows[] = {
#define X(type, member, name, fallback, least, most, words, text)                                            \
    {name, CONFIG_##type, offsetof(struct config, member), fallback, least, most, words, text},
    CONFIG_KEY_TABLE(X)
#undef X
};
const size_t config_row_count = sizeof config_rows / sizeof *config_rows;

const struct config_ignored config_ignored_rows[] = {
#define X(pattern, text) {pattern, text},
    CONFIG_IGNORED_TABLE(X)
#undef X
};
const size_t config_ignored_count = sizeof config_ignored_rows / sizeof *config_ignored_rows;

const struct config_ignored config_refused_rows[] = {
#define X(pattern, text) {pattern, text},
    CONFIG_REFUSED_TABLE(X)
#undef X
};
const size_t config_refused_count = sizeof config_refused_rows / sizeof *config_refused_rows;

/* The members of the rows that a running node takes anew. */
static const size_t reloadable[] = {
#define X(member) offsetof(struct config, member),
    CONFIG_RELOAD_TABLE(X)
#undef X
};

static const struct {
    const char *alias, *name;
} aliases[] = {
#define X(alias, name) {alias, name},
    CONFIG_ALIAS_TABLE(X)
#undef X
};

enum { PARTS_MAX = 12 };

/* Cuts the first part off `*rest`; an empty part at the end of the key is still a part. */
static struct slice
part_next(struct slice *rest)
{
    size_t n = 0;
    while (n < rest->len && rest->data[n] != '.')
        n += rest->data[n] == '\\' && n + 1 < rest->len ? 2 : 1;
    struct slice part = slice_of(rest->data, n);
    size_t skip = n < rest->len ? n + 1 : n;
    *rest = slice_of(rest->data + skip, rest->len - skip);
    return part;
}

/*
 * 0: no match. Otherwise the better the larger: one digit to base 4 for each part, 3 for a literal, 2 for a
 * name, 1 for a rest. `whole` lets the key end where the pattern has only a final name left.
 */
static uint32_t
pattern_score(const char *pattern, struct slice key, bool whole, struct slice *name)
{
    struct slice want = slice_str(pattern);
    uint32_t score = 0;
    *name = slice_of(NULL, 0);
    for (int i = 0; i < PARTS_MAX; i++) {
        if (want.len == 0 || key.len == 0) {
            bool ends = want.len == 0 ? key.len == 0 : whole && want.data[0] == '$';
            return ends ? score << 2 * (PARTS_MAX - i) : 0;
        }
        struct slice literal = part_next(&want);
        if (slice_eq_str(literal, "**"))
            return (score << 2 | 1) << 2 * (PARTS_MAX - i - 1);
        struct slice part = part_next(&key);
        bool is_name = literal.data[0] == '$';
        if (is_name ? part.len == 0 : !slice_eq(literal, part))
            return 0;
        if (is_name)
            *name = part;
        score = score << 2 | (is_name ? 2 : 3);
    }
    return 0;
}

int
config_row_name_order(struct slice a, struct slice b)
{
    uint64_t na = 0, nb = 0;
    bool is_number_a = text_to_u64(a, &na) == ERR_OK, is_number_b = text_to_u64(b, &nb) == ERR_OK;
    if (is_number_a != is_number_b)
        return is_number_a ? -1 : 1;
    if (na != nb)
        return na < nb ? -1 : 1;
    return slice_compare(a, b);
}

bool
config_row_is_list(const struct config_row *row)
{
    return row->type >= CONFIG_ADDRESSES;
}

bool
config_row_reloads(const struct config_row *row)
{
    for (size_t i = 0; i < sizeof reloadable / sizeof *reloadable; i++)
        if (reloadable[i] == row->offset)
            return true;
    return false;
}

struct config_match
config_row_find(struct slice key)
{
    struct config_match match = {0};
    struct slice name;
    uint32_t best = 0;
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (slice_eq_str(key, aliases[i].alias))
            key = slice_str(aliases[i].name);
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *row = &config_rows[i];
        uint32_t score = pattern_score(row->name, key, config_row_is_list(row), &name);
        if (score > best) {
            best = score;
            match = (struct config_match){
                .row = row, .name = name, .is_whole = config_row_is_list(row) && name.len == 0};
        }
    }
    for (size_t i = 0; i < config_ignored_count; i++) {
        uint32_t score = pattern_score(config_ignored_rows[i].pattern, key, false, &name);
        if (score > best) {
            best = score;
            match = (struct config_match){.ignored = &config_ignored_rows[i]};
        }
    }
    for (size_t i = 0; i < config_refused_count; i++) {
        uint32_t score = pattern_score(config_refused_rows[i].pattern, key, false, &name);
        if (score > best) {
            best = score;
            match = (struct config_match){.refused = &config_refused_rows[i]};
        }
    }
    return match;
}

/* The pattern with the user's own parts in place of its names. False when it does not fit. */
static bool
pattern_fill(const char *pattern, struct slice key, char out[CONFIG_KEY_BYTES_MAX + 1])
{
    struct slice want = slice_str(pattern);
    size_t len = 0;
    while (want.len > 0) {
        struct slice literal = part_next(&want), part = part_next(&key);
        if (literal.data[0] == '$' && part.len > 0)
            literal = part;
        if (len + literal.len + 1 > CONFIG_KEY_BYTES_MAX)
            return false;
        memcpy(out + len, literal.data, literal.len);
        len += literal.len;
        if (want.len > 0)
            out[len++] = '.';
    }
    out[len] = 0;
    return true;
}

/* Levenshtein's distance: insertions, deletions and replacements of bytes. */
static size_t
edit_distance(struct slice a, const char *b)
{
    uint16_t row[CONFIG_KEY_BYTES_MAX + 1];
    size_t n = strlen(b);
    for (size_t j = 0; j <= n; j++)
        row[j] = (uint16_t)j;
    for (size_t i = 1; i <= a.len; i++) {
        uint16_t diagonal = row[0];
        row[0] = (uint16_t)i;
        for (size_t j = 1; j <= n; j++) {
            uint16_t above = row[j];
            uint16_t replaced = (uint16_t)(diagonal + (a.data[i - 1] != (uint8_t)b[j - 1]));
            uint16_t shifted = (uint16_t)((above < row[j - 1] ? above : row[j - 1]) + 1);
            row[j] = replaced < shifted ? replaced : shifted;
            diagonal = above;
        }
    }
    return row[n];
}

bool
config_row_suggest(struct slice key, char name[CONFIG_KEY_BYTES_MAX + 1])
{
    char candidate[CONFIG_KEY_BYTES_MAX + 1];
    if (key.len > CONFIG_KEY_BYTES_MAX)
        return false;
    size_t best = key.len / 5 + 2;
    bool found = false;
    for (size_t i = 0; i < config_row_count; i++) {
        if (!pattern_fill(config_rows[i].name, key, candidate))
            continue;
        size_t len = strlen(candidate);
        if ((len > key.len ? len - key.len : key.len - len) >= best)
            continue; /* already as far */
        size_t distance = edit_distance(key, candidate);
        if (distance < best) {
            best = distance;
            found = true;
            memcpy(name, candidate, sizeof candidate);
        }
    }
    return found;
}

struct slice
config_row_word(const struct config_row *row, size_t i)
{
    struct slice rest = slice_str(row->words);
    for (;;) {
        const uint8_t *space = rest.len > 0 ? memchr(rest.data, ' ', rest.len) : NULL;
        size_t n = space ? (size_t)(space - rest.data) : rest.len;
        if (i-- == 0)
            return slice_of(rest.data, n);
        if (!space)
            return slice_of(NULL, 0);
        rest = slice_of(space + 1, rest.len - n - 1);
    }
}

static void
expected_words(const struct config_row *row, struct buffer *out)
{
    struct slice word;
    for (size_t i = 0; (word = config_row_word(row, i)).len > 0; i++) {
        buffer_add_str(out, i == 0 ? "" : ", ");
        buffer_add_slice(out, word);
    }
}

void
config_row_expected(const struct config_row *row, struct buffer *out)
{
    long long least = row->least, most = row->most;
    switch (row->type) {
    case CONFIG_BOOL:
    case CONFIG_FLAGS: buffer_add_str(out, "true or false"); break;
    case CONFIG_INTEGER:
    case CONFIG_NUMBERS: buffer_add_fmt(out, "a number from %lld to %lld", least, most); break;
    case CONFIG_LIMIT: buffer_add_fmt(out, "a number from %lld to %lld, or infinity", least, most); break;
    case CONFIG_DURATIONS:
        buffer_add_fmt(out, "milliseconds, or a time such as 1h30m or 10s, from %lld to %lld", least, most);
        break;
    case CONFIG_SIZE:
    case CONFIG_SIZES:
        buffer_add_fmt(out, "bytes, or a size such as 64MB or 1GiB, from %lld to %lld", least, most);
        break;
    case CONFIG_RATIO: buffer_add_fmt(out, "a number above 0 and at most %lld, such as 0.6", most); break;
    case CONFIG_ENUM:
    case CONFIG_ENUMS:
        if (config_row_word(row, 1).len > 0)
            buffer_add_str(out, "one of ");
        expected_words(row, out);
        break;
    case CONFIG_LEVEL:
    case CONFIG_LEVELS:
        buffer_add_str(out, "one of debug, info, notice, warning, error, critical, none");
        break;
    case CONFIG_STRING:
    case CONFIG_SECRET:
    case CONFIG_STRINGS:
    case CONFIG_SECRETS: buffer_add_str(out, "text"); break;
    case CONFIG_PATTERNS: buffer_add_str(out, "a regular expression"); break;
    case CONFIG_FILE: buffer_add_str(out, "a readable file"); break;
    case CONFIG_ADDRESS:
        buffer_add_str(out, "none, a port, or address:port such as 127.0.0.1:25672 or [::1]:25672");
        break;
    case CONFIG_ADDRESSES:
        buffer_add_str(out, "a port, or address:port such as 127.0.0.1:5672 or [::1]:5672");
        break;
    }
}
