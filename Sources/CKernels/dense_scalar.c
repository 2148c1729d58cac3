#include "dense_rest.h"
#include "include/dense.h"

#include <string.h>

static float multiply_row(const unsigned char *row, size_t columns, const float *x) {
  // Eight sums side by side are what a compiler can keep in vector registers without reordering.
  float sums[8] = {0};
  for (size_t c = 0; c < columns; c++) sums[c % 8] += qmoe_bf16_at(row + 2 * c) * x[c];
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

void qmoe_bf16_multiply_scalar(
    const void *w, size_t rows, size_t columns, const float *x, size_t tokens, float *y, size_t stride) {
  const unsigned char *row = w;
  for (size_t r = 0; r < rows; r++, row += 2 * columns) {
    for (size_t t = 0; t < tokens; t++) {
      y[t * stride + r] = multiply_row(row, columns, x + t * columns);
    }
  }
}

uint64_t qmoe_read(const void *bytes, size_t count) {
  const unsigned char *p = bytes;
  uint64_t sums[8] = {0};
  for (size_t i = 0; i + 64 <= count; i += 64) {
    uint64_t words[8];
    memcpy(words, p + i, 64);
    for (int j = 0; j < 8; j++) sums[j] ^= words[j];
  }
  return ((sums[0] ^ sums[4]) ^ (sums[2] ^ sums[6])) ^ ((sums[1] ^ sums[5]) ^ (sums[3] ^ sums[7]));
}
