/* Timers of a shard, on its wheel: one-shot, in milliseconds, nothing allocated. Only on the shard's thread.
 */
#ifndef LEVERET_IO_TIMER_H
#define LEVERET_IO_TIMER_H

#include "base/wheel.h"

struct shard;

/* fn(arg) runs in the timer phase of a turn, `delay_ms` from shard_now_ms() or later. Running: started anew.
 */
void timer_start(struct shard *s, struct wheel_timer *t, uint64_t delay_ms, void (*fn)(void *arg), void *arg);
/* Harmless when it does not run. */
void timer_stop(struct wheel_timer *t);
bool timer_is_active(const struct wheel_timer *t);

#endif
