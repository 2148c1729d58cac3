#if defined(__x86_64__)
#include "ternary_tile.h"

#include <immintrin.h>

// One token. A lane of the registers is a row. The flags of a step are spread over the unfinished lanes by
// pdep, the payload of the nonzeros by vpexpandb; each lane keeps its own column, and the 256
// activations of the tile sit in four registers that vpermi2b reads by column. Nothing in a step
// depends on anything but the step before, but each waits long for that one, so several row groups are
// decoded side by side to fill the time.
//
// A step costs what its vector instructions cost, so two things that only some steps need are left out
// of the others. An event moves its row on by at most 2^k columns: in the first 256 / 2^k steps, the
// *full* ones, no row can be finished, and flags need no spreading. And rows advance together: in the
// first half of the full steps only the left 128 activations are met, later, where all rows
// have left these behind, only the right ones.

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(                                                                    \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,bmi,bmi2,"  \
                          "popcnt,lzcnt,tune=znver4"))),                                         \
    apply_to = function)
#include "ternary_avx512.h"

// One row group while its tile is decoded.
typedef struct {
  __m512i position; // the column of each lane, 8 bits: it wraps where a row is finished
  __mmask64 active; // rows not finished
  const uint8_t *codes; // payload codes left, one a byte
  const uint8_t *flags;
  size_t flag_bit;
  const qmoe_code_layout *layout;
  tile_sums sums;
} lane_state;

// The activations that one step meets: of all nonzeros, and of the negative ones only.
typedef struct {
  __m512i all, negative;
} step_values;

// The activations at `column` for the lanes in `nonzero`, 0 elsewhere.
static inline __attribute__((always_inline)) __m512i look_up(
    const __m512i x[4], __m512i column, __mmask64 nonzero, side side) {
  if (side == LEFT) return _mm512_maskz_permutex2var_epi8(nonzero, x[0], column, x[1]);
  __m512i right = _mm512_maskz_permutex2var_epi8(nonzero, x[2], column, x[3]);
  if (side == RIGHT) return right;
  __m512i left = _mm512_maskz_permutex2var_epi8(nonzero, x[0], column, x[1]);
  return _mm512_mask_blend_epi8(_mm512_movepi8_mask(column), left, right);
}

// `full` and `side` are constants wherever this is expanded.
static inline __attribute__((always_inline)) step_values step(
    lane_state *s, const __m512i x[4], int full, side side) {
  const __m512i gap_mask = _mm512_load_si512(s->layout->gap_mask);
  uint64_t nonzero = next_nonzeros(s->flags, &s->flag_bit, s->active, full);
  // A lane without a nonzero gets the code of the longest gap, so that all lanes advance alike.
  __m512i code = _mm512_mask_expand_epi8(gap_mask, nonzero, _mm512_loadu_si512(s->codes));
  s->codes += _mm_popcnt_u64(nonzero);
  __m512i column = _mm512_add_epi8(s->position, _mm512_and_si512(code, gap_mask));
  step_values v;
  v.all = look_up(x, column, nonzero, side);
  const __m512i sign_bit = _mm512_load_si512(s->layout->sign_bit);
  v.negative = _mm512_maskz_mov_epi8(_mm512_test_epi8_mask(code, sign_bit), v.all);
  __m512i next = _mm512_add_epi8(column, _mm512_set1_epi8(1));
  // A finished lane's column wraps around.
  if (!full) s->active = _mm512_mask_cmpgt_epu8_mask(s->active, next, s->position);
  s->position = next;
  return v;
}

// Most row groups decoded side by side. How many they are, `groups`, is a constant wherever the functions
// below are expanded, so that their lanes stay in registers.
enum { GROUPS = 4 };

// Where the tiles begin that are decoded after the present ones.
typedef struct {
  const char *tile[GROUPS];
  size_t fetched;
} next_tiles;

// Two steps of each row group; past a tile's end a step finds no lane unfinished and changes nothing.
static inline __attribute__((always_inline)) void two_steps(
    size_t groups, lane_state *lanes, const __m512i x[4], next_tiles *next, int full, side side) {
#pragma clang loop unroll(full)
  for (size_t i = 0; i < groups; i++) {
    // A line of each tile that comes next: tiles are too short and too far apart for the processor
    // to foresee them.
    _mm_prefetch(next->tile[i] + next->fetched, _MM_HINT_T0);
    step_values first = step(&lanes[i], x, full, side);
    step_values second = step(&lanes[i], x, full, side);
    add_values(&lanes[i].sums, first.all, second.all, first.negative, second.negative);
  }
  next->fetched += 64;
}

static inline lane_state begin_tile(const qmoe_tile *tile, uint8_t *codes) {
  const qmoe_code_layout *layout = &qmoe_code_layouts[tile->width];
  unpack_payload(tile, layout, codes);
  return (lane_state){
      .position = _mm512_set1_epi8((char)tile->first_column),
      .active = tile->rows == 64 ? ~0ull : (1ull << tile->rows) - 1,
      .codes = codes,
      .flags = tile->flags,
      .layout = layout,
      .sums = no_sums(),
  };
}

// Adds a decoded tile's sums to the totals of its rows.
static inline qmoe_ternary_status finish(
    const qmoe_tile *tile, const lane_state *s, const uint8_t *codes, float scale, float *positive,
    float *negative) {
  add_sums(&s->sums, scale, positive, negative);
  return qmoe_check_tile(tile, s->flag_bit, (size_t)(s->codes - codes));
}

// Where the codes begin that are decoded after a tile; anything at the end, where nothing is.
static inline const char *next_tile(
    const qmoe_ternary *m, size_t group, size_t groups, size_t block, size_t first_block,
    size_t last_block) {
  if (++block == last_block) {
    block = first_block;
    group += groups;
  }
  if (group >= qmoe_row_groups(m)) return (const char *)m->codes;
  uint32_t first;
  memcpy(&first, m->offsets + group * qmoe_column_blocks(m) + block, 4);
  return (const char *)m->codes + first;
}

// The full steps of tiles of 64 rows, which are equally wide.
static inline __attribute__((always_inline)) void full_steps(
    size_t groups, lane_state *lanes, const qmoe_tile *tiles, const __m512i x[4],
    next_tiles *next) {
  unsigned width = 0;
  for (size_t i = 0; i < groups; i++) width = tiles[i].width > width ? tiles[i].width : width;
  const unsigned first = tiles[0].first_column;
  const size_t pairs = (QMOE_TILE_COLUMNS - first) >> width >> 1;
  const size_t left = first < 128 ? (128 - first) >> width >> 1 : 0;
  if (pairs == 0) return;
  for (size_t i = 0; i < left; i++) two_steps(groups, lanes, x, next, 1, LEFT);
  for (size_t i = left; i < pairs; i++) two_steps(groups, lanes, x, next, 1, ANY);
#pragma clang loop unroll(full)
  for (size_t i = 0; i < groups; i++) {
    // Those that moved on by the longest gap in each step may be finished.
    lanes[i].active = _mm512_test_epi8_mask(lanes[i].position, lanes[i].position);
  }
}

// The unfinished lanes of all row groups; of these, those that are among the columns 0 to 127.
static inline __attribute__((always_inline)) uint64_t unfinished(
    size_t groups, const lane_state *lanes, int only_left) {
  uint64_t result = 0;
#pragma clang loop unroll(full)
  for (size_t i = 0; i < groups; i++) {
    uint64_t right = only_left ? _mm512_movepi8_mask(lanes[i].position) : 0;
    result |= lanes[i].active & ~right;
  }
  return result;
}

// `groups` row groups from `group` on.
static inline __attribute__((always_inline)) qmoe_ternary_status sums_side_by_side(
    size_t groups, const qmoe_ternary *m, size_t group, size_t first_block, size_t last_block,
    qmoe_int8_activations x, uint8_t (*codes)[64 * 256 + 64], float *positive,
    float *negative) {
  qmoe_ternary_status status = QMOE_TERNARY_OK;
  for (size_t block = first_block; block < last_block; block++) {
    const int8_t *values = x.values + block * QMOE_TILE_COLUMNS;
    const __m512i xs[4] = {
        _mm512_loadu_si512(values), _mm512_loadu_si512(values + 64),
        _mm512_loadu_si512(values + 128), _mm512_loadu_si512(values + 192)};
    qmoe_tile tiles[GROUPS];
    lane_state lanes[GROUPS];
    next_tiles next = {.fetched = 0};
#pragma clang loop unroll(full)
    for (size_t i = 0; i < groups; i++) {
      if (qmoe_find_tile(m, group + i, block, &tiles[i])) return QMOE_TERNARY_MALFORMED;
      lanes[i] = begin_tile(&tiles[i], codes[i]);
      next.tile[i] = next_tile(m, group + i, groups, block, first_block, last_block);
    }
    if (tiles[groups - 1].rows == QMOE_TILE_ROWS) full_steps(groups, lanes, tiles, xs, &next);
    while (unfinished(groups, lanes, 1)) two_steps(groups, lanes, xs, &next, 0, ANY);
    while (unfinished(groups, lanes, 0)) two_steps(groups, lanes, xs, &next, 0, RIGHT);
#pragma clang loop unroll(full)
    for (size_t i = 0; i < groups; i++) {
      status |= finish(
          &tiles[i], &lanes[i], codes[i], x.scales[block], positive + i * QMOE_TILE_ROWS,
          negative + i * QMOE_TILE_ROWS);
    }
  }
  return status;
}

// Decoding a tile once pays from so many tokens on: that takes steps through memory.
enum { SEVERAL = 3 };

static qmoe_ternary_status sums_of_one_token(
    const qmoe_ternary *m, size_t first_group, size_t last_group, size_t first_block,
    size_t last_block, qmoe_int8_activations x, float *positive, float *negative) {
  // Codes are read 64 at a time from anywhere up to the last of 64 * 256.
  uint8_t codes[GROUPS][64 * 256 + 64];
  qmoe_ternary_status status = QMOE_TERNARY_OK;
  size_t g = first_group;
  float *p = positive, *n = negative;
#define SUM_GROUPS(groups)                                                                        \
  status |= sums_side_by_side(groups, m, g, first_block, last_block, x, codes, p, n);             \
  g += groups, p += groups * QMOE_TILE_ROWS, n += groups * QMOE_TILE_ROWS
  while (last_group - g >= 4) {
    SUM_GROUPS(4);
  }
  if (last_group - g >= 2) {
    SUM_GROUPS(2);
  }
  if (last_group > g) {
    SUM_GROUPS(1);
  }
#undef SUM_GROUPS
  return status;
}

qmoe_ternary_status qmoe_ternary_sums_avx512(
    const qmoe_ternary *m, size_t first_group, size_t last_group, size_t first_block,
    size_t last_block, qmoe_int8_activations x, float *positive, float *negative) {
  if (x.tokens >= SEVERAL) {
    return qmoe_ternary_sums_of_tokens_avx512(
        m, first_group, last_group, first_block, last_block, x, positive, negative);
  }
  const size_t rows = (last_group - first_group) * QMOE_TILE_ROWS, blocks = qmoe_column_blocks(m);
  memset(positive, 0, x.tokens * rows * sizeof *positive);
  memset(negative, 0, x.tokens * rows * sizeof *negative);
  qmoe_ternary_status status = QMOE_TERNARY_OK;
  for (size_t t = 0; t < x.tokens; t++) {
    const qmoe_int8_activations token = {
        1, x.values + t * blocks * QMOE_TILE_COLUMNS, x.scales + t * blocks};
    status |= sums_of_one_token(
        m, first_group, last_group, first_block, last_block, token, positive + t * rows,
        negative + t * rows);
  }
  return status;
}

#pragma clang attribute pop
#else
typedef int not_for_this_processor;
#endif
