// Uncompressed matrix times one token.
#pragma once
#include <stddef.h>
#include <stdint.h>

// y[r] = sum over c of w[r][c] * x[c], in float32.
//   w[rows][columns]  bfloat16 bits, little-endian, no alignment needed
//   x[columns], y[rows]
// Sums are taken in an order of the kernel's own, so that results differ in the last bits between
// instruction sets.
typedef void qmoe_bf16_matvec(
    const void *w, size_t rows, size_t columns, const float *x, float *y);

// Reads bytes[count] as fast as memory gives them, for comparison; the result depends on all of them.
uint64_t qmoe_read(const void *bytes, size_t count);

qmoe_bf16_matvec qmoe_bf16_matvec_scalar;
#if defined(__x86_64__)
qmoe_bf16_matvec qmoe_bf16_matvec_avx2;
qmoe_bf16_matvec qmoe_bf16_matvec_avx512;
#endif
#if defined(__aarch64__)
qmoe_bf16_matvec qmoe_bf16_matvec_neon;
#endif
