// What the AVX2 kernels share: tiles whose steps are decoded.
#pragma once
#include "ternary_tile.h"

enum {
  // Steps are stored in pairs. Two pairs are a round. There are at most 256 steps.
  QMOE_AVX2_PAIRS = 128,
  // Tiles decoded side by side.
  QMOE_AVX2_TILES = 2,
};

// The steps of a tile. Two steps of 16 rows lie in 32 bytes, alternately, so that one instruction
// can widen and add the values of both. The four such parts of a pair of steps hold the rows
//   0 to 7 and 16 to 23, 8 to 15 and 24 to 31, the same + 32.
typedef struct {
  // Pairs of steps; even. Behind the last step stand steps without nonzeros.
  size_t pairs;
  // Of each step and row the column that its event reaches: that of its nonzero, if it has one.
  _Alignas(32) uint8_t columns[QMOE_AVX2_PAIRS][4][32];
  // Of each step and row: 0 without a nonzero, never 0 with one; the highest bit is set for a
  // negative one.
  _Alignas(32) uint8_t codes[QMOE_AVX2_PAIRS][4][32];
  // Of each round and half of the rows: all columns of nonzeros lie in so many sixteens from the
  // first on.
  struct {
    uint8_t first, sixteens;
  } windows[QMOE_AVX2_PAIRS / 2][2];
} qmoe_avx2_steps;

// The row that a byte of one of a pair's four parts belongs to.
static inline size_t qmoe_avx2_row(size_t part, size_t byte) {
  return part / 2 * 32 + part % 2 * 8 + byte / 16 * 16 + byte % 16 / 2;
}

// Where a tile is.
typedef struct {
  size_t group, block;
} qmoe_avx2_place;

// Room to decode in.
typedef struct {
  // One code a byte. Those of a step are read 16 at a time from anywhere up to the last.
  uint8_t codes[QMOE_AVX2_TILES][64 * 256 + 64];
  qmoe_avx2_steps steps[QMOE_AVX2_TILES];
} qmoe_avx2_workspace;

// Decodes the tiles at `count` places, at most QMOE_AVX2_TILES, and checks their lengths.
qmoe_ternary_status qmoe_decode_tiles_avx2(
    const qmoe_ternary *m, const qmoe_avx2_place *places, size_t count, qmoe_avx2_workspace *w);
