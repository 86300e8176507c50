/*
 * plugins: what is enabled, and changing it. Everything is built in, so nothing is started or stopped: the
 * change is the file's.
 *
 *     {"action": "list" | "enable" | "disable" | "set", "names": [...]}
 *     o {"file": PATH, "before": [...], "enabled": [...]}      what is enabled explicitly
 */
#include "mgmt/control_table.h"
#include "mgmt/node_host.h"
#include "mgmt/plugins.h"

#include <stdio.h>

enum { PATH_SIZE = 4096 };

static json_t *
names_of(plugins_set set)
{
    json_t *names = json_array();
    for (unsigned i = 0; i < plugins_row_count; i++)
        if (set >> i & 1)
            json_array_append_new(names, json_string(plugins_rows[i].name));
    return names;
}

/* False: the call has its answer. */
static bool
read_names(struct control_call *call, plugins_set *set)
{
    size_t i;
    json_t *name;
    *set = 0;
    json_array_foreach(control_argument(call, "names"), i, name)
    {
        const char *text = json_string_value(name);
        int row = text ? plugins_find(slice_str(text)) : -1;
        if (row < 0 || !plugins_rows[row].is_built_in) {
            control_fail(call, CONTROL_BAD_ARGUMENT, "there is no plugin %s", text ? text : "of that name");
            return false;
        }
        *set |= (plugins_set)1 << row;
    }
    return true;
}

static bool
read_action(struct control_call *call, enum plugins_action *action)
{
    static const char *const words[] = {[PLUGINS_LIST] = "list",
                                        [PLUGINS_ENABLE] = "enable",
                                        [PLUGINS_DISABLE] = "disable",
                                        [PLUGINS_SET] = "set"};
    const char *word = control_string(call, "action", "list");
    if (!word)
        return false;
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i], word) == 0) {
            *action = (enum plugins_action)i;
            return true;
        }
    control_fail(call, CONTROL_BAD_REQUEST, "there is no action %s", word);
    return false;
}

static void
run_plugins(struct control_call *call)
{
    char path[PATH_SIZE];
    enum plugins_action action;
    plugins_set named, before;
    if (!read_action(call, &action) || !read_names(call, &named))
        return;
    const struct control_host *host = control_hosts(control_of(call));
    if (host->node && host->node->enabled_plugins_file)
        snprintf(path, sizeof path, "%s", host->node->enabled_plugins_file);
    else
        plugins_path(host->data_dir, path, sizeof path);
    enum err e = plugins_load(path, &before);
    if (e != ERR_OK) {
        control_fail(call, CONTROL_FAILED, "cannot read %s: %s", path, err_text(e));
        return;
    }
    plugins_set after = plugins_after(before, action, named);
    e = action == PLUGINS_LIST ? ERR_OK : plugins_save(path, after);
    if (e != ERR_OK) {
        control_fail(call, CONTROL_FAILED, "cannot write %s: %s", path, err_text(e));
        return;
    }
    control_done(call, json_pack("{s:s, s:o, s:o}", "file", path, "before", names_of(before), "enabled",
                                 names_of(after)));
}

const struct control_command command_plugins_table[] = {
    {"plugins", run_plugins, 0},
    {0},
};
