#include "ternary_tile.h"

// Every kernel rounds a product before it adds it.
#pragma STDC FP_CONTRACT OFF

// Takes the events of a tile one by one, in the order in which they are stored: step by step, in
// each step the unfinished rows in order. `event` is called with the row and the column of each
// nonzero and whether it is negative; a column of 256 or more breaks the format.
#define FOR_EACH_NONZERO(tile, flags, nonzeros, row, column, negative, body)                     \
  do {                                                                                           \
    const unsigned width = (tile)->width, run = 1u << width;                                        \
    uint16_t at[QMOE_TILE_ROWS];                                                                 \
    uint8_t active[QMOE_TILE_ROWS];                                                              \
    unsigned count = (tile)->rows;                                                               \
    for (unsigned i = 0; i < count; i++) {                                                       \
      active[i] = (uint8_t)i;                                                                    \
      at[i] = (uint16_t)(tile)->first_column;                                                    \
    }                                                                                            \
    while (count > 0) {                                                                          \
      unsigned left = 0;                                                                         \
      for (unsigned i = 0; i < count; i++) {                                                     \
        unsigned row = active[i];                                                                \
        if ((tile)->flags[flags >> 3] >> (flags & 7) & 1) {                                      \
          /* The payload's end is checked here, since reads may not go far beyond it. */         \
          size_t bit = nonzeros++ * (width + 1);                                                 \
          if (bit + width >= 8 * (tile)->payload_bytes) return QMOE_TERNARY_MALFORMED;           \
          unsigned code = (unsigned)qmoe_bits((tile)->payload, bit);                             \
          unsigned column = at[row] + (code & (run - 1));                                        \
          int negative = code >> width & 1;                                                      \
          body;                                                                                  \
          at[row] = (uint16_t)(column + 1);                                                      \
        } else {                                                                                 \
          at[row] = (uint16_t)(at[row] + run);                                                   \
        }                                                                                        \
        flags++;                                                                                 \
        if (at[row] < QMOE_TILE_COLUMNS) active[left++] = (uint8_t)row;                          \
      }                                                                                          \
      count = left;                                                                              \
    }                                                                                            \
  } while (0)

qmoe_ternary_status qmoe_ternary_decode_tile(
    const qmoe_ternary *m, size_t group, size_t block, int8_t *symbols) {
  memset(symbols, 0, QMOE_TILE_ROWS * QMOE_TILE_COLUMNS);
  qmoe_tile tile;
  if (qmoe_find_tile(m, group, block, &tile)) return QMOE_TERNARY_MALFORMED;
  size_t flags = 0, nonzeros = 0;
  FOR_EACH_NONZERO(&tile, flags, nonzeros, row, column, negative, {
    if (column >= QMOE_TILE_COLUMNS) return QMOE_TERNARY_MALFORMED;
    symbols[row * QMOE_TILE_COLUMNS + column] = negative ? -1 : 1;
  });
  if (qmoe_check_tile(&tile, flags, nonzeros)) return QMOE_TERNARY_MALFORMED;
  size_t payload_bits = nonzeros * (tile.width + 1);
  if (flags % 8 && tile.flags[flags / 8] >> flags % 8) return QMOE_TERNARY_MALFORMED;
  if (payload_bits % 8 && tile.payload[payload_bits / 8] >> payload_bits % 8) {
    return QMOE_TERNARY_MALFORMED;
  }
  return QMOE_TERNARY_OK;
}

qmoe_ternary_status qmoe_ternary_expand_scalar(
    const qmoe_ternary *m, size_t group, size_t block, qmoe_levels levels, size_t first_row,
    size_t last_row, float *out, size_t stride) {
  qmoe_tile tile;
  if (qmoe_find_tile(m, group, block, &tile)) return QMOE_TERNARY_MALFORMED;
  qmoe_clear_rows(&tile, last_row - first_row, out, stride);
  float pairs[QMOE_TILE_ROWS][2];
  for (size_t r = first_row; r < last_row; r++) qmoe_row_levels(levels, r, pairs[r]);
  size_t flags = 0, nonzeros = 0;
  FOR_EACH_NONZERO(&tile, flags, nonzeros, row, column, is_negative, {
    if (column >= QMOE_TILE_COLUMNS) return QMOE_TERNARY_MALFORMED;
    if (row >= first_row && row < last_row) {
      out[(row - first_row) * stride + column - tile.first_column] = pairs[row][!is_negative];
    }
  });
  return qmoe_check_tile(&tile, flags, nonzeros);
}

static qmoe_ternary_status add_tile(
    const qmoe_ternary *m, size_t group, size_t block, const int8_t *values, float scale,
    float *positive, float *negative) {
  qmoe_tile tile;
  if (qmoe_find_tile(m, group, block, &tile)) return QMOE_TERNARY_MALFORMED;
  int32_t sums[2][QMOE_TILE_ROWS] = {{0}};
  size_t flags = 0, nonzeros = 0;
  FOR_EACH_NONZERO(&tile, flags, nonzeros, row, column, is_negative, {
    // A broken tile may point beyond its end; whatever is added then, the lengths tell.
    sums[is_negative][row] += values[column & (QMOE_TILE_COLUMNS - 1)];
  });
  for (size_t r = 0; r < QMOE_TILE_ROWS; r++) {
    positive[r] += scale * (float)sums[0][r];
    negative[r] += scale * (float)sums[1][r];
  }
  return qmoe_check_tile(&tile, flags, nonzeros);
}

qmoe_ternary_status qmoe_ternary_sums_scalar(
    const qmoe_ternary *m, size_t first_group, size_t last_group, size_t first_block,
    size_t last_block, qmoe_int8_activations x, float *positive, float *negative) {
  return qmoe_sum_tiles(
      m, first_group, last_group, first_block, last_block, x, positive, negative, add_tile);
}
