/*
 * Values below 256 have a bucket each. Above, a value with its highest bit at `h` shares a bucket with those
 * that agree in this and the 7 bits below it; the buckets of one power of two follow those of the one before,
 * so the index grows with the value.
 */
#include "base/histogram.h"

#include <string.h>

#define STEPS (1u << HISTOGRAM_STEPS_LOG)

static uint32_t
bucket_of(uint64_t value)
{
    if (value < 2 * STEPS)
        return (uint32_t)value;
    uint32_t shift = 63 - (uint32_t)__builtin_clzll(value) - HISTOGRAM_STEPS_LOG;
    return shift * STEPS + (uint32_t)(value >> shift);
}

/* The greatest value in a bucket. */
static uint64_t
bucket_edge(uint32_t bucket)
{
    if (bucket < 2 * STEPS)
        return bucket;
    uint32_t shift = bucket / STEPS - 1;
    uint64_t lowest = (uint64_t)(bucket - shift * STEPS) << shift;
    return lowest + (((uint64_t)1 << shift) - 1);
}

void
histogram_init(struct histogram *h)
{
    memset(h, 0, sizeof *h);
    h->min = UINT64_MAX;
}

void
histogram_record(struct histogram *h, uint64_t value)
{
    h->buckets[bucket_of(value)]++;
    h->count++;
    h->sum += (double)value;
    if (value < h->min)
        h->min = value;
    if (value > h->max)
        h->max = value;
}

void
histogram_merge(struct histogram *h, const struct histogram *from)
{
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        h->buckets[i] += from->buckets[i];
    h->count += from->count;
    h->sum += from->sum;
    if (from->min < h->min)
        h->min = from->min;
    if (from->max > h->max)
        h->max = from->max;
}

uint64_t
histogram_percentile(const struct histogram *h, double percent)
{
    if (h->count == 0)
        return 0;
    double rank = (double)h->count * percent / 100;
    uint64_t wanted = rank >= (double)h->count ? h->count : (uint64_t)rank;
    if ((double)wanted < rank || wanted == 0)
        wanted++;
    uint64_t seen = 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen >= wanted)
            return bucket_edge(i) < h->max ? bucket_edge(i) : h->max;
    }
    return h->max;
}

double
histogram_mean(const struct histogram *h)
{
    return h->count == 0 ? 0 : h->sum / (double)h->count;
}

uint64_t
histogram_max(const struct histogram *h)
{
    return h->max;
}

uint64_t
histogram_count(const struct histogram *h)
{
    return h->count;
}
