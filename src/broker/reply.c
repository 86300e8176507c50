/* The session adds the code's name and sees to it that the text is valid UTF-8 (amqp_reply_text). */
#include "broker/reply.h"

#include <stdarg.h>
#include <stdio.h>

uint16_t
reply_fail(char text[256], uint16_t code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(text, REPLY_TEXT_SIZE, format, args);
    va_end(args);
    return code;
}
