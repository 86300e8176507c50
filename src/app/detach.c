/* See detach.h. Until it is ready the child writes to the parent's standard error, where people look. */
#include "app/detach.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Noreturn void
parent_wait(int fd)
{
    char text[1024];
    size_t len = 0;
    for (ssize_t n; (n = read(fd, text + len, sizeof text - 1 - len)) > 0;)
        len += (size_t)n;
    text[len] = 0;
    if (len == 0) {
        fprintf(stderr, "leveret: the node did not start\n");
        _exit(1);
    }
    printf("%s\n", text);
    fflush(stdout);
    _exit(0);
}

int
detach_start(void)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        perror("leveret: cannot go to the background");
        exit(1);
    }
    pid_t child = fork();
    if (child < 0) {
        perror("leveret: cannot go to the background");
        exit(1);
    }
    if (child > 0) {
        close(ends[1]);
        parent_wait(ends[0]);
    }
    close(ends[0]);
    setsid();
    return ends[1];
}

void
detach_ready(int fd, const char *line)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        close(null);
    }
    ssize_t written = write(fd, line, strlen(line));
    (void)written;
    close(fd);
}
