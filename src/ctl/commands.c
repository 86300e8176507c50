/* Finding commands. There are about 200: every search walks the tables. */
#include "ctl/commands.h"

#include <stdlib.h>
#include <string.h>

enum {
    NAME_MAX_LEN = 64,
    DISTANCE_MAX = 4, /* RabbitMQ suggests what is fewer than five changes away */
};

const struct ctl_command *const commands_tables[] = {
    commands_help,        commands_app,         commands_cluster, commands_plugins,    commands_access,
    commands_policy,      commands_list,        commands_queue,   commands_connection, commands_node,
    commands_diagnostics, commands_definitions, commands_local,   commands_missing,    NULL,
};

const struct ctl_command *
commands_find(const char *name, unsigned tools)
{
    for (size_t t = 0; commands_tables[t]; t++)
        for (const struct ctl_command *row = commands_tables[t]; row->name; row++)
            if ((row->tools & tools) && strcmp(row->name, name) == 0)
                return row;
    return NULL;
}

/* Levenshtein's distance: how many letters are to be added, removed or replaced. */
static size_t
distance(const char *a, const char *b)
{
    size_t row[NAME_MAX_LEN + 1], a_len = strlen(a), b_len = strlen(b);
    if (a_len > NAME_MAX_LEN || b_len > NAME_MAX_LEN)
        return NAME_MAX_LEN;
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t best = corner + (a[i - 1] != b[j - 1]);
            corner = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[b_len];
}

const struct ctl_command *
commands_like(const char *name, unsigned tools)
{
    const struct ctl_command *found = NULL;
    size_t best = DISTANCE_MAX + 1;
    for (size_t t = 0; commands_tables[t]; t++)
        for (const struct ctl_command *row = commands_tables[t]; row->name; row++) {
            size_t d = (row->tools & tools) ? distance(name, row->name) : NAME_MAX_LEN;
            if (d < best) {
                best = d;
                found = row;
            }
        }
    return found;
}

static int
compare(const void *a, const void *b)
{
    const struct ctl_command *const *left = a, *const *right = b;
    return strcmp((*left)->name, (*right)->name);
}

size_t
commands_of_group(enum ctl_group group, unsigned tools, const struct ctl_command **found, size_t max)
{
    size_t count = 0;
    for (size_t t = 0; commands_tables[t]; t++)
        for (const struct ctl_command *row = commands_tables[t]; row->name; row++)
            if ((row->tools & tools) && row->group == group && count < max)
                found[count++] = row;
    qsort(found, count, sizeof *found, compare);
    return count;
}
