/* Inside io's real implementation: the address of a path. */
/* exports: local_ */
#ifndef LEVERET_IO_LOCAL_INSIDE_H
#define LEVERET_IO_LOCAL_INSIDE_H

#include <stdbool.h>
#include <sys/un.h>

/* Of a path of any length; good while *dir, which the caller closes, is open. False and errno. */
bool local_address(const char *path, struct sockaddr_un *to, int *dir);

#endif
