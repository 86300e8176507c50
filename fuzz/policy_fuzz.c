/*
 * A pattern, an end of line, and a definition: setting them as a policy never crashes; what is refused is
 * said in clean text and leaves nothing; what is kept is canonical JSON, which is accepted again as the same;
 * and matching takes its time with no name.
 */
#include "broker/meta.h"
#include "broker/policy.h"
#include "broker/policy_effect.h"
#include "broker/queue_policy.h"
#include "fuzz.h"

static uint16_t
set(struct meta *m, bool is_operator, struct slice pattern, struct slice definition)
{
    struct meta_result r;
    meta_apply(m,
               &(struct meta_command){.kind = META_POLICY_SET,
                                      .vhost = slice_str("/"),
                                      .name = slice_str("p"),
                                      .is_operator = is_operator,
                                      .pattern = pattern,
                                      .value = definition},
               &r);
    CHECK(!r.code == !*r.text);
    return r.code;
}

static void
check(struct meta *m, bool is_operator, struct slice pattern, struct slice definition)
{
    const struct vhost *v = vhost_find(m, slice_str("/"));
    struct queue_policy q;
    if (set(m, is_operator, pattern, definition)) {
        CHECK(!policy_find(v, is_operator, slice_str("p")));
        return;
    }
    const struct policy *p = policy_find(v, is_operator, slice_str("p"));
    struct buffer kept = {0};
    buffer_add_slice(&kept, p->definition);
    CHECK(set(m, is_operator, pattern, buffer_slice(&kept)) == 0);
    p = policy_find(v, is_operator, slice_str("p"));
    CHECK(slice_eq(p->definition, buffer_slice(&kept)));
    queue_policy_of(queue_def_find(v, slice_str("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")),
                    &q);
    buffer_fini(&kept);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *eol = size > 0 ? memchr(data, '\n', size) : NULL;
    if (!eol)
        return 0;
    size_t len = (size_t)(eol - data);
    struct epoch epoch;
    struct node node = {.epoch = &epoch};
    struct meta_result r;
    epoch_init(&epoch, 1);
    node.meta = meta_new(&node);
    meta_apply(node.meta, &(struct meta_command){.kind = META_VHOST_ADD, .name = slice_str("/")}, &r);
    meta_apply(
        node.meta,
        &(struct meta_command){.kind = META_QUEUE_DECLARE,
                               .vhost = slice_str("/"),
                               .name = slice_str("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")},
        &r);
    for (int i = 0; i < 2; i++)
        check(node.meta, i, slice_of(data, len), slice_of(eol + 1, size - len - 1));
    meta_free(node.meta);
    epoch_fini(&epoch);
    return 0;
}
