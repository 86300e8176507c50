/* All names are judged before any limit is set. */
#include "broker/quota.h"

#include "broker/jsontext.h"
#include "broker/reply.h"

static const struct quota *
find(const struct quota *quotas, const char *name)
{
    for (; quotas->name; quotas++)
        if (strcmp(quotas->name, name) == 0)
            return quotas;
    return NULL;
}

/* Of each limit that is none of ours, or no number, a line. */
static void
judge(struct buffer *wrong, json_t *object, const struct quota *quotas, const char *what)
{
    const char *name;
    json_t *value, *unknown = json_object();
    json_object_foreach(object, name, value)
    {
        if (!find(quotas, name)) {
            json_object_set(unknown, name, value);
        } else if (!json_is_integer(value)) {
            buffer_add_fmt(wrong, "%s should be a number, actually was ", name);
            jsontext_add_erlang(wrong, value);
            buffer_add_u8(wrong, '\n');
        }
    }
    if (json_object_size(unknown) > 0) {
        buffer_add_str(wrong, "Unrecognised terms ");
        jsontext_add_proplist(wrong, unknown);
        buffer_add_fmt(wrong, " in %s\n", what);
    }
    json_decref(unknown);
}

static void
set_all(json_t *object, const struct quota *quotas)
{
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        int64_t number = json_integer_value(value);
        *find(quotas, name)->value = number < 0 ? QUOTA_NONE : number;
    }
}

bool
quota_parse(struct slice json, const struct quota *quotas, const char *what, const char *heading,
            char text[256])
{
    char why[128];
    if (json.len == 0)
        return true;
    json_t *object = jsontext_parse(json, QUOTA_TEXT_MAX, why);
    if (!object) {
        reply_fail(text, 0, "JSON decoding error. Reason: badarg");
        return false;
    }
    /* An Erlang property list of nothing is written as an empty array. */
    bool is_none = json_is_array(object) && json_array_size(object) == 0;
    struct buffer wrong = {0};
    if (!json_is_object(object) && !is_none) {
        buffer_add_fmt(&wrong, "%s not a list ", what);
        jsontext_add_erlang(&wrong, object);
        buffer_add_u8(&wrong, '\n');
    } else if (!is_none) {
        judge(&wrong, object, quotas, what);
    }
    bool ok = wrong.len == 0;
    if (!ok && !*heading) /* without it RabbitMQ does not end the last line either */
        wrong.len--;
    if (!ok)
        reply_fail(text, 0, "%s%.*s", heading, SLICE_FMT(buffer_slice(&wrong)));
    else if (!is_none)
        set_all(object, quotas);
    buffer_fini(&wrong);
    json_decref(object);
    return ok;
}

void
quota_add(struct buffer *out, const struct quota *quotas)
{
    buffer_add_u8(out, '{');
    for (bool first = true; quotas->name; quotas++) {
        if (*quotas->value < 0)
            continue;
        buffer_add_fmt(out, "%s\"%s\":%lld", first ? "" : ",", quotas->name, (long long)*quotas->value);
        first = false;
    }
    buffer_add_u8(out, '}');
}
