/*
 * Ack files: the whole bitmap of a segment, a new file each time.
 *
 *   magic u64 | version u32 | generation u32 | segment id u64 | bits u32 | zero u32
 *   | words x u64 | XXH3 u64 of all before it
 *
 * What it holds is merged with the footer's bitmap: a bit counts when it is set in either.
 */
#include "base/byteorder.h"
#include "base/check.h"
#include "io/file.h"
#include "store/segment.h"
#include "store/segment_impl.h"

#include <stdlib.h>
#include <xxhash.h>

#define MAGIC UINT64_C(0x31534b4341474553) /* "SEGACKS1" */

enum { HEADER = 32, CHECKSUM = 8 };

struct segment_acks {
    uint64_t id;
    uint32_t generation;
    size_t size;
    uint8_t bytes[]; /* the file's, without the checksum */
};

struct segment_acks *
segment_acks_take(struct segment *g, uint32_t *generation)
{
    CHECK(g->is_sealed && g->acks_generation < UINT32_MAX);
    size_t words = segment_words(g->ix.bits), size = HEADER + words * 8;
    struct segment_acks *a = malloc(sizeof *a + size + CHECKSUM);
    CHECK(a);
    *generation = ++g->acks_generation;
    g->is_dirty = false;
    a->id = g->id;
    a->generation = *generation;
    a->size = size;
    le64_put(a->bytes, MAGIC);
    le32_put(a->bytes + 8, STORE_FORMAT_VERSION);
    le32_put(a->bytes + 12, a->generation);
    le64_put(a->bytes + 16, a->id);
    le32_put(a->bytes + 24, g->ix.bits);
    le32_put(a->bytes + 28, 0);
    for (size_t i = 0; i < words; i++) {
        uint64_t dead = g->ix.dead ? g->ix.dead[i] : 0, lost = g->lost ? g->lost[i] : 0;
        le64_put(a->bytes + HEADER + i * 8, dead & ~lost);
    }
    return a;
}

/* With the checksum, in the memory behind the bytes: nobody else has them. */
static enum err
write_file(struct file *f, const struct segment_acks *a)
{
    uint8_t checksum[CHECKSUM];
    le64_put(checksum, XXH3_64bits(a->bytes, a->size));
    struct iovec iov[] = {{(void *)a->bytes, a->size}, {checksum, sizeof checksum}};
    enum err e = file_pwritev(f, iov, 2, 0);
    return e == ERR_OK ? file_sync(f) : e;
}

enum err
segment_acks_write(struct store *s, const struct segment_acks *a)
{
    char path[STORE_PATH_MAX];
    struct file *f;
    enum err e = store_failure(s);
    if (e != ERR_OK)
        return e;
    store_acks_path(s, path, a->id, a->generation);
    e = file_open(s->world, path, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, &f);
    if (e == ERR_OK) {
        e = write_file(f, a);
        file_close(f);
    }
    if (e == ERR_NO_SPACE)
        (void)!file_unlink(s->world, path);
    else if (e != ERR_OK)
        store_fail(s, e, "write and sync", path);
    return e;
}

enum err
segment_acks_merge(struct slice file, uint64_t id, uint32_t generation, struct segment_index *ix)
{
    const uint8_t *p = file.data;
    size_t words = segment_words(ix->bits);
    if (file.len < HEADER + CHECKSUM || le64_get(p) != MAGIC ||
        le64_get(p + file.len - CHECKSUM) != XXH3_64bits(p, file.len - CHECKSUM))
        return ERR_CORRUPT;
    if (le32_get(p + 8) > STORE_FORMAT_VERSION)
        return ERR_UNSUPPORTED;
    if (le32_get(p + 8) != STORE_FORMAT_VERSION || le32_get(p + 12) != generation || le64_get(p + 16) != id ||
        le32_get(p + 24) != ix->bits || file.len != HEADER + words * 8 + CHECKSUM)
        return ERR_CORRUPT;
    if (!ix->dead && words > 0) {
        ix->words = (uint32_t)words;
        ix->dead = calloc(words, sizeof *ix->dead);
        CHECK(ix->dead);
    }
    for (size_t i = 0; i < words; i++)
        ix->dead[i] |= le64_get(p + HEADER + i * 8);
    return ERR_OK;
}
