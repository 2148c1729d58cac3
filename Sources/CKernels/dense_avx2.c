#if defined(__x86_64__)
#include "dense_rest.h"
#include "include/dense.h"

#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma")))

TARGET static inline __m256 load8(const unsigned char *p) {
  __m128i halves = _mm_loadu_si128((const __m128i *)p);
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}

TARGET static inline float sum8(__m256 v) {
  __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  half = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

TARGET static inline float multiply_row(const unsigned char *row, size_t columns, const float *x) {
  // Four sums hide the latency of the multiply-add.
  __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
  size_t c = 0;
  for (; c + 32 <= columns; c += 32) {
    s0 = _mm256_fmadd_ps(load8(row + 2 * c), _mm256_loadu_ps(x + c), s0);
    s1 = _mm256_fmadd_ps(load8(row + 2 * c + 16), _mm256_loadu_ps(x + c + 8), s1);
    s2 = _mm256_fmadd_ps(load8(row + 2 * c + 32), _mm256_loadu_ps(x + c + 16), s2);
    s3 = _mm256_fmadd_ps(load8(row + 2 * c + 48), _mm256_loadu_ps(x + c + 24), s3);
  }
  float sum = sum8(_mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3)));
  return qmoe_add_rest(sum, row, x, c, columns);
}

TARGET void qmoe_bf16_multiply_avx2(
    const void *w, size_t rows, size_t columns, const float *x, size_t tokens, float *y, size_t stride) {
  const unsigned char *row = w;
  // One row after another: memory gives most to a single stream.
  for (size_t r = 0; r < rows; r++, row += 2 * columns) {
    for (size_t t = 0; t < tokens; t++) {
      y[t * stride + r] = multiply_row(row, columns, x + t * columns);
    }
  }
}
#else
typedef int not_for_this_processor;
#endif
