/*
 * Policies: what an operator wants of the queues and exchanges whose names match a pattern. Of each vhost's
 * user policies at most one applies to a thing, of its operator policies one more: the matching one with the
 * highest priority; of several with the same priority (RabbitMQ leaves that open) the one whose name comes
 * first in the order of bytes. Changed by meta_apply() (meta_policy.c), read by the writer only: what other
 * shards see of them is the effect (policy_effect.h).
 */
#ifndef LEVERET_BROKER_POLICY_H
#define LEVERET_BROKER_POLICY_H

#include "base/list.h"
#include "broker/policy_key.h"

struct meta;
struct vhost;

enum {
    POLICY_PATTERN_MAX = 4096,     /* bytes */
    POLICY_DEFINITION_MAX = 65536, /* bytes of JSON */
    POLICIES_PER_VHOST_MAX = 1000, /* user's and operator's, each */
    POLICY_WORK_MAX = 128 * 1024,  /* of backtracking in one match: beyond it the pattern does not match */
    POLICY_TURN_WORK = 512, /* patterns that are tried in a turn when policies change, about; those that
                               backtrack count REGEX_COST_DEAR times */
};

enum policy_applies {
    POLICY_APPLIES_ALL,
    POLICY_APPLIES_QUEUES,
    POLICY_APPLIES_EXCHANGES,
    POLICY_APPLIES_CLASSIC_QUEUES,
    POLICY_APPLIES_QUORUM_QUEUES,
    POLICY_APPLIES_STREAMS,
    POLICY_APPLIES
};

struct policy {
    struct list node; /* in vhost.policies[is_operator], in the order in which they apply */
    const struct vhost *vhost;
    int64_t priority;
    enum policy_applies apply_to;
    bool is_operator;
    struct slice pattern;    /* owned */
    struct slice definition; /* JSON, sorted and compact, owned */
    struct regex *regex;
    struct policy_values values; /* the definition, taken apart */
    struct list effects;         /* made of it, and of no policy that comes before it: policy_effect.c */
    uint8_t name_size;
    char name[]; /* NUL-terminated */
};

/* "all", "queues", ... */
const char *policy_applies_name(enum policy_applies applies);
bool policy_applies_parse(struct slice name, enum policy_applies *out);

/* Writer only. */
const struct policy *policy_find(const struct vhost *v, bool is_operator, struct slice name);
/* The one that applies to a thing of that kind and name, or NULL. Adds what the search cost to the vhost's
 * policy_work. */
const struct policy *policy_match(struct vhost *v, bool is_operator, enum policy_target target,
                                  struct slice name);
/* In the order in which they apply. */
void policy_each(const struct vhost *v, bool is_operator, void (*fn)(void *arg, const struct policy *p),
                 void *arg);

#endif
