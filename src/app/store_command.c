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
#include "mgmt/control_client.h"
#include "store/store_check.h"
#include "store/store_copy.h"
#include "store/store_dump.h"

#include <inttypes.h>
#include <jansson.h>
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

struct check_output {
    struct progress progress;
    const char *dir;
};

static void
check_on_problem(void *arg, const char *path, uint64_t offset, bool is_damage, const char *what)
{
    struct check_output *o = arg;
    progress_clear(&o->progress);
    if (strncmp(what, o->dir, strlen(o->dir)) ==
        0) /* it names the file, perhaps another one of the same log */
        printf("%s%s\n", is_damage ? "" : "cannot be read: ", what);
    else if (offset)
        printf("%s: offset %" PRIu64 ": %s%s\n", path, offset, is_damage ? "" : "cannot be read: ", what);
    else
        printf("%s: %s%s\n", path, is_damage ? "" : "cannot be read: ", what);
}

static void
check_on_progress(void *arg, uint64_t done, uint64_t total)
{
    struct check_output *o = arg;
    if (progress_is_due(&o->progress))
        fprintf(stderr, "\r\033[K%" PRIu64 " of %" PRIu64 " MB checked", done / 1000000, total / 1000000);
}

static int
run_check(const char *dir)
{
    struct data_dir d;
    struct store s;
    struct check_output output = {.dir = dir};
    struct store_check how = {.on_problem = check_on_problem,
                              .on_progress = check_on_progress,
                              .on_snapshot = check_snapshot,
                              .on_meta = check_command,
                              .arg = &output};
    struct store_check_counts n;
    int code = open_offline(&d, &s, dir);
    if (code != STORE_COMMAND_GOOD)
        return code;
    store_check(&s, &how, &n);
    progress_clear(&output.progress);
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

/* ---- backup ---- */

static void
backup_on_progress(void *arg, uint64_t done, uint64_t total)
{
    if (progress_is_due(arg))
        fprintf(stderr, "\r\033[K%" PRIu64 " of %" PRIu64 " MB copied", done / 1000000, total / 1000000);
}

static int
copy_cut(const char *dir, const char *target, const struct store_cut *cut)
{
    char why[WHY_SIZE] = "";
    struct progress progress = {0};
    struct store_copy how = {
        .dir = dir, .target = target, .on_progress = backup_on_progress, .arg = &progress};
    enum err e = store_copy(&how, cut, why, sizeof why);
    progress_clear(&progress);
    if (e != ERR_OK) {
        fprintf(stderr, "leveret: %s\n", why);
        return e == ERR_CORRUPT ? STORE_COMMAND_DAMAGED : STORE_COMMAND_UNREADABLE;
    }
    printf("copied %" PRIu64 " bytes to %s\n", how.bytes, target);
    return STORE_COMMAND_GOOD;
}

/* Asks, and gives the JSON of the answer's last line (to be freed); NULL: standard error has said why not. */
static json_t *
ask_node(struct control_client *node, const char *dir, const char *request)
{
    struct slice json;
    char kind;
    enum err e = control_client_ask(node, slice_str(request), slice_str(""));
    while (e == ERR_OK && (e = control_client_next(node, &kind, &json)) == ERR_OK && kind != 'o' &&
           kind != 'e')
        ;
    json_t *answer = e == ERR_OK ? json_loadb((const char *)json.data, json.len, 0, NULL) : NULL;
    const char *text = json_string_value(json_object_get(answer, "text"));
    if (e != ERR_OK)
        fprintf(stderr, "leveret: the node on %s does not answer: %s\n", dir, err_text(e));
    else if (kind == 'e')
        fprintf(stderr, "leveret: the node on %s: %s\n", dir, text ? text : "it refuses");
    if (kind == 'o' && e == ERR_OK)
        return answer;
    json_decref(answer);
    return NULL;
}

/* The node keeps the files of the cut as long as the connection is there. */
static int
backup_online(struct control_client *node, const char *dir, const char *target)
{
    struct store_cut cut;
    int code = STORE_COMMAND_UNREADABLE;
    json_t *answer = ask_node(node, dir, "{\"command\":\"backup\"}");
    if (!answer)
        return code;
    const char *text = json_string_value(json_object_get(answer, "cut"));
    if (!text || store_cut_parse(slice_str(text), &cut) != ERR_OK) {
        fprintf(stderr, "leveret: the node on %s is of another version\n", dir);
    } else {
        code = copy_cut(dir, target, &cut);
        store_cut_fini(&cut);
        json_decref(ask_node(node, dir, "{\"command\":\"backup_end\"}"));
    }
    json_decref(answer);
    return code;
}

static int
backup_offline(const char *dir, const char *target)
{
    struct data_dir d;
    struct store s;
    struct store_cut cut;
    int code = open_offline(&d, &s, dir);
    if (code != STORE_COMMAND_GOOD)
        return code;
    store_cut_whole(&s, &cut);
    code = copy_cut(dir, target, &cut);
    store_cut_fini(&cut);
    store_close(&s);
    data_dir_close(&d);
    return code;
}

static int
run_backup(const char *dir, const char *target)
{
    char path[4096], why[CONTROL_CLIENT_WHY_SIZE];
    struct control_client *node;
    if ((size_t)snprintf(path, sizeof path, "%s/" CONTROL_SOCKET, dir) >= sizeof path) {
        fprintf(stderr, "leveret: the directory's path is too long\n");
        return STORE_COMMAND_UNREADABLE;
    }
    enum err e = control_client_local(path, 0, &node, why);
    if (e == ERR_NOT_FOUND || e == ERR_REFUSED)
        return backup_offline(dir, target); /* nobody runs there, or the lock says otherwise */
    if (e != ERR_OK) {
        fprintf(stderr, "leveret: %s\n", why);
        return STORE_COMMAND_UNREADABLE;
    }
    int code = backup_online(node, dir, target);
    control_client_close(node);
    return code;
}

/* ---- the command line ---- */

void
store_command_help(struct buffer *out)
{
    buffer_add_str(
        out,
        "\nA data directory:\n\n"
        "  leveret store check DIR            read everything, tell what is damaged\n"
        "  leveret store dump DIR [--bodies]  everything as text, one line a thing\n"
        "  leveret store backup DIR TARGET    a copy as of one moment, also while the node runs\n\n"
        "They exit with 0 when it is good, 1 damaged, 2 wrong command line, 3 something cannot be read or\n"
        "written, or (check, dump) a node runs on it.\n");
}

static int
print_help(void)
{
    struct buffer text = {0};
    store_command_help(&text);
    printf("usage: leveret store COMMAND DIR\n%.*s", (int)text.len, (const char *)text.data);
    buffer_fini(&text);
    return STORE_COMMAND_GOOD;
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
    static const struct {
        const char *name;
        int directories;
    } commands[] = {{"check", 1}, {"dump", 1}, {"backup", 2}};
    const char *name = argc > 0 ? argv[0] : NULL, *dirs[2];
    unsigned command = 0;
    int found = 0;
    bool with_bodies = false;
    if (!name)
        return usage("which command? check, dump or backup", NULL);
    if (strcmp(name, "--help") == 0)
        return print_help();
    while (command < 3 && strcmp(name, commands[command].name) != 0)
        command++;
    if (command == 3)
        return usage("there is no command", name);
    for (int i = 1; i < argc; i++) {
        if (command == 1 && strcmp(argv[i], "--bodies") == 0)
            with_bodies = true;
        else if (argv[i][0] == '-')
            return usage("there is no option", argv[i]);
        else if (found == commands[command].directories)
            return usage("there is a word too many:", argv[i]);
        else
            dirs[found++] = argv[i];
    }
    if (found < commands[command].directories)
        return usage(found == 0 ? "which data directory?" : "where does the copy go?", NULL);
    return command == 0   ? run_check(dirs[0])
           : command == 1 ? run_dump(dirs[0], with_bodies)
                          : run_backup(dirs[0], dirs[1]);
}
