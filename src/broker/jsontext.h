/*
 * JSON values as text: what operators give is parsed within limits, what is kept is written in one way only
 * (compact, keys sorted), so that equal values are equal texts.
 */
#ifndef LEVERET_BROKER_JSONTEXT_H
#define LEVERET_BROKER_JSONTEXT_H

#include "base/buffer.h"
#include "base/slice.h"

#include <jansson.h>

/* Any JSON value of at most bytes_max bytes. NULL: it is none; `why` says what is wrong and where. */
json_t *jsontext_parse(struct slice text, size_t bytes_max, char why[128]);
/* A copy with memory of its own: free() its data. */
struct slice jsontext_copy(const json_t *value);
void jsontext_add(struct buffer *out, const json_t *value);
/* As Erlang's ~p prints it, in one line: <<"text">>, [1,true], #{<<"key">> => 1}. Long ones are cut. */
void jsontext_add_erlang(struct buffer *out, const json_t *value);
/* An object as a list of pairs, which it is where it was taken apart: [{<<"key">>,1}]. */
void jsontext_add_proplist(struct buffer *out, const json_t *object);

#endif
