// Rounding with error feedback: one body, which the compiler turns into the instructions of whatever set it
// is included for. NAME(f) gives a function its name, TARGET its attributes.
#include "include/rounding.h"

#include <math.h>

#pragma STDC FP_CONTRACT OFF

enum { LANES = QMOE_ROUNDING_LANES };

// Rounds one column of LANES weights, and replaces them by what is carried.
TARGET static inline void round_lanes(const qmoe_rounding_block *block, size_t column,
                                      const float *restrict levels, float *restrict weights,
                                      int8_t *restrict symbols) {
  float price = block->prices[column], scale = block->is_descent ? 1 : block->error_scales[column];
  float least[LANES], values[LANES];
  int32_t multiples[LANES];
  for (size_t l = 0; l < LANES; l++) least[l] = INFINITY, values[l] = 0, multiples[l] = 0;
  int32_t radius = (int32_t)block->radius;
  for (int32_t multiple = -radius; multiple <= radius; multiple++) {
    float factor = (float)multiple, cost = price * block->bits[multiple + radius];
    for (size_t l = 0; l < LANES; l++) {
      float value = factor * levels[l], error = weights[l] - value;
      float sum = error * error + cost;
      int isLess = sum < least[l];
      least[l] = isLess ? sum : least[l];
      values[l] = isLess ? value : values[l];
      multiples[l] = isLess ? multiple : multiples[l];
    }
  }
  if (block->is_descent) {
    for (size_t l = 0; l < LANES; l++) weights[l] = (float)symbols[l] * levels[l] - values[l];
  } else {
    for (size_t l = 0; l < LANES; l++) weights[l] = (weights[l] - values[l]) * scale;
  }
  for (size_t l = 0; l < LANES; l++) symbols[l] = (int8_t)multiples[l];
}

TARGET void NAME(qmoe_round_columns)(const qmoe_rounding_block *block, float *restrict weights,
                                     int8_t *restrict symbols) {
  for (size_t row = 0; row < block->rows; row += LANES) {
    for (size_t column = 0; column < block->columns; column++) {
      const float *feedback = block->feedback + column * block->feedback_stride;
      float *target = weights + column * block->rows + row;
      float sums[LANES];
      for (size_t l = 0; l < LANES; l++) sums[l] = target[l];
      for (size_t earlier = 0; earlier < column; earlier++) {
        const float *errors = weights + earlier * block->rows + row;
        float factor = feedback[earlier];
        for (size_t l = 0; l < LANES; l++) sums[l] += factor * errors[l];
      }
      round_lanes(block, column, block->levels + row, sums, symbols + column * block->rows + row);
      for (size_t l = 0; l < LANES; l++) target[l] = sums[l];
    }
  }
}
