/*
 * A list of answers. It is made with the first answer of a letter that has several targets, and is as long as
 * its route, but for targets that were deleted meanwhile.
 */
#include "broker/deadletter_taken.h"

#include "base/check.h"

#include <stdlib.h>

struct answer {
    uint64_t queue_id;
    bool has_it;
};

struct deadletter_taken {
    uint32_t count, capacity;
    struct answer answers[];
};

void
deadletter_taken_add(struct deadletter_taken **taken, uint64_t queue_id, bool has_it)
{
    struct deadletter_taken *t = *taken;
    if (!t || t->count == t->capacity) {
        uint32_t count = t ? t->count : 0, capacity = t ? t->capacity * 2 : 4;
        *taken = t = realloc(t, sizeof *t + capacity * sizeof t->answers[0]);
        CHECK(t);
        t->count = count;
        t->capacity = capacity;
    }
    t->answers[t->count++] = (struct answer){.queue_id = queue_id, .has_it = has_it};
}

bool
deadletter_taken_has(const struct deadletter_taken *t, uint64_t queue_id)
{
    for (uint32_t i = 0; t && i < t->count; i++)
        if (t->answers[i].queue_id == queue_id && t->answers[i].has_it)
            return true;
    return false;
}

bool
deadletter_taken_is_done(const struct deadletter_taken *t)
{
    for (uint32_t i = 0; t && i < t->count; i++)
        if (!t->answers[i].has_it)
            return false;
    return t && t->count > 0;
}

void
deadletter_taken_forgive(struct deadletter_taken *t)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; t && i < t->count; i++)
        if (t->answers[i].has_it)
            t->answers[kept++] = t->answers[i];
    if (t)
        t->count = kept;
}

void
deadletter_taken_free(struct deadletter_taken *t)
{
    free(t);
}
