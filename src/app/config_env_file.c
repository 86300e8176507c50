/*
 * What a shell would read as assignments:
 *
 *     NODENAME=rabbit@here          # a comment
 *     export RABBITMQ_LOG_BASE="/var/log/rabbitmq" CONFIG_FILE='/etc/my file'
 *
 * Quotes are taken as a shell takes them, and pieces that touch are one value. Everything that a shell would
 * have to look up or run ($NAME, `command`, if, functions, redirections) is an error with its line: to guess
 * at it would start a node with another name or other data than its operator means.
 */
#include "app/config_env_file.h"

static int
peek(const struct config_env_file *f, size_t ahead)
{
    return ahead < f->rest.len ? f->rest.data[ahead] : -1;
}

static void
advance(struct config_env_file *f, size_t n)
{
    if (n == 0) /* at the end there may be no text to point to */
        return;
    for (size_t i = 0; i < n; i++)
        f->line += f->rest.data[i] == '\n';
    f->rest = slice_of(f->rest.data + n, f->rest.len - n);
}

static bool
is_blank(int c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool
is_name(int c, bool is_first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (!is_first && c >= '0' && c <= '9');
}

/* To the next word: over blanks, ends of lines, comments. */
static void
skip(struct config_env_file *f)
{
    size_t n = 0;
    for (;;) {
        int c = peek(f, n);
        if (c == '#')
            while (peek(f, n) >= 0 && peek(f, n) != '\n')
                n++;
        else if (is_blank(c) || c == '\n' || c == ';' || (c == '\\' && peek(f, n + 1) == '\n'))
            n++;
        else
            break;
    }
    advance(f, n);
}

static struct slice
name_take(struct config_env_file *f)
{
    size_t n = 0;
    while (is_name(peek(f, n), n == 0))
        n++;
    struct slice name = slice_of(f->rest.data, n);
    advance(f, n);
    return name;
}

static const char *
single_quoted_take(struct config_env_file *f)
{
    advance(f, 1);
    const uint8_t *end = f->rest.len > 0 ? memchr(f->rest.data, '\'', f->rest.len) : NULL;
    if (!end)
        return "the quote is not closed";
    size_t n = (size_t)(end - f->rest.data);
    buffer_add(&f->value, f->rest.data, n);
    advance(f, n + 1);
    return NULL;
}

static const char needs_shell[] = "this needs a shell, and nothing is run here: write the value itself";

static const char *
double_quoted_take(struct config_env_file *f)
{
    advance(f, 1);
    for (;;) {
        int c = peek(f, 0), next = peek(f, 1);
        if (c < 0)
            return "the quote is not closed";
        if (c == '$' || c == '`')
            return needs_shell;
        if (c == '"') {
            advance(f, 1);
            return NULL;
        }
        bool is_escape = c == '\\' && next >= 0 && strchr("$`\"\\\n", next);
        if (!is_escape)
            buffer_add_u8(&f->value, (uint8_t)c);
        else if (next != '\n')
            buffer_add_u8(&f->value, (uint8_t)next);
        advance(f, is_escape ? 2 : 1);
    }
}

/* Behind the equals sign, to the end of the word. */
static const char *
value_take(struct config_env_file *f)
{
    const char *error = NULL;
    buffer_clear(&f->value);
    if (peek(f, 0) == '~')
        return needs_shell;
    while (!error) {
        int c = peek(f, 0), next = peek(f, 1);
        if (c < 0 || is_blank(c) || c == '\n' || c == ';')
            return NULL;
        if (c == '\'') {
            error = single_quoted_take(f);
        } else if (c == '"') {
            error = double_quoted_take(f);
        } else if (strchr("$`()<>|&", c)) {
            error = needs_shell;
        } else if (c == '\\' && next >= 0) {
            if (next != '\n')
                buffer_add_u8(&f->value, (uint8_t)next);
            advance(f, 2);
        } else {
            buffer_add_u8(&f->value, (uint8_t)c);
            advance(f, 1);
        }
    }
    return error;
}

bool
config_env_file_next(struct config_env_file *f, struct config_env_assignment *a)
{
    bool is_exported = false;
    if (f->line == 0)
        f->line = 1;
    for (;;) {
        skip(f);
        if (f->rest.len == 0)
            return false;
        *a = (struct config_env_assignment){.line = f->line};
        a->name = name_take(f);
        int c = peek(f, 0);
        if (a->name.len > 0 && c == '=') {
            advance(f, 1);
            a->error = value_take(f);
            a->value = buffer_slice(&f->value);
            break;
        }
        bool ends = c < 0 || is_blank(c) || c == '\n' || c == ';';
        if (slice_eq_str(a->name, "export") && ends) {
            is_exported = true;
            continue;
        }
        if (is_exported && a->name.len > 0 && ends) /* `export NAME` of an earlier one */
            continue;
        a->error = "only assignments are read here, and nothing is run: NAME=value";
        break;
    }
    if (a->error)
        f->rest = slice_of(NULL, 0);
    return true;
}

void
config_env_file_fini(struct config_env_file *f)
{
    buffer_fini(&f->value);
}
