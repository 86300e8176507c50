/*
 * Effects are made when a thing asks, and found again by the next one in the list of the policy that they are
 * of. When any policy of the vhost changes all those lists are emptied; an effect then lives on for as long
 * as a thing points to it, and is freed when no reader can be in it.
 */
#include "broker/policy_effect.h"

#include "base/check.h"
#include "base/epoch.h"
#include "broker/exchange.h"
#include "broker/jsontext.h"
#include "broker/policy.h"
#include "broker/queue_def.h"
#include "broker/vhost.h"

#include <stdlib.h>

const struct policy_effect *
policy_effect_of_queue(const struct queue_def *q)
{
    return atomic_load_explicit(&q->effect, memory_order_acquire);
}

const struct policy_effect *
policy_effect_of_exchange(const struct exchange *x)
{
    return atomic_load_explicit(&x->effect, memory_order_acquire);
}

static struct slice
copy_name(const struct policy *p)
{
    if (!p)
        return slice_of(NULL, 0);
    char *copy = strndup(p->name, p->name_size);
    CHECK(copy);
    return slice_of(copy, p->name_size);
}

/* Both definitions as one; what operators set is merged by the key's rule. */
static void
merge(struct policy_effect *e, const struct policy *user, const struct policy *operators)
{
    json_t *tree = user ? json_copy(user->values.tree) : json_object();
    for (unsigned k = 0; k < POLICY_KEYS; k++) {
        bool has_user = user && policy_values_has(&user->values, k);
        bool has_operators = operators && policy_values_has(&operators->values, k);
        if (!has_user && !has_operators)
            continue;
        const struct policy_value *v = has_operators ? &operators->values.of[k] : &user->values.of[k];
        if (has_user && has_operators)
            v = policy_key_merge(k, &user->values.of[k], &operators->values.of[k]);
        json_object_set(tree, policy_key_rows[k].name, (json_t *)v->json);
        if (!(policy_key_rows[k].targets & e->target))
            continue;
        e->set |= UINT64_C(1) << k;
        e->of[k] = *v;
    }
    e->definition = jsontext_copy(tree);
    json_decref(tree);
}

static struct policy_effect *
effect_new(const struct policy *user, const struct policy *operators, enum policy_target target)
{
    struct policy_effect *e = calloc(1, sizeof *e);
    CHECK(e);
    e->target = target;
    e->made_of[0] = user;
    e->made_of[1] = operators;
    e->policy = copy_name(user);
    e->operator_policy = copy_name(operators);
    e->trees[0] = user ? json_incref(user->values.tree) : NULL;
    e->trees[1] = operators ? json_incref(operators->values.tree) : NULL;
    merge(e, user, operators);
    return e;
}

static void
effect_free(void *effect)
{
    struct policy_effect *e = effect;
    json_decref(e->trees[0]);
    json_decref(e->trees[1]);
    free((void *)e->policy.data);
    free((void *)e->operator_policy.data);
    free((void *)e->definition.data);
    free(e);
}

struct policy_effect *
policy_effect_take(struct vhost *v, enum policy_target target, struct slice name)
{
    const struct policy *user = policy_match(v, false, target, name);
    const struct policy *operators = policy_match(v, true, target, name);
    struct policy *first = (struct policy *)(user ? user : operators);
    if (!first)
        return NULL;
    LIST_FOREACH (node, &first->effects) {
        struct policy_effect *e = LIST_ENTRY(node, struct policy_effect, node);
        if (e->target == target && e->made_of[0] == user && e->made_of[1] == operators) {
            e->users++;
            return e;
        }
    }
    struct policy_effect *e = effect_new(user, operators, target);
    list_push_back(&first->effects, &e->node);
    e->users = 1;
    return e;
}

void
policy_effect_drop(struct epoch *epoch, struct policy_effect *e)
{
    if (!e || --e->users > 0)
        return;
    list_remove(&e->node);
    epoch_defer(epoch, effect_free, e);
}

bool
policy_effect_is_same(const struct policy_effect *a, const struct policy_effect *b)
{
    if (!a || !b)
        return a == b;
    return slice_eq(a->policy, b->policy) && slice_eq(a->operator_policy, b->operator_policy) &&
           slice_eq(a->definition, b->definition);
}

void
policy_effect_forget(const struct vhost *v)
{
    for (int i = 0; i < 2; i++)
        LIST_FOREACH (node, &v->policies[i]) {
            struct policy *p = LIST_ENTRY(node, struct policy, node);
            while (!list_is_empty(&p->effects))
                list_remove(p->effects.next);
        }
}
