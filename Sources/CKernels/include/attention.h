// Attention of one token: products of its queries with many keys, and weighted sums of as many values.
#pragma once
#include <stddef.h>

// scores[h * score_stride + i] = sum over c of queries[h * size + c] * keys[i * key_stride + c]
// for h < heads, i < count: heads that share their keys.
// Sums are taken in an order of the kernel's own, so that results differ in the last bits between
// instruction sets.
typedef void qmoe_attention_scores(
    const float *queries, size_t heads, size_t size, const float *keys, size_t key_stride, size_t count,
    float *scores, size_t score_stride);

// out[h * size + c] = sum over i of weights[h * weight_stride + i] * values[i * value_stride + c]
// for h < heads, c < size.
typedef void qmoe_attention_values(
    const float *weights, size_t weight_stride, size_t heads, size_t size, const float *values,
    size_t value_stride, size_t count, float *out);

qmoe_attention_scores qmoe_attention_scores_scalar;
qmoe_attention_values qmoe_attention_values_scalar;
#if defined(__x86_64__)
qmoe_attention_scores qmoe_attention_scores_avx2, qmoe_attention_scores_avx512;
qmoe_attention_values qmoe_attention_values_avx2, qmoe_attention_values_avx512;
#endif
#if defined(__aarch64__)
qmoe_attention_scores qmoe_attention_scores_neon;
qmoe_attention_values qmoe_attention_values_neon;
#endif
