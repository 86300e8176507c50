/*
 * Shards: one event loop per core, each the only owner of what lives on it. They talk by mail: values of 48
 * bytes in single-producer rings, made visible once per turn. Nothing here ever blocks but an idle loop.
 *
 * A turn: poll (without waiting if work is left) -> socket callbacks -> timers -> mail (reserved lane first)
 * -> on_room -> on_turn -> rings are published, sleeping receivers woken, the epoch passed.
 */
/* exports: timer_ (timer.h: a timer is part of its shard's turn) */
#ifndef LEVERET_IO_SHARD_H
#define LEVERET_IO_SHARD_H

#include "base/err.h"
#include "io/world.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct shard;
struct shards;
struct epoch;

enum {
    SHARDS_COUNT_MAX = 128,
    SHARD_DATA_CELLS_MAX = 4096, /* of a data lane; fewer when there are many shards */
    SHARD_RESERVED_CELLS = 512,  /* of a reserved lane, before its overflow list */
    SHARD_READ_SIZE = 262144,    /* of the shared read buffer */
    /* before it: room for an incomplete frame of the largest frame_max */
    SHARD_READ_HEADROOM = 131072 + 8192,
};

/* Opaque to io. `p` is a held blob or a heap object whose ownership moves with the mail. */
struct mail {
    uint16_t type;
    uint16_t from; /* set by shard_post(): the sender's index; SHARD_FROM_OUTSIDE for external mail */
    uint32_t u32;
    uint64_t a, b, c, d;
    void *p;
};
#define SHARD_FROM_OUTSIDE UINT16_MAX

enum shard_lane {
    SHARD_LANE_DATA,     /* publishes and whatever else a parked source can wait with */
    SHARD_LANE_RESERVED, /* confirms, acks, credits, fences: always accepted */
};

/* All run on the shard's thread, except on_discard. Any may be NULL. `owner` is the one of shards_new(). */
struct shard_hooks {
    void (*on_start)(struct shard *s, void *owner);
    void (*on_mail)(struct shard *s, void *owner, const struct mail *m);
    /* The data lane to shard `to` had refused a mail and has room again. */
    void (*on_room)(struct shard *s, void *owner, unsigned to);
    /* End of every turn: deliver, flush. True: work is left, do not sleep. */
    bool (*on_turn)(struct shard *s, void *owner);
    /* The last call on this shard; afterwards its sockets are closed and its timers forgotten. */
    void (*on_stop)(struct shard *s, void *owner);
    /* Mail that was never delivered, from shards_free(): frees what it carries. */
    void (*on_discard)(void *owner, const struct mail *m);
};

/* The hooks are copied. `count` is 1 .. SHARDS_COUNT_MAX. Nothing runs before shards_start(). */
struct shards *shards_new(struct io_world *world, unsigned count, const struct shard_hooks *hooks,
                          void *owner);
/* Before that: what the system shows as the threads' name, instead of "shard" and a number. Static text of 15
 * characters at most. */
void shards_set_name(struct shards *all, const char *name);
/* Starts one thread per shard (in the simulation: makes them runnable). */
ERR_USE enum err shards_start(struct shards *all);
/* From any thread, any number of times: asks every shard to end after its current turn. */
void shards_stop(struct shards *all);
/* Waits until all have ended (the simulation runs until they have). Not from a shard's own thread. */
void shards_join(struct shards *all);
/* After shards_join(), or instead of shards_start(): discards mail, runs what the epoch still defers. */
void shards_free(struct shards *all);

unsigned shards_count(const struct shards *all);
struct shard *shards_get(struct shards *all, unsigned i);
struct io_world *shards_world(const struct shards *all);
/* One reader per shard, quiesced every turn and asleep while the shard blocks; the writer is the owner's
 * choice. */
struct epoch *shards_epoch(struct shards *all);

struct shards *shard_all(const struct shard *s);
unsigned shard_index(const struct shard *s);
void shard_set_data(struct shard *s, void *data);
void *shard_data(const struct shard *s);

/* Monotonic, read at most once per turn. */
uint64_t shard_now_ms(struct shard *s);
uint64_t shard_now_ns(struct shard *s);
/* Milliseconds since 1970, for timestamps only: it may jump. */
uint64_t shard_wall_ms(struct shard *s);
/* Not for secrets (io/random.h is). In the simulation a function of the seed. */
uint64_t shard_random(struct shard *s);

/*
 * Called on `from`'s own thread; never blocks. The data lane is bounded: false when it is full, and on_room
 * follows when it is not any more. The reserved lane always accepts. Posting to oneself is allowed: delivered
 * in a later mail phase, never inside this call. Order within one (from, to, lane) is kept.
 */
bool shard_post(struct shard *from, unsigned to, enum shard_lane lane, const struct mail *m);
/* Whether shard_post() to the data lane would be accepted now. A no counts as a refusal: on_room follows. */
bool shard_has_room(struct shard *from, unsigned to);
/* From a thread that is no shard (or from one), through a mutex; `from` becomes SHARD_FROM_OUTSIDE. */
void shards_post_external(struct shards *all, unsigned to, const struct mail *m);

/* SHARD_READ_SIZE bytes, with SHARD_READ_HEADROOM writable bytes before them. Valid within one callback. */
uint8_t *shard_read_buffer(struct shard *s);

#endif
