/*
 * A question travels as a pointer, by external mail both ways. The asking thread lists what is open; that
 * list, not the mail, owns the questions: when the application has ended (its shards are joined, so that none
 * of them holds a pointer any more) one mail says so, and what is still listed from that boot comes back
 * discarded. Answers that were on their way come before that mail, because mail from outside keeps its order.
 *
 * The one lock guards the way to the application, which the main thread opens and closes while others ask.
 */
#include "mgmt/ask.h"

#include "base/check.h"
#include "broker/meta.h"
#include "server/server.h"

#include <pthread.h>
#include <stdlib.h>

enum {
    MAIL_ASK_RUN = MAIL_MGMT, /* to the asked shard; p: the question */
    MAIL_ASK_DONE,            /* to the asking one; likewise */
    MAIL_ASK_NOBODY,          /* likewise: it was not asked */
    MAIL_ASK_ENDED,           /* a: the boot that has ended */
};

struct asker {
    struct shard *own;
    struct list open; /* the asking thread's */
    pthread_mutex_t lock;
    /* under the lock */
    struct shards *shards; /* of the application, or NULL */
    uint64_t boot;         /* counts them */
    _Atomic unsigned shard_count;
};

struct asker *
asker_new(struct shard *own)
{
    struct asker *k = calloc(1, sizeof *k);
    CHECK(k);
    k->own = own;
    list_init(&k->open);
    CHECK(pthread_mutex_init(&k->lock, NULL) == 0);
    return k;
}

void
asker_free(struct asker *k)
{
    if (!k)
        return;
    CHECK(!k->shards);
    pthread_mutex_destroy(&k->lock);
    free(k);
}

static void
post_home(struct asker *k, const struct mail *m)
{
    shards_post_external(shard_all(k->own), shard_index(k->own), m);
}

void
asker_set_server(struct asker *k, struct server *server)
{
    pthread_mutex_lock(&k->lock);
    uint64_t ended = k->boot;
    bool had = k->shards != NULL;
    k->shards = server ? server->node->shards : NULL;
    k->boot += server != NULL;
    atomic_store(&k->shard_count, server ? shards_count(k->shards) : 0);
    pthread_mutex_unlock(&k->lock);
    if (had)
        post_home(k, &(struct mail){.type = MAIL_ASK_ENDED, .a = ended});
}

unsigned
asker_shard_count(const struct asker *k)
{
    return atomic_load(&k->shard_count);
}

bool
asker_is_idle(const struct asker *k)
{
    return list_is_empty(&k->open);
}

void
ask_post(struct asker *k, unsigned shard, struct ask *a)
{
    a->asker = k;
    a->discarded = false;
    list_push_back(&k->open, &a->open);
    pthread_mutex_lock(&k->lock);
    bool is_there = k->shards && shard < shards_count(k->shards) && (!a->boot || a->boot == k->boot);
    a->boot = is_there ? k->boot : UINT64_MAX; /* no boot's end concerns it: its own mail brings it back */
    if (is_there)
        shards_post_external(k->shards, shard, &(struct mail){.type = MAIL_ASK_RUN, .p = a});
    pthread_mutex_unlock(&k->lock);
    if (!is_there)
        post_home(k, &(struct mail){.type = MAIL_ASK_NOBODY, .p = a});
}

void
ask_answer(struct ask *a)
{
    post_home(a->asker, &(struct mail){.type = MAIL_ASK_DONE, .p = a});
}

static void
finish(struct ask *a, bool discarded)
{
    list_remove(&a->open);
    a->discarded = discarded;
    a->done(a);
}

/* `done` may ask anew, of a later boot; so each time the list is looked at from its begin. */
static void
discard(struct asker *k, uint64_t boot)
{
    for (struct list *at = k->open.next; at != &k->open;) {
        struct ask *a = LIST_ENTRY(at, struct ask, open);
        if (a->boot > boot) {
            at = at->next;
            continue;
        }
        finish(a, true);
        at = k->open.next;
    }
}

bool
ask_on_mail(struct asker *k, struct shard *s, const struct mail *m)
{
    struct ask *a = m->p;
    switch (m->type) {
    case MAIL_ASK_RUN:
        if (a->run(a, shard_data(s)))
            ask_answer(a);
        return true;
    case MAIL_ASK_DONE: finish(a, false); return true;
    case MAIL_ASK_NOBODY: finish(a, true); return true;
    case MAIL_ASK_ENDED: discard(k, m->a); return true;
    default: return false;
    }
}
