// For O_DIRECT, which the C library declares for this name only.
#define _GNU_SOURCE
#include "CFiles.h"

#include <fcntl.h>

int qmoe_open_uncached(const char *path) {
  // Without O_NONBLOCK a named pipe would wait for a writer.
  int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
#ifdef O_DIRECT
  return open(path, flags | O_DIRECT);
#else
  int descriptor = open(path, flags);
#ifdef F_NOCACHE
  if (descriptor >= 0) fcntl(descriptor, F_NOCACHE, 1);
#endif
  return descriptor;
#endif
}
