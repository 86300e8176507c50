/* A counter and a limit. `used` passes the limit only by budget_charge or because the limit was lowered. */
#include "base/budget.h"

#include "base/check.h"

void
budget_init(struct budget *b, const char *name, size_t limit)
{
    *b = (struct budget){.name = name, .limit = limit};
}

bool
budget_take(struct budget *b, size_t n)
{
    if (b->used > b->limit || n > b->limit - b->used)
        return false;
    b->used += n;
    return true;
}

void
budget_charge(struct budget *b, size_t n)
{
    CHECK(n <= (size_t)-1 - b->used);
    b->used += n;
}

void
budget_give(struct budget *b, size_t n)
{
    CHECK(n <= b->used);
    b->used -= n;
}

bool
budget_over(const struct budget *b)
{
    return b->used >= b->limit;
}
