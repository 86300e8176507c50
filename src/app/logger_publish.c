/* A line is a message with RabbitMQ's properties: content_type, timestamp, and the node's name as a header.
 */
#include "app/logger_publish.h"

#include "app/logger_exchange.h"
#include "broker/event.h"
#include "broker/inside.h"
#include "broker/message.h"
#include "broker/meta.h"
#include "broker/vhost.h"
#include "wire/properties.h"
#include "wire/table.h"

static void
publish_line(const struct logger_exchange *x, struct broker *b, const struct vhost *v,
             const struct logger_exchange_line *line)
{
    const char *key = log_level_name(line->level);
    const struct exchange *to = exchange_find(v, slice_str(LOG_EXCHANGE));
    if (!to || !inside_is_wanted(b, to, slice_str(key)))
        return;
    struct buffer headers = {0}, run = {0};
    table_add_str(&headers, "node", slice_str(b->node->name));
    const struct properties p = {.flags = PROPERTY_FLAG(PROPERTY_CONTENT_TYPE) |
                                          PROPERTY_FLAG(PROPERTY_HEADERS) | PROPERTY_FLAG(PROPERTY_TIMESTAMP),
                                 .content_type = slice_str(x->is_json ? "application/json" : "text/plain"),
                                 .headers = buffer_slice(&headers),
                                 .timestamp = line->time_s};
    run.len = properties_encode(buffer_reserve(&run, properties_size(&p)), &p);
    struct message *m =
        message_new(b, slice_str(LOG_EXCHANGE), slice_str(key), buffer_slice(&run), (uint32_t)line->text.len);
    memcpy(message_body_mut(m), line->text.data, line->text.len);
    inside_publish(b, v, &m);
    buffer_fini(&headers);
    buffer_fini(&run);
}

void
logger_publish(struct logger_exchange *x, struct broker *b)
{
    const struct vhost *v = vhost_find(b->node->meta, slice_str(x->vhost));
    struct buffer taken = logger_exchange_take(x);
    struct slice lines = buffer_slice(&taken);
    for (struct logger_exchange_line line; v && logger_exchange_next(&lines, &line);)
        publish_line(x, b, v, &line);
    buffer_fini(&taken);
}
