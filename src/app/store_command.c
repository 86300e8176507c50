/*
 * The commands open the directory as a node would, by its lock: while they run no node starts on it, and
 * while one runs they refuse. Results go to standard output; progress of long work, once a second at most, to
 * standard error if that is a terminal.
 */
#include "app/store_command.h"

#include "app/data_dir.h"
#include "base/epoch.h"
#include "durable/meta_codec.h"
#include "durable/meta_recover.h"
#include "durable/meta_snapshot.h"
#include "io/clock.h"
#include "store/store_check.h"
#include "store/store_dump.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WHY_SIZE = 1024, PROGRESS_NS = 1000000000 };

/* ---- progress ---- */

struct progress {
    bool is_shown;
    uint64_t last_ns;
};

/* Is it time for another line? */
static bool
progress_is_due(struct progress *p)
{
    if (!isatty(STDERR_FILENO))
        return false;
    uint64_t now = clock_now_ns(NULL);
    if (p->last_ns == 0)
        p->last_ns = now;
    if (now - p->last_ns < PROGRESS_NS)
        return false;
    p->last_ns = now;
    p->is_shown = true;
    return true;
}

static void
progress_clear(struct progress *p)
{
    if (p->is_shown)
        fprintf(stderr, "\r\033[K");
    p->is_shown = false;
}

/* ---- opening ---- */

/* The exit code when that did not go well; STORE_COMMAND_GOOD: it did. */
static int
open_offline(struct data_dir *d, struct store *s, const char *dir)
{
    char why[WHY_SIZE] = "";
    if (!data_dir_open_existing(d, dir, why, sizeof why)) {
        fprintf(stderr, "leveret: %s\n", why);
        return STORE_COMMAND_UNREADABLE;
    }
    enum err e = store_open_offline(s, NULL, dir, why, sizeof why);
    if (e == ERR_OK)
        return STORE_COMMAND_GOOD;
    data_dir_close(d);
    bool is_damage = e == ERR_CORRUPT;
    fprintf(is_damage ? stdout : stderr, "%s%s\n", is_damage ? "" : "leveret: ", why);
    return is_damage ? STORE_COMMAND_DAMAGED : STORE_COMMAND_UNREADABLE;
}

/* ---- declared things ---- */

/* A node that only knows declared things. */
struct scratch {
    struct epoch epoch;
    struct node node;
};

static void
scratch_init(struct scratch *x)
{
    *x = (struct scratch){0};
    epoch_init(&x->epoch, 1);
    x->node.epoch = &x->epoch;
    x->node.meta = meta_new(&x->node);
}

static void
scratch_fini(struct scratch *x)
{
    meta_free(x->node.meta);
    epoch_fini(&x->epoch);
}

static enum err
check_snapshot(void *arg, struct store *s, uint64_t id, char *why, size_t why_size)
{
    struct scratch x;
    struct meta_snapshot info;
    scratch_init(&x);
    enum err e = meta_snapshot_read(s, id, x.node.meta, &info, why, why_size);
    scratch_fini(&x);
    return e;
}

static enum err
check_command(void *arg, struct slice command)
{
    struct meta_command cmd;
    return meta_codec_get(command, &cmd);
}

/* Snapshot and log together, as a start reads them. */
static bool
check_declared(struct store *s)
{
    struct scratch x;
    char why[WHY_SIZE] = "";
    uint64_t index;
    scratch_init(&x);
    enum err e = meta_recover(s, x.node.meta, &index, why, sizeof why);
    scratch_fini(&x);
    if (e != ERR_OK)
        printf("the declared things: %s\n", why);
    return e == ERR_OK;
}

static void
dump_command(void *arg, struct slice command, struct buffer *line)
{
    static const char *const kinds[META_KINDS] = {
        [META_VHOST_ADD] = "vhost-add",
        [META_VHOST_DELETE] = "vhost-delete",
        [META_USER_PUT] = "user-put",
        [META_USER_DELETE] = "user-delete",
        [META_PERMISSION_SET] = "permission-set",
        [META_PERMISSION_CLEAR] = "permission-clear",
        [META_EXCHANGE_DECLARE] = "exchange-declare",
        [META_EXCHANGE_DELETE] = "exchange-delete",
        [META_EXCHANGE_BIND] = "exchange-bind",
        [META_EXCHANGE_UNBIND] = "exchange-unbind",
        [META_QUEUE_DECLARE] = "queue-declare",
        [META_QUEUE_DELETE] = "queue-delete",
        [META_QUEUE_BIND] = "queue-bind",
        [META_QUEUE_UNBIND] = "queue-unbind",
        [META_NODE_STARTED] = "node-started",
    };
    struct meta_command cmd;
    if (meta_codec_get(command, &cmd) != ERR_OK) {
        buffer_add_str(line, " kind=unreadable");
        return;
    }
    buffer_add_fmt(line, " kind=%s", kinds[cmd.kind] ? kinds[cmd.kind] : "unknown");
    const struct {
        const char *field;
        struct slice text;
    } fields[] = {{"vhost", cmd.vhost}, {"name", cmd.name}, {"source", cmd.source}, {"user", cmd.user}};
    for (unsigned i = 0; i < sizeof fields / sizeof *fields; i++)
        if (fields[i].text.len > 0)
            store_dump_quoted(line, fields[i].field, fields[i].text);
    if (cmd.queue_id)
        buffer_add_fmt(line, " queue=%" PRIu64, cmd.queue_id);
}

/* ---- check ---- */

static void
check_on_problem(void *arg, const char *path, uint64_t offset, bool is_damage, const char *what)
{
    progress_clear(arg);
    if (offset)
        printf("%s: offset %" PRIu64 ": %s%s\n", path, offset, is_damage ? "" : "cannot be read: ", what);
    else
        printf("%s: %s%s\n", path, is_damage ? "" : "cannot be read: ", what);
}

static void
check_on_progress(void *arg, uint64_t done, uint64_t total)
{
    if (progress_is_due(arg))
        fprintf(stderr, "\r\033[K%" PRIu64 " of %" PRIu64 " MB checked", done / 1000000, total / 1000000);
}

static int
run_check(const char *dir)
{
    struct data_dir d;
    struct store s;
    struct progress progress = {0};
    struct store_check how = {.on_problem = check_on_problem,
                              .on_progress = check_on_progress,
                              .on_snapshot = check_snapshot,
                              .on_meta = check_command,
                              .arg = &progress};
    struct store_check_counts n;
    int code = open_offline(&d, &s, dir);
    if (code != STORE_COMMAND_GOOD)
        return code;
    store_check(&s, &how, &n);
    progress_clear(&progress);
    if (!n.damages && !n.unreadable)
        n.damages += !check_declared(&s);
    store_close(&s);
    data_dir_close(&d);
    printf("%" PRIu64 " log files with %" PRIu64 " batches and %" PRIu64 " records, %" PRIu64
           " segments with %" PRIu64 " messages (%" PRIu64 " live), %" PRIu64 " bodies: %" PRIu64 " bytes\n",
           n.log_files, n.batches, n.records, n.segments, n.entries, n.live_entries, n.bodies, n.bytes);
    if (n.tails)
        printf("%" PRIu64 " logs end in a batch that is not whole, as after a crash: nothing of it was "
               "confirmed\n",
               n.tails);
    if (n.damages)
        printf("damaged: %" PRIu64 " problems\n", n.damages);
    else if (n.unreadable)
        printf("not all could be read\n");
    else
        printf("good\n");
    return n.damages ? STORE_COMMAND_DAMAGED : n.unreadable ? STORE_COMMAND_UNREADABLE : STORE_COMMAND_GOOD;
}

/* ---- dump ---- */

struct dump_output {
    struct progress progress;
    uint64_t lines;
};

static void
dump_on_line(void *arg, struct slice line)
{
    struct dump_output *o = arg;
    fwrite(line.data, 1, line.len, stdout);
    o->lines++;
    if (o->lines % 1024 == 0 && !isatty(STDOUT_FILENO) && progress_is_due(&o->progress))
        fprintf(stderr, "\r\033[K%" PRIu64 " lines", o->lines);
}

static int
run_dump(const char *dir, bool with_bodies)
{
    struct data_dir d;
    struct store s;
    struct dump_output output = {0};
    struct store_dump how = {
        .with_bodies = with_bodies, .on_line = dump_on_line, .on_meta = dump_command, .arg = &output};
    int code = open_offline(&d, &s, dir);
    if (code != STORE_COMMAND_GOOD)
        return code;
    bool is_whole = store_dump(&s, &how);
    progress_clear(&output.progress);
    store_close(&s);
    data_dir_close(&d);
    if (fflush(stdout) != 0) {
        fprintf(stderr, "leveret: standard output cannot be written\n");
        return STORE_COMMAND_UNREADABLE;
    }
    return is_whole ? STORE_COMMAND_GOOD : STORE_COMMAND_DAMAGED;
}

/* ---- the command line ---- */

void
store_command_help(struct buffer *out)
{
    buffer_add_str(
        out,
        "\nA data directory, while no node runs on it:\n\n"
        "  leveret store check DIR            read everything, tell what is damaged\n"
        "  leveret store dump DIR [--bodies]  everything as text, one line a thing\n\n"
        "They exit with 0 when it is good, 1 damaged, 2 wrong command line, 3 it cannot be read or a node\n"
        "runs on it.\n");
}

static int
usage(const char *what, const char *word)
{
    fprintf(stderr, "leveret: store: %s%s%s\nTry 'leveret --help'.\n", what, word ? " " : "",
            word ? word : "");
    return STORE_COMMAND_USAGE;
}

int
store_command_run(int argc, char **argv)
{
    const char *name = argc > 0 ? argv[0] : NULL, *dir = NULL;
    bool with_bodies = false;
    if (!name)
        return usage("which command? check or dump", NULL);
    bool is_check = strcmp(name, "check") == 0, is_dump = strcmp(name, "dump") == 0;
    if (!is_check && !is_dump)
        return usage("there is no command", name);
    for (int i = 1; i < argc; i++) {
        if (is_dump && strcmp(argv[i], "--bodies") == 0)
            with_bodies = true;
        else if (argv[i][0] == '-')
            return usage("there is no option", argv[i]);
        else if (dir)
            return usage("one directory is enough; there is also", argv[i]);
        else
            dir = argv[i];
    }
    if (!dir)
        return usage("which data directory?", NULL);
    return is_check ? run_check(dir) : run_dump(dir, with_bodies);
}
