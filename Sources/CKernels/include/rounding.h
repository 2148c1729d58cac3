// Rounding with error feedback. Every instruction set rounds alike.
#pragma once
#include <stddef.h>
#include <stdint.h>

// Rows must be padded to a multiple of this.
enum { QMOE_ROUNDING_LANES = 32 };

// A block of neighbouring columns that is rounded column by column.
typedef struct {
  // Columns, and rows (a multiple of QMOE_ROUNDING_LANES).
  size_t columns, rows;
  // What the error of column j adds to the weights of column i > j: feedback[i * feedback_stride + j].
  const float *feedback;
  size_t feedback_stride;
  // What turns a rounding error of column i into the error that is carried: [columns].
  const float *error_scales;
  // What a bit costs in column i, in squared weight error: [columns].
  const float *prices;
  // A row's values are the multiples -radius ... radius of its level: [rows].
  const float *levels;
  size_t radius;
  // Bits of the multiples, -radius first: [2 * radius + 1].
  const float *bits;
  // Whether the columns were rounded before. Then what is carried is not the error but by how much it grew.
  int is_descent;
} qmoe_rounding_block;

// Rounds weights, [columns, rows], one column after another: each takes the multiple with the least squared
// error plus price of its bits, the lowest of equal ones, and its error, scaled, is carried to the columns
// after it. Replaces weights by what is carried, and writes the multiples to symbols, [columns, rows]; in a
// descent these are those of before at first.
typedef void qmoe_round_columns(const qmoe_rounding_block *block, float *weights, int8_t *symbols);

qmoe_round_columns qmoe_round_columns_scalar;
#if defined(__x86_64__)
qmoe_round_columns qmoe_round_columns_avx2, qmoe_round_columns_avx512;
#endif
#if defined(__aarch64__)
qmoe_round_columns qmoe_round_columns_neon;
#endif
