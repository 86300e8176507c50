/*
 * A fuzz target is one file X_fuzz.c with the function below: it takes any bytes, and must neither crash nor
 * read outside them. What must hold of the result is checked with CHECK. It returns 0.
 *
 * The same file is built twice: with libFuzzer where the option `fuzz` is on, and always with replay.c, as a
 * unit test that runs it over corpus/X/ and over every prefix of those files.
 */
#ifndef LEVERET_FUZZ_FUZZ_H
#define LEVERET_FUZZ_FUZZ_H

#include "base/check.h"
#include "base/err.h"
#include "base/slice.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#endif
