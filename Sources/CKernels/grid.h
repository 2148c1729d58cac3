// What the kernels of all instruction sets share; NAME and TARGET are the including file's.
#include "include/grid.h"

#include <math.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF

// Vectorises by itself: no branch and no call in the loops.
TARGET void NAME(qmoe_quantize_segments)(
    const float *x, size_t columns, int8_t *values, float *scales, float *sums) {
  size_t segments = qmoe_segments(columns), stride = qmoe_segment_stride(columns);
  for (size_t s = 0; s < segments; s++) {
    size_t first = s * QMOE_SEGMENT;
    size_t count = columns - first < QMOE_SEGMENT ? columns - first : QMOE_SEGMENT;
    float segment[QMOE_SEGMENT] = {0};
    memcpy(segment, x + first, count * sizeof *x);
    uint32_t largest = 0;
    for (size_t c = 0; c < QMOE_SEGMENT; c++) {
      uint32_t bits;
      memcpy(&bits, segment + c, 4);
      bits &= 0x7fffffff;
      largest = bits > largest ? bits : largest;
    }
    float magnitude;
    memcpy(&magnitude, &largest, 4);
    float scale = magnitude / 127, inverse = 127 / magnitude;
    int usable = largest < 0x7f800000 && inverse < INFINITY && scale > 0;
    int32_t sum = 0;
    for (size_t c = 0; c < QMOE_SEGMENT; c++) {
      // Adding and subtracting 1.5 * 2^23 rounds to an integer, ties to even.
      float value = usable ? segment[c] * inverse + 12582912.0f - 12582912.0f : 0;
      values[first + c] = (int8_t)value;
      sum += (int32_t)value;
    }
    scales[s] = usable ? scale : largest < 0x7f800000 ? 0 : NAN;
    sums[s] = (float)sum;
  }
  for (size_t s = segments; s < stride; s++) scales[s] = sums[s] = 0;
}

// A row's grid in one group: the step between its values, and the code of zero.
typedef struct {
  float step, zero;
} qmoe_grid_levels;

static inline float qmoe_grid_bf16(const uint8_t *bytes) {
  uint32_t bits = (uint32_t)bytes[0] << 16 | (uint32_t)bytes[1] << 24;
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

static inline qmoe_grid_levels qmoe_grid_levels_at(const qmoe_grid *m, size_t row, size_t segment) {
  size_t group = m->groups == 1 ? 0 : segment;
  const uint8_t *pair = m->levels + 4 * (row * m->groups + group);
  float largest = (float)((1 << m->bits) - 1);
  float low = qmoe_grid_bf16(pair);
  float step = (qmoe_grid_bf16(pair + 2) - low) / largest;
  return (qmoe_grid_levels){step, m->symmetric ? (largest + 1) / 2 : rintf(-low / step)};
}
