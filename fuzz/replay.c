/*
 * Runs a fuzz target without libFuzzer: `X_replay PATH...`, where a path is a file or a directory of files.
 * Each file goes in whole and cut after every byte, from memory of exactly that size; then with single bytes
 * changed, in an order that is always the same. So the seeds are regression tests in every build, and a
 * sanitizer sees more than the seeds.
 */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define FILE_SIZE_MAX (1u << 20)
#define CUTS_MAX      4096
#define CHANGES       2000

static size_t files;

static void
run_copy(const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);
    CHECK(copy);
    if (len)
        memcpy(copy, data, len);
    (void)LLVMFuzzerTestOneInput(copy, len);
    free(copy);
}

static void
run_changed(uint8_t *data, size_t len)
{
    uint64_t random = 88172645463325252u;
    for (size_t i = 0; i < CHANGES && len; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        size_t at = (random >> 8) % len;
        uint8_t before = data[at];
        data[at] = (uint8_t)random;
        run_copy(data, len);
        data[at] = before;
    }
}

static void
run_file(const char *path)
{
    uint8_t *data = malloc(FILE_SIZE_MAX);
    FILE *f = fopen(path, "rb");
    if (!f || !data) {
        perror(path);
        exit(1);
    }
    size_t len = fread(data, 1, FILE_SIZE_MAX, f);
    (void)fclose(f);
    run_copy(data, len);
    for (size_t cut = 0; cut < len && cut < CUTS_MAX; cut++)
        run_copy(data, cut);
    run_changed(data, len);
    free(data);
    files++;
}

static void
run_path(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
        run_file(path);
        return;
    }
    DIR *dir = opendir(path);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        char name[4096];
        if (e->d_name[0] == '.')
            continue;
        (void)snprintf(name, sizeof name, "%s/%s", path, e->d_name);
        run_file(name);
    }
    if (dir)
        (void)closedir(dir);
}

int
main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        run_path(argv[i]);
    (void)printf("%zu files\n", files);
    return files > 0 ? 0 : 1; /* a replay of nothing proves nothing */
}
