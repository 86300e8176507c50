/*
 * May a thing that exists be declared again like this? RabbitMQ's comparison
 * (rabbit_misc:assert_field_equivalence, assert_args_equivalence) and its words. All return 0 or 406 with
 * `text`.
 */
#ifndef LEVERET_BROKER_EQUIVALENCE_H
#define LEVERET_BROKER_EQUIVALENCE_H

#include "base/slice.h"

enum { EQUIVALENCE_NAME_MAX = 560 };
/* "queue 'q' in vhost '/'" */
void equivalence_name(char out[EQUIVALENCE_NAME_MAX], const char *kind, struct slice name,
                      struct slice vhost);

uint16_t equivalence_bool(const char *field, const char *what, bool received, bool current, char text[256]);
/* The argument `key` of both tables: the same, or absent in both ("x-queue-type" absent is "classic"). */
uint16_t equivalence_argument(const char *key, const char *what, struct slice received, struct slice current,
                              char text[256]);

#endif
