#if defined(__aarch64__)
#include "ternary_neon.h"

#include <arm_neon.h>

// Products with tiles that ternary_neon_decode.c decoded, once for all tokens.

// Every kernel rounds a product before it adds it.
#pragma STDC FP_CONTRACT OFF

// Sums of a strip's rows, 16 bits, which hold 256 values of at most 127; the first eight rows are in
// `low`, the others in `high`.
typedef struct {
  int16x8_t low, high;
} strip_sums;

static inline void add_values(strip_sums *s, int8x16_t values) {
  s->low = vaddw_s8(s->low, vget_low_s8(values));
  s->high = vaddw_high_s8(s->high, values);
}

// The 64 activations of a window, which may begin anywhere.
static inline int8x16x4_t load_window(const int8_t *values) {
  return (int8x16x4_t){
      {vld1q_s8(values), vld1q_s8(values + 16), vld1q_s8(values + 32), vld1q_s8(values + 48)}};
}

// Adds scale * sums to the totals of eight rows.
static inline void add_scaled(float *totals, int16x8_t sums, float scale) {
  float32x4_t low = vcvtq_f32_s32(vmovl_s16(vget_low_s16(sums)));
  float32x4_t high = vcvtq_f32_s32(vmovl_high_s16(sums));
  vst1q_f32(totals, vaddq_f32(vld1q_f32(totals), vmulq_n_f32(low, scale)));
  vst1q_f32(totals + 4, vaddq_f32(vld1q_f32(totals + 4), vmulq_n_f32(high, scale)));
}

// Multiplies one strip of a tile with the tile's 256 activations of one token; positive and negative
// are those of the strip's rows.
static void multiply_strip(
    const qmoe_neon_tile *tile, size_t strip, const int8_t *values, float scale, float *positive,
    float *negative) {
  const size_t row = strip * QMOE_NEON_STRIP_ROWS;
  const int16x8_t zero = vdupq_n_s16(0);
  strip_sums all = {zero, zero}, plus = {zero, zero};
  for (size_t i = 0; i < tile->count; i++) {
    // An index beyond the table looks up 0.
    int8x16_t value = vqtbl4q_s8(
        load_window(values + tile->first[i][strip]), vld1q_u8(tile->index[i] + row));
    add_values(&all, value);
    add_values(&plus, vandq_s8(value, vreinterpretq_s8_u8(vld1q_u8(tile->positive[i] + row))));
  }
  add_scaled(positive, plus.low, scale);
  add_scaled(positive + 8, plus.high, scale);
  // Negative sums are what is left of all.
  add_scaled(negative, vsubq_s16(all.low, plus.low), scale);
  add_scaled(negative + 8, vsubq_s16(all.high, plus.high), scale);
}

qmoe_ternary_status qmoe_ternary_sums_neon(
    const qmoe_ternary *m, size_t first_group, size_t last_group, size_t first_block,
    size_t last_block, qmoe_int8_activations x, float *positive, float *negative) {
  const size_t rows = (last_group - first_group) * QMOE_TILE_ROWS, blocks = qmoe_column_blocks(m);
  memset(positive, 0, x.tokens * rows * sizeof *positive);
  memset(negative, 0, x.tokens * rows * sizeof *negative);
  qmoe_neon_tile decoded;
  for (size_t g = first_group; g < last_group; g++) {
    for (size_t b = first_block; b < last_block; b++) {
      qmoe_tile tile;
      if (qmoe_find_tile(m, g, b, &tile)) return QMOE_TERNARY_MALFORMED;
      if (qmoe_neon_decode(&tile, &decoded)) return QMOE_TERNARY_MALFORMED;
      for (size_t token = 0; token < x.tokens; token++) {
        const size_t index = token * blocks + b;
        for (size_t strip = 0; strip < QMOE_NEON_STRIPS; strip++) {
          size_t row = token * rows + (g - first_group) * QMOE_TILE_ROWS +
                       strip * QMOE_NEON_STRIP_ROWS;
          multiply_strip(
              &decoded, strip, x.values + index * QMOE_TILE_COLUMNS, x.scales[index],
              positive + row, negative + row);
        }
      }
    }
  }
  return QMOE_TERNARY_OK;
}

// One bit in four for each of sixteen rows, set where its index lies in the window.
static inline uint64_t rows_met(const uint8_t index[QMOE_NEON_STRIP_ROWS]) {
  uint8x16_t met = vcltq_u8(vld1q_u8(index), vdupq_n_u8(QMOE_NEON_WINDOW));
  uint8x8_t fours = vshrn_n_u16(vreinterpretq_u16_u8(met), 4);
  return vget_lane_u64(vreinterpret_u64_u8(fours), 0) & 0x1111111111111111u;
}

qmoe_ternary_status qmoe_ternary_expand_neon(
    const qmoe_ternary *m, size_t group, size_t block, qmoe_levels levels, size_t first_row,
    size_t last_row, float *out, size_t stride) {
  qmoe_tile tile;
  qmoe_neon_tile decoded;
  if (qmoe_find_tile(m, group, block, &tile)) return QMOE_TERNARY_MALFORMED;
  if (qmoe_neon_decode(&tile, &decoded) || decoded.overrun) return QMOE_TERNARY_MALFORMED;
  qmoe_clear_rows(&tile, last_row - first_row, out, stride);
  float pairs[QMOE_TILE_ROWS][2];
  for (size_t r = first_row; r < last_row; r++) qmoe_row_levels(levels, r, pairs[r]);
  for (size_t i = 0; i < decoded.count; i++) {
    for (size_t strip = 0; strip < QMOE_NEON_STRIPS; strip++) {
      const size_t strip_row = strip * QMOE_NEON_STRIP_ROWS;
      uint64_t met = rows_met(decoded.index[i] + strip_row);
      for (; met != 0; met &= met - 1) {
        size_t row = strip_row + (size_t)__builtin_ctzll(met) / 4;
        if (row < first_row || row >= last_row) continue;
        size_t column = decoded.first[i][strip] + decoded.index[i][row] - tile.first_column;
        out[(row - first_row) * stride + column] = pairs[row][decoded.positive[i][row] != 0];
      }
    }
  }
  return QMOE_TERNARY_OK;
}
#else
typedef int not_for_this_processor;
#endif
