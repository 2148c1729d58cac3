// What the AVX-512 kernels share: unpacking of payloads, and the sums of a tile. To be included between the pragmas that set the target.
#pragma once
#include "ternary_flags.h"
#include "ternary_layout.h"
#include "ternary_tile.h"

#include <immintrin.h>

// Unpacks the payload to one code in the low bits of each byte, others above it. Reads up to 64 bytes
// behind the payload and writes at most 64 * 256 bytes, since the payload has at most
// 2048 * (width + 1).
static inline void unpack_payload(const qmoe_tile *tile, const qmoe_code_layout *l, uint8_t *out) {
  const __m512i spread = _mm512_load_si512(l->spread), shift = _mm512_load_si512(l->shift);
  const uint8_t *end = tile->payload + tile->payload_bytes;
  for (const uint8_t *p = tile->payload; p < end; p += 8 * (tile->width + 1), out += 64) {
    __m512i v = _mm512_permutexvar_epi8(spread, _mm512_loadu_si512(p));
    v = _mm512_multishift_epi64_epi8(shift, v);
    _mm512_storeu_si512(out, v);
  }
}

// Which of the tile's activations a step can meet: columns 0 to 127, 128 to 255, or any.
typedef enum { LEFT, RIGHT, ANY } side;

// Sums of a tile's 64 rows over all nonzeros and over the negative ones, 16 bits; in each quarter of a
// register the first eight of its sixteen rows are in `low`, the others in `high`.
typedef struct {
  __m512i all_low, all_high, negative_low, negative_high;
} tile_sums;

static inline tile_sums no_sums(void) {
  const __m512i zero = _mm512_setzero_si512();
  return (tile_sums){zero, zero, zero, zero};
}

// Adds the values of two steps: side by side in pairs, one instruction widens and adds both.
static inline __attribute__((always_inline)) void add_pair(
    __m512i *low, __m512i *high, __m512i first, __m512i second) {
  const __m512i ones = _mm512_set1_epi8(1);
  __m512i pairs = _mm512_unpacklo_epi8(first, second);
  *low = _mm512_add_epi16(*low, _mm512_maddubs_epi16(ones, pairs));
  pairs = _mm512_unpackhi_epi8(first, second);
  *high = _mm512_add_epi16(*high, _mm512_maddubs_epi16(ones, pairs));
}

// Adds what two steps meet: the activations of all nonzeros, and of the negative ones only.
static inline __attribute__((always_inline)) void add_values(
    tile_sums *s, __m512i first, __m512i second, __m512i first_negative,
    __m512i second_negative) {
  add_pair(&s->all_low, &s->all_high, first, second);
  add_pair(&s->negative_low, &s->negative_high, first_negative, second_negative);
}

// Adds scale * sums to the totals of 64 rows.
static inline void add_rows(float *totals, __m512i low, __m512i high, float scale) {
  // Quarters of 8 + 8 rows, alternately from both.
  const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
  const __m512i second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
  const __m512i halves[2] = {
      _mm512_permutex2var_epi64(low, first, high), _mm512_permutex2var_epi64(low, second, high)};
  const __m512 factor = _mm512_set1_ps(scale);
  for (int i = 0; i < 4; i++) {
    __m256i sums = _mm512_extracti64x4_epi64(halves[i / 2], 0);
    if (i % 2) sums = _mm512_extracti64x4_epi64(halves[i / 2], 1);
    __m512 floats = _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(sums));
    __m512 total = _mm512_loadu_ps(totals + 16 * i);
    _mm512_storeu_ps(totals + 16 * i, _mm512_add_ps(total, _mm512_mul_ps(floats, factor)));
  }
}

// Adds the scaled sums of a decoded tile to the totals of its rows.
static inline void add_sums(
    const tile_sums *s, float scale, float *positive, float *negative) {
  // Positive sums are what is left of all; 256 values of at most 127 fit 16 bits.
  add_rows(
      positive, _mm512_sub_epi16(s->all_low, s->negative_low),
      _mm512_sub_epi16(s->all_high, s->negative_high), scale);
  add_rows(negative, s->negative_low, s->negative_high, scale);
}
