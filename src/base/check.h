/*
 * CHECK: a programmer's error stops the process, in production too. It is never used for what a peer, a
 * file or the operating system can cause: those get an error code (err.h) or an AMQP reply code.
 */
#ifndef LEVERET_BASE_CHECK_H
#define LEVERET_BASE_CHECK_H

/* Writes "file:line: what" to standard error and aborts. */
_Noreturn void check_failed(const char *file, int line, const char *what);

#define CHECK(cond)            (__builtin_expect(!!(cond), 1) ? (void)0 : check_failed(__FILE__, __LINE__, #cond))
#define CHECK_UNREACHABLE(why) check_failed(__FILE__, __LINE__, why)

#endif
