#include "include/kernels.h"

#include <string.h>

// Fastest first.
static const qmoe_kernels tables[] = {
#if defined(__x86_64__)
    {"avx512", qmoe_quantize_activations_avx512, qmoe_ternary_sums_avx512, qmoe_apply_levels_avx512,
     qmoe_ternary_expand_avx512, qmoe_bf16_multiply_avx512, qmoe_softmax_avx512, qmoe_gate_silu_avx512,
     qmoe_attention_scores_avx512, qmoe_attention_values_avx512, qmoe_round_columns_avx512,
     qmoe_quantize_segments_avx512, qmoe_grid_multiply_avx512},
    {"avx2", qmoe_quantize_activations_avx2, qmoe_ternary_sums_avx2, qmoe_apply_levels_avx2,
     qmoe_ternary_expand_avx2, qmoe_bf16_multiply_avx2, qmoe_softmax_avx2, qmoe_gate_silu_avx2,
     qmoe_attention_scores_avx2, qmoe_attention_values_avx2, qmoe_round_columns_avx2,
     qmoe_quantize_segments_avx2, qmoe_grid_multiply_avx2},
#endif
#if defined(__aarch64__)
    {"neon", qmoe_quantize_activations_neon, qmoe_ternary_sums_neon, qmoe_apply_levels_neon,
     qmoe_ternary_expand_neon, qmoe_bf16_multiply_neon, qmoe_softmax_neon, qmoe_gate_silu_neon,
     qmoe_attention_scores_neon, qmoe_attention_values_neon, qmoe_round_columns_neon,
     qmoe_quantize_segments_neon, qmoe_grid_multiply_neon},
#endif
    {"scalar", qmoe_quantize_activations_scalar, qmoe_ternary_sums_scalar, qmoe_apply_levels_scalar,
     qmoe_ternary_expand_scalar, qmoe_bf16_multiply_scalar, qmoe_softmax_scalar, qmoe_gate_silu_scalar,
     qmoe_attention_scores_scalar, qmoe_attention_values_scalar, qmoe_round_columns_scalar,
     qmoe_quantize_segments_scalar, qmoe_grid_multiply_scalar},
};

static int is_supported(const char *name) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (strcmp(name, "avx2") == 0) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") &&
           __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("fma");
  }
  if (strcmp(name, "avx512") == 0) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2") &&
           __builtin_cpu_supports("avx512vnni") &&
           __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
  }
#endif
#if defined(__aarch64__)
  // A part of every arm64 processor.
  if (strcmp(name, "neon") == 0) return 1;
#endif
  return strcmp(name, "scalar") == 0;
}

const qmoe_kernels *qmoe_kernels_named(const char *name) {
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
    if (strcmp(tables[i].name, name) == 0 && is_supported(name)) return &tables[i];
  }
  return 0;
}

const qmoe_kernels *qmoe_kernels_best(void) {
  size_t i = 0;
  while (!is_supported(tables[i].name)) i++; // the last, scalar, always is
  return &tables[i];
}
