/*
 * The audit log: one line of category `audit` for each administrative change that was asked for, with who
 * asked, from where, and what came of it. What clients declare over AMQP is no administration. A secret never
 * gets into it.
 */
#ifndef LEVERET_MGMT_AUDIT_H
#define LEVERET_MGMT_AUDIT_H

#include <jansson.h>
#include <stdbool.h>

struct log;

enum { AUDIT_VALUE_MAX = 256 }; /* bytes of one argument's value, and of each of the other texts */

struct audit_entry {
    const char *command;
    json_t *arguments;   /* an object, or NULL */
    const char *user;    /* who asks, in their own words; "" or NULL: they did not say */
    const char *origin;  /* who they are as we see it: "uid 0, pid 4711", "10.0.0.1:40000" */
    const char *failure; /* its kind ("no_such_user"); NULL: it was done */
    bool has_left;       /* who asked, before the answer: it may well be done */
};

/* Any thread. */
void audit_write(const struct log *log, const struct audit_entry *e);

#endif
