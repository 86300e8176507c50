/* What new virtual hosts start with: from the configuration to the commands that the broker keeps for them.
 */
#include "app/config_vhost.h"
#include "app/setup.h"
#include "broker/jsontext.h"
#include "broker/meta.h"
#include "broker/vhost_defaults.h"
#include "io/random.h"

struct making {
    const struct config *config;
    struct vhost_defaults *defaults;
};

static void
add_limits(void *arg, const char *name)
{
    const struct making *k = arg;
    json_t *limits = config_vhost_definition(k->config, CONFIG_VHOST_LIMITS, name);
    struct slice text = jsontext_copy(limits);
    struct meta_command cmd = {.kind = META_VHOST_LIMITS, .value = text};
    vhost_defaults_add(k->defaults, config_vhost_text(&k->config->vhost_limit_patterns, name, ".*"), &cmd);
    free((void *)text.data);
    json_decref(limits);
}

static void
add_policy(void *arg, const char *name)
{
    const struct making *k = arg;
    const struct config *c = k->config;
    json_t *definition = config_vhost_definition(c, CONFIG_VHOST_POLICY, name);
    struct slice text = jsontext_copy(definition);
    struct meta_command cmd = {
        .kind = META_POLICY_SET,
        .is_operator = true,
        .name = slice_str(name),
        .pattern = slice_str(config_vhost_text(&c->vhost_policy_patterns, name, ".*")),
        .apply_to = slice_str(config_vhost_text(&c->vhost_policy_applies, name, "all")),
        .value = text,
    };
    if (json_object_size(definition) > 0)
        vhost_defaults_add(k->defaults, config_vhost_text(&c->vhost_policy_vhosts, name, ".*"), &cmd);
    free((void *)text.data);
    json_decref(definition);
}

static void
add_user(void *arg, const char *name)
{
    const struct making *k = arg;
    const struct config *c = k->config;
    const char *pattern = config_vhost_text(&c->vhost_user_vhosts, name, ".*");
    const char *password = config_vhost_text(&c->vhost_user_passwords, name, NULL);
    uint8_t salt[4], hash[36];
    random_bytes(NULL, salt, sizeof salt);
    if (password)
        user_password_hash(slice_str(password), salt, hash);
    struct meta_command user = {.kind = META_USER_PUT,
                                .name = slice_str(name),
                                .password_hash = slice_of(hash, password ? sizeof hash : 0),
                                .tags = slice_str(config_vhost_text(&c->vhost_user_tags, name, ""))};
    struct meta_command permission = {.kind = META_PERMISSION_SET,
                                      .user = slice_str(name),
                                      .configure =
                                          slice_str(config_vhost_text(&c->vhost_user_configure, name, ".*")),
                                      .write = slice_str(config_vhost_text(&c->vhost_user_write, name, ".*")),
                                      .read = slice_str(config_vhost_text(&c->vhost_user_read, name, ".*"))};
    vhost_defaults_add(k->defaults, pattern, &user);
    vhost_defaults_add(k->defaults, pattern, &permission);
}

struct vhost_defaults *
setup_vhost_defaults(const struct config *c)
{
    bool is_quorum =
        c->default_queue_type == CONFIG_QUEUE_QUORUM || c->default_queue_type == CONFIG_QUEUE_QUORUM_MODULE;
    struct making k = {c, vhost_defaults_new(is_quorum ? "quorum" : NULL)};
    config_vhost_each(c, CONFIG_VHOST_LIMITS, add_limits, &k);
    config_vhost_each(c, CONFIG_VHOST_POLICY, add_policy, &k);
    config_vhost_each(c, CONFIG_VHOST_USER, add_user, &k);
    return k.defaults;
}
