/* Open addressing at most half full; a slot of an earlier serial is free. */
#include "broker/ptrset.h"

#include "base/check.h"
#include "base/hash.h"

#include <stdlib.h>

enum { PTRSET_CAPACITY_MIN = 64 };

/* The slot that holds `ptr`, or a free one for it. */
static struct ptrset_slot *
slot_of(const struct ptrset *s, const void *ptr)
{
    uint32_t mask = s->capacity - 1;
    for (uint32_t i = (uint32_t)hash_u64((uint64_t)(uintptr_t)ptr) & mask;; i = (i + 1) & mask)
        if (s->slots[i].serial != s->serial || s->slots[i].ptr == ptr)
            return &s->slots[i];
}

static void
grow(struct ptrset *s)
{
    struct ptrset old = *s;
    s->capacity = old.capacity ? old.capacity * 2 : PTRSET_CAPACITY_MIN;
    s->slots = calloc(s->capacity, sizeof *s->slots);
    CHECK(s->slots);
    if (s->serial == 0) /* what calloc gives is free */
        s->serial = 1;
    for (uint32_t i = 0; i < old.capacity; i++)
        if (old.slots[i].serial == old.serial)
            *slot_of(s, old.slots[i].ptr) = old.slots[i];
    free(old.slots);
}

bool
ptrset_add(struct ptrset *s, const void *ptr)
{
    if (s->count >= s->capacity / 2)
        grow(s);
    struct ptrset_slot *slot = slot_of(s, ptr);
    if (slot->serial == s->serial)
        return false;
    *slot = (struct ptrset_slot){ptr, s->serial};
    s->count++;
    return true;
}

void
ptrset_fini(struct ptrset *s)
{
    free(s->slots);
    *s = (struct ptrset){0};
}
