#if defined(__x86_64__)
#include "include/dense.h"

#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))

TARGET static inline __m512 widen(__m256i halves) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

TARGET static inline __m512 load16(const unsigned char *p) {
  return widen(_mm256_loadu_si256((const __m256i *)p));
}

TARGET void qmoe_bf16_matvec_avx512(
    const void *w, size_t rows, size_t columns, const float *x, float *y) {
  const unsigned char *row = w;
  for (size_t r = 0; r < rows; r++, row += 2 * columns) {
    // Four sums hide the latency of the multiply-add.
    __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    size_t c = 0;
    for (; c + 64 <= columns; c += 64) {
      s0 = _mm512_fmadd_ps(load16(row + 2 * c), _mm512_loadu_ps(x + c), s0);
      s1 = _mm512_fmadd_ps(load16(row + 2 * c + 32), _mm512_loadu_ps(x + c + 16), s1);
      s2 = _mm512_fmadd_ps(load16(row + 2 * c + 64), _mm512_loadu_ps(x + c + 32), s2);
      s3 = _mm512_fmadd_ps(load16(row + 2 * c + 96), _mm512_loadu_ps(x + c + 48), s3);
    }
    for (; c < columns; c += 16) {
      __mmask16 mask = columns - c >= 16 ? 0xffff : (__mmask16)((1u << (columns - c)) - 1);
      __m512 weights = widen(_mm256_maskz_loadu_epi16(mask, row + 2 * c));
      s0 = _mm512_fmadd_ps(weights, _mm512_maskz_loadu_ps(mask, x + c), s0);
    }
    y[r] = _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)));
  }
}
#else
typedef int not_for_this_processor;
#endif
