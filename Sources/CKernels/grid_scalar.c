#define NAME(f) f##_scalar
#define TARGET
#include "grid.h"

static int code_at(const uint8_t *row, size_t column, size_t bits) {
  size_t bit = column * bits;
  unsigned window = row[bit / 8];
  if (bit % 8 + bits > 8) window |= (unsigned)row[bit / 8 + 1] << 8;
  return (int)(window >> (bit % 8) & ((1u << bits) - 1));
}

void qmoe_grid_multiply_scalar(
    const qmoe_grid *m, size_t first, size_t last, qmoe_grid_activations x, float *y, size_t y_stride) {
  size_t segments = qmoe_segments(m->columns), stride = qmoe_segment_stride(m->columns);
  size_t row_bytes = (m->columns * m->bits + 7) / 8;
  for (size_t r = first; r < last; r++) {
    for (size_t t = 0; t < x.tokens; t++) y[t * y_stride + r] = 0;
    for (size_t s = 0; s < segments; s++) {
      size_t begin = s * QMOE_SEGMENT;
      size_t count = m->columns - begin < QMOE_SEGMENT ? m->columns - begin : QMOE_SEGMENT;
      int codes[QMOE_SEGMENT];
      for (size_t c = 0; c < count; c++) codes[c] = code_at(m->codes + r * row_bytes, begin + c, m->bits);
      qmoe_grid_levels levels = qmoe_grid_levels_at(m, r, s);
      for (size_t t = 0; t < x.tokens; t++) {
        const int8_t *values = x.values + (t * segments + s) * QMOE_SEGMENT;
        int32_t dot = 0;
        for (size_t c = 0; c < count; c++) dot += codes[c] * values[c];
        float factor = levels.step * x.scales[t * stride + s];
        y[t * y_stride + r] += factor * ((float)dot - levels.zero * x.sums[t * stride + s]);
      }
    }
  }
}
