// What the AVX-512 kernels share: unpacking of payloads, reading of flags. To be included between the
// pragmas that set the target.
#pragma once
#include "ternary_layout.h"
#include "ternary_tile.h"

#include <immintrin.h>

// Unpacks the payload to one code a byte. Reads up to 64 bytes behind the payload and writes at most
// 64 * 256 bytes, since the payload has at most 2048 * (width + 1).
static inline void unpack_payload(const qmoe_tile *tile, const qmoe_code_layout *l, uint8_t *out) {
  const __m512i spread = _mm512_load_si512(l->spread), shift = _mm512_load_si512(l->shift);
  const __m512i code_mask = _mm512_load_si512(l->code_mask);
  const uint8_t *end = tile->payload + tile->payload_bytes;
  for (const uint8_t *p = tile->payload; p < end; p += 8 * (tile->width + 1), out += 64) {
    __m512i v = _mm512_permutexvar_epi8(spread, _mm512_loadu_si512(p));
    v = _mm512_multishift_epi64_epi8(shift, v);
    _mm512_storeu_si512(out, _mm512_and_si512(v, code_mask));
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
