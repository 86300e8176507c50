/*
 * A store as text, for people and tests: one line per thing, in the order of the files.
 *
 *   manifest incarnation=81985529216486895 boot=3 next-id=1025
 *   snapshot id=5 term=1 index=77 size=900
 *   log file=log/2-0-4.log boot=2 chain=0 number=4 sync=always size=33554432
 *   batch number=17 file=log/2-0-4.log offset=4096 records=3 bytes=412
 *   publish queue=12 sequence=55 epoch=1 exchange="" routing-key="hello" flags=3 properties=14 body=5 tx=9
 *   settle queue=12 first=55 count=3 epoch=1
 *   delivered queue=12 below=8192 epoch=1
 *   tx-end tx=9
 *   meta term=1 index=77 bytes=120
 *   segment id=7 size=1234 acks=2 entries=100 live=50
 *   run segment=7 queue=12 epoch=1 first=1 last=100 entries=100 live=50 offset=64 length=1000
 *   entry segment=7 queue=12 sequence=1 live=yes exchange="" routing-key="hello" flags=3 ...
 *   body id=9 size=2000000
 *   tail file=log/2-0-4.log offset=8192 what="..."
 *   damage file=log/2-0-4.log offset=8192 what="..."
 *
 * A publish to several queues is a line for each. New fields come at the end of a line, `text` being the
 * last one.
 */
#ifndef LEVERET_STORE_STORE_DUMP_H
#define LEVERET_STORE_STORE_DUMP_H

#include "base/buffer.h"
#include "store/store.h"

struct store_dump {
    bool with_bodies; /* adds text="..." with the bytes of each body that does not lie in a file */
    void (*on_line)(void *arg, struct slice line); /* ends in '\n' */
    /* Adds what a meta record says, for its line. NULL: nothing. */
    void (*on_meta)(void *arg, struct slice command, struct buffer *line);
    void *arg;
};

/*
 * Of a store that was opened offline. False: there was damage, or something that could not be read; a line
 * says what. Blocks.
 */
bool store_dump(struct store *s, const struct store_dump *d);

/* Adds ` field="text"`: printable ASCII as it is, all other bytes as \xNN. */
void store_dump_quoted(struct buffer *line, const char *field, struct slice text);

#endif
