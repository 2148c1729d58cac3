// A library to be preloaded (LD_PRELOAD) that lets system calls on files fail, as a full or broken disk does.
//
//   FAIL_UNDER    the folder: calls on files in it, and on it, are counted
//   FAIL_CALLS    write: those that change something; read: those that only look
//   FAIL_AT       the number of the call that fails, from 1; 0 for none
//   FAIL_WITH     its errno
//   FAIL_ON       if set, all calls from there on fail that take room (ENOSPC: a disk that stays full)
//   FAIL_SHORT    if set, the failing write first writes half of what it is given
//   FAIL_COUNT    the file to which the number of calls is written at the end, and the name of the one that failed
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum kind { READ, WRITE };

static atomic_long calls;
static _Atomic(const char *) failed;
static char under[4096];
static long fail_at;
static int fail_with;
static bool fail_on, fail_short;
static enum kind fail_kind;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void begin(void) {
  const char *folder = getenv("FAIL_UNDER");
  snprintf(under, sizeof under, "%s", folder ? folder : "/nowhere");
  const char *kind = getenv("FAIL_CALLS");
  fail_kind = kind && !strcmp(kind, "read") ? READ : WRITE;
  fail_at = getenv("FAIL_AT") ? atol(getenv("FAIL_AT")) : 0;
  fail_with = getenv("FAIL_WITH") ? atoi(getenv("FAIL_WITH")) : EIO;
  fail_on = getenv("FAIL_ON") != NULL;
  fail_short = getenv("FAIL_SHORT") != NULL;
}

static void tell(void) {
  const char *path = getenv("FAIL_COUNT");
  int file = path ? REAL(open)(path, O_WRONLY | O_CREAT | O_TRUNC, 0644) : -1;
  if (file < 0) return;
  char text[128];
  const char *name = failed;
  int length = snprintf(text, sizeof text, "%ld %s\n", calls, name ? name : "-");
  ssize_t written = REAL(write)(file, text, (size_t)length);
  (void)written;
  close(file);
}

__attribute__((destructor)) static void end(void) { tell(); }

void _exit(int code) {
  tell();
  REAL(_exit)(code);
  __builtin_unreachable();
}

// Whether this call is to fail; `takes_room`: whether a full disk is a reason.
static bool fails(enum kind kind, const char *name, bool takes_room) {
  if (kind != fail_kind) return false;
  long number = ++calls;
  if (fail_at == 0 || number < fail_at || (number > fail_at && !(fail_on && takes_room))) return false;
  if (!failed) failed = name;
  errno = fail_with;
  return true;
}

static bool is_under(const char *path) {
  // Other libraries may begin before this one.
  if (!under[0]) return false;
  char whole[8192];
  if (path[0] != '/') {
    char here[4096];
    if (!getcwd(here, sizeof here)) return false;
    snprintf(whole, sizeof whole, "%s/%s", here, path);
    path = whole;
  }
  size_t length = strlen(under);
  return !strncmp(path, under, length) && (path[length] == '/' || path[length] == 0 || path[length] == '.');
}

static bool is_open_under(int descriptor) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return false;
  path[length] = 0;
  return is_under(path);
}

#define PATH_FAILS(kind, path, room) (is_under(path) && fails(kind, __func__, room))
#define FD_FAILS(kind, descriptor, room) (is_open_under(descriptor) && fails(kind, __func__, room))

#define WRITES(flags) ((flags) & (O_CREAT | O_WRONLY | O_RDWR | O_TRUNC) ? WRITE : READ)
#define OPEN(name)                                                          \
  int name(const char *path, int flags, ...) {                              \
    va_list list;                                                           \
    va_start(list, flags);                                                  \
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0; \
    va_end(list);                                                           \
    if (PATH_FAILS(WRITES(flags), path, flags & O_CREAT)) return -1;        \
    return REAL(name)(path, flags, mode);                                   \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                        \
  int name(int folder, const char *path, int flags, ...) {                  \
    va_list list;                                                           \
    va_start(list, flags);                                                  \
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0; \
    va_end(list);                                                           \
    if (folder != AT_FDCWD && path[0] != '/' ? FD_FAILS(WRITES(flags), folder, flags & O_CREAT) \
                                             : PATH_FAILS(WRITES(flags), path, flags & O_CREAT)) \
      return -1;                                                            \
    return REAL(name)(folder, path, flags, mode);                           \
  }
OPENAT(openat)
OPENAT(openat64)

#define BY_PATH(kind, room, type, failure, name, parameters, arguments) \
  type name parameters {                                                \
    if (PATH_FAILS(kind, path, room)) return failure;                   \
    return REAL(name) arguments;                                        \
  }
BY_PATH(WRITE, true, int, -1, mkstemp, (char *path), (path))
BY_PATH(WRITE, true, int, -1, mkstemp64, (char *path), (path))
BY_PATH(WRITE, true, int, -1, mkdir, (const char *path, mode_t mode), (path, mode))
BY_PATH(WRITE, false, int, -1, unlink, (const char *path), (path))
BY_PATH(WRITE, false, int, -1, rmdir, (const char *path), (path))
BY_PATH(WRITE, true, int, -1, rename, (const char *path, const char *to), (path, to))
BY_PATH(READ, false, int, -1, stat, (const char *path, struct stat *status), (path, status))
BY_PATH(READ, false, int, -1, lstat, (const char *path, struct stat *status), (path, status))
BY_PATH(READ, false, int, -1, stat64, (const char *path, struct stat64 *status), (path, status))
BY_PATH(READ, false, int, -1, lstat64, (const char *path, struct stat64 *status), (path, status))
BY_PATH(READ, false, int, -1, access, (const char *path, int mode), (path, mode))
BY_PATH(READ, false, DIR *, NULL, opendir, (const char *path), (path))

#define BY_FD(kind, room, type, failure, name, parameters, arguments) \
  type name parameters {                                              \
    if (FD_FAILS(kind, file, room)) return failure;                   \
    return REAL(name) arguments;                                      \
  }
BY_FD(WRITE, true, int, -1, fsync, (int file), (file))
BY_FD(WRITE, true, int, -1, fdatasync, (int file), (file))
BY_FD(WRITE, false, int, -1, ftruncate, (int file, off_t size), (file, size))
BY_FD(WRITE, false, int, -1, ftruncate64, (int file, off64_t size), (file, size))
BY_FD(WRITE, true, int, fail_with, posix_fallocate, (int file, off_t at, off_t size), (file, at, size))
BY_FD(WRITE, true, int, fail_with, posix_fallocate64, (int file, off64_t at, off64_t size), (file, at, size))
BY_FD(READ, false, int, -1, fstat, (int file, struct stat *status), (file, status))
BY_FD(READ, false, int, -1, fstat64, (int file, struct stat64 *status), (file, status))
BY_FD(READ, false, ssize_t, -1, read, (int file, void *to, size_t count), (file, to, count))
BY_FD(READ, false, ssize_t, -1, pread, (int file, void *to, size_t count, off_t at), (file, to, count, at))
BY_FD(READ, false, ssize_t, -1, pread64, (int file, void *to, size_t count, off64_t at), (file, to, count, at))
BY_FD(READ, false, void *, MAP_FAILED, mmap, (void *to, size_t size, int rights, int flags, int file, off_t at),
      (to, size, rights, flags, file, at))
BY_FD(READ, false, void *, MAP_FAILED, mmap64, (void *to, size_t size, int rights, int flags, int file, off64_t at),
      (to, size, rights, flags, file, at))

#define WRITE_CALL(name, parameters, call)                      \
  ssize_t name parameters {                                     \
    bool was_whole = !failed;                                   \
    bool is_failing = FD_FAILS(WRITE, file, true);              \
    bool is_short = fail_short && was_whole && count > 1;       \
    if (is_failing && !is_short) return -1;                     \
    if (is_failing) count /= 2;                                 \
    return call;                                                \
  }
WRITE_CALL(write, (int file, const void *from, size_t count), REAL(write)(file, from, count))
WRITE_CALL(pwrite, (int file, const void *from, size_t count, off_t at), REAL(pwrite)(file, from, count, at))
WRITE_CALL(pwrite64, (int file, const void *from, size_t count, off64_t at), REAL(pwrite64)(file, from, count, at))

struct dirent *readdir(DIR *folder) {
  if (FD_FAILS(READ, dirfd(folder), false)) return NULL;
  return REAL(readdir)(folder);
}
struct dirent64 *readdir64(DIR *folder) {
  if (FD_FAILS(READ, dirfd(folder), false)) return NULL;
  return REAL(readdir64)(folder);
}
