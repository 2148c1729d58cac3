#include "dense_rest.h"
#include "include/dense.h"

#include <string.h>

void qmoe_bf16_matvec_scalar(
    const void *w, size_t rows, size_t columns, const float *x, float *y) {
  const unsigned char *bytes = w;
  for (size_t r = 0; r < rows; r++) {
    // Eight sums side by side are what a compiler can keep in vector registers without reordering.
    float sums[8] = {0};
    for (size_t c = 0; c < columns; c++) {
      sums[c % 8] += qmoe_bf16_at(bytes + 2 * (r * columns + c)) * x[c];
    }
    y[r] = ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
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
