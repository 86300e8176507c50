/*
 * A node's declared things in a simulated world: shards submit random commands; the disk fails, fills up, or
 * the power goes at any of its operations, also while the node starts anew. What is checked afterwards: the
 * state is that of a prefix of the commands, in their order, with every answered lasting one in it; and every
 * answer, made-up names and identities included, is what a model in memory says.
 */
#include "durable/meta_log.h"

#include "broker/courier.h"
#include "broker/durability.h"
#include "broker/meta_random_fixture.h"
#include "durable/meta_codec.h"
#include "io/file.h"
#include "io/sim.h"
#include "io/worker.h"
#include "store/manifest.h"
#include "wire/amqp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SHARDS = 2, WINDOW = 4, COMMANDS_MAX = 2000, BOOT_BITS = 40, PATIENCE_MS = 60000 };
#define NOT_LOGGED UINT64_MAX /* the cookie of a command that is refused for its own words */

/* One command of a boot, in the order of the log. */
struct entry {
    uint8_t *bytes;
    size_t size;
    bool is_answered;
    struct meta_result result;
};

struct model {
    struct epoch epoch;
    struct node node;
};

struct world {
    struct sim *sim;
    struct io_world *machine;
    struct store_config config;
    uint64_t snapshot_bytes;
    unsigned crashes;
    /* of one boot */
    struct store store;
    struct node node;
    struct meta_log *log;
    struct worker *writer, *keeper;
    struct shards *shards;
    bool is_store_open, is_alarmed;
    struct model start; /* the state with which it began */
    uint64_t start_index;
    /* its commands */
    struct meta_random random;
    const struct meta_command *script; /* the next one; NULL: random ones */
    unsigned to_send, sent, answered, count, refused;
    struct entry entries[COMMANDS_MAX];
};

static char why[8192];

/* ---- models ---- */

static void
model_init(struct model *m)
{
    *m = (struct model){0};
    epoch_init(&m->epoch, 1);
    m->node.epoch = &m->epoch;
    m->node.meta = meta_new(&m->node);
}

static void
model_fini(struct model *m)
{
    if (!m->node.meta)
        return;
    meta_free(m->node.meta);
    epoch_fini(&m->epoch);
    m->node.meta = NULL;
}

static void
model_take(void *arg, const struct meta_command *cmd)
{
    struct meta_result r;
    meta_apply(((struct model *)arg)->node.meta, cmd, &r);
    assert_int_equal(r.code, 0);
}

static void
model_copy(struct model *m, const struct meta *from)
{
    model_init(m);
    meta_walk(from, model_take, m);
    meta_set_id_last(m->node.meta, meta_id_last(from));
}

static void
assert_equal(const struct meta *a, const struct meta *b)
{
    struct buffer left = {0}, right = {0};
    meta_dump(a, &left);
    meta_dump(b, &right);
    buffer_add_u8(&left, 0);
    buffer_add_u8(&right, 0);
    assert_string_equal((const char *)left.data, (const char *)right.data);
    assert_int_equal(meta_id_last(a), meta_id_last(b));
    buffer_fini(&left);
    buffer_fini(&right);
}

/* ---- the node ---- */

static void send_next(struct world *w, struct broker *b);

static void
on_done(struct broker *b, struct meta_request *r)
{
    struct world *w = b->node->durability_arg;
    if (r->cookie[0] == NOT_LOGGED) {
        assert_true(r->result.code != 0 || r->result.existed);
        w->refused++;
    } else {
        struct entry *e = &w->entries[r->cookie[0]];
        assert_false(e->is_answered);
        e->is_answered = true;
        e->result = r->result;
    }
    w->answered++;
    meta_request_free(r);
    send_next(w, b);
}

static void
send_next(struct world *w, struct broker *b)
{
    if (w->sent == w->to_send)
        return;
    struct meta_command c = w->script ? *w->script++ : meta_random_next(&w->random, b->node->meta);
    if (c.kind == META_NODE_STARTED) /* comes from nobody but the log */
        c = (struct meta_command){.kind = META_VHOST_ADD, .name = slice_str("/")};
    w->sent++;
    struct meta_request *r = meta_request_new(&c);
    r->on_done = on_done;
    meta_submit(b, r);
}

static void
on_alarm(void *server, const char *reason)
{
    struct world *w = server;
    w->is_alarmed = reason != NULL;
}

static const struct effects effects = {.alarm = on_alarm};

static void
on_start(struct shard *s, void *owner)
{
    struct world *w = owner;
    struct broker *b = broker_new(&w->node, s, &effects, w);
    for (unsigned i = 0; i < WINDOW; i++)
        send_next(w, b);
}

static void
on_mail(struct shard *s, void *owner, const struct mail *m)
{
    struct world *w = owner;
    if (m->type == MAIL_SERVER)
        send_next(w, w->node.brokers[shard_index(s)]);
    else if (m->type >= MAIL_COURIER)
        courier_on_mail(w->node.brokers[shard_index(s)], m); /* an alarm */
    else
        meta_on_mail(w->node.brokers[shard_index(s)], m);
}

/* From outside, all at once. */
static void
send_more(struct world *w, const struct meta_command *script, unsigned count)
{
    w->script = script;
    w->to_send += count;
    for (unsigned i = 0; i < count; i++)
        shards_post_external(w->shards, 0, &(struct mail){.type = MAIL_SERVER});
}

static bool
on_turn(struct shard *s, void *owner)
{
    struct world *w = owner;
    return broker_turn(w->node.brokers[shard_index(s)]);
}

static void
on_discard(void *owner, const struct mail *m)
{
    meta_on_discard(m);
}

static void
attach(void *arg, struct broker *b)
{
}

static void
submit(void *arg, struct broker *b, struct meta_request *r)
{
    struct world *w = arg;
    struct buffer bytes = {0};
    assert_int_equal(b->index, 0);
    assert_true(w->count < COMMANDS_MAX);
    if (meta_is_refused(&r->command)) {
        r->cookie[0] = NOT_LOGGED;
        meta_log_submit(w->log, b, r);
        return;
    }
    meta_codec_put(&bytes, &r->command);
    w->entries[w->count] = (struct entry){.bytes = bytes.data, .size = bytes.len};
    r->cookie[0] = w->count++;
    meta_log_submit(w->log, b, r);
}

static void
turn(void *arg, struct broker *b)
{
    struct world *w = arg;
    if (b->index == 0)
        meta_log_turn(w->log);
}

static const struct durability durability = {
    .attach = attach, .submit = submit, .turn = turn, .stop = attach};

static const struct shard_hooks hooks = {
    .on_start = on_start, .on_mail = on_mail, .on_turn = on_turn, .on_discard = on_discard};

static struct world *
world_new(uint64_t seed)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->sim = sim_new(seed);
    w->machine = sim_node_new(w->sim, "n");
    assert_int_equal(dir_create(w->machine, "/data"), ERR_OK);
    assert_int_equal(dir_sync(w->machine, "/"), ERR_OK);
    store_config_init(&w->config);
    w->config.dir = "/data";
    w->config.log_file_bytes = 8 * STORE_BLOCK;
    w->config.log_files_max = 2;
    w->snapshot_bytes = 1500;
    w->random.state = seed;
    return w;
}

static void
forget_commands(struct world *w)
{
    for (unsigned i = 0; i < w->count; i++)
        free(w->entries[i].bytes);
    memset(w->entries, 0, sizeof w->entries);
    w->to_send = w->sent = w->answered = w->count = w->refused = 0;
}

/* Everything of the process, dead or ended. */
static void
bury(struct world *w)
{
    worker_free(w->writer);
    worker_free(w->keeper);
    w->writer = w->keeper = NULL;
    if (w->log) {
        meta_log_close(w->log);
        meta_log_free(w->log);
        w->log = NULL;
    }
    for (unsigned i = 0; i < SHARDS; i++)
        if (w->node.brokers[i])
            broker_free(w->node.brokers[i]);
    if (w->node.meta)
        meta_free(w->node.meta);
    if (w->shards)
        shards_free(w->shards);
    w->shards = NULL;
    w->node = (struct node){0};
    if (w->is_store_open)
        store_close(&w->store);
    w->is_store_open = false;
}

static void
world_free(struct world *w)
{
    bury(w);
    forget_commands(w);
    model_fini(&w->start);
    buffer_fini(&w->random.arguments);
    sim_free(w->sim);
    free(w);
}

static bool
has_crashed(struct world *w)
{
    return sim_node_crashes(w->machine) > w->crashes;
}

/* Reads the directory into node.meta. */
static enum err
open_node(struct world *w)
{
    w->shards = shards_new(w->machine, SHARDS, &hooks, w);
    w->node = (struct node){.shards = w->shards,
                            .epoch = shards_epoch(w->shards),
                            .limits = broker_limits_default(),
                            .durability = &durability,
                            .durability_arg = w};
    w->node.meta = meta_new(&w->node);
    enum err e = store_open(&w->store, w->machine, &w->config, NULL, why, sizeof why);
    w->is_store_open = e == ERR_OK;
    if (e != ERR_OK)
        return e;
    w->log = meta_log_new(&w->node, &w->store, w->snapshot_bytes);
    return meta_log_recover(w->log, why, sizeof why);
}

static enum err
begin_node(struct world *w)
{
    struct meta_result r;
    if (meta_log_counts(w->log).index == 1) /* the first start */
        meta_apply(w->node.meta, &(struct meta_command){.kind = META_VHOST_ADD, .name = slice_str("/")}, &r);
    w->writer = worker_new(w->machine, "meta");
    w->keeper = worker_new(w->machine, "keeper");
    enum err e = meta_log_begin(w->log, shards_get(w->shards, 0), w->writer, w->keeper, why, sizeof why);
    if (e == ERR_OK)
        e = manifest_commit(w->store.manifest);
    if (e == ERR_OK)
        meta_log_begun(w->log);
    return e;
}

static void
run_node(struct world *w, unsigned commands)
{
    forget_commands(w);
    model_fini(&w->start);
    model_copy(&w->start, w->node.meta);
    w->start_index = meta_log_counts(w->log).index;
    w->to_send = commands;
    assert_int_equal(shards_start(w->shards), ERR_OK);
}

static bool
is_over(void *arg)
{
    struct world *w = arg;
    return w->answered == w->to_send || has_crashed(w);
}

static void
must_boot(struct world *w, unsigned commands)
{
    if (open_node(w) != ERR_OK || begin_node(w) != ERR_OK)
        fail_msg("%s", why);
    run_node(w, commands);
}

/* A clean end; everything that was logged is on the disk afterwards. */
static void
stop_node(struct world *w)
{
    shards_stop(w->shards);
    shards_join(w->shards);
    bury(w);
}

static void
lose_power(struct world *w)
{
    sim_node_crash(w->machine); /* or what is left of the process that a crash has ended */
    w->crashes = sim_node_crashes(w->machine);
    sim_disk_set_faults(w->machine, &(struct sim_disk_faults){0});
    bury(w);
}

/* ---- what must hold ---- */

static struct meta_command
command_at(const struct world *w, unsigned i)
{
    struct meta_command c;
    assert_int_equal(meta_codec_get(slice_of(w->entries[i].bytes, w->entries[i].size), &c), ERR_OK);
    return c;
}

/* Checks the answers against the model; returns how many commands must have been kept. */
static unsigned
check_answers(struct world *w)
{
    struct model seen;
    unsigned needed = 0;
    model_copy(&seen, w->start.node.meta);
    for (unsigned i = 0; i < w->count; i++) {
        const struct entry *e = &w->entries[i];
        if (e->is_answered && e->result.code == AMQP_REPLY_INTERNAL_ERROR)
            continue;
        struct meta_command c = command_at(w, i);
        struct meta_result r;
        bool is_lasting = meta_is_lasting(seen.node.meta, &c);
        meta_apply(seen.node.meta, &c, &r);
        if (!e->is_answered)
            continue;
        assert_int_equal(r.code, e->result.code);
        assert_int_equal(r.existed, e->result.existed);
        assert_int_equal(r.queue_id, e->result.queue_id);
        assert_string_equal(r.text, e->result.text);
        assert_string_equal(r.name, e->result.name);
        if (is_lasting && r.code == 0)
            needed = i + 1;
    }
    model_fini(&seen);
    return needed;
}

/* The node was opened again: a prefix is there. Returns its length. */
static unsigned
check_recovered(struct world *w)
{
    unsigned needed = check_answers(w);
    uint64_t index = meta_log_counts(w->log).index - 1; /* the start itself has one */
    assert_true(index >= w->start_index + needed);
    unsigned kept = (unsigned)(index - w->start_index);
    assert_true(kept <= w->count);
    struct model expected;
    struct meta_result r;
    model_copy(&expected, w->start.node.meta);
    for (unsigned i = 0; i < kept; i++) {
        struct meta_command c = command_at(w, i);
        meta_apply(expected.node.meta, &c, &r);
    }
    meta_apply(
        expected.node.meta,
        &(struct meta_command){.kind = META_NODE_STARTED, .forced_id = (uint64_t)w->store.boot << BOOT_BITS},
        &r);
    assert_equal(expected.node.meta, w->node.meta);
    model_fini(&expected);
    return kept;
}

static void
must_open(struct world *w)
{
    if (open_node(w) != ERR_OK)
        fail_msg("%s", why);
}

/* ---- tests ---- */

static void
what_was_declared_is_there_after_a_clean_stop(void **state)
{
    for (uint64_t seed = 0; seed < 10; seed++) {
        struct world *w = world_new(seed);
        for (unsigned boot = 0; boot < 4; boot++) {
            must_boot(w, 150);
            assert_true(sim_run_until(w->sim, is_over, w, PATIENCE_MS));
            struct meta_log_counts counts = meta_log_counts(w->log);
            assert_true(counts.waiting == 0 && counts.applied == counts.index);
            assert_true(counts.snapshots > 0);
            stop_node(w);
            must_open(w);
            assert_int_equal(check_recovered(w), w->count);
            bury(w);
        }
        world_free(w);
    }
}

struct coverage {
    unsigned runs, in_boot, lost, again_in_recovery;
};

/* The power goes at the disk's operation `first`, and at the `second` one of the start after it. */
static bool
crash_once(uint64_t seed, uint64_t first, uint64_t second, struct coverage *seen)
{
    struct world *w = world_new(seed);
    if (seed == 1)
        w->snapshot_bytes = UINT64_MAX; /* only full log files ask for snapshots */
    must_boot(w, 40);                   /* something to start from */
    assert_true(sim_run_until(w->sim, is_over, w, PATIENCE_MS));
    stop_node(w);
    must_open(w);
    (void)check_recovered(w);
    bury(w);

    sim_disk_set_faults(w->machine, &(struct sim_disk_faults){.crash_at = first,
                                                              .crash_keeps = seed == 2,
                                                              .latency_min_ns = 20000,
                                                              .latency_max_ns = seed % 2 ? 40000 : 3000000});
    bool is_up = open_node(w) == ERR_OK && begin_node(w) == ERR_OK;
    seen->runs++;
    seen->in_boot += !is_up;
    assert_true(is_up || has_crashed(w));
    if (is_up) {
        run_node(w, 120);
        assert_true(sim_run_until(w->sim, is_over, w, PATIENCE_MS));
    }
    bool is_hit = has_crashed(w);
    lose_power(w);

    sim_disk_set_faults(w->machine, &(struct sim_disk_faults){.crash_at = second});
    if (open_node(w) == ERR_OK)
        (void)!begin_node(w);
    seen->again_in_recovery += has_crashed(w);
    lose_power(w);

    must_open(w);
    if (is_up)
        seen->lost += check_recovered(w) < w->count;
    if (begin_node(w) != ERR_OK)
        fail_msg("%s", why);
    run_node(w, 30); /* and it goes on */
    assert_true(sim_run_until(w->sim, is_over, w, PATIENCE_MS));
    stop_node(w);
    must_open(w);
    assert_int_equal(check_recovered(w), w->count);
    world_free(w);
    return is_hit;
}

static void
a_power_loss_at_any_operation_keeps_what_was_answered(void **state)
{
    struct coverage seen = {0};
    for (uint64_t seed = 0; seed < 4; seed++) {
        uint64_t at = 1;
        while (crash_once(seed, at, 1 + (at + seed) % 29, &seen))
            at++;
        assert_true(at > 100);
    }
    assert_true(seen.in_boot > 50 && seen.lost > 50 && seen.again_in_recovery > 200);
}

/* One operation fails, or that one and all that follow. Everybody is answered; what was done is kept, what is
 * transient goes on. */
static bool
fail_once(uint64_t seed, const struct sim_disk_faults *faults, unsigned *refused, uint64_t *operations)
{
    struct world *w = world_new(seed);
    must_boot(w, 80);
    *operations = sim_disk_operations(w->machine);
    sim_disk_set_faults(w->machine, faults);
    assert_true(sim_run_until(w->sim, is_over, w, PATIENCE_MS));
    *operations = sim_disk_operations(w->machine) - *operations;
    bool has_failed = store_failure(&w->store) != ERR_OK;
    unsigned before = w->count;
    static const struct meta_command more[] = {
        {.kind = META_VHOST_ADD, .name = {(const uint8_t *)"three", 5}},
        {.kind = META_VHOST_ADD, .name = {(const uint8_t *)"three", 5}},
    };
    send_more(w, more, sizeof more / sizeof *more);
    assert_true(sim_run_until(w->sim, is_over, w, PATIENCE_MS));
    for (unsigned i = before; has_failed && i < w->count; i++)
        assert_int_equal(w->entries[i].result.code, AMQP_REPLY_INTERNAL_ERROR);
    for (unsigned i = 0; i < w->count; i++)
        *refused += w->entries[i].result.code == AMQP_REPLY_INTERNAL_ERROR;
    lose_power(w);
    w->script = NULL;
    must_open(w);
    (void)check_recovered(w);
    world_free(w);
    return has_failed;
}

static void
when_the_disk_fails_lasting_commands_are_refused(void **state)
{
    unsigned refused = 0, failures = 0;
    uint64_t most, operations;
    assert_false(fail_once(0, &(struct sim_disk_faults){0}, &refused, &most));
    assert_true(refused == 0 && most > 60);
    for (uint64_t at = 1; at <= most; at++)
        for (unsigned for_good = 0; for_good < 2; for_good++)
            failures += fail_once(
                at, &(struct sim_disk_faults){.fail_at = at, .fail_with = ERR_IO, .fail_on = for_good},
                &refused, &operations);
    assert_true(failures > most && refused > failures);
    for (uint64_t at = 1; at <= most; at++)
        (void)fail_once(at, &(struct sim_disk_faults){.fail_at = at, .fail_with = ERR_NO_SPACE}, &refused,
                        &operations);
}

/* Full files ask for snapshots, which set them free again. */
static void
the_log_does_not_grow_beyond_its_files(void **state)
{
    struct world *w = world_new(5);
    struct file_stat st;
    char path[STORE_PATH_MAX];
    w->snapshot_bytes = UINT64_MAX;
    must_boot(w, 600);
    assert_true(sim_run_until(w->sim, is_over, w, PATIENCE_MS));
    assert_true(meta_log_counts(w->log).snapshots > 3);
    store_log_path(&w->store, path, 1, STORE_CHAIN_META, 1);
    assert_int_equal(file_stat(w->machine, path, &st), ERR_NOT_FOUND);
    stop_node(w);
    must_open(w);
    assert_int_equal(check_recovered(w), w->count);
    assert_int_equal(w->count + w->refused, 600);
    world_free(w);
}

#define NAME(text)                                                                                           \
    {                                                                                                        \
        (const uint8_t *)text, sizeof text - 1                                                               \
    }
static const struct meta_command lasting_then_not[] = {
    {.kind = META_QUEUE_DECLARE, .vhost = NAME("/"), .name = NAME("durable"), .durable = true},
    {.kind = META_QUEUE_DECLARE, .vhost = NAME("/"), .name = NAME("behind")},
};
static const struct meta_command not_lasting[] = {
    {.kind = META_QUEUE_DECLARE, .vhost = NAME("/"), .name = NAME("transient")},
    {.kind = META_QUEUE_DECLARE,
     .vhost = NAME("/"),
     .name = NAME("mine"),
     .durable = true,
     .exclusive = true,
     .connection_id = 7},
    {.kind = META_QUEUE_BIND,
     .vhost = NAME("/"),
     .name = NAME("mine"),
     .source = NAME("amq.topic"),
     .connection_id = 7},
    {.kind = META_EXCHANGE_DECLARE, .vhost = NAME("/"), .name = NAME("x"), .type = NAME("topic")},
};

static void
what_does_not_outlive_the_node_does_not_wait_for_the_disk(void **state)
{
    struct world *w = world_new(6);
    must_boot(w, 0);
    sim_run_for(w->sim, 1000); /* the next log file is prepared */
    sim_disk_set_faults(
        w->machine, &(struct sim_disk_faults){.latency_min_ns = 1000000000, .latency_max_ns = 1000000001});
    uint64_t operations = sim_disk_operations(w->machine);
    send_more(w, not_lasting, 4);
    assert_true(sim_run_until(w->sim, is_over, w, 100));
    sim_run_for(w->sim, 5000);
    assert_int_equal(sim_disk_operations(w->machine), operations);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(w->entries[i].result.code, 0);
    send_more(w, lasting_then_not, 2);
    assert_false(sim_run_until(w->sim, is_over, w, 900));
    assert_int_equal(w->answered, 4);
    assert_int_equal(meta_log_counts(w->log).waiting, 2);
    assert_true(sim_run_until(w->sim, is_over, w, 9000));
    stop_node(w);
    must_open(w);
    assert_int_equal(check_recovered(w), 6);
    world_free(w);
}

/* While the disk stands still memory does not grow without a bound. */
static void
transient_things_wait_behind_a_large_backlog(void **state)
{
    enum { MANY = 400, SIZE = 64 << 10 };
    struct world *w = world_new(9);
    struct buffer arguments = {0};
    struct meta_command *script = calloc(MANY, sizeof *script);
    uint8_t *text = calloc(1, SIZE);
    assert_true(script && text);
    table_add_str(&arguments, "text", slice_of(text, SIZE));
    for (unsigned i = 0; i < MANY; i++)
        script[i] = (struct meta_command){
            .kind = META_QUEUE_DECLARE, .vhost = slice_str("/"), .arguments = buffer_slice(&arguments)};
    must_boot(w, 0);
    sim_disk_set_faults(
        w->machine, &(struct sim_disk_faults){.latency_min_ns = 1000000000, .latency_max_ns = 1000000001});
    send_more(w, script, MANY);
    assert_false(sim_run_until(w->sim, is_over, w, 900));
    assert_true(w->answered > 200 && w->answered < 300);
    assert_true(sim_run_until(w->sim, is_over, w, PATIENCE_MS));
    stop_node(w);
    must_open(w);
    assert_int_equal(check_recovered(w), MANY);
    world_free(w);
    free(script);
    free(text);
    buffer_fini(&arguments);
}

static bool
is_short(void *arg)
{
    return meta_log_counts(((struct world *)arg)->log).is_short;
}

static void
without_room_lasting_commands_wait(void **state)
{
    struct world *w = world_new(7);
    uint64_t available, total;
    must_boot(w, 40);
    assert_true(sim_run_until(w->sim, is_over, w, PATIENCE_MS));
    assert_int_equal(disk_space(w->machine, "/data", &available, &total), ERR_OK);
    sim_disk_set_faults(w->machine,
                        &(struct sim_disk_faults){.capacity_bytes = total - available + STORE_BLOCK});
    w->to_send = 1200;
    for (unsigned i = 0; i < WINDOW; i++)
        shards_post_external(w->shards, 0, &(struct mail){.type = MAIL_SERVER});
    assert_true(sim_run_until(w->sim, is_short, w, PATIENCE_MS));
    assert_false(sim_run_until(w->sim, is_over, w, 1000));
    assert_true(meta_log_counts(w->log).waiting > 0);
    assert_true(w->is_alarmed);
    sim_disk_set_faults(w->machine, &(struct sim_disk_faults){0});
    assert_true(sim_run_until(w->sim, is_over, w, PATIENCE_MS));
    assert_false(is_short(w));
    assert_false(w->is_alarmed);
    assert_int_equal(store_failure(&w->store), ERR_OK);
    stop_node(w);
    must_open(w);
    assert_int_equal(check_recovered(w), w->count);
    assert_int_equal(w->count + w->refused, 1200);
    world_free(w);
}

/* ---- damage ---- */

/* Changes a byte of the file. */
static void
damage(struct world *w, const char *path, uint64_t offset)
{
    struct file *f;
    uint8_t byte;
    size_t got;
    assert_int_equal(file_open(w->machine, path, FILE_READ | FILE_WRITE, &f), ERR_OK);
    assert_int_equal(file_pread(f, &byte, 1, offset, &got), ERR_OK);
    assert_int_equal(got, 1);
    byte ^= 0x10;
    assert_int_equal(file_pwrite(f, &byte, 1, offset), ERR_OK);
    file_close(f);
}

static struct world *
stopped_node(void)
{
    struct world *w = world_new(8);
    w->config.log_file_bytes = 1024 * STORE_BLOCK;
    w->snapshot_bytes = UINT64_MAX;
    must_boot(w, 60);
    assert_true(sim_run_until(w->sim, is_over, w, PATIENCE_MS));
    stop_node(w);
    return w;
}

static void
a_missing_command_stops_the_start(void **state)
{
    struct world *w = stopped_node();
    damage(w, "/data/store/log/1-meta-1.log", 2 * STORE_BLOCK + 70); /* the second batch */
    assert_int_equal(open_node(w), ERR_CORRUPT);
    assert_non_null(strstr(why, "/data/store/log/1-meta-1.log"));
    assert_non_null(strstr(why, "of the declared things is missing; unreadable: "));
    assert_non_null(strstr(why, "restore the data directory from a backup"));
    world_free(w);
}

static void
a_damaged_snapshot_stops_the_start(void **state)
{
    struct world *w = stopped_node();
    struct store store;
    struct manifest_view view;
    char path[STORE_PATH_MAX];
    assert_int_equal(store_open_offline(&store, w->machine, "/data", why, sizeof why), ERR_OK);
    manifest_view(store.manifest, &view);
    store_snapshot_path(&store, path, view.snapshot_id);
    damage(w, path, 60);
    assert_int_equal(open_node(w), ERR_CORRUPT);
    assert_non_null(strstr(why, path));
    assert_non_null(strstr(why, "the snapshot of the declared things, is damaged"));
    manifest_view_free(&view);
    store_close(&store);
    world_free(w);
}

/* The last batch is torn: what was in it is gone, the rest is there. */
static void
a_torn_end_is_the_end(void **state)
{
    struct world *w = stopped_node();
    uint64_t last = 0;
    struct file *f;
    uint8_t magic[8];
    size_t got;
    assert_int_equal(file_open(w->machine, "/data/store/log/1-meta-1.log", FILE_READ, &f), ERR_OK);
    do
        assert_int_equal(file_pread(f, magic, sizeof magic, ++last * STORE_BLOCK, &got), ERR_OK);
    while (memcmp(magic, "LVbatch1", 8) == 0);
    last--;
    file_close(f);
    assert_true(last > 3);
    damage(w, "/data/store/log/1-meta-1.log", last * STORE_BLOCK + 70);
    for (unsigned i = 0; i < w->count; i++)
        w->entries[i].is_answered = false; /* not kept to its word */
    must_open(w);
    assert_true(check_recovered(w) < 60);
    world_free(w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_declared_is_there_after_a_clean_stop),
        cmocka_unit_test(a_power_loss_at_any_operation_keeps_what_was_answered),
        cmocka_unit_test(when_the_disk_fails_lasting_commands_are_refused),
        cmocka_unit_test(the_log_does_not_grow_beyond_its_files),
        cmocka_unit_test(what_does_not_outlive_the_node_does_not_wait_for_the_disk),
        cmocka_unit_test(transient_things_wait_behind_a_large_backlog),
        cmocka_unit_test(without_room_lasting_commands_wait),
        cmocka_unit_test(a_missing_command_stops_the_start),
        cmocka_unit_test(a_damaged_snapshot_stops_the_start),
        cmocka_unit_test(a_torn_end_is_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
