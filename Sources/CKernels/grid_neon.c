#if defined(__aarch64__)
#define NAME(f) f##_neon
#define TARGET
#include "grid.h"

#include <arm_neon.h>

// 128 codes of segment s, those of 8 bits less 128; zeros behind the row's last byte.
static void unpack(const qmoe_grid *m, const uint8_t *row, size_t row_bytes, size_t s, int8_t *codes) {
  size_t bits = m->bits, from = s * 16 * bits, count = 16 * bits;
  uint8_t bytes[QMOE_SEGMENT + 8] = {0};
  memcpy(bytes, row + from, row_bytes - from < count ? row_bytes - from : count);
  if (bits == 8) {
    for (size_t i = 0; i < QMOE_SEGMENT; i++) codes[i] = (int8_t)(bytes[i] ^ 0x80);
    return;
  }
  if (bits == 4) {
    for (size_t i = 0; i < 64; i += 16) {
      uint8x16_t packed = vld1q_u8(bytes + i);
      uint8x16x2_t both = {{vandq_u8(packed, vdupq_n_u8(15)), vshrq_n_u8(packed, 4)}};
      vst2q_u8((uint8_t *)codes + 2 * i, both);
    }
    return;
  }
  unsigned mask = (1u << bits) - 1;
  for (size_t i = 0; i < QMOE_SEGMENT; i += 8) {
    uint32_t word;
    memcpy(&word, bytes + i / 8 * bits, 4);
    for (size_t j = 0; j < 8; j++) codes[i + j] = (int8_t)(word >> (j * bits) & mask);
  }
}

void qmoe_grid_multiply_neon(
    const qmoe_grid *m, size_t first, size_t last, qmoe_grid_activations x, float *y, size_t y_stride) {
  size_t segments = qmoe_segments(m->columns), stride = qmoe_segment_stride(m->columns);
  size_t row_bytes = (m->columns * m->bits + 7) / 8;
  for (size_t r = first; r < last; r++) {
    for (size_t t = 0; t < x.tokens; t++) y[t * y_stride + r] = 0;
    for (size_t s = 0; s < segments; s++) {
      int8_t codes[QMOE_SEGMENT];
      unpack(m, m->codes + r * row_bytes, row_bytes, s, codes);
      qmoe_grid_levels levels = qmoe_grid_levels_at(m, r, s);
      float zero = m->bits == 8 ? levels.zero - 128 : levels.zero;
      for (size_t t = 0; t < x.tokens; t++) {
        const int8_t *values = x.values + (t * segments + s) * QMOE_SEGMENT;
        int32x4_t dot = vdupq_n_s32(0);
        for (size_t c = 0; c < QMOE_SEGMENT; c += 16) {
          int8x16_t a = vld1q_s8(codes + c), b = vld1q_s8(values + c);
          // One product at a time: two of -128 * 127 do not fit 16 bits.
          dot = vpadalq_s16(dot, vmull_s8(vget_low_s8(a), vget_low_s8(b)));
          dot = vpadalq_s16(dot, vmull_high_s8(a, b));
        }
        float factor = levels.step * x.scales[t * stride + s];
        float product = (float)vaddvq_s32(dot) - zero * x.sums[t * stride + s];
        y[t * y_stride + r] += factor * product;
      }
    }
  }
}
#else
typedef int not_for_this_processor;
#endif
