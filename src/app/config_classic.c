/*
 * One table says what the keys of the classic form are called in rabbitmq.conf, and which shape their values
 * have. A key of the application rabbit that the table does not have and rabbitmq.conf does, under the same
 * name, is that one: {heartbeat, 60}. Whatever else there is has no effect and is named in a warning; what
 * weakens security when it is overlooked is handed on under its name, so that the loader refuses it.
 *
 * Differs from RabbitMQ: a list of options in advanced.config ({ssl_options, [...]}) replaces those options
 * of rabbitmq.conf that it names; RabbitMQ drops the others, too.
 */
#include "app/config_classic.h"

#include "base/buffer.h"
#include "base/check.h"

enum shape {
    SCALAR,      /* a number, an atom or text */
    LISTENERS,   /* [5672, {"127.0.0.1", 5672}] */
    NAMES,       /* [<<"guest">>]: key.guest = true */
    NUMBERED,    /* ['PLAIN', 'AMQPLAIN']: key.1 = PLAIN */
    OPTIONS,     /* [{backlog, 128}]: key.backlog = 128 */
    LEVELS,      /* [{connection, info}]: log.connection.level = info */
    LOG,         /* [{console, [{enabled, true}]}, {file, [...]}, {categories, [...]}] */
    MEMORY,      /* 0.4, {relative, 0.4}, {absolute, "2GB"} */
    DISK,        /* 50000000, "1GB", {mem_relative, 1.0} */
    PERMISSIONS, /* [<<".*">>, <<".*">>, <<".*">>] */
    HTTP,        /* [{port, 15672}, {ssl, true}, {ssl_opts, [...]}] */
    KEPT,        /* config_classic_kept() */
};

static const struct classic_row {
    const char *app, *key;
    enum shape shape;
    const char *name; /* of the setting, or what its name begins with */
} rows[] = {
    {"rabbit", "tcp_listeners", LISTENERS, "listeners.tcp"},
    {"rabbit", "ssl_listeners", LISTENERS, "listeners.ssl"},
    {"rabbit", "ssl_options", OPTIONS, "ssl_options"},
    {"rabbit", "tcp_listen_options", OPTIONS, "tcp_listen_options"},
    {"rabbit", "loopback_users", NAMES, "loopback_users"},
    {"rabbit", "default_user_tags", NAMES, "default_user_tags"},
    {"rabbit", "default_permissions", PERMISSIONS, "default_permissions"},
    {"rabbit", "auth_mechanisms", NUMBERED, "auth_mechanisms"},
    {"rabbit", "auth_backends", NUMBERED, "auth_backends"},
    {"rabbit", "vm_memory_high_watermark", MEMORY, "vm_memory_high_watermark"},
    {"rabbit", "disk_free_limit", DISK, "disk_free_limit"},
    {"rabbit", "connection_max", SCALAR, "max_connections"},
    {"rabbit", "log_levels", LEVELS, "log"},
    {"rabbit", "log", LOG, "log"},
    {"rabbit", "cluster_nodes", KEPT, NULL},
    {"rabbit", "num_tcp_acceptors", SCALAR, "num_acceptors.tcp"},
    {"rabbit", "num_ssl_acceptors", SCALAR, "num_acceptors.ssl"},
    {"rabbitmq_management", "listener", HTTP, "management"},
    {"rabbitmq_management", "tcp_config", OPTIONS, "management.tcp"},
    {"rabbitmq_management", "ssl_config", OPTIONS, "management.ssl"},
    {"rabbitmq_management", "load_definitions", SCALAR, "management.load_definitions"},
    {"rabbitmq_shovel", "shovels", KEPT, NULL},
    {"rabbitmq_shovel", "defaults", KEPT, NULL},
    {"kernel", "net_ticktime", SCALAR, "net_ticktime"},
    {"kernel", "inet_dist_listen_min", SCALAR, "distribution.listener.port_range.min"},
    {"kernel", "inet_dist_listen_max", SCALAR, "distribution.listener.port_range.max"},
};
enum { ROW_COUNT = sizeof rows / sizeof *rows };

/* Where the walk is. */
struct walk {
    const struct config_classic_sink *sink;
    struct slice app, key;
    unsigned line;
    struct buffer name, value; /* scratch */
};

/* ---- handing on ---- */

static void
add_dotted(struct buffer *name, struct slice part)
{
    if (part.len == 0)
        return;
    buffer_add_str(name, name->len ? "." : "");
    buffer_add(name, part.data, part.len);
}

static void
wrong(struct walk *w, unsigned line, const char *expected)
{
    struct buffer name = {0};
    add_dotted(&name, w->app);
    add_dotted(&name, w->key);
    w->sink->wrong(w->sink->arg, line, buffer_slice(&name), expected);
    buffer_fini(&name);
}

static void
unknown(struct walk *w, unsigned line, struct slice option)
{
    struct buffer name = {0};
    add_dotted(&name, w->app);
    add_dotted(&name, w->key);
    add_dotted(&name, option);
    w->sink->unknown(w->sink->arg, line, buffer_slice(&name));
    buffer_fini(&name);
}

/* Starts a setting's name: "listeners.tcp". */
static void
name_begin(struct walk *w, const char *name)
{
    buffer_clear(&w->name);
    buffer_add_str(&w->name, name);
}

/* Another part, with the dots in it marked as such. */
static void
name_add(struct walk *w, struct slice part)
{
    if (w->name.len > 0)
        buffer_add_u8(&w->name, '.');
    for (size_t i = 0; i < part.len; i++) {
        if (part.data[i] == '.' || part.data[i] == '\\')
            buffer_add_u8(&w->name, '\\');
        buffer_add_u8(&w->name, part.data[i]);
    }
}

static void
name_add_number(struct walk *w, unsigned n)
{
    buffer_add_fmt(&w->name, ".%u", n);
}

static void
emit(struct walk *w, unsigned line, struct slice value)
{
    w->sink->setting(w->sink->arg, line, buffer_slice(&w->name), value);
}

static void
emit_text(struct walk *w, unsigned line, const char *value)
{
    emit(w, line, slice_str(value));
}

/* A scalar as rabbitmq.conf writes it; false for lists, tuples and maps. */
static bool
scalar_text(struct walk *w, const struct erlang_term *term)
{
    struct slice text;
    buffer_clear(&w->value);
    if (term->kind == ERLANG_INTEGER) {
        buffer_add_fmt(&w->value, "%lld", (long long)term->integer);
    } else if (term->kind == ERLANG_FLOAT) {
        buffer_add_fmt(&w->value, "%.9f", term->real);
        while (w->value.data[w->value.len - 1] == '0')
            w->value.len--;
    } else if (erlang_terms_text(term, &text)) {
        buffer_add_slice(&w->value, text);
    } else {
        return false;
    }
    return true;
}

static void
emit_scalar(struct walk *w, const struct erlang_term *term, const char *expected)
{
    struct slice word;
    const struct erlang_term *inner;
    if (scalar_text(w, term))
        emit(w, term->line, buffer_slice(&w->value));
    else if (erlang_terms_pair(term, &word, &inner) && slice_eq_str(word, "encrypted"))
        wrong(w, term->line, "text; encrypted values are not read");
    else
        wrong(w, term->line, expected);
}

/* Only a setting that the loader knows; of the others, that nothing is known of them. */
static void
emit_known(struct walk *w, const struct erlang_term *term, struct slice option)
{
    struct config_match match = config_row_find(buffer_slice(&w->name));
    if (match.row || match.refused)
        emit_scalar(w, term, "a number, an atom or text");
    else if (match.ignored && scalar_text(w, term))
        emit(w, term->line, buffer_slice(&w->value));
    else
        unknown(w, term->line, option);
}

/* Nothing in it, written either way. */
static bool
is_list(const struct erlang_term *term)
{
    return term->kind == ERLANG_LIST || (term->kind == ERLANG_STRING && term->text.len == 0);
}

/* ---- shapes ---- */

/* {127, 0, 0, 1}, {0, 0, 0, 0, 0, 0, 0, 1}, "127.0.0.1". */
static bool
address_add(struct buffer *out, const struct erlang_term *term)
{
    struct slice text;
    if (term->kind != ERLANG_ATOM && erlang_terms_text(term, &text)) {
        bool is_v6 = memchr(text.data, ':', text.len) != NULL;
        buffer_add_fmt(out, "%s%.*s%s:", is_v6 ? "[" : "", SLICE_FMT(text), is_v6 ? "]" : "");
        return true;
    }
    if (term->kind != ERLANG_TUPLE || (term->count != 4 && term->count != 8))
        return false;
    bool is_v6 = term->count == 8;
    buffer_add_str(out, is_v6 ? "[" : "");
    for (const struct erlang_term *part = term->first; part; part = part->next) {
        if (part->kind != ERLANG_INTEGER || part->integer < 0 || part->integer > 0xffff)
            return false;
        buffer_add_fmt(out, is_v6 ? "%llx%s" : "%lld%s", (long long)part->integer,
                       !part->next ? ""
                       : is_v6     ? ":"
                                   : ".");
    }
    buffer_add_str(out, is_v6 ? "]:" : ":");
    return true;
}

static bool
listener_text(struct walk *w, const struct erlang_term *term)
{
    buffer_clear(&w->value);
    if (term->kind == ERLANG_TUPLE && (term->count == 2 || term->count == 3)) {
        if (!address_add(&w->value, term->first))
            return false;
        term = term->first->next;
    }
    if (term->kind != ERLANG_INTEGER)
        return false;
    buffer_add_fmt(&w->value, "%lld", (long long)term->integer);
    return true;
}

/* The elements of a list, each handed to `add`; an empty list is `none`. */
static void
read_list(struct walk *w, const struct classic_row *row, const struct erlang_term *value,
          const char *expected, bool (*add)(struct walk *w, const struct erlang_term *item, unsigned n))
{
    unsigned n = 0;
    if (!is_list(value)) {
        wrong(w, value->line, expected);
        return;
    }
    name_begin(w, row->name);
    if (!value->first)
        emit_text(w, value->line, "none");
    for (const struct erlang_term *item = value->first; item; item = item->next) {
        name_begin(w, row->name);
        if (!add(w, item, ++n))
            wrong(w, item->line, expected);
    }
}

static bool
add_listener(struct walk *w, const struct erlang_term *item, unsigned n)
{
    if (!listener_text(w, item))
        return false;
    name_add_number(w, n);
    emit(w, item->line, buffer_slice(&w->value));
    return true;
}

static bool
add_name(struct walk *w, const struct erlang_term *item, unsigned n)
{
    struct slice text;
    if (!erlang_terms_text(item, &text))
        return false;
    name_add(w, text);
    emit_text(w, item->line, "true");
    return true;
}

static bool
add_numbered(struct walk *w, const struct erlang_term *item, unsigned n)
{
    struct slice text;
    if (!erlang_terms_text(item, &text))
        return false;
    name_add_number(w, n);
    emit(w, item->line, text);
    return true;
}

/* What inet:setopts/2 takes and every listener here is anyway. */
static bool
is_socket_noise(const struct erlang_term *item)
{
    struct slice name;
    const struct erlang_term *value;
    if (item->kind == ERLANG_ATOM)
        return true;
    return erlang_terms_pair(item, &name, &value) &&
           (slice_eq_str(name, "packet") || slice_eq_str(name, "reuseaddr") || slice_eq_str(name, "active") ||
            slice_eq_str(name, "mode"));
}

static void
read_option(struct walk *w, const char *prefix, const struct erlang_term *item)
{
    struct slice name;
    const struct erlang_term *value;
    bool is_strict = strcmp(prefix, "ssl_options") == 0;
    if (!is_strict && is_socket_noise(item))
        return;
    if (!erlang_terms_pair(item, &name, &value)) {
        wrong(w, item->line, "options: {name, value}");
        return;
    }
    name_begin(w, prefix);
    name_add(w, name);
    size_t len = w->name.len;
    if (value->kind == ERLANG_LIST) {
        unsigned n = 0;
        for (const struct erlang_term *e = value->first; e; e = e->next) {
            w->name.len = len;
            name_add_number(w, ++n);
            emit_scalar(w, e, "a list of names");
        }
    } else if (is_strict) {
        emit_scalar(w, value, "a number, an atom or text");
    } else {
        emit_known(w, value, name);
    }
}

static void
read_options(struct walk *w, const char *prefix, const struct erlang_term *value)
{
    if (!is_list(value)) {
        wrong(w, value->line, "a list of options");
        return;
    }
    for (const struct erlang_term *item = value->first; item; item = item->next)
        read_option(w, prefix, item);
}

static void
read_levels(struct walk *w, const struct erlang_term *value)
{
    struct slice name;
    const struct erlang_term *level;
    if (!is_list(value)) {
        wrong(w, value->line, "a list of {category, level}");
        return;
    }
    for (const struct erlang_term *item = value->first; item; item = item->next) {
        if (!erlang_terms_pair(item, &name, &level)) {
            wrong(w, item->line, "{category, level}");
            continue;
        }
        name_begin(w, "log");
        name_add(w, name);
        name_add(w, slice_str("level"));
        emit_scalar(w, level, "a level");
    }
}

/* {console, [{enabled, true}, {level, info}]}: log.console and log.console.level. */
static void
read_log_output(struct walk *w, struct slice output, const struct erlang_term *options)
{
    struct slice name;
    const struct erlang_term *value;
    for (const struct erlang_term *item = options->first; item; item = item->next) {
        if (!erlang_terms_pair(item, &name, &value)) {
            wrong(w, item->line, "options: {name, value}");
            continue;
        }
        bool is_switch = slice_eq_str(name, slice_eq_str(output, "file") ? "file" : "enabled");
        name_begin(w, "log");
        name_add(w, output);
        if (!is_switch)
            name_add(w, name);
        emit_known(w, value, name);
    }
}

static void
read_log(struct walk *w, const struct erlang_term *value)
{
    struct slice name;
    const struct erlang_term *options;
    if (!is_list(value)) {
        wrong(w, value->line, "a list of outputs");
        return;
    }
    for (const struct erlang_term *item = value->first; item; item = item->next) {
        if (!erlang_terms_pair(item, &name, &options) || !is_list(options)) {
            wrong(w, item->line, "{output, [{option, value}]}");
        } else if (slice_eq_str(name, "categories")) {
            struct slice category;
            const struct erlang_term *of;
            for (const struct erlang_term *c = options->first; c; c = c->next)
                if (erlang_terms_pair(c, &category, &of) && is_list(of))
                    read_log_output(w, category, of);
                else
                    wrong(w, c->line, "{category, [{option, value}]}");
        } else {
            read_log_output(w, name, options);
        }
    }
}

/* A bare number or text under one name, {word, number} under that word's. */
static void
read_limit(struct walk *w, const struct classic_row *row, const struct erlang_term *value)
{
    bool is_memory = row->shape == MEMORY;
    const char *part = is_memory ? "relative" : "absolute";
    struct slice word;
    const struct erlang_term *inner = value;
    if (erlang_terms_pair(value, &word, &inner)) {
        if (slice_eq_str(word, is_memory ? "relative" : "mem_relative"))
            part = "relative";
        else if (is_memory && slice_eq_str(word, "absolute"))
            part = "absolute";
        else
            inner = value; /* a tuple, and refused below */
    }
    name_begin(w, row->name);
    name_add(w, slice_str(part));
    emit_scalar(w, inner,
                is_memory ? "a number, {relative, number} or {absolute, size}"
                          : "a size or {mem_relative, number}");
}

static void
read_permissions(struct walk *w, const struct classic_row *row, const struct erlang_term *value)
{
    static const char *const parts[] = {"configure", "write", "read"};
    const struct erlang_term *item = value->first;
    if (value->kind != ERLANG_LIST || value->count != 3) {
        wrong(w, value->line, "a list of three patterns: configure, write, read");
        return;
    }
    for (unsigned i = 0; i < 3; i++, item = item->next) {
        name_begin(w, row->name);
        name_add(w, slice_str(parts[i]));
        emit_scalar(w, item, "a pattern");
    }
}

/* The management plugin's listener before 3.7: TLS or not is an option of it. */
static void
read_http(struct walk *w, const struct erlang_term *value)
{
    struct slice name;
    const struct erlang_term *inner;
    bool is_tls = erlang_terms_is_atom(erlang_terms_lookup(value, "ssl"), "true");
    const char *prefix = is_tls ? "management.ssl" : "management.tcp";
    if (!is_list(value)) {
        wrong(w, value->line, "a list of options");
        return;
    }
    for (const struct erlang_term *item = value->first; item; item = item->next) {
        if (!erlang_terms_pair(item, &name, &inner))
            wrong(w, item->line, "options: {name, value}");
        else if (slice_eq_str(name, "ssl_opts"))
            read_options(w, prefix, inner);
        else if (!slice_eq_str(name, "ssl"))
            read_option(w, prefix, item);
    }
}

static void
read_row(struct walk *w, const struct classic_row *row, const struct erlang_term *value)
{
    switch (row->shape) {
    case SCALAR:
        name_begin(w, row->name);
        emit_scalar(w, value, "a number, an atom or text");
        break;
    case LISTENERS: read_list(w, row, value, "a list of ports or {address, port}", add_listener); break;
    case NAMES: read_list(w, row, value, "a list of names", add_name); break;
    case NUMBERED: read_list(w, row, value, "a list of names", add_numbered); break;
    case OPTIONS: read_options(w, row->name, value); break;
    case LEVELS: read_levels(w, value); break;
    case LOG: read_log(w, value); break;
    case MEMORY:
    case DISK: read_limit(w, row, value); break;
    case PERMISSIONS: read_permissions(w, row, value); break;
    case HTTP: read_http(w, value); break;
    case KEPT: break;
    }
}

/* ---- the file ---- */

static const struct classic_row *
row_find(struct slice app, struct slice key)
{
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (slice_eq_str(app, rows[i].app) && slice_eq_str(key, rows[i].key))
            return &rows[i];
    return NULL;
}

static void
read_key(struct walk *w, const struct erlang_term *item)
{
    const struct erlang_term *value;
    w->key = slice_of(NULL, 0);
    if (!erlang_terms_pair(item, &w->key, &value)) {
        wrong(w, item->line, "{key, value}");
        return;
    }
    const struct classic_row *row = row_find(w->app, w->key);
    if (row) {
        read_row(w, row, value);
        return;
    }
    bool is_management = slice_eq_str(w->app, "rabbitmq_management");
    if (!is_management && !slice_eq_str(w->app, "rabbit")) {
        unknown(w, item->line, slice_of(NULL, 0));
        return;
    }
    name_begin(w, is_management ? "management" : "");
    name_add(w, w->key);
    emit_known(w, value, slice_of(NULL, 0));
}

void
config_classic_read(const struct erlang_terms *terms, const struct config_classic_sink *sink)
{
    struct walk w = {.sink = sink};
    const struct erlang_term *keys;
    if (terms->count == 0) /* touched, and empty */
        return;
    w.app = slice_str("the file");
    if (terms->count > 1 || terms->first->kind != ERLANG_LIST) {
        wrong(&w, terms->count > 1 ? terms->first->next->line : terms->first->line,
              "one list of {application, [{key, value}]}");
        return;
    }
    for (const struct erlang_term *app = terms->first->first; app; app = app->next) {
        w.app = slice_str("the file");
        w.key = slice_of(NULL, 0);
        if (!erlang_terms_pair(app, &w.app, &keys) || !is_list(keys)) {
            wrong(&w, app->line, "{application, [{key, value}]}");
            continue;
        }
        for (const struct erlang_term *item = keys->first; item; item = item->next)
            read_key(&w, item);
    }
    buffer_fini(&w.name);
    buffer_fini(&w.value);
}

const struct erlang_term *
config_classic_kept(const struct config *c, const char *app, const char *key)
{
    for (size_t i = c->terms_count; i-- > 0;) {
        const struct erlang_term *found =
            erlang_terms_lookup(erlang_terms_lookup(c->terms[i].first, app), key);
        if (found)
            return found;
    }
    return NULL;
}
