/*
 * A snapshot file of the declared things, as it is and with magic, version and checksum made right, so that
 * what is inside is looked at, too. One that is accepted is written again, and gives the same state.
 */
#include "durable/meta_snapshot.h"

#include "base/byteorder.h"
#include "base/epoch.h"
#include "fuzz.h"

#include <stdlib.h>
#include <xxhash.h>

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
check_again(const struct meta *m, const struct meta_snapshot *info)
{
    struct state copy;
    struct meta_snapshot again;
    struct buffer file = {0}, left = {0}, right = {0};
    state_init(&copy);
    meta_snapshot_format(m, info->term, info->index, &file);
    CHECK(meta_snapshot_parse(buffer_slice(&file), copy.node.meta, &again) == ERR_OK);
    CHECK(again.term == info->term && again.index == info->index && again.items == info->items);
    CHECK(meta_id_last(m) == meta_id_last(copy.node.meta));
    meta_dump(m, &left);
    meta_dump(copy.node.meta, &right);
    CHECK(slice_eq(buffer_slice(&left), buffer_slice(&right)));
    buffer_fini(&file);
    buffer_fini(&left);
    buffer_fini(&right);
    state_fini(&copy);
}

static void
parse(struct slice file)
{
    struct state s;
    struct meta_snapshot info;
    state_init(&s);
    if (meta_snapshot_parse(file, s.node.meta, &info) == ERR_OK)
        check_again(s.node.meta, &info);
    state_fini(&s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    parse(slice_of(data, len));
    if (len < 24)
        return 0;
    uint8_t *copy = malloc(len);
    CHECK(copy);
    memcpy(copy, data, len);
    memcpy(copy, "METASNP1\1\0\0", 12);
    le64_put(copy + len - 8, XXH3_64bits(copy, len - 8));
    parse(slice_of(copy, len));
    free(copy);
    return 0;
}
