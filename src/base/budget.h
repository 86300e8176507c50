/* Byte budgets with a name: what a peer can size takes from one before it allocates, and is refused when it
 * is used up. */
#ifndef LEVERET_BASE_BUDGET_H
#define LEVERET_BASE_BUDGET_H

#include <stdbool.h>
#include <stddef.h>

/* One thread. `limit` may be changed at any time, also below what is used. */
struct budget {
    const char *name; /* as in the table of limits; static text */
    size_t used, limit;
};

void budget_init(struct budget *b, const char *name, size_t limit);

/* All of `n` or nothing: false when that would pass the limit. */
bool budget_take(struct budget *b, size_t n);

/* Takes without asking, for what already happened; may pass the limit. */
void budget_charge(struct budget *b, size_t n);

/* Gives back what was taken or charged. */
void budget_give(struct budget *b, size_t n);

/* The limit is reached or passed: no more can be taken. */
bool budget_over(const struct budget *b);

#endif
