#if defined(__x86_64__)
#include "include/dense.h"

#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))

// Words i of the result's upper halves are words `first + i` of the weights: bfloat16 to float32.
TARGET static inline __attribute__((always_inline)) __m512 widen(__m512i weights, __m512i from) {
  return _mm512_castsi512_ps(_mm512_maskz_permutexvar_epi16(0xaaaaaaaa, from, weights));
}

// The sums of one token: four hide the latency of the multiply-add.
typedef struct {
  __m512 s0, s1, s2, s3;
} sums;

TARGET static inline __attribute__((always_inline)) float total(sums s) {
  return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(s.s0, s.s1), _mm512_add_ps(s.s2, s.s3)));
}

// One row times `tokens` tokens, one to four, a number that the compiler knows.
TARGET static inline __attribute__((always_inline)) void multiply_row(
    const unsigned char *row, size_t columns, const float *x, int tokens, float *y, size_t stride) {
  // Each lane of 32 bits is (unused, index of a word).
  const __m512i counting = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i low = _mm512_slli_epi32(counting, 16);
  const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(16 << 16));
  const size_t whole = columns / 64 * 64;
  const __m512 zero = _mm512_setzero_ps();
  sums a = {zero, zero, zero, zero}, b = a, c = a, d = a;
#define MULTIPLY_ADD(s, token)                                             \
  s.s0 = _mm512_fmadd_ps(w0, _mm512_loadu_ps(token), s.s0);                \
  s.s1 = _mm512_fmadd_ps(w1, _mm512_loadu_ps((token) + 16), s.s1);         \
  s.s2 = _mm512_fmadd_ps(w2, _mm512_loadu_ps((token) + 32), s.s2);         \
  s.s3 = _mm512_fmadd_ps(w3, _mm512_loadu_ps((token) + 48), s.s3)
#pragma clang loop unroll_count(2)
  for (size_t i = 0; i < whole; i += 64) {
    // The processor's own prefetching alone gets a third less from memory.
    _mm_prefetch(row + 2 * i + 256, _MM_HINT_NTA);
    _mm_prefetch(row + 2 * i + 320, _MM_HINT_NTA);
    __m512i first = _mm512_loadu_si512(row + 2 * i);
    __m512i second = _mm512_loadu_si512(row + 2 * i + 64);
    __m512 w0 = widen(first, low), w1 = widen(first, high);
    __m512 w2 = widen(second, low), w3 = widen(second, high);
    MULTIPLY_ADD(a, x + i);
    if (tokens > 1) { MULTIPLY_ADD(b, x + columns + i); }
    if (tokens > 2) { MULTIPLY_ADD(c, x + 2 * columns + i); }
    if (tokens > 3) { MULTIPLY_ADD(d, x + 3 * columns + i); }
  }
#undef MULTIPLY_ADD
  for (size_t i = whole; i < columns; i += 16) {
    __mmask16 mask = columns - i >= 16 ? 0xffff : (__mmask16)((1u << (columns - i)) - 1);
    __m512 w = widen(_mm512_maskz_loadu_epi16(mask, row + 2 * i), low);
    a.s0 = _mm512_fmadd_ps(w, _mm512_maskz_loadu_ps(mask, x + i), a.s0);
    if (tokens > 1) b.s0 = _mm512_fmadd_ps(w, _mm512_maskz_loadu_ps(mask, x + columns + i), b.s0);
    if (tokens > 2) c.s0 = _mm512_fmadd_ps(w, _mm512_maskz_loadu_ps(mask, x + 2 * columns + i), c.s0);
    if (tokens > 3) d.s0 = _mm512_fmadd_ps(w, _mm512_maskz_loadu_ps(mask, x + 3 * columns + i), d.s0);
  }
  y[0] = total(a);
  if (tokens > 1) y[stride] = total(b);
  if (tokens > 2) y[2 * stride] = total(c);
  if (tokens > 3) y[3 * stride] = total(d);
}

// Rows times one to four tokens.
TARGET static inline __attribute__((always_inline)) void multiply_rows(
    const unsigned char *row, size_t rows, size_t columns, const float *x, int tokens, float *y, size_t stride) {
  // One row after another: memory gives most to a single stream.
  for (size_t r = 0; r < rows; r++) multiply_row(row + 2 * r * columns, columns, x, tokens, y + r, stride);
}

TARGET void qmoe_bf16_multiply_avx512(
    const void *w, size_t rows, size_t columns, const float *x, size_t tokens, float *y, size_t stride) {
  // Weights stay in the second-level cache until all tokens have met them, four tokens in the first.
  const size_t height = tokens > 4 ? 1 + (1 << 17) / columns : rows;
  for (size_t r = 0; r < rows; r += height) {
    const unsigned char *row = (const unsigned char *)w + 2 * r * columns;
    const size_t count = rows - r < height ? rows - r : height;
    for (size_t t = 0; t < tokens; t += 4) {
      const float *token = x + t * columns;
      float *out = y + t * stride + r;
      switch (tokens - t) {
      case 1: multiply_rows(row, count, columns, token, 1, out, stride); break;
      case 2: multiply_rows(row, count, columns, token, 2, out, stride); break;
      case 3: multiply_rows(row, count, columns, token, 3, out, stride); break;
      default: multiply_rows(row, count, columns, token, 4, out, stride); break;
      }
    }
  }
}
#else
typedef int not_for_this_processor;
#endif
