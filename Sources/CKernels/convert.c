#include "include/convert.h"

#include <string.h>

// Plain loops over bit patterns: the compiler vectorises them for the target's baseline, and every
// one of them is bound by memory.

void qmoe_bf16_to_f32(const void *in, float *out, size_t count) {
  const unsigned char *bytes = in;
  for (size_t i = 0; i < count; i++) {
    uint16_t half;
    memcpy(&half, bytes + 2 * i, 2);
    uint32_t bits = (uint32_t)half << 16;
    memcpy(out + i, &bits, 4);
  }
}

void qmoe_f16_to_f32(const void *in, float *out, size_t count) {
  const unsigned char *bytes = in;
  for (size_t i = 0; i < count; i++) {
    uint16_t half;
    memcpy(&half, bytes + 2 * i, 2);
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t exponent = (half >> 10) & 31, fraction = half & 1023;
    uint32_t bits;
    if (exponent == 31) {
      bits = sign | 0x7f800000 | fraction << 13;
    } else if (exponent != 0) {
      bits = sign | (exponent + 112) << 23 | fraction << 13;
    } else {
      // Zero or subnormal: fraction * 2^-24, exact in float32.
      float value = (float)fraction * 0x1p-24f;
      memcpy(&bits, &value, 4);
      bits |= sign;
    }
    memcpy(out + i, &bits, 4);
  }
}

void qmoe_f32_to_bf16(const float *in, uint16_t *out, size_t count) {
  for (size_t i = 0; i < count; i++) {
    uint32_t bits;
    memcpy(&bits, in + i, 4);
    uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    // Rounding could carry a NaN's fraction into the sign; keep it a quiet NaN instead.
    int isNaN = (bits & 0x7fffffff) > 0x7f800000;
    out[i] = (uint16_t)(isNaN ? (bits >> 16 | 64) : rounded);
  }
}
