/*
 * A chain, laid out by the input: one octet for what is to be done (its low three bits), then what that
 * needs.
 *
 *   0 new file             4 bytes come: u8 n, n octets at the current block, which is then behind
 *   1 a batch: u8 blocks   5 one octet is changed: u16 offset, u8
 *   2 numbers skip: u8     6 the file's header says another sync mode: u8
 *   3 blocks are left out: u8   7 the salt of the next file's header: u8
 *
 * Whatever that gives: only batches that were laid out are read, their numbers ascend, and what the walk says
 * of its end fits what it gave.
 */
#include "fuzz.h"
#include "io/file.h"
#include "io/sim.h"
#include "store/chain.h"
#include "store/log_file.h"

#include <stdlib.h>

enum { FILE_BYTES = 8 * STORE_BLOCK, FILES_MAX = 4, STEPS_MAX = 200 };

struct layout {
    struct io_world *node;
    struct store store;
    struct slice in;
    struct file *file;
    struct log_file_header header;
    uint64_t offset, batch;
    /* Reading. */
    uint64_t last, count;
    unsigned damages;
};

static unsigned
take(struct layout *l)
{
    if (l->in.len == 0)
        return 0;
    unsigned v = *l->in.data;
    l->in = slice_of(l->in.data + 1, l->in.len - 1);
    return v;
}

static void
put(struct layout *l, const void *bytes, size_t len, uint64_t offset)
{
    CHECK(file_pwrite(l->file, bytes, len, offset) == ERR_OK);
}

static void
put_header(struct layout *l)
{
    uint8_t block[STORE_BLOCK];
    log_file_header_put(block, &l->header);
    put(l, block, sizeof block, 0);
}

static void
new_file(struct layout *l)
{
    char path[STORE_PATH_MAX];
    if (l->header.number == FILES_MAX)
        return;
    l->header.number++;
    file_close(l->file);
    store_log_path(&l->store, path, 1, 0, l->header.number);
    CHECK(file_open(l->node, path, FILE_WRITE | FILE_CREATE, &l->file) == ERR_OK);
    CHECK(file_truncate(l->file, FILE_BYTES) == ERR_OK);
    put_header(l);
    l->offset = STORE_BLOCK;
}

static void
put_batch(struct layout *l, unsigned blocks)
{
    static const uint8_t text[3 * STORE_BLOCK];
    uint8_t batch[3 * STORE_BLOCK];
    size_t size = (blocks % 3 + 1) * STORE_BLOCK - STORE_BATCH_HEADER - 5;
    struct batch_header h = {.payload_size = (uint32_t)size, .record_count = 1, .number = ++l->batch};
    CHECK(record_put_meta(batch + STORE_BATCH_HEADER, 1, h.number, slice_of(text, size - 24)) == size);
    batch_seal(batch, &h, l->header.salt);
    if (l->offset + STORE_BATCH_HEADER + size <= FILE_BYTES)
        put(l, batch, STORE_BATCH_HEADER + size, l->offset);
    l->offset += batch_footprint(size);
}

static void
put_bytes(struct layout *l, size_t n)
{
    n = n < l->in.len ? n : l->in.len;
    if (n > 0 && l->offset < FILE_BYTES)
        put(l, l->in.data, n, l->offset);
    l->in = slice_of(l->in.data + n, l->in.len - n);
    l->offset += STORE_BLOCK;
}

static void
change_one(struct layout *l)
{
    unsigned offset = take(l) << 8;
    offset |= take(l);
    uint8_t value = (uint8_t)take(l);
    put(l, &value, 1, offset % FILE_BYTES);
}

static void
step(struct layout *l)
{
    switch (take(l) % 8) {
    case 0: new_file(l); break;
    case 1: put_batch(l, take(l)); break;
    case 2: l->batch += take(l); break;
    case 3: l->offset += (uint64_t)(take(l) % 4) * STORE_BLOCK; break;
    case 4: put_bytes(l, take(l)); break;
    case 5: change_one(l); break;
    case 6:
        l->header.sync = (uint8_t)(take(l) % 4);
        put_header(l);
        break;
    default: l->header.salt = take(l);
    }
}

static bool
on_batch(void *arg, const struct chain_file *f, uint64_t offset, const struct batch_header *h,
         struct slice records)
{
    struct layout *l = arg;
    struct record r;
    CHECK(h->number > l->last && h->number <= l->batch && offset % STORE_BLOCK == 0);
    CHECK(record_parse(&records, &r) == ERR_OK && records.len == 0 && r.type == RECORD_META);
    CHECK(r.index == h->number);
    l->last = h->number;
    l->count++;
    return true;
}

static void
on_damage(void *arg, const struct chain_file *f, uint64_t offset, bool is_tail, const char *what)
{
    struct layout *l = arg;
    CHECK(f->number >= 1 && f->number <= FILES_MAX && what[0]);
    l->damages += !is_tail;
}

static void
walk(struct layout *l)
{
    char why[256] = "";
    struct chain_end end;
    const struct manifest_chain c = {.boot = 1, .chain = 0, .low = 1};
    const struct chain_visitor v = {.on_batch = on_batch, .on_damage = on_damage, .arg = l};
    enum err e = chain_walk(&l->store, &c, &v, &end, why, sizeof why);
    CHECK((e == ERR_OK) == (why[0] == 0));
    CHECK(end.batches == l->count && end.last_batch == l->last && end.is_damaged == (l->damages > 0));
    CHECK(e != ERR_OK || (end.last_records != NULL) == (l->count > 0));
    free(end.last_records);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char why[256];
    struct store_config config;
    struct layout l = {.in = slice_of(data, len), .node = sim_node_new(sim_new(1), "n")};
    CHECK(dir_create(l.node, "/data") == ERR_OK);
    store_config_init(&config);
    config.dir = "/data";
    CHECK(store_open(&l.store, l.node, &config, NULL, why, sizeof why) == ERR_OK);
    l.header = (struct log_file_header){.incarnation = l.store.incarnation, .salt = 5, .boot = 1};
    new_file(&l);
    for (unsigned i = 0; i < STEPS_MAX && l.in.len > 0; i++)
        step(&l);
    file_close(l.file);
    walk(&l);
    store_close(&l.store);
    sim_free(sim_node_sim(l.node));
    return 0;
}
