// What is left of a row of bfloat16 weights behind the columns that a kernel takes several at a time.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// The bfloat16 number at p, which need not be aligned.
static inline float qmoe_bf16_at(const unsigned char *p) {
  uint16_t half;
  memcpy(&half, p, 2);
  uint32_t bits = (uint32_t)half << 16;
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

// sum + row[first] * x[first] + … up to the last of `columns`.
static inline float qmoe_add_rest(
    float sum, const unsigned char *row, const float *x, size_t first, size_t columns) {
  for (size_t c = first; c < columns; c++) sum += qmoe_bf16_at(row + 2 * c) * x[c];
  return sum;
}
