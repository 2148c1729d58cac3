#if defined(__aarch64__)
#include "dense_rest.h"
#include "include/dense.h"

#include <arm_neon.h>

// s0, s1 += eight weights times eight activations.
static inline void multiply_add8(
    float32x4_t *s0, float32x4_t *s1, const unsigned char *weights, const float *x) {
  uint16x8_t halves = vreinterpretq_u16_u8(vld1q_u8(weights));
  float32x4_t low = vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(halves), 16));
  float32x4_t high = vreinterpretq_f32_u32(vshll_high_n_u16(halves, 16));
  *s0 = vfmaq_f32(*s0, low, vld1q_f32(x));
  *s1 = vfmaq_f32(*s1, high, vld1q_f32(x + 4));
}

static inline float multiply_row(const unsigned char *row, size_t columns, const float *x) {
  // Eight sums hide the latency of the multiply-add.
  float32x4_t s0 = vdupq_n_f32(0), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
  size_t c = 0;
  for (; c + 32 <= columns; c += 32) {
    multiply_add8(&s0, &s1, row + 2 * c, x + c);
    multiply_add8(&s2, &s3, row + 2 * c + 16, x + c + 8);
    multiply_add8(&s4, &s5, row + 2 * c + 32, x + c + 16);
    multiply_add8(&s6, &s7, row + 2 * c + 48, x + c + 24);
  }
  for (; c + 8 <= columns; c += 8) multiply_add8(&s0, &s1, row + 2 * c, x + c);
  s0 = vaddq_f32(vaddq_f32(s0, s1), vaddq_f32(s2, s3));
  s4 = vaddq_f32(vaddq_f32(s4, s5), vaddq_f32(s6, s7));
  float sum = vaddvq_f32(vaddq_f32(s0, s4));
  return qmoe_add_rest(sum, row, x, c, columns);
}

void qmoe_bf16_multiply_neon(
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
