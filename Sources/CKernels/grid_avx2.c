#if defined(__x86_64__)
#define NAME(f) f##_avx2
#define TARGET __attribute__((target("avx2,fma,bmi2")))
#include "grid.h"

#include <immintrin.h>

#define INLINE TARGET static inline __attribute__((always_inline))

enum { MOST_TOKENS = 4, PARTS = QMOE_SEGMENT / 32 };

// 8 codes of `bits` bits, a byte each, the low bits of `bytes`.
INLINE uint64_t spread(uint64_t bytes, unsigned bits) {
  return _pdep_u64(bytes, 0x0101010101010101ull * ((1u << bits) - 1));
}

INLINE uint64_t load8(const uint8_t *p) {
  uint64_t bytes;
  memcpy(&bytes, p, 8);
  return bytes;
}

// 32 codes, the 4 * bits bytes at p; those of 8 bits less 128.
INLINE __m256i unpack(const uint8_t *p, unsigned bits) {
  if (bits == 8) {
    return _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)p), _mm256_set1_epi8((char)0x80));
  }
  if (bits == 4) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)p), mask = _mm_set1_epi8(15);
    __m128i even = _mm_and_si128(bytes, mask), odd = _mm_and_si128(_mm_srli_epi16(bytes, 4), mask);
    return _mm256_set_m128i(_mm_unpackhi_epi8(even, odd), _mm_unpacklo_epi8(even, odd));
  }
  uint64_t head = load8(p), tail = bits == 3 ? load8(p + 4) >> 16 : head >> 32;
  return _mm256_setr_epi64x(
      (long long)spread(head, bits), (long long)spread(head >> 8 * bits, bits),
      (long long)spread(tail, bits), (long long)spread(tail >> 8 * bits, bits));
}

// The same of a row's end: `left` bytes, zeros behind them.
INLINE __m256i unpack_rest(const uint8_t *p, size_t left, unsigned bits) {
  uint8_t copy[32] = {0};
  memcpy(copy, p, left < 4 * bits ? left : 4 * bits);
  return unpack(copy, bits);
}

INLINE float sum8(__m256 v) {
  __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  half = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

// Sums of four products, in 32 bits. Two of them fit 16 bits: codes are below 16 or between -128 and 127.
INLINE __m256i dot(__m256i codes, __m256i values, unsigned bits) {
  __m256i pairs = bits == 8 ? _mm256_maddubs_epi16(_mm256_abs_epi8(codes), _mm256_sign_epi8(values, codes))
                            : _mm256_maddubs_epi16(codes, values);
  return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

INLINE void multiply_row(
    const qmoe_grid *m, size_t row, qmoe_grid_activations x, size_t token, size_t tokens, unsigned bits,
    float *y, size_t y_stride) {
  size_t segments = qmoe_segments(m->columns), stride = qmoe_segment_stride(m->columns);
  size_t row_bytes = (m->columns * bits + 7) / 8;
  const uint8_t *codes = m->codes + row * row_bytes;
  __m256 sums[MOST_TOKENS];
  float offsets[MOST_TOKENS];
  for (size_t t = 0; t < tokens; t++) {
    sums[t] = _mm256_setzero_ps();
    offsets[t] = 0;
  }
  qmoe_grid_levels levels = qmoe_grid_levels_at(m, row, 0);
  for (size_t s = 0; s < segments; s++) {
    if (s > 0 && m->groups > 1) levels = qmoe_grid_levels_at(m, row, s);
    float zero = bits == 8 ? levels.zero - 128 : levels.zero;
    __m256i unpacked[PARTS];
    for (size_t i = 0; i < PARTS; i++) {
      size_t from = (s * PARTS + i) * 4 * bits;
      // Beyond the row's end activations are 0.
      unpacked[i] = (s + 1) * QMOE_SEGMENT <= m->columns
                        ? unpack(codes + from, bits)
                        : unpack_rest(codes + from, row_bytes > from ? row_bytes - from : 0, bits);
    }
    for (size_t t = 0; t < tokens; t++) {
      size_t at = (token + t) * stride + s;
      const int8_t *values = x.values + ((token + t) * segments + s) * QMOE_SEGMENT;
      __m256i total = _mm256_setzero_si256();
      for (size_t i = 0; i < PARTS; i++) {
        __m256i part = _mm256_loadu_si256((const __m256i *)(values + 32 * i));
        total = _mm256_add_epi32(total, dot(unpacked[i], part, bits));
      }
      float factor = levels.step * x.scales[at];
      sums[t] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(total), _mm256_set1_ps(factor), sums[t]);
      offsets[t] -= factor * (zero * x.sums[at]);
    }
  }
  for (size_t t = 0; t < tokens; t++) y[(token + t) * y_stride + row] = sum8(sums[t]) + offsets[t];
}

INLINE void multiply(
    const qmoe_grid *m, size_t first, size_t last, qmoe_grid_activations x, unsigned bits, float *y,
    size_t y_stride) {
  for (size_t row = first; row < last; row++) {
    size_t t = 0;
    for (; t + 4 <= x.tokens; t += 4) multiply_row(m, row, x, t, 4, bits, y, y_stride);
    for (; t < x.tokens; t++) multiply_row(m, row, x, t, 1, bits, y, y_stride);
  }
}

TARGET void qmoe_grid_multiply_avx2(
    const qmoe_grid *m, size_t first, size_t last, qmoe_grid_activations x, float *y, size_t y_stride) {
  switch (m->bits) {
  case 2: multiply(m, first, last, x, 2, y, y_stride); break;
  case 3: multiply(m, first, last, x, 3, y, y_stride); break;
  case 4: multiply(m, first, last, x, 4, y, y_stride); break;
  default: multiply(m, first, last, x, 8, y, y_stride);
  }
}
#else
typedef int not_for_this_processor;
#endif
