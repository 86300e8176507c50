/* Option parsing: a table of (name, kind, place, help), read by --help too, so that the two cannot differ. */
#include "bench/options.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum option_kind { FLAG, NUMBER, REAL, TEXT, PORT };

struct option_row {
    const char *name;
    enum option_kind kind;
    size_t offset;
    const char *help;
};

#define AT(field) offsetof(struct options, field)

static const struct option_row rows[] = {
    {"host", TEXT, AT(host), "broker's address [127.0.0.1]"},
    {"port", PORT, AT(port), "broker's port [5672]"},
    {"user", TEXT, AT(user), "user name [guest]"},
    {"password", TEXT, AT(password), "password [guest]"},
    {"vhost", TEXT, AT(vhost), "virtual host [/]"},
    {"pid", NUMBER, AT(pid), "the broker's process: its CPU and memory are reported"},
    {"json", FLAG, AT(json), "print one JSON object"},
    {"progress", FLAG, AT(progress), "print rates each second to standard error"},
    {"relay", FLAG, AT(relay), "the other side is bench/relay, which moves bytes and knows no AMQP"},
    {"publishers", NUMBER, AT(publishers), "publishing connections [1]"},
    {"consumers", NUMBER, AT(consumers), "consuming connections [1]"},
    {"queues", NUMBER, AT(queues),
     "queues; publisher and consumer i use queue i modulo this [as many as publishers]"},
    {"size", NUMBER, AT(size), "body bytes [16]"},
    {"messages", NUMBER, AT(messages),
     "messages of each publisher; without publishers: to be consumed [0: run for --duration]"},
    {"duration", REAL, AT(duration), "seconds [5]"},
    {"warmup", REAL, AT(warmup), "share of the run that is not measured [0.2]"},
    {"rate", NUMBER, AT(rate), "messages a second of each publisher [0: no limit; latency: 2000]"},
    {"confirms", NUMBER, AT(confirms), "publisher confirms with this many publishes in flight [0: none]"},
    {"window", NUMBER, AT(window),
     "most messages published and not yet consumed, for each pair [0: no limit]"},
    {"batch", NUMBER, AT(batch), "messages encoded beforehand in one block [as many as fit 64 KiB]"},
    {"ack-every", NUMBER, AT(ack_every), "acknowledge every so many deliveries at once [0: automatic]"},
    {"prefetch", NUMBER, AT(prefetch), "basic.qos prefetch_count of consumers [0: no limit]"},
    {"persistent", FLAG, AT(persistent), "delivery-mode 2 and durable queues"},
    {"bare", FLAG, AT(bare), "messages without properties [with content-type and delivery-mode]"},
    {"durable", FLAG, AT(durable), "durable queues"},
    {"mandatory", FLAG, AT(mandatory), "publish with the mandatory flag"},
    {"keep", FLAG, AT(keep), "do not delete the queues afterwards"},
    {"as-is", FLAG, AT(as_is), "do not purge the queues before: what is in them is consumed too"},
    {"verify", FLAG, AT(verify),
     "number the bodies, check order and loss at the consumer (one publisher a queue)"},
    {"exchange", TEXT, AT(exchange), "publish to this exchange [the default one]"},
    {"exchange-type", TEXT, AT(exchange_type), "declare the exchange with this type, delete it afterwards"},
    {"key", TEXT, AT(key), "routing key, %d is the queue's number [the queue's name]"},
    {"queue", TEXT, AT(queue), "queue name, %d is its number [bench-%d]"},
    {"count", NUMBER, AT(count), "connections, queues: how many [1000]"},
    {"parallel", NUMBER, AT(parallel), "churn, queues: connections working at once [1]"},
    {"kind", TEXT, AT(kind), "churn: connection, channel, queue or bind [connection]"},
};

static const struct options defaults = {
    .host = "127.0.0.1",
    .port = 5672,
    .user = "guest",
    .password = "guest",
    .vhost = "/",
    .publishers = 1,
    .consumers = 1,
    .size = 16,
    .duration = 5,
    .warmup = 0.2,
    .exchange = "",
    .queue = "bench-%d",
    .count = 1000,
    .parallel = 1,
    .kind = "connection",
};

static const struct option_row *
row_find(const char *name)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

static bool
value_set(struct options *o, const struct option_row *row, const char *value)
{
    char *place = (char *)o + row->offset;
    char *end = NULL;
    errno = 0;
    switch (row->kind) {
    case TEXT: *(const char **)place = value; return true;
    case REAL: {
        double real = strtod(value, &end);
        *(double *)place = real;
        return *value && !*end && !errno && real >= 0;
    }
    case NUMBER:
    case PORT: {
        long long number = strtoll(value, &end, 10);
        if (!*value || *end || errno || number < 0 || (row->kind == PORT && number > UINT16_MAX))
            return false;
        if (row->kind == PORT)
            *(uint16_t *)place = (uint16_t)number;
        else
            *(int64_t *)place = number;
        return true;
    }
    case FLAG: break;
    }
    return false;
}

/* What no run could mean, whatever the scenario. */
static const char *
options_check(const struct options *o)
{
    if (o->bare && o->persistent)
        return "--bare leaves no delivery-mode for --persistent";
    if (o->verify && o->size < 16)
        return "--verify needs --size of at least 16";
    if (o->verify && o->queues && o->queues < o->publishers)
        return "--verify needs a queue for each publisher: their orders are compared";
    if (o->publishers + o->consumers == 0)
        return "without --publishers and --consumers nothing is to do";
    if (o->messages == 0 && o->duration <= 0)
        return "--duration is above 0, or --messages says how long it goes";
    if (o->rate > 1000000000)
        return "--rate is at most 1,000,000,000";
    if (o->prefetch && o->ack_every > o->prefetch)
        return "--ack-every above --prefetch waits for messages that never come";
    if (o->exchange_type && !*o->exchange)
        return "--exchange-type needs --exchange: the default one is there already";
    if (o->size > 512 << 20)
        return "--size is at most 512 MiB";
    if (o->warmup >= 1)
        return "--warmup is a share below 1";
    if (o->publishers + o->consumers > 60000 || o->parallel > 60000)
        return "at most 60,000 connections";
    if (o->prefetch > UINT16_MAX)
        return "--prefetch is at most 65535";
    if (o->parallel == 0 || o->count == 0)
        return "--parallel and --count are at least 1";
    return NULL;
}

bool
options_parse(struct options *o, int argc, char **argv)
{
    *o = defaults;
    for (int i = 0; i < argc; i++) {
        const char *name = strncmp(argv[i], "--", 2) == 0 ? argv[i] + 2 : "";
        const struct option_row *row = row_find(name);
        if (!row) {
            fprintf(stderr, "leveret-bench: unknown option '%s' (--help lists them)\n", argv[i]);
            return false;
        }
        if (row->kind == FLAG) {
            *(bool *)((char *)o + row->offset) = true;
            continue;
        }
        if (i + 1 == argc || !value_set(o, row, argv[i + 1])) {
            static const char *const wanted[] = {
                [NUMBER] = "a whole number", [REAL] = "a number", [TEXT] = "a text", [PORT] = "a port"};
            fprintf(stderr, "leveret-bench: --%s takes %s, not %s%s%s\n", row->name, wanted[row->kind],
                    i + 1 == argc ? "nothing" : "'", i + 1 == argc ? "" : argv[i + 1],
                    i + 1 == argc ? "" : "'");
            return false;
        }
        i++;
    }
    const char *wrong = options_check(o);
    if (wrong) {
        fprintf(stderr, "leveret-bench: %s\n", wrong);
        return false;
    }
    if (o->queues == 0)
        o->queues = o->publishers > 0 ? o->publishers : o->consumers;
    if (o->persistent)
        o->durable = true;
    return true;
}

void
options_help(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        static const char *const shapes[] = {
            [FLAG] = "", [NUMBER] = " N", [REAL] = " X", [TEXT] = " TEXT", [PORT] = " PORT"};
        char left[32];
        snprintf(left, sizeof left, "--%s%s", rows[i].name, shapes[rows[i].kind]);
        printf("  %-22s %s\n", left, rows[i].help);
    }
}

void
options_pattern(const char *pattern, int64_t n, char *out, unsigned size)
{
    const char *mark = strstr(pattern, "%d");
    if (mark)
        snprintf(out, size, "%.*s%lld%s", (int)(mark - pattern), pattern, (long long)n, mark + 2);
    else
        snprintf(out, size, "%s", pattern);
}
