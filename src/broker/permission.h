/*
 * What a user may do in a vhost: one regular expression each for configure, write and read. The questions are
 * asked through user.h; here is the thing itself, for meta_user.c.
 */
#ifndef LEVERET_BROKER_PERMISSION_H
#define LEVERET_BROKER_PERMISSION_H

#include "base/slice.h"
#include "broker/user.h"

enum {
    PERMISSION_KINDS = 3,
};

struct permission_entry {
    uint64_t vhost_id;
    const struct vhost *vhost;
    struct permission_pattern {
        struct slice text; /* owned */
        struct regex *regex;
    } patterns[PERMISSION_KINDS]; /* by enum permission */
    uint8_t user_size;
    char user[];
};

/* NULL, with `text` (and code 406 meant), if a pattern is not a regular expression. */
struct permission_entry *permission_entry_new(struct slice user, const struct vhost *v,
                                              const struct slice patterns[PERMISSION_KINDS], char text[256]);
void permission_entry_free(void *entry);

uint64_t permission_hash(struct slice user, uint64_t vhost_id);
uint64_t permission_entry_hash(const void *entry);
/* NULL if the user has none in this vhost. */
const struct permission_entry *permission_find(const struct meta *m, struct slice user,
                                               const struct vhost *v);

#endif
