/*
 * The frames stand one behind the other in one buffer: | type: u8 | size: u32 | payload |. `handled` moves
 * over them; the bytes are given back when all are handled, or when the handled half is the larger one.
 */
#include "server/parked.h"

#include "base/check.h"
#include "broker/meta.h"

#include <stdlib.h>

enum { PARKED_HEADER = 5, PARKED_COMPACT_MIN = 65536 };

struct parked *
parked_new(void)
{
    struct parked *p = calloc(1, sizeof *p);
    CHECK(p);
    return p;
}

void
parked_free(struct parked *p)
{
    if (!p)
        return;
    parked_clear(p);
    buffer_fini(&p->frames);
    free(p);
}

void
parked_clear(struct parked *p)
{
    while (p->first)
        parked_op_free(parked_op_shift(p));
    free(p->doom);
    p->doom = NULL;
    p->handled = p->frames.len;
}

struct parked_op *
parked_op_add(struct parked *p, uint32_t method, struct slice name, size_t room)
{
    CHECK(name.len <= UINT8_MAX && room <= UINT8_MAX);
    struct parked_op *op = calloc(1, sizeof *op + (name.len > room ? name.len : room) + 1);
    CHECK(op);
    op->number = ++p->next_number;
    op->method = method;
    op->name_size = (uint8_t)name.len;
    if (name.len)
        memcpy(op->name, name.data, name.len);
    if (p->last)
        p->last->next = op;
    else
        p->first = op;
    p->last = op;
    p->ops++;
    return op;
}

uint32_t
parked_ops_cost(const struct parked *p)
{
    uint32_t cost = 0;
    for (const struct parked_op *op = p->first; op; op = op->next)
        cost += op->cost;
    return cost;
}

struct parked_op *
parked_op_find(const struct parked *p, uint32_t number)
{
    struct parked_op *op = p ? p->first : NULL;
    while (op && op->number != number)
        op = op->next;
    return op;
}

struct parked_op *
parked_op_shift(struct parked *p)
{
    struct parked_op *op = p->first;
    if (!op)
        return NULL;
    p->first = op->next;
    if (!p->first)
        p->last = NULL;
    p->ops--;
    op->next = NULL;
    return op;
}

void
parked_op_free(struct parked_op *op)
{
    if (!op)
        return;
    free(op->text);
    meta_request_free(op->again);
    free(op);
}

void
parked_frame_add(struct parked *p, uint8_t type, struct slice payload)
{
    if (p->handled >= PARKED_COMPACT_MIN && p->handled > p->frames.len / 2) {
        buffer_consume(&p->frames, p->handled);
        p->handled = 0;
    }
    buffer_add_u8(&p->frames, type);
    buffer_add_u32(&p->frames, (uint32_t)payload.len);
    buffer_add_slice(&p->frames, payload);
}

bool
parked_frame_peek(const struct parked *p, uint8_t *type, struct slice *payload)
{
    if (!parked_has_frames(p))
        return false;
    const uint8_t *at = p->frames.data + p->handled;
    *type = at[0];
    *payload = slice_of(at + PARKED_HEADER, be32_get(at + 1));
    return true;
}

size_t
parked_frame_drop(struct parked *p)
{
    size_t cost = parked_frame_cost(be32_get(p->frames.data + p->handled + 1));
    p->handled += cost;
    if (p->handled == p->frames.len) {
        buffer_fini(&p->frames);
        p->handled = 0;
    }
    return cost;
}

bool
parked_has_frames(const struct parked *p)
{
    return p && p->handled < p->frames.len;
}
