// Files read past the system's page cache, and mapped files of which pages are lost.
#pragma once

#include <stddef.h>

// Opens the file at `path` for reading, so that reads neither take bytes from the page cache nor leave
// any there where the system and the file system can do that: addresses, offsets and lengths must then
// be multiples of the device's blocks. A file system that cannot says EINVAL, here or in reads; on macOS
// all can, and nothing must be aligned.
//
// Returns the descriptor, or -1 with errno set.
int qmoe_open_uncached(const char *path);

// Notes that the `length` bytes at `start` are mapped from the file at `path`, of which a copy is kept. Threads may
// call this and the next function at the same time.
void qmoe_mapping_add(const void *start, size_t length, const char *path);

// Forgets the mapping at `start`; to be called before it is unmapped.
void qmoe_mapping_remove(const void *start);

// From now on, an access to a page that a mapped file does not have any more, or that cannot be read, ends the
// process with exit code 1 and one line on standard error that names the file, not with a signal.
void qmoe_mapping_report_lost_pages(void);
