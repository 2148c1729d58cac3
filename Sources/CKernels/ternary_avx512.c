#if defined(__x86_64__)
#include "ternary_tile.h"

#include <immintrin.h>

// One token. A lane of the registers is a row. The flags of a step are spread over the unfinished lanes by
// pdep, the payload of the nonzeros by vpexpandb; each lane keeps its own column, and the 256
// activations of the tile sit in four registers that vpermi2b reads by column. Nothing in a step
// depends on anything but the step before, but each waits long for that one, so several row groups are
// decoded side by side to fill the time.

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

static inline __attribute__((always_inline)) step_values step(
    lane_state *s, const __m512i x[4]) {
  const __m512i gap_mask = _mm512_load_si512(s->layout->gap_mask);
  __mmask64 nonzero = _pdep_u64(flags_at(s->flags, s->flag_bit), s->active);
  s->flag_bit += (size_t)_mm_popcnt_u64(s->active);
  // A lane without a nonzero gets the code of the longest gap, so that all lanes advance alike.
  __m512i code = _mm512_mask_expand_epi8(gap_mask, nonzero, _mm512_loadu_si512(s->codes));
  s->codes += _mm_popcnt_u64(nonzero);
  __m512i column = _mm512_add_epi8(s->position, _mm512_and_si512(code, gap_mask));
  __m512i left = _mm512_maskz_permutex2var_epi8(nonzero, x[0], column, x[1]);
  __m512i right = _mm512_maskz_permutex2var_epi8(nonzero, x[2], column, x[3]);
  step_values v;
  v.all = _mm512_mask_blend_epi8(_mm512_movepi8_mask(column), left, right);
  const __m512i sign_bit = _mm512_load_si512(s->layout->sign_bit);
  v.negative = _mm512_maskz_mov_epi8(_mm512_test_epi8_mask(code, sign_bit), v.all);
  __m512i next = _mm512_add_epi8(column, _mm512_set1_epi8(1));
  s->active = _mm512_mask_cmpgt_epu8_mask(s->active, next, s->position);
  s->position = next;
  return v;
}

// Two steps; past a tile's end a step finds no lane unfinished and changes nothing.
static inline __attribute__((always_inline)) void two_steps(
    lane_state *s, const __m512i x[4]) {
  step_values first = step(s, x);
  step_values second = step(s, x);
  add_values(&s->sums, first.all, second.all, first.negative, second.negative);
}

// A row group with nothing to decode: all rows are finished.
static inline lane_state idle_lanes(const uint8_t *readable) {
  return (lane_state){
      _mm512_setzero_si512(), 0, readable, readable, 0, qmoe_code_layouts, no_sums()};
}

static inline lane_state begin_tile(const qmoe_tile *tile, uint8_t *codes) {
  const qmoe_code_layout *layout = &qmoe_code_layouts[tile->width];
  unpack_payload(tile, layout, codes);
  lane_state s = idle_lanes(codes);
  s.flags = tile->flags;
  s.layout = layout;
  s.position = _mm512_set1_epi8((char)tile->first_column);
  s.active = tile->rows == 64 ? ~0ull : (1ull << tile->rows) - 1;
  return s;
}

// Adds a decoded tile's sums to the totals of its rows.
static inline qmoe_ternary_status finish(
    const qmoe_tile *tile, const lane_state *s, const uint8_t *codes, float scale, float *positive,
    float *negative) {
  add_sums(&s->sums, scale, positive, negative);
  return qmoe_check_tile(tile, s->flag_bit, (size_t)(s->codes - codes));
}

// Row groups decoded side by side.
enum { GROUPS = 4 };

// The tile of a row group, or idle lanes where there is none.
static qmoe_ternary_status start(
    const qmoe_ternary *m, size_t group, size_t last_group, size_t block, uint8_t *codes,
    qmoe_tile *tile, lane_state *lanes) {
  *lanes = idle_lanes(codes);
  if (group >= last_group) return QMOE_TERNARY_OK;
  if (qmoe_find_tile(m, group, block, tile)) return QMOE_TERNARY_MALFORMED;
  *lanes = begin_tile(tile, codes);
  return QMOE_TERNARY_OK;
}

// Where the codes begin that are decoded after a tile; anything at the end, where nothing is.
static inline const char *next_tile(
    const qmoe_ternary *m, size_t group, size_t block, size_t first_block, size_t last_block) {
  if (++block == last_block) {
    block = first_block;
    group += GROUPS;
  }
  if (group >= qmoe_row_groups(m)) return (const char *)m->codes;
  uint32_t first;
  memcpy(&first, m->offsets + group * qmoe_column_blocks(m) + block, 4);
  return (const char *)m->codes + first;
}

// The row groups [group, last_group), at most GROUPS of them.
static qmoe_ternary_status sums_side_by_side(
    const qmoe_ternary *m, size_t group, size_t last_group, size_t first_block, size_t last_block,
    qmoe_int8_activations x, uint8_t (*codes)[64 * 256 + 64], float *positive,
    float *negative) {
  qmoe_ternary_status status = QMOE_TERNARY_OK;
  for (size_t block = first_block; block < last_block; block++) {
    const int8_t *values = x.values + block * QMOE_TILE_COLUMNS;
    const __m512i xs[4] = {
        _mm512_loadu_si512(values), _mm512_loadu_si512(values + 64),
        _mm512_loadu_si512(values + 128), _mm512_loadu_si512(values + 192)};
    qmoe_tile tiles[GROUPS];
    // Variables of their own stay in registers, which elements of an array do not.
    lane_state a, b, c, d;
    status |= start(m, group, last_group, block, codes[0], &tiles[0], &a);
    status |= start(m, group + 1, last_group, block, codes[1], &tiles[1], &b);
    status |= start(m, group + 2, last_group, block, codes[2], &tiles[2], &c);
    status |= start(m, group + 3, last_group, block, codes[3], &tiles[3], &d);
    if (status) return status;
    // A line of each tile that comes next is fetched in each round: tiles are too short and too far
    // apart for the processor to foresee them.
    const char *next[GROUPS];
    for (size_t i = 0; i < GROUPS; i++) {
      next[i] = next_tile(m, group + i, block, first_block, last_block);
    }
    for (size_t ahead = 0; a.active | b.active | c.active | d.active; ahead += 64) {
      for (size_t i = 0; i < GROUPS; i++) _mm_prefetch(next[i] + ahead, _MM_HINT_T0);
      two_steps(&a, xs);
      two_steps(&b, xs);
      two_steps(&c, xs);
      two_steps(&d, xs);
    }
    const float scale = x.scales[block];
    status |= finish(&tiles[0], &a, codes[0], scale, positive, negative);
    if (group + 1 < last_group) {
      status |= finish(
          &tiles[1], &b, codes[1], scale, positive + 1 * QMOE_TILE_ROWS,
          negative + 1 * QMOE_TILE_ROWS);
    }
    if (group + 2 < last_group) {
      status |= finish(
          &tiles[2], &c, codes[2], scale, positive + 2 * QMOE_TILE_ROWS,
          negative + 2 * QMOE_TILE_ROWS);
    }
    if (group + 3 < last_group) {
      status |= finish(
          &tiles[3], &d, codes[3], scale, positive + 3 * QMOE_TILE_ROWS,
          negative + 3 * QMOE_TILE_ROWS);
    }
  }
  return status;
}

qmoe_ternary_status qmoe_ternary_sums_avx512(
    const qmoe_ternary *m, size_t first_group, size_t last_group, size_t first_block,
    size_t last_block, qmoe_int8_activations x, float *positive, float *negative) {
  if (x.tokens > 1) {
    return qmoe_ternary_sums_of_tokens_avx512(
        m, first_group, last_group, first_block, last_block, x, positive, negative);
  }
  const size_t rows = (last_group - first_group) * QMOE_TILE_ROWS;
  memset(positive, 0, rows * sizeof *positive);
  memset(negative, 0, rows * sizeof *negative);
  // Codes are read 64 at a time from anywhere up to the last of 64 * 256.
  uint8_t codes[GROUPS][64 * 256 + 64];
  qmoe_ternary_status status = QMOE_TERNARY_OK;
  for (size_t g = first_group; g < last_group; g += GROUPS) {
    size_t row = (g - first_group) * QMOE_TILE_ROWS;
    size_t end = last_group - g < GROUPS ? last_group : g + GROUPS;
    status |= sums_side_by_side(
        m, g, end, first_block, last_block, x, codes, positive + row, negative + row);
  }
  return status;
}

#pragma clang attribute pop
#else
typedef int not_for_this_processor;
#endif
