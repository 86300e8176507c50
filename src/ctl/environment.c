/*
 * The file is shell in RabbitMQ; what is read here are its assignments alone: NAME=value or export
 * RABBITMQ_NAME="value", one a line. It is read anew for each name: a command asks for few.
 */
#include "ctl/environment.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENVIRONMENT_FILE "/etc/rabbitmq/rabbitmq-env.conf"
enum { LINE_SIZE = 4096 };

/* The value of an assignment to `name`, in place; NULL: the line is something else. */
static char *
value_in(char *line, const char *name)
{
    while (isspace((unsigned char)*line))
        line++;
    if (strncmp(line, "export ", 7) == 0)
        line += 7;
    if (strncmp(line, "RABBITMQ_", 9) == 0)
        line += 9;
    size_t len = strlen(name);
    if (strncmp(line, name, len) != 0 || line[len] != '=')
        return NULL;
    char *value = line + len + 1;
    value[strcspn(value, "\r\n")] = 0;
    size_t end = strlen(value);
    while (end > 0 && isspace((unsigned char)value[end - 1]))
        value[--end] = 0;
    if (end >= 2 && (value[0] == '"' || value[0] == '\'') && value[end - 1] == value[0]) {
        value[end - 1] = 0;
        value++;
    }
    return value;
}

static bool
from_file(const char *path, const char *name, char *out, size_t size)
{
    char line[LINE_SIZE];
    bool is_found = false;
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f)) {
        const char *value = value_in(line, name);
        if (!value)
            continue;
        is_found = *value != 0; /* a later line wins, as in a shell */
        snprintf(out, size, "%s", value);
    }
    if (f)
        fclose(f);
    return is_found;
}

bool
environment_get(const char *name, char *out, size_t size)
{
    static const char *const prefixes[] = {"LEVERET_", "RABBITMQ_"};
    char full[64];
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        snprintf(full, sizeof full, "%s%s", prefixes[i], name);
        const char *value = getenv(full);
        if (value && *value) {
            snprintf(out, size, "%s", value);
            return true;
        }
    }
    const char *path = getenv("RABBITMQ_CONF_ENV_FILE");
    return from_file(path ? path : ENVIRONMENT_FILE, name, out, size);
}
