/* Going to the background: the parent waits until the child is ready, so that its exit code tells. */
#ifndef LEVERET_APP_DETACH_H
#define LEVERET_APP_DETACH_H

#include <stdbool.h>

/*
 * Forks. In the child it returns the descriptor for detach_ready(). The parent never returns: it prints the
 * child's ready line and exits with 0, or exits with 1 when the child ends first. Before any thread is
 * started.
 */
int detach_start(void);
/* In the child: tells the parent, and lets go of the terminal. */
void detach_ready(int fd, const char *line);

#endif
