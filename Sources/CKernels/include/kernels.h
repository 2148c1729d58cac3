// The table of kernels, one entry per instruction set.
#pragma once
#include "attention.h"
#include "dense.h"
#include "elementwise.h"
#include "grid.h"
#include "rounding.h"
#include "ternary.h"

typedef struct {
  const char *name;
  qmoe_quantize_activations *quantize_activations;
  qmoe_ternary_sums *ternary_sums;
  qmoe_apply_levels *apply_levels;
  qmoe_ternary_expand *ternary_expand;
  qmoe_bf16_multiply *bf16_multiply;
  qmoe_softmax *softmax;
  qmoe_gate_silu *gate_silu;
  qmoe_attention_scores *attention_scores;
  qmoe_attention_values *attention_values;
  qmoe_round_columns *round_columns;
  qmoe_quantize_segments *quantize_segments;
  qmoe_grid_multiply *grid_multiply;
} qmoe_kernels;

// The kernels of the given name, "scalar", "avx2", "avx512" or "neon"; NULL if there are none of that name
// or this processor cannot run them.
const qmoe_kernels *qmoe_kernels_named(const char *name);

// The fastest kernels that this processor can run.
const qmoe_kernels *qmoe_kernels_best(void);
