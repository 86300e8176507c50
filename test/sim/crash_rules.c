/*
 * See crash_rules.h.
 *
 * Time. A message's time begins when it comes into its queue: between its sending and its confirm. So one
 * whose time was over before a look began, counted from the confirm, must not be found; one whose time is
 * not over when the look ends, counted from the sending, must be.
 *
 * Length. A queue that drops at its head keeps the last ones of all that was ever in it, in the order in
 * which they would leave; whether it drops after each message or after many makes no difference. All is from
 * one channel, so a crash leaves the messages up to some number, which is not below the last one that is
 * known to be kept. What was dropped for a message that the crash took may be there again or not. While it is
 * not known which acks of a look are kept, nothing is said.
 *
 * Counts. Returns are counted while the node runs, and told. After a restart what was certainly given out
 * begins at 1, anything else at 0 or 1. Beyond the limit a message leaves.
 */
#include "crash_rules.h"

#include "base/check.h"
#include "wire/properties.h"
#include "wire/table.h"

#include <stdlib.h>

enum { RULES_CLOCK_MS = 3, /* clocks of milliseconds, turned into one another */ RULES_LIVE_MAX = 4096 };

#define NO_RULES                                                                                             \
    {                                                                                                        \
        .ttl_ms = -1                                                                                         \
    }
const struct crash_rules crash_rules[CRASH_QUEUES] = {
    NO_RULES,
    NO_RULES,
    NO_RULES,
    NO_RULES,
    NO_RULES,
    NO_RULES,
    [CRASH_COMING] = NO_RULES,
    [CRASH_FLEETING] = NO_RULES,
    [CRASH_RANKED] = {.priority_max = 4, .ttl_ms = -1},
    [CRASH_TIMED] = {.ttl_ms = 300},
    [CRASH_SHORT] = {.priority_max = 3, .ttl_ms = -1, .length_max = 7, .is_single_active = true},
    [CRASH_COUNTED] = {.ttl_ms = -1, .is_quorum = true, .delivery_limit = 3},
    [CRASH_FULL] = {.ttl_ms = -1, .length_max = 9, .is_rejecting = true},
};

void
crash_rules_arguments(int queue, struct buffer *out)
{
    const struct crash_rules *r = &crash_rules[queue];
    if (r->priority_max)
        table_add_int32(out, "x-max-priority", r->priority_max);
    if (r->ttl_ms >= 0)
        table_add_int64(out, "x-message-ttl", r->ttl_ms);
    if (r->length_max)
        table_add_int64(out, "x-max-length", r->length_max);
    if (r->is_rejecting)
        table_add_str(out, "x-overflow", slice_str("reject-publish"));
    if (r->is_single_active)
        table_add_bool(out, "x-single-active-consumer", true);
    if (r->is_quorum) {
        table_add_str(out, "x-queue-type", slice_str("quorum"));
        table_add_int64(out, "x-delivery-limit", (int64_t)r->delivery_limit);
    }
}

unsigned
crash_rules_priority(int queue, const struct crash_message *x)
{
    unsigned max = crash_rules[queue].priority_max;
    return x->content.priority < max ? x->content.priority : max;
}

int64_t
crash_rules_ttl(int queue, const struct crash_message *x)
{
    int64_t own = x->content.ttl_ms, ttl = crash_rules[queue].ttl_ms;
    return own < 0 || (ttl >= 0 && ttl < own) ? ttl : own;
}

bool
crash_rules_keep(int queue, const struct crash_message *x)
{
    return queue != CRASH_FLEETING && (x->is_persistent || crash_rules[queue].is_quorum);
}

/* ---- times ---- */

const char *
crash_rules_found_in_time(int queue, const struct crash_message *x, uint64_t from_ms)
{
    int64_t ttl = crash_rules_ttl(queue, x);
    bool is_late = ttl >= 0 && x->confirmed_at && from_ms > x->confirmed_at + (uint64_t)ttl + RULES_CLOCK_MS;
    return is_late ? "after its time" : NULL;
}

bool
crash_rules_has_time(int queue, const struct crash_message *x, uint64_t now_ms)
{
    int64_t ttl = crash_rules_ttl(queue, x);
    return ttl < 0 || now_ms + RULES_CLOCK_MS < x->sent_at + (uint64_t)ttl;
}

/* ---- lengths ---- */

struct live {
    unsigned priority;
    uint64_t number;
};

static int
compare_live(const void *a, const void *b)
{
    const struct live *x = a, *y = b;
    if (x->priority != y->priority)
        return x->priority > y->priority ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

/* Are they, below `end`, what is left of the first `count`? */
static bool
is_rest(const struct live *all, size_t count, uint64_t end, unsigned length_max, const uint64_t *found,
        size_t found_count)
{
    struct live sorted[RULES_LIVE_MAX];
    size_t n = 0;
    if (count > 0) {
        memcpy(sorted, all, count * sizeof *all);
        qsort(sorted, count, sizeof *sorted, compare_live);
    }
    for (size_t i = count > length_max ? count - length_max : 0; i < count; i++) {
        if (sorted[i].number >= end)
            continue;
        if (n == found_count || sorted[i].number != found[n])
            return false;
        n++;
    }
    return n == found_count;
}

bool
crash_rules_has_room(const struct crash_model *m, int queue, uint64_t number)
{
    unsigned others = 0;
    for (uint64_t i = 0; i < m->count; i++)
        others += i != number && m->messages[i].queues & 1u << queue && !m->messages[i].copies[queue].is_gone;
    return others < crash_rules[queue].length_max || !crash_rules[queue].is_rejecting;
}

const char *
crash_rules_length(const struct crash_model *m, int queue, const uint64_t *found, size_t count)
{
    struct live all[RULES_LIVE_MAX];
    size_t n = 0, least = 0; /* so many are known to have been kept */
    unsigned length_max = crash_rules[queue].length_max;
    if (crash_rules[queue].is_rejecting && count > length_max)
        return "has more than its length";
    if (!length_max || crash_rules[queue].is_rejecting)
        return NULL;
    for (uint64_t i = 0; i < m->count; i++) {
        const struct crash_message *x = &m->messages[i];
        if (!(x->queues & 1u << queue) || x->copies[queue].is_gone)
            continue;
        if (x->copies[queue].may_be_gone)
            return NULL;
        CHECK(n < RULES_LIVE_MAX);
        all[n++] = (struct live){.priority = crash_rules_priority(queue, x), .number = i};
        least = x->copies[queue].is_sure ? n : least;
    }
    for (size_t in = least; in <= n; in++)
        for (size_t kept = least; kept <= in; kept++)
            if (is_rest(all, in, kept ? all[kept - 1].number + 1 : 0, length_max, found, count))
                return NULL;
    return "does not hold the last ones of what came into it";
}

/* ---- counts ---- */

struct slice
crash_rules_uncounted(struct slice properties, struct buffer *scratch, uint64_t *count)
{
    struct properties p;
    struct buffer headers = {0};
    int64_t told;
    *count = 0;
    if (properties_decode(properties, &p) != ERR_OK || !(p.flags & PROPERTY_FLAG(PROPERTY_HEADERS)) ||
        table_get_int(p.headers, "x-delivery-count", &told) != ERR_OK)
        return properties;
    *count = (uint64_t)told;
    table_add_all_but(&headers, p.headers, slice_str("x-delivery-count"));
    p.headers = buffer_slice(&headers);
    if (headers.len == 0)
        p.flags &= ~PROPERTY_FLAG(PROPERTY_HEADERS);
    scratch->len += properties_encode(buffer_reserve(scratch, properties_size(&p)), &p);
    buffer_fini(&headers);
    return buffer_slice(scratch);
}

const char *
crash_rules_count(int queue, const struct crash_copy *c, uint64_t count)
{
    const struct crash_rules *r = &crash_rules[queue];
    if (!r->is_quorum)
        return count ? "has a count of deliveries" : NULL;
    if (count < c->returns_min)
        return "came back more often than its count says";
    if (count > c->returns_max)
        return "came back less often than its count says";
    return count > r->delivery_limit ? "was delivered more often than its limit" : NULL;
}

void
crash_rules_returned(int queue, struct crash_copy *c, bool is_certain)
{
    const struct crash_rules *r = &crash_rules[queue];
    c->returns_min += is_certain;
    c->returns_max++;
    c->may_be_gone |= r->is_quorum && c->returns_max > r->delivery_limit;
}

void
crash_rules_ended(int queue, struct crash_copy *c)
{
    c->returns_min = c->was_given;
    c->returns_max = 1;
}
