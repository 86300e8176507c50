/*
 * Commands of declared things as the log has them, each | length u16 little-endian | bytes |. What parses is
 * written again as the same bytes, and applied: whatever it says, the state stays sound, and its walk makes
 * an equal one.
 */
#include "durable/meta_codec.h"

#include "base/epoch.h"
#include "fuzz.h"

struct state {
    struct epoch epoch;
    struct node node;
};

static void
state_init(struct state *s)
{
    *s = (struct state){0};
    epoch_init(&s->epoch, 1);
    s->node.epoch = &s->epoch;
    s->node.meta = meta_new(&s->node);
}

static void
state_fini(struct state *s)
{
    meta_free(s->node.meta);
    epoch_fini(&s->epoch);
}

static void
take(void *arg, const struct meta_command *cmd)
{
    struct state *s = arg;
    struct meta_result r;
    meta_apply(s->node.meta, cmd, &r);
    CHECK(r.code == 0 && !r.existed);
}

static void
check_walk(const struct state *s)
{
    struct state copy;
    struct buffer left = {0}, right = {0};
    state_init(&copy);
    meta_walk(s->node.meta, take, &copy);
    meta_set_id_last(copy.node.meta, meta_id_last(s->node.meta));
    meta_dump(s->node.meta, &left);
    meta_dump(copy.node.meta, &right);
    CHECK(slice_eq(buffer_slice(&left), buffer_slice(&right)));
    buffer_fini(&left);
    buffer_fini(&right);
    state_fini(&copy);
}

static void
apply(struct state *s, struct slice bytes)
{
    struct meta_command cmd;
    struct meta_result r;
    struct buffer again = {0};
    if (meta_codec_get(bytes, &cmd) != ERR_OK)
        return;
    meta_codec_put(&again, &cmd);
    CHECK(slice_eq(bytes, buffer_slice(&again)));
    buffer_fini(&again);
    (void)meta_is_lasting(s->node.meta, &cmd);
    cmd.forced_id = 0; /* only a snapshot may: which says itself what they are */
    meta_apply(s->node.meta, &cmd, &r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct state s;
    state_init(&s);
    while (len >= 2) {
        size_t size = (size_t)data[0] | (size_t)data[1] << 8;
        if (size > len - 2)
            size = len - 2;
        apply(&s, slice_of(data + 2, size));
        data += 2 + size;
        len -= 2 + size;
    }
    check_walk(&s);
    state_fini(&s);
    return 0;
}
