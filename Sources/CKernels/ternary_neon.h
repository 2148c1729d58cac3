// What ternary_neon_decode.c makes of a tile and ternary_neon.c multiplies.
//
// The 64 rows of a tile are four strips of sixteen, a register each. A table look-up of four registers
// reads one of 64 bytes, so each strip looks into a window of 64 of the tile's 256 activations that
// begins at the column of its slowest row. Rows of a strip advance about alike and rarely need two
// windows for a step.
#pragma once
#include "ternary_tile.h"

enum {
  QMOE_NEON_STRIPS = 4,
  QMOE_NEON_STRIP_ROWS = 16,
  QMOE_NEON_WINDOW = 64,
  // A tile has at most 256 steps, and 256 columns are four windows.
  QMOE_NEON_MAX_LOOKUPS = 256 * 4,
};

// The nonzeros of a tile as table look-ups, each of at most one nonzero for each row.
typedef struct {
  size_t count;
  // Of each strip the first column of its window, at most 256 - 64.
  uint8_t first[QMOE_NEON_MAX_LOOKUPS][QMOE_NEON_STRIPS];
  // Of each row the column of its nonzero, counted from the window's first; 64 or more: none.
  uint8_t index[QMOE_NEON_MAX_LOOKUPS][QMOE_TILE_ROWS];
  // 255 where the nonzero is +1.
  uint8_t positive[QMOE_NEON_MAX_LOOKUPS][QMOE_TILE_ROWS];
  // Whether a nonzero lay beyond the tile's last column; it is then found at any other.
  int overrun;
} qmoe_neon_tile;

// Decodes one tile and checks its lengths. With MALFORMED there is nothing of use in `out`.
qmoe_ternary_status qmoe_neon_decode(const qmoe_tile *tile, qmoe_neon_tile *out);
