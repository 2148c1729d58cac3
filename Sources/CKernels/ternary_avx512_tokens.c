#if defined(__x86_64__)
#include "ternary_tile.h"

#include <immintrin.h>

// Several tokens. A lane of the registers is a row. A tile is decoded once, step by step, to the columns of each
// step's nonzeros (`decoded`), and then multiplied with each token: the 256 activations of the tile
// sit in four registers that vpermi2b reads by column.
//
// Decoding: the payload of a step's nonzeros is spread over the lanes by vpexpandb, and each lane
// keeps its own column. An event moves its row on by at most 2^k columns, so that no row can be
// finished in the first 256 / 2^k steps: in these *full steps* the flags are 64 bits, one for each
// lane. After them, pdep spreads the flags over the unfinished lanes, and each step waits long for
// the one before; several tiles are decoded side by side there to fill the time.

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(                                                                    \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,bmi,bmi2,"  \
                          "popcnt,lzcnt,tune=znver4"))),                                         \
    apply_to = function)
#include "ternary_avx512.h"

// A tile whose steps are decoded. What lies behind the last step is a step without nonzeros, so that
// steps can be taken in pairs.
typedef struct {
  size_t steps; // even
  // Steps before `left_end` have nonzeros in the columns 0 to 127 only, those from `right_begin` on none
  // there; even.
  size_t left_end, right_begin;
  // Of each step a byte for each row: the column of its nonzero.
  uint8_t columns[258][64];
  // Of each step a bit for each row: a nonzero in the columns 0 to 127, one in 128 to 255, and
  // whether it is negative.
  uint64_t left[258], right[258], negative[258];
} decoded;

// One tile while it is decoded.
typedef struct {
  __m512i position; // the column of each lane, 8 bits: it wraps where a row is finished
  uint64_t active; // rows not finished
  const uint8_t *codes; // payload codes left, one a byte
  const uint8_t *flags;
  size_t flag_bit;
  size_t steps;
  const qmoe_code_layout *layout;
} lane_state;

// Takes the next codes for the lanes in `nonzero`, writes down the step and moves the lanes on.
static inline __attribute__((always_inline)) void take_step(
    lane_state *s, uint64_t nonzero, const qmoe_code_layout *l, decoded *out) {
  const __m512i gap_mask = _mm512_load_si512(l->gap_mask);
  // A lane without a nonzero gets the code of the longest gap, so that all lanes advance alike.
  __m512i code = _mm512_mask_expand_epi8(gap_mask, nonzero, _mm512_loadu_si512(s->codes));
  s->codes += _mm_popcnt_u64(nonzero);
  __m512i column = _mm512_add_epi8(s->position, _mm512_and_si512(code, gap_mask));
  __mmask64 right = _mm512_mask_test_epi8_mask(nonzero, column, _mm512_set1_epi8(-128));
  _mm512_storeu_si512(out->columns[s->steps], column);
  out->left[s->steps] = _kandn_mask64(right, nonzero);
  out->right[s->steps] = right;
  out->negative[s->steps] = _mm512_test_epi8_mask(code, _mm512_load_si512(l->sign_bit));
  s->steps++;
  s->position = _mm512_sub_epi8(column, _mm512_set1_epi8(-1));
}

// The steps of a tile of 64 rows in which no row can be finished.
static inline void full_steps(
    lane_state *s, const qmoe_tile *tile, const qmoe_code_layout *l, decoded *out) {
  const size_t columns = QMOE_TILE_COLUMNS - tile->first_column;
  const size_t steps = (columns + (1u << tile->width) - 1) >> tile->width;
  __m512i before = s->position;
  for (size_t i = 0; i < steps; i++) {
    uint64_t nonzero;
    memcpy(&nonzero, s->flags + 8 * i, 8);
    before = s->position;
    take_step(s, nonzero, l, out);
  }
  s->flag_bit = 64 * steps;
  s->active = _mm512_cmpgt_epu8_mask(s->position, before);
}

// Any step; where all rows are finished it changes nothing but the number of steps.
static inline __attribute__((always_inline)) void step(
    lane_state *s, const qmoe_code_layout *l, decoded *out) {
  uint64_t nonzero = next_nonzeros(s->flags, &s->flag_bit, s->active, 0);
  __m512i before = s->position;
  take_step(s, nonzero, l, out);
  // A finished lane's column wraps around.
  s->active = _mm512_mask_cmpgt_epu8_mask(s->active, s->position, before);
}

// Tiles decoded side by side, in row groups that follow each other.
enum { TILES = 4 };

typedef struct {
  uint8_t codes[TILES][64 * 256 + 64]; // read 64 at a time from anywhere up to the last
  qmoe_tile tiles[TILES];
  decoded steps[TILES];
} workspace;

static qmoe_ternary_status begin_tile(
    const qmoe_ternary *m, size_t group, size_t last_group, size_t block, workspace *w,
    size_t index, lane_state *s) {
  uint8_t *codes = w->codes[index];
  *s = (lane_state){_mm512_setzero_si512(), 0, codes, codes, 0, 0, qmoe_code_layouts};
  if (group >= last_group) return QMOE_TERNARY_OK;
  qmoe_tile *tile = &w->tiles[index];
  if (qmoe_find_tile(m, group, block, tile)) return QMOE_TERNARY_MALFORMED;
  s->layout += tile->width;
  unpack_payload(tile, s->layout, codes);
  s->flags = tile->flags;
  s->position = _mm512_set1_epi8((char)tile->first_column);
  if (tile->rows == QMOE_TILE_ROWS) {
    full_steps(s, tile, s->layout, &w->steps[index]);
  } else {
    s->active = (1ull << tile->rows) - 1;
  }
  return QMOE_TERNARY_OK;
}

// Rows advance together: most steps meet one half of the activations only.
static inline void find_halves(decoded *d) {
  d->left_end = 0;
  while (d->left_end < d->steps && !(d->right[d->left_end] | d->right[d->left_end + 1])) {
    d->left_end += 2;
  }
  d->right_begin = d->steps;
  while (d->right_begin > d->left_end &&
         !(d->left[d->right_begin - 1] | d->left[d->right_begin - 2])) {
    d->right_begin -= 2;
  }
}

static inline qmoe_ternary_status end_tile(workspace *w, size_t index, const lane_state *s) {
  decoded *d = &w->steps[index];
  d->left[s->steps] = d->right[s->steps] = d->negative[s->steps] = 0;
  d->steps = (s->steps + 1) & ~(size_t)1;
  find_halves(d);
  size_t nonzeros = (size_t)(s->codes - w->codes[index]);
  return qmoe_check_tile(&w->tiles[index], s->flag_bit, nonzeros);
}

// Decodes the tiles of the row groups [group, last_group), at most TILES of them.
static qmoe_ternary_status decode_tiles(
    const qmoe_ternary *m, size_t group, size_t last_group, size_t block, workspace *w) {
  // Variables of their own stay in registers, which elements of an array do not.
  lane_state a, b, c, d;
  qmoe_ternary_status status = begin_tile(m, group, last_group, block, w, 0, &a);
  status |= begin_tile(m, group + 1, last_group, block, w, 1, &b);
  status |= begin_tile(m, group + 2, last_group, block, w, 2, &c);
  status |= begin_tile(m, group + 3, last_group, block, w, 3, &d);
  if (status) return status;
  while (a.active | b.active | c.active | d.active) {
    // No tile takes more than 256 steps, since each moves its rows on.
    if (a.active) step(&a, a.layout, &w->steps[0]);
    if (b.active) step(&b, b.layout, &w->steps[1]);
    if (c.active) step(&c, c.layout, &w->steps[2]);
    if (d.active) step(&d, d.layout, &w->steps[3]);
  }
  status |= end_tile(w, 0, &a);
  if (group + 1 < last_group) status |= end_tile(w, 1, &b);
  if (group + 2 < last_group) status |= end_tile(w, 2, &c);
  if (group + 3 < last_group) status |= end_tile(w, 3, &d);
  return status;
}

// The activations at a step's nonzeros, 0 elsewhere.
static inline __attribute__((always_inline)) __m512i look_up(
    const decoded *d, size_t step, side side, const __m512i x[4]) {
  __m512i column = _mm512_loadu_si512(d->columns[step]);
  if (side == LEFT) return _mm512_maskz_permutex2var_epi8(d->left[step], x[0], column, x[1]);
  __m512i right = _mm512_maskz_permutex2var_epi8(d->right[step], x[2], column, x[3]);
  if (side == RIGHT) return right;
  return _mm512_or_si512(
      _mm512_maskz_permutex2var_epi8(d->left[step], x[0], column, x[1]), right);
}

// One token while a tile is multiplied with it.
typedef struct {
  __m512i x[4]; // its activations
  tile_sums sums;
} token_state;

static inline __attribute__((always_inline)) token_state begin_token(const int8_t *values) {
  return (token_state){
      {_mm512_loadu_si512(values), _mm512_loadu_si512(values + 64),
       _mm512_loadu_si512(values + 128), _mm512_loadu_si512(values + 192)},
      no_sums()};
}

static inline __attribute__((always_inline)) void two_steps(
    token_state *t, const decoded *d, size_t step, side side) {
  __m512i first = look_up(d, step, side, t->x), second = look_up(d, step + 1, side, t->x);
  add_values(
      &t->sums, first, second, _mm512_maskz_mov_epi8(d->negative[step], first),
      _mm512_maskz_mov_epi8(d->negative[step + 1], second));
}

// Multiplies the steps from `first` up to `end` with `count` tokens, which share what is loaded of a step.
// `count` and `side` are constants wherever this is expanded.
static inline __attribute__((always_inline)) void multiply_steps(
    token_state *tokens, size_t count, const decoded *d, size_t first, size_t end, side side) {
  for (size_t step = first; step < end; step += 2) {
#pragma clang loop unroll(full)
    for (size_t i = 0; i < count; i++) two_steps(&tokens[i], d, step, side);
  }
}

static inline __attribute__((always_inline)) void multiply_tokens(
    token_state *tokens, size_t count, const decoded *d) {
  multiply_steps(tokens, count, d, 0, d->left_end, LEFT);
  multiply_steps(tokens, count, d, d->left_end, d->right_begin, ANY);
  multiply_steps(tokens, count, d, d->right_begin, d->steps, RIGHT);
}

// Multiplies a decoded tile of column block `block` with all tokens. positive and negative are those
// of the tile's rows for the first token, `stride` apart from token to token.
static void multiply_tile(
    const decoded *d, qmoe_int8_activations x, size_t block, size_t blocks, float *positive,
    float *negative, size_t stride) {
  const int8_t *values = x.values + block * QMOE_TILE_COLUMNS;
  const float *scales = x.scales + block;
  const size_t length = blocks * QMOE_TILE_COLUMNS;
  for (size_t t = 0; t < x.tokens; t += 2) {
    const size_t count = x.tokens - t < 2 ? 1 : 2;
    token_state tokens[2] = {
        begin_token(values + t * length), begin_token(values + (t + count - 1) * length)};
    if (count == 2) {
      multiply_tokens(tokens, 2, d);
    } else {
      multiply_tokens(tokens, 1, d);
    }
#pragma clang loop unroll(full)
    for (size_t i = 0; i < 2; i++) {
      if (i >= count) continue;
      add_sums(
          &tokens[i].sums, scales[(t + i) * blocks], positive + (t + i) * stride,
          negative + (t + i) * stride);
    }
  }
}

qmoe_ternary_status qmoe_ternary_sums_of_tokens_avx512(
    const qmoe_ternary *m, size_t first_group, size_t last_group, size_t first_block,
    size_t last_block, qmoe_int8_activations x, float *positive, float *negative) {
  workspace w;
  const size_t blocks = qmoe_column_blocks(m);
  const size_t rows = (last_group - first_group) * QMOE_TILE_ROWS;
  memset(positive, 0, x.tokens * rows * sizeof *positive);
  memset(negative, 0, x.tokens * rows * sizeof *negative);
  for (size_t g = first_group; g < last_group; g += TILES) {
    size_t count = last_group - g < TILES ? last_group - g : TILES;
    for (size_t block = first_block; block < last_block; block++) {
      if (decode_tiles(m, g, g + count, block, &w)) return QMOE_TERNARY_MALFORMED;
      for (size_t i = 0; i < count; i++) {
        size_t row = (g + i - first_group) * QMOE_TILE_ROWS;
        multiply_tile(&w.steps[i], x, block, blocks, positive + row, negative + row, rows);
      }
    }
  }
  return QMOE_TERNARY_OK;
}

qmoe_ternary_status qmoe_ternary_expand_avx512(
    const qmoe_ternary *m, size_t group, size_t block, qmoe_levels levels, size_t first_row,
    size_t last_row, float *out, size_t stride) {
  workspace w;
  if (decode_tiles(m, group, group + 1, block, &w)) return QMOE_TERNARY_MALFORMED;
  const decoded *d = &w.steps[0];
  const unsigned first_column = w.tiles[0].first_column;
  qmoe_clear_rows(&w.tiles[0], last_row - first_row, out, stride);
  float pairs[QMOE_TILE_ROWS][2];
  for (size_t r = first_row; r < last_row; r++) qmoe_row_levels(levels, r, pairs[r]);
  const uint64_t rows =
      (last_row < 64 ? (1ull << last_row) - 1 : ~0ull) & ~((1ull << first_row) - 1);
  for (size_t i = 0; i < d->steps; i++) {
    for (uint64_t left = d->left[i] | d->right[i]; left; left &= left - 1) {
      size_t row = (size_t)__builtin_ctzll(left);
      unsigned column = d->columns[i][row];
      // What lies beyond the tile's end wraps around to columns before the row's last.
      if (column < first_column || (i > 0 && column <= d->columns[i - 1][row])) {
        return QMOE_TERNARY_MALFORMED;
      }
      if (!(rows >> row & 1)) continue;
      out[(row - first_row) * stride + column - first_column] =
          pairs[row][!(d->negative[i] >> row & 1)];
    }
  }
  return QMOE_TERNARY_OK;
}

#pragma clang attribute pop
#else
typedef int not_for_this_processor;
#endif
