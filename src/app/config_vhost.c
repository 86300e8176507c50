/*
 * The rows of a kind begin with the same words. Their last part is the key of the limit or of the policy,
 * with underscores for its dashes; those that say for whom it is are patterns and words, and no part of the
 * definition. A policy without any key is none: it is left out.
 */
#include "app/config_vhost.h"

#include "app/config_row.h"
#include "base/check.h"
#include "broker/jsontext.h"
#include "broker/policy_key.h"

#include <stdlib.h>

static const char *const prefixes[] = {
    [CONFIG_VHOST_LIMITS] = "default_limits.vhosts.$id.",
    [CONFIG_VHOST_POLICY] = "default_policies.operator.$id.",
    [CONFIG_VHOST_USER] = "default_users.$user.",
};

static bool
is_of(const struct config_row *row, enum config_vhost_kind kind)
{
    return strncmp(row->name, prefixes[kind], strlen(prefixes[kind])) == 0;
}

static const struct config_list *
list_of(const struct config *c, const struct config_row *row)
{
    return (const struct config_list *)((const char *)c + row->offset);
}

static const struct config_item *
item_of(const struct config_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].name, name) == 0)
            return &list->items[i];
    return NULL;
}

const char *
config_vhost_text(const struct config_list *list, const char *name, const char *fallback)
{
    const struct config_item *item = item_of(list, name);
    return item ? item->text : fallback;
}

static int
name_order(const void *a, const void *b)
{
    return config_row_name_order(slice_str(*(const char *const *)a), slice_str(*(const char *const *)b));
}

void
config_vhost_each(const struct config *c, enum config_vhost_kind kind,
                  void (*fn)(void *arg, const char *name), void *arg)
{
    const char **names = NULL;
    size_t count = 0;
    for (size_t r = 0; r < config_row_count; r++) {
        const struct config_list *list = list_of(c, &config_rows[r]);
        if (!is_of(&config_rows[r], kind) || list->count == 0)
            continue;
        names = realloc(names, (count + list->count) * sizeof *names);
        CHECK(names);
        for (size_t i = 0; i < list->count; i++)
            names[count++] = list->items[i].name;
    }
    if (count > 0)
        qsort(names, count, sizeof *names, name_order);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || strcmp(names[i], names[i - 1]) != 0)
            fn(arg, names[i]);
    free(names);
}

/* ha-params: a number, or names. */
static json_t *
params_of(const char *text)
{
    char *end;
    long long number = strtoll(text, &end, 10);
    if (*text && !*end)
        return json_integer(number);
    json_t *names = json_array();
    for (struct slice rest = slice_str(text); rest.len > 0;) {
        const uint8_t *comma = memchr(rest.data, ',', rest.len);
        size_t len = comma ? (size_t)(comma - rest.data) : rest.len;
        struct slice name = slice_trim(slice_of(rest.data, len));
        json_array_append_new(names, json_stringn((const char *)name.data, name.len));
        len += comma != NULL;
        rest = slice_of(rest.data + len, rest.len - len);
    }
    return names;
}

/* NULL: it says for whom the definition is, and is no part of it. */
static json_t *
value_of(const struct config_row *row, const char *key, const struct config_item *item)
{
    switch (row->type) {
    case CONFIG_NUMBERS:
    case CONFIG_SIZES:
    case CONFIG_DURATIONS: return json_integer(item->value);
    case CONFIG_STRINGS: return strcmp(key, "ha-params") ? json_string(item->text) : params_of(item->text);
    default: return NULL;
    }
}

struct json_t *
config_vhost_definition(const struct config *c, enum config_vhost_kind kind, const char *name)
{
    json_t *definition = json_object();
    for (size_t r = 0; r < config_row_count; r++) {
        const struct config_row *row = &config_rows[r];
        const struct config_item *item = is_of(row, kind) ? item_of(list_of(c, row), name) : NULL;
        char key[CONFIG_KEY_BYTES_MAX + 1];
        if (!item)
            continue;
        snprintf(key, sizeof key, "%s", strrchr(row->name, '.') + 1);
        for (char *at = key; (at = strchr(at, '_'));)
            *at = '-';
        json_t *value = value_of(row, key, item);
        if (value)
            json_object_set_new(definition, key, value);
    }
    return definition;
}

/* ---- checking ---- */

struct check {
    const struct config *config;
    config_vhost_wrong_fn *wrong;
    void *arg;
};

/* Each value is good for itself: what can be wrong is how a queue is to be mirrored. */
static const struct config_row *
mirror_row(const struct config *c, const char *name)
{
    const struct config_row *found = NULL;
    for (size_t r = 0; r < config_row_count; r++) {
        const struct config_row *row = &config_rows[r];
        if (is_of(row, CONFIG_VHOST_POLICY) && row->type == CONFIG_STRINGS && item_of(list_of(c, row), name))
            found = row;
    }
    return found;
}

static void
check_policy(void *arg, const char *name)
{
    const struct check *k = arg;
    struct buffer why = {0};
    json_t *definition = config_vhost_definition(k->config, CONFIG_VHOST_POLICY, name);
    const struct config_row *row = mirror_row(k->config, name);
    if (row)
        policy_key_check(&why, definition, true);
    if (why.len > 0)
        k->wrong(k->arg, row, name, slice_of(why.data, why.len - 1));
    json_decref(definition);
    buffer_fini(&why);
}

void
config_vhost_check(const struct config *c, config_vhost_wrong_fn *wrong, void *arg)
{
    config_vhost_each(c, CONFIG_VHOST_POLICY, check_policy, &(struct check){c, wrong, arg});
}
