/* Inside the store: the pins' life. What others use is in store.h. */
/* exports: store_ */
#ifndef LEVERET_STORE_STORE_PIN_H
#define LEVERET_STORE_STORE_PIN_H

#include "store/store.h"

struct store_pins *store_pin_new(void);
void store_pin_free(struct store_pins *p);

#endif
