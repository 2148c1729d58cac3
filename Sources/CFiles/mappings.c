// For sigaction and strdup, which the C library declares for this name only.
#define _GNU_SOURCE
#include "CFiles.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// A list that only grows and whose nodes are used again, so that a signal's handler can read it at any moment. Of
// the other nodes it reads no more than numbers; that of its own address stays, since it is being used.
struct mapping {
  atomic_bool is_used;
  atomic_uintptr_t start, end;
  char *path;
  struct mapping *next;
};

static _Atomic(struct mapping *) mappings;
// Ends the line of progress that a terminal may show.
static const char *line_end = "";

static struct mapping *unused_mapping(void) {
  for (struct mapping *each = atomic_load(&mappings); each; each = each->next) {
    bool expected = false;
    if (atomic_compare_exchange_strong(&each->is_used, &expected, true)) return each;
  }
  struct mapping *new = calloc(1, sizeof *new);
  if (!new) return NULL;
  atomic_init(&new->is_used, true);
  new->next = atomic_load(&mappings);
  while (!atomic_compare_exchange_weak(&mappings, &new->next, new)) continue;
  return new;
}

void qmoe_mapping_add(const void *start, size_t length, const char *path) {
  struct mapping *mapping = unused_mapping();
  // Without memory for it the file's name is not told.
  if (!mapping) return;
  mapping->path = strdup(path);
  atomic_store(&mapping->end, (uintptr_t)start + length);
  atomic_store(&mapping->start, (uintptr_t)start);
}

void qmoe_mapping_remove(const void *start) {
  for (struct mapping *each = atomic_load(&mappings); each; each = each->next) {
    if (atomic_load(&each->start) != (uintptr_t)start) continue;
    atomic_store(&each->start, 0);
    free(each->path);
    each->path = NULL;
    atomic_store(&each->is_used, false);
    return;
  }
}

static char *append(char *end, const char *limit, const char *text) {
  while (*text && end < limit) *end++ = *text++;
  return end;
}

// Calls nothing but what a handler may call (POSIX, 2.4.3).
static void report(int number, siginfo_t *info, void *context) {
  (void)context;
  uintptr_t address = (uintptr_t)info->si_addr;
  for (struct mapping *each = atomic_load(&mappings); each; each = each->next) {
    uintptr_t start = atomic_load(&each->start);
    if (!start || address < start || address >= atomic_load(&each->end)) continue;
    char line[8192], *limit = line + sizeof line - 1;
    char *end = append(line, limit, line_end);
    end = append(end, limit, "qmoe: error: ");
    end = append(end, limit, each->path ? each->path : "a mapped file");
    end = append(end, limit,
                 ": expected all that it had when it was opened, found a part that is cut off or cannot be read. "
                 "Put it back as it was, and run the command again; compress can then go on by --resume");
    *end++ = '\n';
    ssize_t written = write(STDERR_FILENO, line, (size_t)(end - line));
    (void)written;
    _exit(1);
  }
  // Not ours: the signal comes again, and does what it does by itself.
  signal(number, SIG_DFL);
  raise(number);
}

void qmoe_mapping_report_lost_pages(void) {
  if (isatty(STDERR_FILENO)) line_end = "\n";
  struct sigaction action = {.sa_sigaction = report, .sa_flags = SA_SIGINFO};
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, NULL);
}
