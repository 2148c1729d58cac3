// Conversions between the element types of checkpoints and float32, exact where the target allows.
#pragma once
#include <stddef.h>
#include <stdint.h>

// out[i] = in[i] for i < count; in needs no alignment; in and out do not overlap.
void qmoe_bf16_to_f32(const void *in, float *out, size_t count);
void qmoe_f16_to_f32(const void *in, float *out, size_t count);
// Rounds to nearest, ties to even; NaN stays NaN.
void qmoe_f32_to_bf16(const float *in, uint16_t *out, size_t count);
