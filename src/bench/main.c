/* leveret-bench SCENARIO [OPTIONS]: measures any AMQP 0-9-1 broker. Scenario names, then one file each. */
#include "bench/scenarios.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(const struct options *o);
    const char *help;
} scenarios[] = {
    {"throughput", throughput_run, "publishers and consumers, as fast as it goes or at a rate"},
    {"latency", latency_run, "age of messages on arrival at a fixed rate"},
    {"connections", connections_run, "many idle connections: rate, memory of each"},
    {"queues", queues_run, "many queues: declarations a second, memory of each"},
    {"churn", churn_run, "connections, channels, queues or bindings that come and go"},
};

static int
help(void)
{
    printf("Usage: leveret-bench SCENARIO [OPTION ...]\n\nScenarios:\n");
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
        printf("  %-22s %s\n", scenarios[i].name, scenarios[i].help);
    printf("\nOptions (default in brackets):\n");
    options_help();
    return 0;
}

int
main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return help();
    for (size_t i = 0; argc > 1 && i < sizeof scenarios / sizeof *scenarios; i++) {
        struct options o;
        if (strcmp(scenarios[i].name, argv[1]) == 0)
            return options_parse(&o, argc - 2, argv + 2) ? scenarios[i].run(&o) : 2;
    }
    fprintf(stderr, "leveret-bench: %s%s%s\nTry 'leveret-bench --help'.\n",
            argc > 1 ? "no scenario '" : "which scenario?", argc > 1 ? argv[1] : "", argc > 1 ? "'" : "");
    return 2;
}
