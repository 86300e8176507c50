/* oserr_of(): everything that has no better name is ERR_IO. */
#include "io/oserr.h"

#include <errno.h>

enum err
oserr_of(int number)
{
    switch (number) {
    case 0: return ERR_OK;
    case EAGAIN:
    case EINTR: return ERR_AGAIN;
    case EPIPE:
    case ECONNABORTED:
    case ECONNRESET: return ERR_CLOSED;
    case EADDRNOTAVAIL:
    case ENOENT:
    case ENOTDIR: return ERR_NOT_FOUND;
    case EEXIST:
    case ENOTEMPTY: return ERR_EXISTS;
    case ECONNREFUSED: return ERR_REFUSED;
    case EHOSTUNREACH:
    case ENETUNREACH: return ERR_UNREACHABLE;
    case EISDIR: return ERR_DIRECTORY;
    case ENOSPC:
    case EDQUOT: return ERR_NO_SPACE;
    case EMFILE:
    case ENFILE: return ERR_NO_DESCRIPTORS;
    case EADDRINUSE: return ERR_ADDRESS_IN_USE;
    case EACCES:
    case EPERM: return ERR_PERMISSION;
    case EROFS: return ERR_READ_ONLY;
    case ENOMEM:
    case ENOBUFS: return ERR_MEMORY;
    case ETIMEDOUT: return ERR_TIMEOUT;
    case EINVAL: return ERR_RANGE;
    case EAFNOSUPPORT:
    case ENOSYS:
    case EOPNOTSUPP: return ERR_UNSUPPORTED;
    default: return ERR_IO;
    }
}
