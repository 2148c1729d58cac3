// What comes before and after the sums of a ternary matrix: one body, which the compiler turns into the
// instructions of whatever set it is included for. NAME(f) gives a function its name, TARGET its
// attributes. Every set rounds alike.
#include "ternary_tile.h"

#include <math.h>

#pragma STDC FP_CONTRACT OFF

// The largest magnitude of x[count], as bits: magnitudes are in the order of their bits, and what is
// not finite comes after all numbers.
TARGET static inline uint32_t largest_magnitude(const float *x, size_t count) {
  uint32_t largest = 0;
  for (size_t c = 0; c < count; c++) {
    uint32_t bits;
    memcpy(&bits, x + c, 4);
    bits &= 0x7fffffff;
    largest = bits > largest ? bits : largest;
  }
  return largest;
}

TARGET void NAME(qmoe_quantize_activations)(
    const float *x, size_t columns, int8_t *values, float *scales) {
  size_t blocks = (columns + QMOE_TILE_COLUMNS - 1) / QMOE_TILE_COLUMNS;
  for (size_t b = 0; b < blocks; b++) {
    const float *in = x + b * QMOE_TILE_COLUMNS;
    size_t count = columns - b * QMOE_TILE_COLUMNS;
    if (count > QMOE_TILE_COLUMNS) count = QMOE_TILE_COLUMNS;
    int8_t *out = values + b * QMOE_TILE_COLUMNS;
    memset(out, 0, QMOE_TILE_COLUMNS);
    uint32_t bits = largest_magnitude(in, count);
    float largest;
    memcpy(&largest, &bits, 4);
    int finite = bits < 0x7f800000;
    scales[b] = finite ? largest / 127 : NAN;
    // Below the normal numbers the reciprocal overflows, and so small a block is 0 to any purpose.
    if (!finite || largest < 1e-35f) {
      if (finite) scales[b] = 0;
      continue;
    }
    float factor = 127 / largest;
    out += QMOE_TILE_COLUMNS - count;
    for (size_t c = 0; c < count; c++) out[c] = (int8_t)rintf(in[c] * factor);
  }
}

TARGET static inline float with_levels(
    qmoe_levels levels, size_t row, float positive, float negative) {
  float pair[2];
  qmoe_row_levels(levels, row, pair);
  return pair[1] * positive + pair[0] * negative;
}

TARGET void NAME(qmoe_apply_levels)(
    qmoe_levels levels, size_t rows, const float *restrict positive, const float *restrict negative,
    int accumulating, float *restrict y) {
  if (levels.stride == 1 && !levels.wide && !accumulating) {
    // A stride and a width that the compiler sees let it take several rows at a time.
    levels.stride = 1;
    levels.wide = 0;
    for (size_t r = 0; r < rows; r++) y[r] = with_levels(levels, r, positive[r], negative[r]);
    return;
  }
  for (size_t r = 0; r < rows; r++) {
    float sum = with_levels(levels, r, positive[r], negative[r]);
    y[r] = accumulating ? y[r] + sum : sum;
  }
}
