/*
 * Values as Erlang's ~p prints them. Some of RabbitMQ's reply texts contain them, and those texts are kept
 * word for word.
 */
#ifndef LEVERET_BROKER_ERLTERM_H
#define LEVERET_BROKER_ERLTERM_H

#include "base/buffer.h"

struct table_value;

enum { ERLTERM_TEXT_MAX = 512 }; /* bytes that one value adds, about: reply texts are cut at 255 anyway */

/* <<"text">>, 5, 2.5, true, undefined, [{<<"field">>,longstr,<<"text">>}] */
void erlterm_add(struct buffer *out, const struct table_value *v);
/* <<"text">>, or <<1,2,3>> if it is not printable Latin-1. */
void erlterm_add_binary(struct buffer *out, struct slice bytes);

#endif
