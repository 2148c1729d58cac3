// Uncompressed matrix times a few tokens.
#pragma once
#include <stddef.h>
#include <stdint.h>

// y[t * stride + r] = sum over c of w[r][c] * x[t][c], in float32.
//   w[rows][columns]    bfloat16 bits, little-endian, no alignment needed
//   x[tokens][columns], y[tokens][stride]
// Sums are taken in an order of the kernel's own, so that results differ in the last bits between
// instruction sets; but what one token gives does not depend on the others.
typedef void qmoe_bf16_multiply(
    const void *w, size_t rows, size_t columns, const float *x, size_t tokens, float *y, size_t stride);

// Reads bytes[count] as fast as memory gives them, for comparison; the result depends on all of them.
uint64_t qmoe_read(const void *bytes, size_t count);

qmoe_bf16_multiply qmoe_bf16_multiply_scalar;
#if defined(__x86_64__)
qmoe_bf16_multiply qmoe_bf16_multiply_avx2;
qmoe_bf16_multiply qmoe_bf16_multiply_avx512;
#endif
#if defined(__aarch64__)
qmoe_bf16_multiply qmoe_bf16_multiply_neon;
#endif
