// Exponentials over rows of activations. Every instruction set rounds alike.
#pragma once
#include <stddef.h>

// x[i] = exp(x[i]) / (exp(sink) + sum over j of exp(x[j])) for i < count, without overflow; a sink of
// -INFINITY counts nothing. Good to 1e-6 of the result for terms above 1e-37, given the differences to the
// largest in float32; where any x is NaN, all results are.
typedef void qmoe_softmax(float *x, size_t count, float sink);

// gate[i] = gate[i] / (1 + exp(-gate[i])) * value[i] for i < count; the arrays do not overlap. Good to
// 1e-6 of the result for gates above -80.
typedef void qmoe_gate_silu(float *gate, const float *value, size_t count);

qmoe_softmax qmoe_softmax_scalar;
qmoe_gate_silu qmoe_gate_silu_scalar;
#if defined(__x86_64__)
qmoe_softmax qmoe_softmax_avx2, qmoe_softmax_avx512;
qmoe_gate_silu qmoe_gate_silu_avx2, qmoe_gate_silu_avx512;
#endif
#if defined(__aarch64__)
qmoe_softmax qmoe_softmax_neon;
qmoe_gate_silu qmoe_gate_silu_neon;
#endif
