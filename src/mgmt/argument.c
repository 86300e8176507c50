/* See argument.h. What is too long is refused here: the log of declared things cannot read a name of more
 * than 255 bytes again. */
#include "mgmt/argument.h"

#include "mgmt/control.h"

bool
argument_text(struct control_call *call, const char *name, const char *fallback, size_t bytes_max,
              struct slice *out)
{
    const char *text = control_string(call, name, fallback);
    if (!text)
        return false;
    *out = slice_str(text);
    if (out->len <= bytes_max)
        return true;
    control_fail(call, CONTROL_BAD_ARGUMENT, "%s has at most %zu bytes, not %zu", name, bytes_max, out->len);
    return false;
}

bool
argument_name(struct control_call *call, const char *name, const char *fallback, struct slice *out)
{
    return argument_text(call, name, fallback, ARGUMENT_NAME_MAX, out);
}

bool
argument_flag(struct control_call *call, const char *name, bool *out)
{
    json_t *value = control_argument(call, name);
    if (value && !json_is_boolean(value)) {
        control_fail(call, CONTROL_BAD_REQUEST, "%s must be true or false", name);
        return false;
    }
    if (value)
        *out = json_is_true(value);
    return true;
}

bool
argument_number(struct control_call *call, const char *name, int64_t least, int64_t most, int64_t *out)
{
    json_t *value = control_argument(call, name);
    if (!value)
        return true;
    if (!json_is_integer(value)) {
        control_fail(call, CONTROL_BAD_REQUEST, "%s must be a whole number", name);
        return false;
    }
    *out = json_integer_value(value);
    if (*out >= least && *out <= most)
        return true;
    control_fail(call, CONTROL_BAD_ARGUMENT, "%s is %lld, and must be from %lld to %lld", name,
                 (long long)*out, (long long)least, (long long)most);
    return false;
}

bool
argument_words(struct control_call *call, const char *name, struct buffer *out)
{
    json_t *words = control_argument(call, name), *word;
    size_t i;
    if (words && !json_is_array(words)) {
        control_fail(call, CONTROL_BAD_REQUEST, "%s must be a list", name);
        return false;
    }
    json_array_foreach(words, i, word)
    {
        const char *text = json_string_value(word);
        if (!text || strchr(text, ',')) {
            control_fail(call, CONTROL_BAD_ARGUMENT, "%s must be words without a comma", name);
            return false;
        }
        buffer_add_fmt(out, "%s%s", i ? "," : "", text);
    }
    return true;
}

bool
argument_is_there(const struct control_call *call, const char *name)
{
    return control_argument(call, name) != NULL;
}

const char *
argument_shown(const struct control_call *call, const char *name, const char *fallback)
{
    const char *text = json_string_value(control_argument(call, name));
    return text ? text : fallback;
}
