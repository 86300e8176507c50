/*
 * rabbitmq-plugins. Which plugins are enabled stands in a file; a node that runs changes it itself, for one
 * that does not (or with --offline) the tool does. Either way there is a set before and a set after, and what
 * is printed follows from the two.
 */
#include "base/check.h"
#include "ctl/commands.h"
#include "ctl/node.h"
#include "mgmt/plugins.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

struct change {
    plugins_set before, after;
    bool is_online;
    char path[NODE_PATH_SIZE];
};

static plugins_set
set_of(const json_t *names)
{
    size_t i;
    json_t *name;
    plugins_set set = 0;
    json_array_foreach(names, i, name)
    {
        int row = json_is_string(name) ? plugins_find(slice_str(json_string_value(name))) : -1;
        set |= row >= 0 ? (plugins_set)1 << row : 0;
    }
    return set;
}

static unsigned
count_of(plugins_set set)
{
    return (unsigned)__builtin_popcountll(set);
}

/* ---- asking the node, or the file ---- */

static int
change_file(struct ctl *c, struct change *change, enum plugins_action action, plugins_set named)
{
    plugins_path(c->at->data_dir, change->path, sizeof change->path);
    enum err e = plugins_load(change->path, &change->before);
    if (e != ERR_OK)
        return ctl_error(c, EX_CONFIG, "cannot read %s: %s", change->path, err_text(e));
    change->after = plugins_after(change->before, action, named);
    e = action == PLUGINS_LIST ? ERR_OK : plugins_save(change->path, change->after);
    return e == ERR_OK ? EX_OK
                       : ctl_error(c, EX_UNAVAILABLE, "cannot write %s: %s", change->path, err_text(e));
}

static int
do_change(struct ctl *c, struct change *change, enum plugins_action action, plugins_set named)
{
    *change = (struct change){0};
    if (ctl_has(c, "offline"))
        return change_file(c, change, action, named);
    json_t *result =
        ctl_ask(c, action == PLUGINS_LIST ? "plugins" : "change_plugins",
                json_pack("{s:s, s:o}", "action", plugins_actions[action], "names", plugins_names(named)));
    if (!result && strcmp(ctl_failure(c), "unreachable") == 0 && !ctl_has(c, "online"))
        return change_file(c, change, action, named);
    if (!result)
        return ctl_failed(c);
    const char *path = json_string_value(json_object_get(result, "file"));
    snprintf(change->path, sizeof change->path, "%s", path ? path : "");
    change->before = set_of(json_object_get(result, "before"));
    change->after = set_of(json_object_get(result, "enabled"));
    change->is_online = true;
    json_decref(result);
    return EX_OK;
}

/* ---- enable, disable, set ---- */

static void
print_names(struct ctl *c, const char *title, plugins_set set)
{
    ctl_print(c, "%s\n", title);
    for (unsigned i = 0; i < plugins_row_count; i++)
        if (set >> i & 1)
            ctl_print(c, "  %s\n", plugins_rows[i].name);
}

static void
print_counts(struct ctl *c, unsigned started, unsigned stopped)
{
    if (started && stopped)
        ctl_print(c, "started %u plugins and stopped %u plugins.\n", started, stopped);
    else if (started)
        ctl_print(c, "started %u plugins.\n", started);
    else if (stopped)
        ctl_print(c, "stopped %u plugins.\n", stopped);
    else
        ctl_print(c, "nothing to do.\n");
}

static int
print_change(struct ctl *c, const struct change *change, enum plugins_action action)
{
    plugins_set before = plugins_shown(plugins_with_needs(change->before));
    plugins_set after = plugins_shown(plugins_with_needs(change->after));
    plugins_set started = after & ~before, stopped = before & ~after;
    plugins_set touched = action == PLUGINS_ENABLE ? started : stopped;
    const char *done = action == PLUGINS_ENABLE ? "enabled" : "disabled";
    if (!ctl_is_for_people(c))
        return ctl_show(c, json_pack("{s:s, s:o, s:o, s:o}", "mode", change->is_online ? "online" : "offline",
                                     "set", plugins_names(after), "started", plugins_names(started),
                                     "stopped", plugins_names(stopped)));
    if (after)
        print_names(c, "The following plugins have been configured:", after);
    else
        ctl_print(c, "All plugins have been disabled.\n");
    ctl_print(c, "Applying plugin configuration to %s...\n", ctl_node(c));
    if (action == PLUGINS_SET && !change->is_online) {
        ctl_print(c, after ? "set %u plugins.\n" : "nothing to do.\n", count_of(after));
    } else if (action == PLUGINS_SET) {
        print_counts(c, count_of(started), count_of(stopped));
    } else if (!touched) {
        ctl_print(c, "Plugin configuration unchanged.\n");
    } else {
        print_names(c,
                    action == PLUGINS_ENABLE ? "The following plugins have been enabled:"
                                             : "The following plugins have been disabled:",
                    touched);
        ctl_print(c, "\n");
        if (change->is_online)
            print_counts(c, count_of(started), count_of(stopped));
        else
            ctl_print(c, "%s %u plugins.\nOffline change; changes will take effect at broker restart.\n",
                      done, count_of(touched));
    }
    return EX_OK;
}

/*
 * The arguments as a set. False: one is unknown, or is of RabbitMQ and not here; that has been said. Such a
 * one is disabled already: a script that makes sure of it is content, as with RabbitMQ.
 */
static bool
read_names(struct ctl *c, enum plugins_action action, plugins_set *set)
{
    struct buffer unknown = {0};
    *set = 0;
    for (int i = 0; i < c->arg_count; i++) {
        int row = plugins_find(slice_str(c->args[i]));
        if (row >= 0 && plugins_rows[row].is_built_in)
            *set |= (plugins_set)1 << row;
        else if (action != PLUGINS_DISABLE)
            buffer_add_fmt(&unknown, "%s:%s", unknown.len ? ", " : "", c->args[i]);
    }
    if (unknown.len)
        ctl_error(c, EX_SOFTWARE, "{:plugins_not_found, [%.*s]}", SLICE_FMT(buffer_slice(&unknown)));
    bool is_good = unknown.len == 0;
    buffer_fini(&unknown);
    return is_good;
}

static plugins_set
all_plugins(void)
{
    plugins_set set = 0;
    for (unsigned i = 0; i < plugins_row_count; i++)
        set |= plugins_rows[i].is_built_in ? (plugins_set)1 << i : 0;
    return set;
}

static int
change(struct ctl *c, enum plugins_action action, const char *verb)
{
    struct change change;
    plugins_set named;
    struct buffer banner = {0};
    if (ctl_has(c, "all"))
        buffer_add_fmt(&banner, "%s ALL plugins on node %s", verb, ctl_node(c));
    else
        buffer_add_fmt(&banner, "%s plugins on node %s:", verb, ctl_node(c));
    for (int i = 0; i < c->arg_count; i++)
        buffer_add_fmt(&banner, "\n%s", c->args[i]);
    ctl_banner(c, "%.*s", SLICE_FMT(buffer_slice(&banner)));
    buffer_fini(&banner);
    if (!read_names(c, action, &named))
        return EX_SOFTWARE;
    int code = do_change(c, &change, action, ctl_has(c, "all") ? all_plugins() : named);
    return code == EX_OK ? print_change(c, &change, action) : code;
}

static int
enable(struct ctl *c)
{
    return change(c, PLUGINS_ENABLE, "Enabling");
}

static int
disable(struct ctl *c)
{
    return change(c, PLUGINS_DISABLE, "Disabling");
}

static int
set(struct ctl *c)
{
    return change(c, PLUGINS_SET, "Enabling");
}

static int
check_mode(struct ctl *c)
{
    if (ctl_has(c, "online") && ctl_has(c, "offline"))
        return ctl_bad_argument(c, "Cannot set both online and offline");
    return EX_OK;
}

static int
check_change(struct ctl *c)
{
    if (c->arg_count == 0 && !ctl_has(c, "all"))
        return ctl_invalid(c, "not enough arguments.");
    if (c->arg_count && ctl_has(c, "all"))
        return ctl_bad_argument(c, "Cannot set both --all and a list of plugins");
    return check_mode(c);
}

/* ---- list ---- */

/* RabbitMQ's JSON has versions as lists of character codes. */
static json_t *
version_codes(void)
{
    json_t *codes = json_array();
    for (const char *digit = LEVERET_VERSION; *digit; digit++)
        json_array_append_new(codes, json_integer(*digit));
    return codes;
}

static json_t *
dependencies(unsigned row)
{
    json_t *names = json_array();
    for (const char *from = plugins_rows[row].needs; *from;) {
        size_t len = strcspn(from, " ");
        json_array_append_new(names, json_stringn(from, len));
        from += len + (from[len] == ' ');
    }
    return names;
}

static json_t *
plugin_value(const struct ctl *c, const struct change *change, unsigned row)
{
    plugins_set bit = (plugins_set)1 << row, all = plugins_with_needs(change->after);
    bool is_running = change->is_online && (all & bit);
    if (ctl_has(c, "minimal"))
        return json_pack("{s:s}", "name", plugins_rows[row].name);
    const char *enabled = change->after & bit ? "enabled" : all & bit ? "implicit" : "not_enabled";
    json_t *value = json_pack("{s:s, s:s, s:b, s:o, s:o}", "enabled", enabled, "name", plugins_rows[row].name,
                              "running", is_running, "running_version",
                              is_running ? version_codes() : json_null(), "version", version_codes());
    if (ctl_has(c, "verbose")) {
        json_object_set_new(value, "dependencies", dependencies(row));
        json_object_set_new(value, "description", json_string(plugins_rows[row].summary));
    }
    return value;
}

static void
print_plugin(struct ctl *c, const struct change *change, unsigned row, int width)
{
    plugins_set bit = (plugins_set)1 << row, all = plugins_with_needs(change->after);
    if (ctl_has(c, "minimal")) {
        ctl_print(c, "%s\n", plugins_rows[row].name);
        return;
    }
    ctl_print(c, "[%c%c] %-*s",
              change->after & bit ? 'E'
              : all & bit         ? 'e'
                                  : ' ',
              change->is_online && (all & bit) ? '*' : ' ', ctl_has(c, "verbose") ? 0 : width,
              plugins_rows[row].name);
    if (!ctl_has(c, "verbose")) {
        ctl_print(c, " %s\n", LEVERET_VERSION);
        return;
    }
    ctl_print(c, "\n     Version:     \t%s\n     Dependencies:\t[", LEVERET_VERSION);
    for (const char *from = plugins_rows[row].needs; *from; from++)
        ctl_print(c, "%c", *from == ' ' ? ',' : *from);
    ctl_print(c, "]\n     Description: \t%s\n", plugins_rows[row].summary);
}

static plugins_set
chosen(const struct ctl *c, const struct change *change, const regex_t *pattern)
{
    plugins_set set = 0, all = plugins_with_needs(change->after);
    for (unsigned i = 0; i < plugins_row_count; i++) {
        plugins_set bit = (plugins_set)1 << i;
        bool is_wanted = ctl_has(c, "enabled")              ? (change->after & bit) != 0
                         : ctl_has(c, "implicitly-enabled") ? (all & bit) != 0
                                                            : true;
        if (is_wanted && regexec(pattern, plugins_rows[i].name, 0, NULL, 0) == 0)
            set |= bit;
    }
    return plugins_shown(set);
}

static int
show_list(struct ctl *c, const struct change *change, plugins_set set)
{
    const char *format = ctl_has(c, "verbose") ? "verbose" : ctl_has(c, "minimal") ? "minimal" : "normal";
    json_t *plugins = json_array();
    for (unsigned i = 0; i < plugins_row_count; i++)
        if (set >> i & 1)
            json_array_append_new(plugins, plugin_value(c, change, i));
    return ctl_show(c, json_pack("{s:s, s:o, s:s}", "format", format, "plugins", plugins, "status",
                                 change->is_online ? "running" : "node_down"));
}

static int
print_list(struct ctl *c, const struct change *change, plugins_set set)
{
    size_t width = 0;
    if (!ctl_has(c, "minimal") && !c->is_quiet && !c->is_silent) {
        ctl_print(c, " Configured: E = explicitly enabled; e = implicitly enabled\n");
        ctl_print(c,
                  change->is_online ? " | Status: * = running on %s\n |/\n"
                                    : " | Status: [failed to contact %s - status not shown]\n |/\n",
                  ctl_node(c));
    }
    for (unsigned i = 0; i < plugins_row_count; i++)
        if ((set >> i & 1) && strlen(plugins_rows[i].name) > width)
            width = strlen(plugins_rows[i].name);
    for (unsigned i = 0; i < plugins_row_count; i++)
        if (set >> i & 1)
            print_plugin(c, change, i, (int)width);
    return EX_OK;
}

static int
list(struct ctl *c)
{
    struct change change;
    regex_t pattern;
    const char *text = c->arg_count ? c->args[0] : ".*";
    if (regcomp(&pattern, text, REG_EXTENDED | REG_NOSUB) != 0)
        return ctl_invalid(c, "%s is no regular expression", text);
    ctl_banner(c, "Listing plugins with pattern \"%s\" ...", text);
    int code = do_change(c, &change, PLUGINS_LIST, 0);
    if (code == EX_OK) {
        plugins_set set = chosen(c, &change, &pattern);
        code = ctl_is_for_people(c) ? print_list(c, &change, set) : show_list(c, &change, set);
    }
    regfree(&pattern);
    return code;
}

static int
check_list(struct ctl *c)
{
    return ctl_has(c, "verbose") && ctl_has(c, "minimal")
               ? ctl_bad_argument(c, "Cannot set both verbose and minimal")
               : EX_OK;
}

/* ---- is_enabled, directories ---- */

static void
add_names(struct buffer *out, plugins_set set, struct ctl *c)
{
    const char *between = "";
    for (int i = 0; c && i < c->arg_count; i++) {
        int row = plugins_find(slice_str(c->args[i]));
        if (row >= 0 && (set >> row & 1))
            continue; /* of the arguments those that are not in the set */
        buffer_add_fmt(out, "%s%s", between, c->args[i]);
        between = ", ";
    }
    for (unsigned i = 0; !c && i < plugins_row_count; i++)
        if (set >> i & 1) {
            buffer_add_fmt(out, "%s%s", between, plugins_rows[i].name);
            between = ", ";
        }
    buffer_add_u8(out, 0);
}

static int
is_enabled(struct ctl *c)
{
    struct change change;
    struct buffer asked = {0}, missing = {0}, enabled = {0};
    bool is_offline = ctl_has(c, "offline");
    char what[2048], where[NODE_NAME_SIZE + 16] = "";
    add_names(&asked, 0, c);
    snprintf(what, sizeof what, c->arg_count > 1 ? "plugins %s are" : "plugin %s is",
             (const char *)asked.data);
    if (is_offline)
        ctl_banner(c, "Inferring if %s from local environment...", what);
    else
        ctl_banner(c, "Asking node %s if %s enabled...", ctl_node(c), what);
    int code = do_change(c, &change, PLUGINS_LIST, 0);
    if (code == EX_OK && !change.is_online && !is_offline)
        code = ctl_failed(c);
    if (code == EX_OK) {
        plugins_set all = plugins_with_needs(change.after);
        add_names(&missing, all, c);
        add_names(&enabled, all, NULL);
        if (!is_offline)
            snprintf(where, sizeof where, " on node %s", ctl_node(c));
        if (missing.len == 1)
            ctl_say(c, "P%s enabled%s", what + 1, where);
        else
            code = ctl_error(
                c, EX_UNAVAILABLE, "%s %s %s not enabled%s. Enabled plugins and dependencies: %s",
                strchr((const char *)missing.data, ',') ? "Plugins" : "Plugin", (const char *)missing.data,
                strchr((const char *)missing.data, ',') ? "are" : "is", where, (const char *)enabled.data);
    }
    buffer_fini(&asked);
    buffer_fini(&missing);
    buffer_fini(&enabled);
    return code;
}

static int
directories(struct ctl *c)
{
    struct change change;
    ctl_banner(c, "Listing plugin directories used by node %s", ctl_node(c));
    int code = do_change(c, &change, PLUGINS_LIST, 0);
    if (code != EX_OK)
        return code;
    if (!ctl_is_for_people(c))
        return ctl_show(c, json_pack("{s:s, s:s, s:s}", "plugins_dir", "", "plugins_expand_dir", "",
                                     "enabled_plugins_file", change.path));
    ctl_print(c,
              "Plugin archives directory: (built in)\nPlugin expansion directory: (none)\nEnabled plugins "
              "file: %s\n",
              change.path);
    return EX_OK;
}

static const struct ctl_option change_options[] = {
    {"online", 0, CTL_FLAG}, {"offline", 0, CTL_FLAG}, {"all", 0, CTL_FLAG}, {0}};
static const struct ctl_option mode_options[] = {{"online", 0, CTL_FLAG}, {"offline", 0, CTL_FLAG}, {0}};
static const struct ctl_option list_options[] = {{"verbose", 'v', CTL_FLAG},
                                                 {"minimal", 'm', CTL_FLAG},
                                                 {"enabled", 'E', CTL_FLAG},
                                                 {"implicitly-enabled", 'e', CTL_FLAG},
                                                 {0}};

#define MODE_DETAILS                                                                                         \
    "--online\n\task the node; fail when it does not run\n\n"                                                \
    "--offline\n\tlook at the file of enabled plugins without asking the node\n"

const struct ctl_command commands_plugins[] = {
    {
        .name = "directories",
        .tools = CTL_PLUGINS,
        .group = CTL_GROUP_MONITORING,
        .usage = "[--offline] [--online]",
        .summary = "Shows where the file of enabled plugins stands",
        .details = MODE_DETAILS,
        .run = directories,
        .check = check_mode,
        .options = mode_options,
    },
    {
        .name = "disable",
        .tools = CTL_PLUGINS,
        .group = CTL_GROUP_PLUGINS,
        .usage = "<plugin1> [ <plugin2>] | --all [--offline] [--online]",
        .summary = "Disables plugins, and those that need them",
        .details = MODE_DETAILS "\n--all\n\tall of them\n",
        .run = disable,
        .check = check_change,
        .options = change_options,
        .flags = CTL_ANY_ARGS,
    },
    {
        .name = "enable",
        .tools = CTL_PLUGINS,
        .group = CTL_GROUP_PLUGINS,
        .usage = "<plugin1> [ <plugin2>] | --all [--offline] [--online]",
        .summary = "Enables plugins, with what they need",
        .details = MODE_DETAILS "\n--all\n\tall that are there\n",
        .run = enable,
        .check = check_change,
        .options = change_options,
        .flags = CTL_ANY_ARGS,
    },
    {
        .name = "is_enabled",
        .tools = CTL_PLUGINS,
        .group = CTL_GROUP_MONITORING,
        .usage = "<plugin1> [ <plugin2>] [--offline] [--online]",
        .summary = "Health check: fails unless all of these plugins are enabled",
        .details = MODE_DETAILS,
        .run = is_enabled,
        .check = check_mode,
        .options = mode_options,
        .args_min = 1,
        .flags = CTL_ANY_ARGS,
    },
    {
        .name = "list",
        .tools = CTL_PLUGINS,
        .group = CTL_GROUP_PLUGINS,
        .usage = "[pattern] [--verbose] [--minimal] [--enabled] [--implicitly-enabled]",
        .summary = "Lists plugins and whether they are enabled",
        .details = "[pattern]\n\ta regular expression: only plugins whose name it matches\n\n"
                   "-v, --verbose\n\twith description and dependencies\n\n-m, --minimal\n\tnames alone\n\n"
                   "-E, --enabled\n\tonly what is enabled explicitly\n\n-e, --implicitly-enabled\n\tonly "
                   "what is enabled, "
                   "explicitly or because another needs it\n",
        .run = list,
        .check = check_list,
        .options = list_options,
        .args_max = 1,
    },
    {
        .name = "set",
        .tools = CTL_PLUGINS,
        .group = CTL_GROUP_PLUGINS,
        .usage = "<plugin1> [ <plugin2>] [--offline] [--online]",
        .summary = "Enables these plugins and disables all others",
        .details = MODE_DETAILS,
        .run = set,
        .check = check_mode,
        .options = mode_options,
        .flags = CTL_ANY_ARGS,
    },
    {0},
};
