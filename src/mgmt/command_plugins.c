/*
 * plugins: what is enabled; change_plugins: another set. Everything is built in, so nothing is started or
 * stopped: the change is the file's.
 *
 *     {"action": "enable" | "disable" | "set", "names": [...]}
 *     o {"file": PATH, "before": [...], "enabled": [...]}      what is enabled explicitly
 */
#include "mgmt/control_table.h"
#include "mgmt/plugins.h"

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
    const char *word = control_string(call, "action", NULL);
    if (!word)
        return false;
    for (unsigned i = 0; i < PLUGINS_ACTIONS; i++)
        if (i != PLUGINS_LIST && strcmp(plugins_actions[i], word) == 0) {
            *action = (enum plugins_action)i;
            return true;
        }
    control_fail(call, CONTROL_BAD_REQUEST, "there is no action %s", word);
    return false;
}

static void
do_action(struct control_call *call, enum plugins_action action, plugins_set named)
{
    char path[PLUGINS_PATH_SIZE];
    plugins_set before;
    const struct control_host *host = control_hosts(control_of(call));
    plugins_path_of(host, path, sizeof path);
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
    control_done(call, json_pack("{s:s, s:o, s:o}", "file", path, "before", plugins_names(before), "enabled",
                                 plugins_names(after)));
}

static void
run_plugins(struct control_call *call)
{
    do_action(call, PLUGINS_LIST, 0);
}

static void
run_change_plugins(struct control_call *call)
{
    enum plugins_action action;
    plugins_set named;
    if (read_action(call, &action) && read_names(call, &named))
        do_action(call, action, named);
}

const struct control_command command_plugins_table[] = {
    {"plugins", run_plugins, 0},
    {"change_plugins", run_change_plugins, CONTROL_AUDITED},
    {0},
};
