#if defined(__x86_64__)
#include "include/dense.h"

#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))

// Words i of the result's upper halves are words `first + i` of the weights: bfloat16 to float32.
TARGET static inline __attribute__((always_inline)) __m512 widen(__m512i weights, __m512i from) {
  return _mm512_castsi512_ps(_mm512_maskz_permutexvar_epi16(0xaaaaaaaa, from, weights));
}

TARGET void qmoe_bf16_matvec_avx512(
    const void *w, size_t rows, size_t columns, const float *x, float *y) {
  // Each lane of 32 bits is (unused, index of a word).
  const __m512i counting = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i low = _mm512_slli_epi32(counting, 16);
  const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(16 << 16));
  const size_t whole = columns / 64 * 64;
  const unsigned char *row = w;
  // One row after another: memory gives most to a single stream.
  for (size_t r = 0; r < rows; r++, row += 2 * columns) {
    // Four sums hide the latency of the multiply-add.
    __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
#pragma clang loop unroll_count(2)
    for (size_t c = 0; c < whole; c += 64) {
      // The processor's own prefetching alone gets a third less from memory.
      _mm_prefetch(row + 2 * c + 256, _MM_HINT_NTA);
      _mm_prefetch(row + 2 * c + 320, _MM_HINT_NTA);
      __m512i first = _mm512_loadu_si512(row + 2 * c);
      __m512i second = _mm512_loadu_si512(row + 2 * c + 64);
      s0 = _mm512_fmadd_ps(widen(first, low), _mm512_loadu_ps(x + c), s0);
      s1 = _mm512_fmadd_ps(widen(first, high), _mm512_loadu_ps(x + c + 16), s1);
      s2 = _mm512_fmadd_ps(widen(second, low), _mm512_loadu_ps(x + c + 32), s2);
      s3 = _mm512_fmadd_ps(widen(second, high), _mm512_loadu_ps(x + c + 48), s3);
    }
    for (size_t c = whole; c < columns; c += 16) {
      __mmask16 mask = columns - c >= 16 ? 0xffff : (__mmask16)((1u << (columns - c)) - 1);
      __m512i weights = _mm512_maskz_loadu_epi16(mask, row + 2 * c);
      s0 = _mm512_fmadd_ps(widen(weights, low), _mm512_maskz_loadu_ps(mask, x + c), s0);
    }
    y[r] = _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)));
  }
}
#else
typedef int not_for_this_processor;
#endif
