/* Lines as text: variables, words, and key=value pairs. */
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- variables ---- */

static struct variable *
variable_find(struct run *run, const char *name, size_t length)
{
    for (unsigned i = 0; i < run->variable_count; i++) {
        struct variable *v = &run->variables[i];
        if (strlen(v->name) == length && memcmp(v->name, name, length) == 0) {
            return v;
        }
    }
    return NULL;
}

void
variable_set(struct run *run, const char *name, const char *value)
{
    struct variable *v = variable_find(run, name, strlen(name));
    if (v == NULL) {
        if (run->variable_count == VARIABLES_MAX) {
            abort();
        }
        v = &run->variables[run->variable_count++];
        snprintf(v->name, sizeof(v->name), "%s", name);
    }
    v->value.size = 0;
    bytes_printf(&v->value, "%s", value);
}

/*
 * Replaces $name by the value of bound variables: inside quotes without the value's own quotes. `$$` is a
 * dollar.
 */
void
line_expand(struct run *run, const char *line, struct bytes *out)
{
    bool quoted = false;
    for (const char *p = line; *p != 0; p++) {
        if (quoted && *p == '\\' && p[1] != 0) {
            bytes_append(out, p++, 1);
            bytes_append(out, p, 1);
            continue;
        }
        quoted = quoted != (*p == '"');
        size_t length = *p == '$' ? strspn(p + 1, "abcdefghijklmnopqrstuvwxyz0123456789_") : 0;
        struct variable *v = length > 0 ? variable_find(run, p + 1, length) : NULL;
        if (v == NULL) {
            bytes_append(out, p, 1);
            continue;
        }
        const char *value = bytes_text(&v->value);
        size_t skip = quoted && value[0] == '"';
        bytes_append(out, value + skip, v->value.size - 2 * skip);
        p += length;
    }
}

/* ---- lines into parts and pairs ---- */

void
pairs_fini(struct pairs *pairs)
{
    for (unsigned i = 0; i < pairs->count; i++) {
        bytes_fini(&pairs->pair[i].key);
        bytes_fini(&pairs->pair[i].value);
    }
    pairs->count = 0;
}

static void
pairs_add(struct pairs *pairs, const char *key, size_t key_size, const char *value, size_t value_size)
{
    if (pairs->count == PAIRS_MAX) {
        abort();
    }
    bytes_append(&pairs->pair[pairs->count].key, key, key_size);
    bytes_append(&pairs->pair[pairs->count].value, value, value_size);
    pairs->count++;
}

const char *
pairs_get(void *ctx, const char *key)
{
    struct pairs *pairs = ctx;
    for (unsigned i = 0; i < pairs->count; i++) {
        if (strcmp(bytes_text(&pairs->pair[i].key), key) == 0) {
            return bytes_text(&pairs->pair[i].value);
        }
    }
    return NULL;
}

void
pairs_put(void *ctx, const char *key, const char *value)
{
    pairs_add(ctx, key, strlen(key), value, strlen(value));
}

const char *
line_skip_blanks(const char *p)
{
    while (*p == ' ' || *p == '\t') {
        p++;
    }
    return p;
}

/*
 * Reads `key=value ; key=value bare-word ...`; a word without `=` gets the value "1". A sum of octets
 * (body="a" + 3*"b") is one value: blanks around + belong to it.
 */
bool
pairs_parse(struct run *run, const char *text, struct pairs *pairs)
{
    for (const char *p = text;;) {
        p += strspn(p, " \t;");
        if (*p == 0) {
            return true;
        }
        size_t length = strcspn(p, "= ;");
        const char *key = p;
        p += length;
        if (*p != '=') {
            pairs_add(pairs, key, length, "1", 1);
            continue;
        }
        const char *value = ++p;
        for (p = notation_value_end(p); *line_skip_blanks(p) == '+'; p = notation_value_end(p)) {
            p = line_skip_blanks(line_skip_blanks(p) + 1);
        }
        if (p == value) {
            return run_fail(run, "a value is missing: %s", key);
        }
        pairs_add(pairs, key, length, value, (size_t)(p - value));
    }
}

bool
pairs_check(struct run *run, const struct notation_method *method, struct pairs *pairs)
{
    static const char *const extra[] = {"props", "body", "bare", "end"};
    for (unsigned i = 0; i < pairs->count; i++) {
        const char *key = bytes_text(&pairs->pair[i].key);
        bool known = false;
        for (unsigned f = 0; f < method->field_count; f++) {
            known = known || strcmp(key, method->fields[f].name) == 0;
        }
        for (unsigned f = 0; f < sizeof(extra) / sizeof(extra[0]); f++) {
            known = known || strcmp(key, extra[f]) == 0;
        }
        if (!known) {
            return run_fail(run, "%s has no field %s", method->name, key);
        }
    }
    return true;
}

unsigned
pairs_number(struct pairs *pairs, const char *key, unsigned otherwise)
{
    const char *text = pairs_get(pairs, key);
    return text == NULL ? otherwise : (unsigned)strtoul(text, NULL, 0);
}

size_t
line_word(const char *text, char *word, size_t size)
{
    size_t length = strcspn(text, " ;");
    snprintf(word, size, "%.*s", (int)length, text);
    return length;
}
