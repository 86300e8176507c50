/* Inside io: the operating system's error numbers in our table. */
#ifndef LEVERET_IO_OSERR_H
#define LEVERET_IO_OSERR_H

#include "base/err.h"

enum err oserr_of(int number);

#endif
