/*
 * What the process tells about the node: struct node_host. The environment shows every key of the
 * configuration with its effective value but secrets; those that RabbitMQ has an application variable for
 * appear under its name, too, so that scripts that look for it find it.
 */
/* exports: process_node_ */
#include "app/config_row.h"
#include "app/logger_follow.h"
#include "app/process_impl.h"
#include "app/setup.h"
#include "base/check.h"
#include "mgmt/node_host.h"

#include <stdlib.h>

/* ---- values ---- */

/* The index-th of words that stand between blanks. */
static json_t *
word_of(const char *words, int index)
{
    for (; index > 0 && strchr(words, ' '); index--)
        words = strchr(words, ' ') + 1;
    return json_stringn(words, strcspn(words, " "));
}

static json_t *
text_of(const char *text)
{
    return text ? json_string(text) : json_string("");
}

/* As it was written: without the noise of binary fractions. */
static json_t *
ratio_of(double ratio)
{
    return json_real((double)(int64_t)(ratio * 1e9 + 0.5) / 1e9);
}

static json_t *
address_of(const struct config_address *a)
{
    char text[80];
    if (!a->is_set)
        return json_string("");
    if (a->is_none)
        return json_string("none");
    snprintf(text, sizeof text, "%s:%u", a->host, a->port);
    return json_string(text);
}

static json_t *
list_of(const struct config_list *list, bool has_names)
{
    json_t *all = json_array();
    for (size_t i = 0; i < list->count; i++)
        json_array_append_new(all, text_of(has_names ? list->items[i].name : list->items[i].text));
    return all;
}

/* NULL: it is not shown. */
static json_t *
value_of(const struct config *c, const struct config_row *row)
{
    const void *at = (const char *)c + row->offset;
    switch (row->type) {
    case CONFIG_BOOL: return json_boolean(*(const bool *)at);
    case CONFIG_INTEGER: return json_integer(*(const int64_t *)at);
    case CONFIG_LIMIT:
        return *(const int64_t *)at == CONFIG_INFINITY ? json_string("infinity")
                                                       : json_integer(*(const int64_t *)at);
    case CONFIG_SIZE: return json_integer((json_int_t) * (const uint64_t *)at);
    case CONFIG_RATIO: return ratio_of(*(const double *)at);
    case CONFIG_ENUM: return word_of(row->words, *(const int *)at);
    case CONFIG_LEVEL:
        return json_string(*(const int *)at < 0 ? "" : log_level_name((enum log_level) * (const int *)at));
    case CONFIG_STRING:
    case CONFIG_FILE: return text_of(*(char *const *)at);
    case CONFIG_ADDRESS: return address_of(at);
    case CONFIG_FLAGS: return list_of(at, true);
    case CONFIG_ADDRESSES:
    case CONFIG_ENUMS:
    case CONFIG_STRINGS:
    case CONFIG_PATTERNS:
    case CONFIG_NUMBERS:
    case CONFIG_SIZES:
    case CONFIG_DURATIONS:
    case CONFIG_LEVELS: return list_of(at, false);
    case CONFIG_SECRET:
    case CONFIG_SECRETS: return NULL;
    }
    return NULL;
}

/* ---- RabbitMQ's names ---- */

static json_t *
listeners_of(const struct config_list *list)
{
    json_t *all = json_array();
    for (size_t i = 0; i < list->count; i++) {
        const struct config_address *a = &list->items[i].address;
        json_array_append_new(all, json_pack("[s, i]", *a->host ? a->host : "auto", a->port));
    }
    return all;
}

static json_t *
rabbit_of(const struct config *c)
{
    /* RabbitMQ's variables whose configuration keys have the same name. */
    static const char *const same[] = {
        "auth_mechanisms",
        "auth_backends",
        "channel_max",
        "default_user",
        "default_vhost",
        "default_user_tags",
        "frame_max",
        "handshake_timeout",
        "heartbeat",
        "loopback_users",
        "max_message_size",
        "ssl_handshake_timeout",
        "proxy_protocol",
        "ssl_cert_login_from",
        "password_hashing_module",
        "vm_memory_high_watermark_paging_ratio",
    };
    json_t *rabbit = json_object();
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        for (size_t r = 0; r < config_row_count; r++)
            if (strncmp(config_rows[r].name, same[i], strlen(same[i])) == 0 &&
                strchr(".", config_rows[r].name[strlen(same[i])]))
                json_object_set_new(rabbit, same[i], value_of(c, &config_rows[r]));
    json_object_set_new(rabbit, "tcp_listeners", listeners_of(&c->listeners_tcp));
    json_object_set_new(rabbit, "ssl_listeners", listeners_of(&c->listeners_ssl));
    json_object_set_new(rabbit, "disk_free_limit", json_integer((json_int_t)setup_disk_free_limit(c)));
    json_object_set_new(rabbit, "vm_memory_high_watermark",
                        c->memory_watermark_bytes
                            ? json_pack("[s, I]", "absolute", (json_int_t)c->memory_watermark_bytes)
                            : ratio_of(c->memory_watermark_ratio));
    json_object_set_new(rabbit, "vm_memory_calculation_strategy", json_string("rss"));
    json_object_set_new(rabbit, "default_permissions",
                        json_pack("[s, s, s]", c->default_permission_configure, c->default_permission_write,
                                  c->default_permission_read));
    return rabbit;
}

/* ---- variables that a command sets ---- */

/* One of RabbitMQ's application variables. The configuration is read again, and this put into it: until it is
 * read the next time. */
struct variable {
    struct process *process;
    const char *name;
    json_t *value;
    bool is_known;
};

static bool
set_number(const json_t *value, int64_t most, int64_t *member)
{
    json_int_t n = json_integer_value(value);
    if (!json_is_integer(value) || n < 0 || n > most)
        return false;
    *member = n;
    return true;
}

/* Names that are on; what was in the list goes. */
static bool
set_names(const json_t *value, struct config_list *list)
{
    size_t i, count = json_array_size(value);
    json_t *name;
    if (!json_is_array(value) || count > CONFIG_LIST_MAX)
        return false;
    json_array_foreach(value, i, name) if (!json_is_string(name)) return false;
    for (i = 0; i < list->count; i++) {
        free(list->items[i].name);
        free(list->items[i].text);
    }
    free(list->items);
    list->items = calloc(count + 1, sizeof *list->items);
    CHECK(list->items);
    list->count = count;
    json_array_foreach(value, i, name)
    {
        list->items[i].name = strdup(json_string_value(name));
        list->items[i].text = strdup("true");
        list->items[i].value = 1;
        CHECK(list->items[i].name && list->items[i].text);
    }
    return true;
}

static bool
load_changed(void *arg, struct config *c, struct config_report *report)
{
    struct variable *v = arg;
    const struct process_request *request = v->process->request;
    if (!request->load(request->load_arg, c, report))
        return false;
    if (strcmp(v->name, "channel_max") == 0)
        v->is_known = set_number(v->value, UINT16_MAX, &c->channel_max);
    else if (strcmp(v->name, "heartbeat") == 0)
        v->is_known = set_number(v->value, UINT16_MAX, &c->heartbeat_s);
    else if (strcmp(v->name, "loopback_users") == 0)
        v->is_known = set_names(v->value, &c->loopback_users);
    return true;
}

static bool
node_set_variable(void *arg, const char *name, json_t *value)
{
    struct variable v = {.process = arg, .name = name, .value = value};
    return process_control_reload(arg, load_changed, &v) && v.is_known;
}

/* ---- struct node_host ---- */

/* The configuration in force; held until config_drop(). */
struct config_hold {
    const struct config *config;
    struct reload *reload; /* NULL: the one that the process started with */
};

static struct config_hold
config_take(struct process *p)
{
    struct config_hold h = {.config = p->config};
    pthread_mutex_lock(&p->lock);
    h.reload = p->reloaded ? reload_hold(p->reloaded) : NULL;
    pthread_mutex_unlock(&p->lock);
    if (h.reload)
        h.config = &h.reload->config;
    return h;
}

static json_t *
node_config_files(void *arg)
{
    struct config_hold h = config_take(arg);
    json_t *files = json_array();
    for (size_t i = 0; i < h.config->files_count; i++)
        json_array_append_new(files, json_string(h.config->files[i]));
    reload_drop(h.reload);
    return files;
}

static json_t *
node_environment(void *arg)
{
    struct config_hold h = config_take(arg);
    json_t *leveret = json_object();
    for (size_t i = 0; i < config_row_count; i++) {
        json_t *value = value_of(h.config, &config_rows[i]);
        if (value)
            json_object_set_new(leveret, config_rows[i].name, value);
    }
    json_t *result = json_pack("{s:o, s:o}", "rabbit", rabbit_of(h.config), "leveret", leveret);
    reload_drop(h.reload);
    return result;
}

static bool
node_certificate_file(void *arg, bool is_authority, char *path, size_t size)
{
    struct config_hold h = config_take(arg);
    const struct config *c = h.config;
    const char *file = is_authority ? c->ssl_cacertfile : c->ssl_certfile;
    bool is_there = c->listeners_ssl.count > 0 && file && strlen(file) < size;
    if (is_there)
        snprintf(path, size, "%s", file);
    reload_drop(h.reload);
    return is_there;
}

static const char *
node_log_location(void *arg, unsigned i)
{
    const struct process *p = arg;
    return logger_location(&p->logger, i);
}

static enum err
node_log_tail(void *arg, unsigned lines, struct buffer *out)
{
    const struct process *p = arg;
    return logger_tail(&p->logger, lines, out);
}

static struct logger_follow *
node_log_follow(void *arg)
{
    const struct process *p = arg;
    const char *path = logger_path(&p->logger);
    return path ? logger_follow_open(path) : NULL;
}

static void
node_log_rotate(void *arg)
{
    struct process *p = arg;
    logger_rotate(&p->logger);
}

void
process_node_init(struct process *p)
{
    p->node = (struct node_host){.arg = p,
                                 .config_files = node_config_files,
                                 .environment = node_environment,
                                 .log_location = node_log_location,
                                 .log_tail = node_log_tail,
                                 .log_follow = node_log_follow,
                                 .log_follow_read = logger_follow_read,
                                 .log_follow_close = logger_follow_close,
                                 .log_rotate = node_log_rotate,
                                 .cookie = slice_str(p->cookie),
                                 .enabled_plugins_file = p->config->plugins_file,
                                 .set_variable = node_set_variable,
                                 .certificate_file = node_certificate_file};
}
