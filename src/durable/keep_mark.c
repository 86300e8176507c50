/*
 * Which log file has something of which queue: so that a file can be made superfluous by looking at what it
 * has, and at nothing else. The open batch gathers marks, one a queue; when it is frozen its file is known,
 * and they join the file's. A mark's range is an upper bound: what left the queue meanwhile is in it, too.
 */
#include "base/check.h"
#include "durable/keep_impl.h"

#include <stdlib.h>

static struct keep_mark *
mark_new(struct keep *k)
{
    struct keep_mark *m = k->spare_marks;
    if (m)
        k->spare_marks = m->next;
    else
        m = malloc(sizeof *m);
    CHECK(m);
    *m = (struct keep_mark){.first = UINT64_MAX};
    return m;
}

static void
mark_release(struct keep *k, struct keep_mark *m)
{
    m->next = k->spare_marks;
    k->spare_marks = m;
}

static struct keep_mark *
mark_open(struct keep *k, struct queue_kept *kept)
{
    if (kept->open_mark)
        return kept->open_mark;
    struct keep_mark *m = mark_new(k);
    m->queue_id = kept->id;
    m->kept = kept;
    m->next = k->open_marks;
    k->open_marks = kept->open_mark = m;
    return m;
}

static void
mark_cover(struct keep_mark *m, uint64_t first, uint64_t last, bool has_delivered)
{
    m->first = first < m->first ? first : m->first;
    m->last = last > m->last ? last : m->last;
    m->has_delivered |= has_delivered;
}

void
keep_mark_publish(struct keep *k, struct queue_kept *kept, uint64_t position)
{
    struct keep_mark *m = mark_open(k, kept);
    if (m->first == UINT64_MAX)
        m->first = position;
    m->last = position;
}

void
keep_mark_delivered(struct keep *k, struct queue_kept *kept)
{
    mark_open(k, kept)->has_delivered = true;
}

struct keep_file *
keep_mark_file(struct keep *k, uint32_t number)
{
    if (!list_is_empty(&k->files)) {
        struct keep_file *last = LIST_ENTRY(k->files.prev, struct keep_file, node);
        CHECK(last->number <= number);
        if (last->number == number)
            return last;
    }
    struct keep_file *f = calloc(1, sizeof *f);
    CHECK(f);
    f->number = number;
    list_push_back(&k->files, &f->node);
    return f;
}

static void
mark_join(struct keep *k, uint64_t batch, struct keep_file *f, struct keep_mark *m)
{
    struct queue_kept *kept = m->kept;
    m->kept = NULL;
    if (kept) {
        kept->open_mark = NULL;
        if (m->first <= m->last) {
            kept->frozen_batch = batch;
            kept->frozen_first = m->first;
        }
        if (m->has_delivered)
            kept->delivered_file = f->number;
        if (kept->file_mark && kept->file_mark_file == f->number) {
            mark_cover(kept->file_mark, m->first, m->last, m->has_delivered);
            mark_release(k, m);
            return;
        }
        kept->file_mark = m;
        kept->file_mark_file = f->number;
    }
    m->next = f->marks;
    f->marks = m;
}

void
keep_mark_frozen(struct keep *k, uint64_t batch, uint32_t file)
{
    struct keep_mark *m = k->open_marks;
    if (!m)
        return;
    struct keep_file *f = keep_mark_file(k, file);
    k->open_marks = NULL;
    while (m) {
        struct keep_mark *next = m->next;
        mark_join(k, batch, f, m);
        m = next;
    }
}

bool
keep_mark_is_under_way(const struct keep *k, const struct queue_kept *kept, uint64_t position)
{
    return (kept->open_mark && position >= kept->open_mark->first) ||
           (kept->frozen_batch > k->durable_batch && position >= kept->frozen_first);
}

void
keep_mark_recovered(struct keep *k, struct keep_file *f, uint64_t queue_id, uint64_t first, uint64_t last,
                    bool has_delivered)
{
    struct keep_mark *m = mark_new(k);
    m->queue_id = queue_id;
    mark_cover(m, first, last, has_delivered);
    m->next = f->marks;
    f->marks = m;
}

void
keep_mark_forget(struct queue_kept *kept)
{
    if (kept->open_mark)
        kept->open_mark->kept = NULL;
    kept->open_mark = kept->file_mark = NULL;
}

static void
file_free(struct keep *k, struct keep_file *f)
{
    for (struct keep_mark *m; (m = f->marks);) {
        struct queue_kept *kept = idmap_get(&k->kept, m->queue_id);
        if (kept && kept->file_mark == m)
            kept->file_mark = NULL;
        f->marks = m->next;
        mark_release(k, m);
    }
    list_remove(&f->node);
    free(f);
}

static void
free_spares(struct keep *k)
{
    for (struct keep_mark *m; (m = k->spare_marks);) {
        k->spare_marks = m->next;
        free(m);
    }
}

void
keep_mark_drop_files(struct keep *k, uint32_t up_to)
{
    while (!list_is_empty(&k->files)) {
        struct keep_file *f = LIST_ENTRY(k->files.next, struct keep_file, node);
        if (f->number > up_to)
            break;
        file_free(k, f);
    }
    free_spares(k);
}

void
keep_mark_free(struct keep *k)
{
    keep_mark_frozen(k, 0, UINT32_MAX);
    keep_mark_drop_files(k, UINT32_MAX);
}
