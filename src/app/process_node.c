/*
 * What the process tells about the node: struct node_host. The environment shows every key of the
 * configuration with its effective value but secrets; those that RabbitMQ has an application variable for
 * appear under its name, too, so that scripts that look for it find it.
 */
/* exports: process_node_ */
#include "app/config_row.h"
#include "app/process_impl.h"
#include "app/setup.h"
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
    case CONFIG_LEVELS: return list_of(at, false);
    case CONFIG_SECRET: return NULL;
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

/* ---- struct node_host ---- */

/* What the node goes by now. */
static const struct config *
config_of(const struct process *p)
{
    return p->reloaded ? &p->reloaded->config : p->config;
}

static json_t *
node_config_files(void *arg)
{
    const struct config *c = config_of(arg);
    json_t *files = json_array();
    for (size_t i = 0; i < c->files_count; i++)
        json_array_append_new(files, json_string(c->files[i]));
    return files;
}

static json_t *
node_environment(void *arg)
{
    const struct config *c = config_of(arg);
    json_t *leveret = json_object();
    for (size_t i = 0; i < config_row_count; i++) {
        json_t *value = value_of(c, &config_rows[i]);
        if (value)
            json_object_set_new(leveret, config_rows[i].name, value);
    }
    return json_pack("{s:o, s:o}", "rabbit", rabbit_of(c), "leveret", leveret);
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
                                 .log_rotate = node_log_rotate,
                                 .cookie = slice_str(p->cookie),
                                 .enabled_plugins_file = p->config->plugins_file,
                                 .certificate_file = config_of(p)->ssl_certfile,
                                 .ca_file = config_of(p)->ssl_cacertfile};
}
