// Exponentials over rows of activations: one body, which the compiler turns into the instructions of
// whatever set it is included for. NAME(f) gives a function its name, TARGET its attributes.
#include "include/elementwise.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF

// Sums and maxima are taken in so many lanes, whatever the instruction set, so that all agree.
enum { LANES = 16 };

// exp(x) for x up to 88.7; below -87.3 the smallest normal number. NaN stays NaN.
//
// exp(x) = 2^n · exp(r) with n the whole number nearest to x / ln 2, and exp(r) by a polynomial
// (Cephes' expf by Moshier).
TARGET static inline float exponential(float x) {
  x = x < -87.3f ? -87.3f : x;
  x = x > 88.7f ? 88.7f : x;
  // Adding 1.5 · 2^23 rounds to a whole number, which the low bits of the sum then hold.
  float shifted = x * 1.44269504f + 12582912.0f;
  float n = shifted - 12582912.0f;
  float r = x - n * 0.693359375f + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1;
  uint32_t bits, power;
  memcpy(&bits, &p, 4);
  memcpy(&power, &shifted, 4);
  bits += power << 23;
  memcpy(&p, &bits, 4);
  // A NaN's bits may have become anything.
  return x == x ? p : x;
}

TARGET void NAME(qmoe_softmax)(float *x, size_t count, float sink) {
  size_t whole = count / LANES * LANES;
  float largest = sink, lanes[LANES];
  for (size_t l = 0; l < LANES; l++) lanes[l] = -INFINITY;
  for (size_t i = 0; i < whole; i += LANES) {
    for (size_t l = 0; l < LANES; l++) lanes[l] = x[i + l] > lanes[l] ? x[i + l] : lanes[l];
  }
  for (size_t l = 0; l < LANES; l++) largest = lanes[l] > largest ? lanes[l] : largest;
  for (size_t i = whole; i < count; i++) largest = x[i] > largest ? x[i] : largest;

  for (size_t l = 0; l < LANES; l++) lanes[l] = 0;
  for (size_t i = 0; i < whole; i += LANES) {
    for (size_t l = 0; l < LANES; l++) {
      x[i + l] = exponential(x[i + l] - largest);
      lanes[l] += x[i + l];
    }
  }
  float sum = sink == -INFINITY ? 0 : exponential(sink - largest);
  for (size_t l = 0; l < LANES; l++) sum += lanes[l];
  for (size_t i = whole; i < count; i++) sum += x[i] = exponential(x[i] - largest);
  float factor = 1 / sum;
  for (size_t i = 0; i < count; i++) x[i] *= factor;
}

TARGET void NAME(qmoe_gate_silu)(float *restrict gate, const float *restrict value, size_t count) {
  for (size_t i = 0; i < count; i++) gate[i] = gate[i] / (1 + exponential(-gate[i])) * value[i];
}
