/* See report.h. */
#include "bench/report.h"

#include "base/check.h"

#include <stdio.h>

void
report_add(struct report *r, const char *name, double value, const char *unit)
{
    CHECK(r->rows_count < REPORT_ROWS_MAX);
    struct report_row *row = &r->rows[r->rows_count++];
    snprintf(row->name, sizeof row->name, "%s", name);
    row->value = value;
    row->unit = unit;
}

void
report_add_latency(struct report *r, const char *name, const struct histogram *h)
{
    static const struct {
        const char *suffix;
        double percent;
    } points[] = {{"p50", 50}, {"p95", 95}, {"p99", 99}, {"p99.9", 99.9}};
    char full[48];
    for (unsigned i = 0; i < sizeof points / sizeof *points; i++) {
        snprintf(full, sizeof full, "%s_%s", name, points[i].suffix);
        report_add(r, full, (double)histogram_percentile(h, points[i].percent) / 1000, "us");
    }
    snprintf(full, sizeof full, "%s_max", name);
    report_add(r, full, (double)histogram_max(h) / 1000, "us");
    snprintf(full, sizeof full, "%s_mean", name);
    report_add(r, full, histogram_mean(h) / 1000, "us");
}

void
report_print(const struct report *r, bool json)
{
    if (json)
        printf("{\"scenario\": \"%s\"", r->scenario);
    else
        printf("%s\n", r->scenario);
    for (unsigned i = 0; i < r->rows_count; i++) {
        const struct report_row *row = &r->rows[i];
        if (json)
            printf(", \"%s\": %.6g", row->name, row->value);
        else
            printf("  %-32s %14.*f %s\n", row->name, row->value < 100 ? 3 : 0, row->value, row->unit);
    }
    if (json)
        printf("}\n");
}
