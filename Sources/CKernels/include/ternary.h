// Decoders of the ternary code (docs/format.md, "The ternary code"), fused with a multiplication.
//
// A matrix is cut into tiles of 64 rows by 256 columns. A tile that is narrower, the last of its
// rows, lies at the right end of the 256 columns: its first column is 256 - width.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum {
  QMOE_TILE_ROWS = 64,
  QMOE_TILE_COLUMNS = 256,
  // Largest width k of a tile's code.
  QMOE_MAX_WIDTH = 6,
  // Bytes that must be readable behind the last code. A tile holds at most 64 * 256 events, which
  // is 2048 bytes of flags; kernels read at most so far from the start of the flags, and at most 64
  // bytes behind the payload.
  QMOE_TERNARY_SLACK = 2304,
};

// What a decoder found out about the bytes that it read.
typedef enum {
  QMOE_TERNARY_OK = 0,
  // A tile's payload or flags are longer or shorter than its rows need.
  QMOE_TERNARY_MALFORMED = 1,
} qmoe_ternary_status;

// A coded matrix. The owner has checked: rows, columns > 0, offsets never decrease, and codes are
// readable up to offsets[last] + QMOE_TERNARY_SLACK. The bytes of the codes themselves may be
// anything.
typedef struct {
  size_t rows;
  size_t columns;
  const uint8_t *codes;
  const uint32_t *offsets; // [row groups * column blocks + 1], row groups outermost
} qmoe_ternary;

static inline size_t qmoe_row_groups(const qmoe_ternary *m) {
  return (m->rows + QMOE_TILE_ROWS - 1) / QMOE_TILE_ROWS;
}

static inline size_t qmoe_column_blocks(const qmoe_ternary *m) {
  return (m->columns + QMOE_TILE_COLUMNS - 1) / QMOE_TILE_COLUMNS;
}

// Activations of some tokens as the fast kernels take them: int8 with one scale for 256 columns.
//   values[tokens][blocks][256]  a block narrower than 256 columns lies at its right end, zeros
//                                before it
//   scales[tokens][blocks]       x = scale * value
typedef struct {
  size_t tokens;
  const int8_t *values;
  const float *scales;
} qmoe_int8_activations;

// values and scales of one token as above from x[columns]: value = x / scale, rounded to nearest
// even, scale = largest magnitude / 127. Blocks of zeros, and blocks with a value that is not finite, get scale 0
// or NaN and zeros.
typedef void qmoe_quantize_activations(
    const float *x, size_t columns, int8_t *values, float *scales);

// For each token and each row r of the row groups [first_group, last_group), over the column blocks
// [first_block, last_block):
//   positive[r] = sum over blocks of scale * (sum of values where the symbol is +1), negative alike;
// the inner sums are integers, the outer ones float32 in the order of the blocks, so that every
// kernel gives the same bits. positive[tokens][64 * groups], negative alike, are indexed from
// first_group; rows beyond the matrix's last get 0. Lengths are checked. A nonzero beyond its tile's end,
// which only damage makes, adds one activation or another, on each instruction set in its own way.
typedef qmoe_ternary_status qmoe_ternary_sums(
    const qmoe_ternary *m, size_t first_group, size_t last_group, size_t first_block,
    size_t last_block, qmoe_int8_activations x, float *positive, float *negative);

// The levels of rows: code c stands for the magnitude with the float32 bits first + c * step, which
// the owner has checked to be finite; low levels are negative.
//   codes[rows][stride][2]  of low and high, each of one byte, or of two if `wide`; of each row the first
//                           pair is taken
typedef struct {
  const uint8_t *codes;
  size_t stride;
  uint32_t first, step;
  int wide;
} qmoe_levels;

// y[r] = high[r] * positive[r] + low[r] * negative[r], or that added to y[r] if accumulating.
typedef void qmoe_apply_levels(
    qmoe_levels levels, size_t rows, const float *positive, const float *negative, int accumulating,
    float *y);

// Writes the weights of one tile as float32: of its rows [first_row, last_row) to
// out[last_row - first_row][stride], the tile's columns only; `levels` are those of the tile's rows.
// Checks the lengths, and that no nonzero lies beyond the tile's end.
typedef qmoe_ternary_status qmoe_ternary_expand(
    const qmoe_ternary *m, size_t group, size_t block, qmoe_levels levels, size_t first_row,
    size_t last_row, float *out, size_t stride);

// Decodes one tile: symbols[64][256], each -1, 0 or 1; what lies outside of the matrix is 0. Checks
// everything: lengths, that no nonzero lies beyond the tile's end, that spare bits are zero.
qmoe_ternary_status qmoe_ternary_decode_tile(
    const qmoe_ternary *m, size_t group, size_t block, int8_t *symbols);

// The same on every instruction set; see qmoe_kernels.
qmoe_quantize_activations qmoe_quantize_activations_scalar;
qmoe_ternary_sums qmoe_ternary_sums_scalar;
qmoe_apply_levels qmoe_apply_levels_scalar;
qmoe_ternary_expand qmoe_ternary_expand_scalar;
#if defined(__x86_64__)
qmoe_quantize_activations qmoe_quantize_activations_avx2;
qmoe_ternary_sums qmoe_ternary_sums_avx2;
qmoe_apply_levels qmoe_apply_levels_avx2;
qmoe_ternary_expand qmoe_ternary_expand_avx2;
qmoe_quantize_activations qmoe_quantize_activations_avx512;
qmoe_ternary_sums qmoe_ternary_sums_avx512;
qmoe_apply_levels qmoe_apply_levels_avx512;
qmoe_ternary_expand qmoe_ternary_expand_avx512;
// Of any number of tokens: what the kernel before uses for several.
qmoe_ternary_sums qmoe_ternary_sums_of_tokens_avx512;
#endif
#if defined(__aarch64__)
qmoe_quantize_activations qmoe_quantize_activations_neon;
qmoe_ternary_sums qmoe_ternary_sums_neon;
qmoe_apply_levels qmoe_apply_levels_neon;
qmoe_ternary_expand qmoe_ternary_expand_neon;
#endif
