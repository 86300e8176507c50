/* What a peer is told: an AMQP reply code and a text without the code's name. */
#ifndef LEVERET_BROKER_REPLY_H
#define LEVERET_BROKER_REPLY_H

#include <stdint.h>

enum { REPLY_TEXT_SIZE = 256 };

/* Writes the text, cut if it is too long, and returns the code. */
uint16_t reply_fail(char text[256], uint16_t code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
