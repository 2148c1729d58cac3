// What the AVX-512 kernels share: unpacking of payloads, reading of flags. To be included between the
// pragmas that set the target.
#pragma once
#include "ternary_tile.h"

#include <immintrin.h>

// What unpacks a payload, and takes its codes apart: fixed for a matrix.
typedef struct {
  __m512i spread; // the byte of the payload that each byte of a result takes first
  __m512i shift; // where a code begins in its group of 8 bytes
  __m512i code_mask, gap_mask, sign_bit;
  unsigned width;
} code_layout;

static inline code_layout make_layout(unsigned width) {
  // A group of `bits` bytes holds 8 codes and goes to 8 bytes.
  const unsigned bits = width + 1;
  uint8_t spread[64], shift[64];
  for (unsigned i = 0; i < 64; i++) {
    spread[i] = (uint8_t)(i % 8 < bits ? i / 8 * bits + i % 8 : 63);
    shift[i] = (uint8_t)(i % 8 * bits);
  }
  return (code_layout){
      _mm512_loadu_si512(spread),
      _mm512_loadu_si512(shift),
      _mm512_set1_epi8((char)((1 << bits) - 1)),
      _mm512_set1_epi8((char)((1 << width) - 1)),
      _mm512_set1_epi8((char)(1 << width)),
      width};
}

// Unpacks the payload to one code a byte. Reads up to 64 bytes behind the payload and writes at most
// 64 * 256 bytes, since the payload has at most 2048 * (width + 1).
static inline void unpack_payload(const qmoe_tile *tile, const code_layout *l, uint8_t *out) {
  const uint8_t *end = tile->payload + tile->payload_bytes;
  for (const uint8_t *p = tile->payload; p < end; p += 8 * (l->width + 1), out += 64) {
    __m512i v = _mm512_permutexvar_epi8(l->spread, _mm512_loadu_si512(p));
    v = _mm512_multishift_epi64_epi8(l->shift, v);
    _mm512_storeu_si512(out, _mm512_and_si512(v, l->code_mask));
  }
}

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
