/* Intrusive circular doubly linked list. A node that is on no list points to itself or is zeroed. */
#ifndef LEVERET_BASE_LIST_H
#define LEVERET_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *prev, *next;
};

#define LIST_ENTRY(node, type, member) ((type *)((char *)(node)-offsetof(type, member)))
#define LIST_FOREACH(node, head)       for (struct list *node = (head)->next; node != (head); node = node->next)
/* `node` may be removed inside the loop; its successor may not. */
#define LIST_FOREACH_SAFE(node, tmp, head)                                                                   \
    for (struct list *node = (head)->next, *tmp = node->next; node != (head); node = tmp, tmp = node->next)

static inline void
list_init(struct list *l)
{
    l->prev = l->next = l;
}

static inline bool
list_is_empty(const struct list *head)
{
    return head->next == head;
}

static inline bool
list_is_linked(const struct list *node)
{
    return node->next && node->next != node;
}

static inline void
list_insert_before(struct list *at, struct list *node)
{
    node->prev = at->prev;
    node->next = at;
    at->prev->next = node;
    at->prev = node;
}

static inline void
list_push_back(struct list *head, struct list *node)
{
    list_insert_before(head, node);
}

static inline void
list_push_front(struct list *head, struct list *node)
{
    list_insert_before(head->next, node);
}

/* Harmless for a node that is on no list. */
static inline void
list_remove(struct list *node)
{
    if (!node->next)
        return;
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

#endif
