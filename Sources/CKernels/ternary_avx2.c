#if defined(__x86_64__)
#include "ternary_avx2.h"

#include <immintrin.h>

// Multiplies decoded tiles. The activation at each nonzero's column is looked up by byte
// shuffles, which know sixteen columns each; rows advance together, so that a few of the sixteen
// tables do.

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx2,bmi,bmi2,popcnt,lzcnt,fma"))),          \
                             apply_to = function)

// The 256 activations of a tile, and of each the xor with the one sixteen columns before. Sixteen
// at a time are read, from anywhere up to the last.
typedef struct {
  int8_t values[256 + 16];
  int8_t changes[256 + 16];
} tables;

static inline __m128i load_sixteen(const int8_t *p) {
  return _mm_loadu_si128((const __m128i *)p);
}

static inline void make_tables(const int8_t *values, tables *t) {
  __m128i before = _mm_setzero_si128();
  for (int i = 0; i < 256; i += 16) {
    __m128i here = load_sixteen(values + i);
    _mm_storeu_si128((__m128i *)(t->values + i), here);
    _mm_storeu_si128((__m128i *)(t->changes + i), _mm_xor_si128(here, before));
    before = here;
  }
  _mm_storeu_si128((__m128i *)(t->values + 256), _mm_setzero_si128());
  _mm_storeu_si128((__m128i *)(t->changes + 256), _mm_setzero_si128());
}

// Sums of a part's 16 rows, 16 bits: of activations with the signs of their weights, and of those
// at negative weights.
typedef struct {
  __m256i with_sign, negative;
} part_sums;

// What is multiplied at once: four registers of activations in a round, namely two parts of one
// token, or one part of two tokens, which share the columns. `parts` is that number, a constant
// wherever the functions below are expanded.
enum { AT_ONCE = 4 };

static inline __m256i load(const uint8_t *p) { return _mm256_load_si256((const __m256i *)p); }

// Looks up columns of at most eight sixteens from `first` on; others give 0 if they are within 128
// columns of them.
static inline __attribute__((always_inline)) void look_up(
    const uint8_t (*const columns[2])[32], size_t parts, const tables *t, unsigned first,
    unsigned sixteens, __m256i value[AT_ONCE]) {
  const __m256i begin = _mm256_set1_epi8((char)first), sixteen = _mm256_set1_epi8(16);
  __m256i column[AT_ONCE];
  for (size_t i = 0; i < 2 * parts; i++) {
    column[i] = _mm256_sub_epi8(load(columns[i / parts][i % parts]), begin);
  }
  for (size_t i = 0; i < AT_ONCE; i++) {
    const int8_t *values = t[i / (2 * parts)].values + first;
    __m256i entries = _mm256_broadcastsi128_si256(load_sixteen(values));
    // An index with bit 7 set gives 0.
    value[i] = _mm256_shuffle_epi8(entries, column[i % (2 * parts)]);
  }
  for (unsigned s = 1; s < sixteens; s++) {
    // Saturated: what is negative stays so.
    for (size_t i = 0; i < 2 * parts; i++) column[i] = _mm256_subs_epi8(column[i], sixteen);
    // A column of this sixteen or a later one takes the change from the one before to it.
    for (size_t i = 0; i < AT_ONCE; i++) {
      const int8_t *changes = t[i / (2 * parts)].changes + first + 16 * s;
      __m256i entries = _mm256_broadcastsi128_si256(load_sixteen(changes));
      entries = _mm256_shuffle_epi8(entries, column[i % (2 * parts)]);
      value[i] = _mm256_xor_si256(value[i], entries);
    }
  }
}

// Adds what the rows meet in a round.
static inline __attribute__((always_inline)) void add_round(
    part_sums sums[2], const qmoe_avx2_steps *d, size_t round, size_t part, size_t parts,
    const tables *t) {
  const __m256i ones = _mm256_set1_epi8(1);
  const unsigned first = d->windows[round][part / 2].first;
  const unsigned sixteens = d->windows[round][part / 2].sixteens;
  const uint8_t(*const columns[2])[32] = {
      d->columns[2 * round] + part, d->columns[2 * round + 1] + part};
  const uint8_t(*const codes[2])[32] = {d->codes[2 * round] + part, d->codes[2 * round + 1] + part};
  __m256i value[AT_ONCE];
  look_up(columns, parts, t, first, sixteens < 8 ? sixteens : 8, value);
  if (sixteens > 8) {
    __m256i right[AT_ONCE];
    look_up(columns, parts, t, first + 128, sixteens - 8, right);
    for (int i = 0; i < AT_ONCE; i++) value[i] = _mm256_or_si256(value[i], right[i]);
  }
  for (size_t i = 0; i < AT_ONCE; i++) {
    // The code is 0 without a nonzero, and makes the value 0.
    __m256i code = load(codes[i / parts % 2][i % parts]);
    __m256i with_sign = _mm256_sign_epi8(value[i], code);
    __m256i negative = _mm256_blendv_epi8(_mm256_setzero_si256(), value[i], code);
    // The two steps of a row lie side by side: one instruction widens and adds both.
    with_sign = _mm256_maddubs_epi16(ones, with_sign);
    negative = _mm256_maddubs_epi16(ones, negative);
    part_sums *s = &sums[parts == 2 ? i % 2 : i / 2];
    s->with_sign = _mm256_add_epi16(s->with_sign, with_sign);
    s->negative = _mm256_add_epi16(s->negative, negative);
  }
}

// Adds scale * sums to the totals of eight rows.
static inline void add_eight(float *totals, __m128i sums, float scale) {
  __m256 floats = _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(sums));
  floats = _mm256_mul_ps(floats, _mm256_set1_ps(scale));
  _mm256_storeu_ps(totals, _mm256_add_ps(_mm256_loadu_ps(totals), floats));
}

// The same of a part's 16 rows.
static inline void add_part(float *totals, size_t part, __m256i sums, float scale) {
  add_eight(totals + qmoe_avx2_row(part, 0), _mm256_castsi256_si128(sums), scale);
  add_eight(totals + qmoe_avx2_row(part, 16), _mm256_extracti128_si256(sums, 1), scale);
}

// Where the totals of a tile's rows are, and what scales the sums that they get.
typedef struct {
  float scale;
  float *positive, *negative;
} token_totals;

static inline __attribute__((always_inline)) void multiply(
    const qmoe_avx2_steps *d, size_t parts, const tables *t, const token_totals *totals) {
  for (size_t part = 0; part < 4; part += parts) {
    const __m256i zero = _mm256_setzero_si256();
    part_sums sums[2] = {{zero, zero}, {zero, zero}};
    for (size_t i = 0; i < d->pairs / 2; i++) add_round(sums, d, i, part, parts, t);
    for (size_t i = 0; i < 2; i++) {
      const token_totals *to = &totals[parts == 2 ? 0 : i];
      const size_t of = parts == 2 ? part + i : part;
      // With signs, sums are the positive ones less the negative; 256 values of at most 127 fit.
      __m256i positive = _mm256_add_epi16(sums[i].with_sign, sums[i].negative);
      add_part(to->positive, of, positive, to->scale);
      add_part(to->negative, of, sums[i].negative, to->scale);
    }
  }
}

// Multiplies a decoded tile of column block `block` with all tokens. positive and negative are
// those of the tile's rows for the first token, `stride` apart from token to token.
static void multiply_tile(
    const qmoe_avx2_steps *d, qmoe_int8_activations x, size_t block, size_t blocks, float *positive,
    float *negative, size_t stride) {
  for (size_t first = 0; first < x.tokens; first += 2) {
    tables t[2];
    token_totals totals[2];
    const size_t count = x.tokens - first < 2 ? 1 : 2;
    for (size_t i = 0; i < count; i++) {
      const size_t token = first + i, index = token * blocks + block;
      make_tables(x.values + index * QMOE_TILE_COLUMNS, &t[i]);
      totals[i] = (token_totals){
          x.scales[index], positive + token * stride, negative + token * stride};
    }
    if (count == 2) {
      multiply(d, 1, t, totals);
    } else {
      multiply(d, 2, t, totals);
    }
  }
}

// The tile after one, in the order in which tiles are stored.
static inline qmoe_avx2_place place_after(
    qmoe_avx2_place place, size_t first_block, size_t last_block) {
  return place.block + 1 < last_block ? (qmoe_avx2_place){place.group, place.block + 1}
                                      : (qmoe_avx2_place){place.group + 1, first_block};
}

// Fetches a tile that is decoded soon: tiles are too short for the processor to foresee them.
static inline void fetch(const qmoe_ternary *m, qmoe_avx2_place place) {
  const size_t largest = 2048 * (QMOE_MAX_WIDTH + 2) + 2;
  const size_t index = place.group * qmoe_column_blocks(m) + place.block;
  uint32_t first, end;
  memcpy(&first, m->offsets + index, 4);
  memcpy(&end, m->offsets + index + 1, 4);
  const size_t length = end - first < largest ? end - first : largest;
  for (size_t i = 0; i < length; i += 64) {
    _mm_prefetch((const char *)m->codes + first + i, _MM_HINT_T0);
  }
}

qmoe_ternary_status qmoe_ternary_sums_avx2(
    const qmoe_ternary *m, size_t first_group, size_t last_group, size_t first_block,
    size_t last_block, qmoe_int8_activations x, float *positive, float *negative) {
  qmoe_avx2_workspace w;
  const size_t blocks = qmoe_column_blocks(m);
  const size_t rows = (last_group - first_group) * QMOE_TILE_ROWS;
  memset(positive, 0, x.tokens * rows * sizeof *positive);
  memset(negative, 0, x.tokens * rows * sizeof *negative);
  if (first_block == last_block) return QMOE_TERNARY_OK;
  qmoe_avx2_place next = {first_group, first_block};
  while (next.group < last_group) {
    qmoe_avx2_place places[QMOE_AVX2_TILES];
    size_t count = 0;
    for (; count < QMOE_AVX2_TILES && next.group < last_group; count++) {
      places[count] = next;
      next = place_after(next, first_block, last_block);
    }
    if (qmoe_decode_tiles_avx2(m, places, count, &w)) return QMOE_TERNARY_MALFORMED;
    qmoe_avx2_place soon = next;
    for (size_t i = 0; i < QMOE_AVX2_TILES && soon.group < last_group; i++) {
      fetch(m, soon);
      soon = place_after(soon, first_block, last_block);
    }
    for (size_t i = 0; i < count; i++) {
      const size_t row = (places[i].group - first_group) * QMOE_TILE_ROWS;
      multiply_tile(
          &w.steps[i], x, places[i].block, blocks, positive + row, negative + row, rows);
    }
  }
  return QMOE_TERNARY_OK;
}

// Whether a nonzero that is said to be in the last column lies behind it: columns are saturated.
static int is_overrun(
    const qmoe_avx2_steps *d, size_t pair, size_t part, size_t byte, const qmoe_tile *tile) {
  const unsigned gap_mask = (1u << tile->width) - 1;
  // Of a row the event before stands in the byte before, or at the end of the pair before.
  unsigned next = tile->first_column;
  if (byte % 2) {
    next = d->columns[pair][part][byte - 1] + 1u;
  } else if (pair > 0) {
    next = d->columns[pair - 1][part][byte + 1] + 1u;
  }
  return next + gap_mask - (d->codes[pair][part][byte] & gap_mask) > 255;
}

qmoe_ternary_status qmoe_ternary_expand_avx2(
    const qmoe_ternary *m, size_t group, size_t block, qmoe_levels levels, size_t first_row,
    size_t last_row, float *out, size_t stride) {
  qmoe_avx2_workspace w;
  const qmoe_avx2_place place = {group, block};
  qmoe_tile tile;
  if (qmoe_find_tile(m, group, block, &tile)) return QMOE_TERNARY_MALFORMED;
  if (qmoe_decode_tiles_avx2(m, &place, 1, &w)) return QMOE_TERNARY_MALFORMED;
  qmoe_clear_rows(&tile, last_row - first_row, out, stride);
  float pairs[QMOE_TILE_ROWS][2];
  for (size_t r = first_row; r < last_row; r++) qmoe_row_levels(levels, r, pairs[r]);
  const qmoe_avx2_steps *d = &w.steps[0];
  for (size_t i = 0; i < 4 * d->pairs; i++) {
    const uint8_t *columns = d->columns[i / 4][i % 4], *codes = d->codes[i / 4][i % 4];
    __m256i zero = _mm256_cmpeq_epi8(load(codes), _mm256_setzero_si256());
    for (uint32_t left = ~(uint32_t)_mm256_movemask_epi8(zero); left; left &= left - 1) {
      size_t byte = (size_t)__builtin_ctz(left);
      size_t row = qmoe_avx2_row(i % 4, byte);
      if (columns[byte] == 255 && is_overrun(d, i / 4, i % 4, byte, &tile)) {
        return QMOE_TERNARY_MALFORMED;
      }
      if (row < first_row || row >= last_row) continue;
      out[(row - first_row) * stride + columns[byte] - tile.first_column] =
          pairs[row][codes[byte] < 128];
    }
  }
  return QMOE_TERNARY_OK;
}

#pragma clang attribute pop
#else
typedef int not_for_this_processor;
#endif
