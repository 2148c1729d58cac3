// Files read past the system's page cache.
#pragma once

// Opens the file at `path` for reading, so that reads neither take bytes from the page cache nor leave
// any there where the system and the file system can do that: addresses, offsets and lengths must then
// be multiples of the device's blocks. A file system that cannot says EINVAL, here or in reads; on macOS
// all can, and nothing must be aligned.
//
// Returns the descriptor, or -1 with errno set.
int qmoe_open_uncached(const char *path);
