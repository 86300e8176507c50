/* Dead letters: whatever leaves a queue for a reason comes here, and is settled. */
#include "broker/deadletter.h"

#include "broker/message.h"
#include "broker/queue_impl.h"

const char *
deadletter_reason_name(enum deadletter_reason reason)
{
    static const char *const names[] = {[DEADLETTER_REJECTED] = "rejected",
                                        [DEADLETTER_EXPIRED] = "expired",
                                        [DEADLETTER_MAXLEN] = "maxlen",
                                        [DEADLETTER_DELIVERY_LIMIT] = "delivery_limit"};
    return names[reason];
}

void
deadletter_leave(struct queue *q, uint64_t position, struct queue_entry *e, enum deadletter_reason reason,
                 uint64_t tx)
{
    (void)reason;
    queue_messages_gone(q, position, e, tx);
}

void
deadletter_refused(struct queue *q, struct message **m)
{
    message_drop(q->broker, m);
}
