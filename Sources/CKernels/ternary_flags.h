// How the kernels for x86-64 read flags. To be included between the pragmas that set the target, which has
// BMI2.
#pragma once
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// The 64 flags from bit position `bit` on; reads 9 bytes.
static inline uint64_t flags_at(const uint8_t *flags, size_t bit) {
  uint64_t low;
  memcpy(&low, flags + (bit >> 3), 8);
  unsigned shift = bit & 7;
  uint64_t high = (uint64_t)flags[(bit >> 3) + 8] << 1;
  // Unseen by the compiler, which would make of both shifts one shrd, slow on Zen.
  __asm__("" : "+r"(high));
  return low >> shift | high << (63 - shift);
}

// The lanes that have a nonzero in the next step, whose flags begin at *bit: in a full one, to which all 64
// lanes belong, and in any, to which those in `active` do. Moves *bit on.
static inline __attribute__((always_inline)) uint64_t next_nonzeros(
    const uint8_t *flags, size_t *bit, uint64_t active, int full) {
  uint64_t nonzero;
  if (full) {
    memcpy(&nonzero, flags + *bit / 8, 8);
    *bit += 64;
  } else {
    nonzero = _pdep_u64(flags_at(flags, *bit), active);
    *bit += (size_t)_mm_popcnt_u64(active);
  }
  return nonzero;
}
