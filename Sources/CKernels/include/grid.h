// Matrices on uniform grids (docs/format.md, "Packed grids"), multiplied as they are stored.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum {
  // Columns that share a scale of activations, and a grid unless whole rows do.
  QMOE_SEGMENT = 128,
  // Scales and sums of a token are padded to a multiple of this many segments.
  QMOE_SEGMENT_LANES = 16,
};

// A packed matrix. The owner has checked: bits is 2, 3, 4 or 8, and all bytes are there.
typedef struct {
  size_t rows, columns, bits;
  // Codes of `bits` bits from the low bits up, each row beginning at a byte: [rows][(columns * bits + 7) / 8].
  const uint8_t *codes;
  // Low and high level in bfloat16, little-endian: [rows][groups][2]; groups is 1 or the number of segments.
  const uint8_t *levels;
  size_t groups;
  // Whether the code of zero is half the number of codes and not where the levels put it.
  int symmetric;
} qmoe_grid;

static inline size_t qmoe_segments(size_t columns) {
  return (columns + QMOE_SEGMENT - 1) / QMOE_SEGMENT;
}

// Segments of a token, padded.
static inline size_t qmoe_segment_stride(size_t columns) {
  return (qmoe_segments(columns) + QMOE_SEGMENT_LANES - 1) / QMOE_SEGMENT_LANES * QMOE_SEGMENT_LANES;
}

// Activations in int8 with a scale for each segment; zeros behind the last column, scales and sums of 0 behind
// the last segment.
typedef struct {
  size_t tokens;
  const int8_t *values; // [tokens][segments][128]
  const float *scales;  // [tokens][segment_stride]   x = scale * value
  const float *sums;    // [tokens][segment_stride]   of a segment's values
} qmoe_grid_activations;

// values, scales and sums of one token as above from x[columns]: value = x / scale, rounded to nearest even,
// scale = largest magnitude / 127. A segment with a value that is not finite gets the scale NaN.
typedef void qmoe_quantize_segments(
    const float *x, size_t columns, int8_t *values, float *scales, float *sums);

// y[t * y_stride + r] = sum over c of w[r][c] * x[t][c] for the rows r in [first, last): integers within a
// segment, float32 over the segments in an order of the kernel's own, the same for any number of tokens and
// rows.
typedef void qmoe_grid_multiply(
    const qmoe_grid *m, size_t first, size_t last, qmoe_grid_activations x, float *y, size_t y_stride);

qmoe_quantize_segments qmoe_quantize_segments_scalar;
qmoe_grid_multiply qmoe_grid_multiply_scalar;
#if defined(__x86_64__)
qmoe_quantize_segments qmoe_quantize_segments_avx2, qmoe_quantize_segments_avx512;
qmoe_grid_multiply qmoe_grid_multiply_avx2, qmoe_grid_multiply_avx512;
#endif
#if defined(__aarch64__)
qmoe_quantize_segments qmoe_quantize_segments_neon;
qmoe_grid_multiply qmoe_grid_multiply_neon;
#endif
