// Where the parts of a tile lie; shared by the kernels.
#pragma once
#include "include/ternary.h"

#include <string.h>

// A tile: payload codes of width + 1 bits, flag bits, and two bytes: the length of the flags in
// twelve bits, the width in four.
typedef struct {
  const uint8_t *payload;
  const uint8_t *flags;
  size_t payload_bytes;
  size_t flag_bytes;
  unsigned width;
  unsigned first_column; // 256 - the tile's width
  unsigned rows;
} qmoe_tile;

// Finds the parts of a tile. QMOE_TERNARY_MALFORMED if they cannot be what an encoder wrote; what is
// bounded here is what makes all later reads and writes safe:
//   width <= QMOE_MAX_WIDTH, flag_bytes <= 2048 and payload_bytes <= 2048 * (width + 1).
static inline qmoe_ternary_status qmoe_find_tile(
    const qmoe_ternary *m, size_t group, size_t block, qmoe_tile *tile) {
  size_t blocks = qmoe_column_blocks(m);
  uint32_t first, end;
  memcpy(&first, m->offsets + group * blocks + block, 4);
  memcpy(&end, m->offsets + group * blocks + block + 1, 4);
  size_t bytes = end - first;
  if (bytes < 2) return QMOE_TERNARY_MALFORMED;
  const uint8_t *last = m->codes + end;
  tile->flag_bytes = last[-2] | (size_t)(last[-1] & 15) << 8;
  tile->width = last[-1] >> 4;
  if (tile->width > QMOE_MAX_WIDTH) return QMOE_TERNARY_MALFORMED;
  if (tile->flag_bytes > 2048 || tile->flag_bytes > bytes - 2) return QMOE_TERNARY_MALFORMED;
  tile->payload_bytes = bytes - 2 - tile->flag_bytes;
  if (tile->payload_bytes > 2048 * (size_t)(tile->width + 1)) return QMOE_TERNARY_MALFORMED;
  tile->payload = m->codes + first;
  tile->flags = last - 2 - tile->flag_bytes;
  size_t columns = m->columns - block * QMOE_TILE_COLUMNS;
  tile->first_column = columns < QMOE_TILE_COLUMNS ? QMOE_TILE_COLUMNS - (unsigned)columns : 0;
  size_t rows = m->rows - group * QMOE_TILE_ROWS;
  tile->rows = rows < QMOE_TILE_ROWS ? (unsigned)rows : QMOE_TILE_ROWS;
  return QMOE_TERNARY_OK;
}

// The two levels of a row, low first.
static inline void qmoe_row_levels(qmoe_levels l, size_t row, float pair[2]) {
  uint16_t codes[2];
  if (l.wide) {
    memcpy(codes, l.codes + 4 * l.stride * row, 4);
  } else {
    const uint8_t *bytes = l.codes + 2 * l.stride * row;
    codes[0] = bytes[0];
    codes[1] = bytes[1];
  }
  uint32_t low = (l.first + codes[0] * l.step) | 0x80000000, high = l.first + codes[1] * l.step;
  memcpy(&pair[0], &low, 4);
  memcpy(&pair[1], &high, 4);
}

// Zeros the rows of a tile that qmoe_ternary_expand is to fill.
static inline void qmoe_clear_rows(const qmoe_tile *tile, size_t rows, float *out, size_t stride) {
  size_t columns = QMOE_TILE_COLUMNS - tile->first_column;
  for (size_t r = 0; r < rows; r++) memset(out + r * stride, 0, columns * sizeof *out);
}

// Adds one tile's sums for one token, as qmoe_ternary_sums tells, to those of its rows.
typedef qmoe_ternary_status qmoe_add_tile(
    const qmoe_ternary *m, size_t group, size_t block, const int8_t *values, float scale,
    float *positive, float *negative);

// qmoe_ternary_sums by a function that takes one tile and one token at a time.
static inline qmoe_ternary_status qmoe_sum_tiles(
    const qmoe_ternary *m, size_t first_group, size_t last_group, size_t first_block,
    size_t last_block, qmoe_int8_activations x, float *positive, float *negative,
    qmoe_add_tile *add_tile) {
  const size_t rows = (last_group - first_group) * QMOE_TILE_ROWS, blocks = qmoe_column_blocks(m);
  memset(positive, 0, x.tokens * rows * sizeof *positive);
  memset(negative, 0, x.tokens * rows * sizeof *negative);
  qmoe_ternary_status status = QMOE_TERNARY_OK;
  for (size_t token = 0; token < x.tokens; token++) {
    for (size_t g = first_group; g < last_group; g++) {
      size_t row = token * rows + (g - first_group) * QMOE_TILE_ROWS;
      for (size_t b = first_block; b < last_block; b++) {
        size_t index = token * blocks + b;
        status |= add_tile(
            m, g, b, x.values + index * QMOE_TILE_COLUMNS, x.scales[index], positive + row,
            negative + row);
      }
    }
  }
  return status;
}

// Whether a decoder that took so many flags and nonzeros used up the tile exactly.
static inline qmoe_ternary_status qmoe_check_tile(
    const qmoe_tile *tile, size_t flags, size_t nonzeros) {
  return (flags + 7) / 8 == tile->flag_bytes &&
                 (nonzeros * (tile->width + 1) + 7) / 8 == tile->payload_bytes
             ? QMOE_TERNARY_OK
             : QMOE_TERNARY_MALFORMED;
}

// 57 bits or more from bit position `bit` on.
static inline uint64_t qmoe_bits(const uint8_t *bytes, size_t bit) {
  uint64_t word;
  memcpy(&word, bytes + (bit >> 3), 8);
  return word >> (bit & 7);
}
