#if defined(__x86_64__)
#include "ternary_avx2.h"
#include "ternary_layout.h"

#include <immintrin.h>

// Decodes tiles to their steps. A byte of the registers is a row. The payload is unpacked to one
// code a byte first; in a step, byte shuffles take the next codes to the lanes of the nonzeros,
// sixteen rows at a time, and each lane keeps its own column.

#pragma clang attribute push(__attribute__((target("avx2,bmi,bmi2,popcnt,lzcnt,fma"))),          \
                             apply_to = function)

#include "ternary_flags.h"

// One tile while it is decoded.
typedef struct {
  // The column that each lane's last event reached; 255 where the row is finished. Before the first
  // step it is the column where the row begins, to make up for which `longest` is one less.
  __m256i reached[2];
  __m256i longest; // 2^k: how far an event without nonzero moves a lane on
  __m256i run, gap_mask;
  uint64_t active; // rows not finished
  const uint8_t *codes; // codes left, one a byte
  const uint8_t *flags;
  size_t flag_bit;
  size_t pairs; // of steps taken
  qmoe_avx2_steps *out;
} lane_state;

static inline __m256i load(const void *p) { return _mm256_load_si256(p); }

static inline __m256i load_two(const uint8_t *low, const uint8_t *high) {
  return _mm256_inserti128_si256(
      _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)low)),
      _mm_loadu_si128((const __m128i *)high), 1);
}

// Unpacks the payload: 0x40 + (2^k - 1 - gap), and 0x80 more for a negative one. Reads less than 32
// bytes behind the payload and writes at most 64 * 256 bytes, since the payload has at most
// 2048 * (k + 1).
static inline void unpack_payload(const qmoe_tile *tile, uint8_t *out) {
  const qmoe_code_pair_layout *l = &qmoe_code_pair_layouts[tile->width];
  const __m256i even_bytes = load(l->even_bytes), odd_bytes = load(l->odd_bytes);
  const __m256i even_factors = load(l->even_factors), odd_factors = load(l->odd_factors);
  const __m256i odd = _mm256_set1_epi16((short)0xff00);
  const __m256i gap_mask = _mm256_set1_epi8((char)((1 << tile->width) - 1));
  const __m256i sign_bit = _mm256_set1_epi8(-128);
  const __m256i flip = _mm256_or_si256(gap_mask, _mm256_set1_epi8(0x40));
  const __m128i to_sign_bit = _mm_cvtsi32_si128(7 - (int)tile->width);
  const size_t half = 2 * (tile->width + 1); // bytes of sixteen codes
  const uint8_t *end = tile->payload + tile->payload_bytes;
  for (const uint8_t *p = tile->payload; p < end; p += 2 * half, out += 32) {
    __m256i bytes = load_two(p, p + half);
    __m256i evens = _mm256_mullo_epi16(_mm256_shuffle_epi8(bytes, even_bytes), even_factors);
    __m256i odds = _mm256_mullo_epi16(_mm256_shuffle_epi8(bytes, odd_bytes), odd_factors);
    __m256i code = _mm256_blendv_epi8(_mm256_srli_epi16(evens, 8), odds, odd);
    __m256i gap = _mm256_and_si256(code, gap_mask);
    __m256i sign = _mm256_and_si256(_mm256_sll_epi16(code, to_sign_bit), sign_bit);
    _mm256_storeu_si256((__m256i *)out, _mm256_xor_si256(_mm256_or_si256(gap, sign), flip));
  }
}

// Spreads codes over the lanes of 32 rows whose flags are the bytes first_byte to first_byte + 3 of
// `flags`. Each half of `codes` holds the next codes of sixteen rows.
static inline __attribute__((always_inline)) __m256i spread_codes(
    __m256i flags, int first_byte, __m256i codes) {
  const __m256i bytes = _mm256_add_epi8(
      _mm256_set1_epi8((char)first_byte),
      _mm256_setr_epi64x(
          0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303));
  const __m256i bits = _mm256_set1_epi64x((long long)0x8040201008040201u);
  // 0x80 gives 0.
  const __m256i from_3_and_11 = _mm256_broadcastsi128_si256(_mm_setr_epi8(
      -128, -128, -128, -128, 3, 3, 3, 3, -128, -128, -128, -128, 11, 11, 11, 11));
  const __m256i from_7 = _mm256_broadcastsi128_si256(_mm_setr_epi8(
      -128, -128, -128, -128, -128, -128, -128, -128, 7, 7, 7, 7, 7, 7, 7, 7));
  __m256i spread = _mm256_and_si256(_mm256_shuffle_epi8(flags, bytes), bits);
  __m256i nonzero = _mm256_cmpeq_epi8(spread, bits);
  // How many nonzeros there are up to each lane, in 4, 8 and then 16 lanes.
  __m256i count = _mm256_abs_epi8(nonzero);
  count = _mm256_mullo_epi32(count, _mm256_set1_epi32(0x01010101));
  count = _mm256_add_epi8(count, _mm256_shuffle_epi8(count, from_3_and_11));
  count = _mm256_add_epi8(count, _mm256_shuffle_epi8(count, from_7));
  // One less for a nonzero; bit 7 set for the others, which gives 0.
  __m256i index = _mm256_add_epi8(count, _mm256_or_si256(nonzero, _mm256_set1_epi8(-128)));
  return _mm256_shuffle_epi8(codes, index);
}

// Takes the next codes for the lanes in `nonzero` and moves all lanes on.
static inline __attribute__((always_inline)) void step(
    lane_state *s, uint64_t nonzero, __m256i code[2]) {
  const __m256i flags = _mm256_set1_epi64x((long long)nonzero);
  const uint8_t *first = s->codes;
  const uint8_t *second = first + _mm_popcnt_u64(nonzero << 48);
  const uint8_t *third = first + _mm_popcnt_u64(nonzero << 32);
  const uint8_t *fourth = first + _mm_popcnt_u64(nonzero << 16);
  s->codes += _mm_popcnt_u64(nonzero);
  code[0] = spread_codes(flags, 0, load_two(first, second));
  code[1] = spread_codes(flags, 4, load_two(third, fourth));
  for (int h = 0; h < 2; h++) {
    __m256i advance = _mm256_sub_epi8(s->longest, _mm256_and_si256(code[h], s->gap_mask));
    s->reached[h] = _mm256_adds_epu8(s->reached[h], advance);
  }
  s->longest = s->run;
}

static inline uint64_t unfinished(const lane_state *s) {
  const __m256i end = _mm256_set1_epi8(-1);
  uint64_t low = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(s->reached[0], end));
  uint64_t high = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(s->reached[1], end));
  return ~(low | high << 32);
}

static inline void store_pair(uint8_t (*to)[32], const __m256i first[2], const __m256i second[2]) {
  for (int h = 0; h < 2; h++) {
    _mm256_store_si256((__m256i *)to[2 * h], _mm256_unpacklo_epi8(first[h], second[h]));
    _mm256_store_si256((__m256i *)to[2 * h + 1], _mm256_unpackhi_epi8(first[h], second[h]));
  }
}

// Two steps, both full or any; where all rows are finished a step has no nonzeros.
static inline __attribute__((always_inline)) void two_steps(lane_state *s, int full) {
  __m256i first[2], second[2];
  step(s, next_nonzeros(s->flags, &s->flag_bit, s->active, full), first);
  const __m256i reached[2] = {s->reached[0], s->reached[1]};
  if (!full) s->active = unfinished(s);
  step(s, next_nonzeros(s->flags, &s->flag_bit, s->active, full), second);
  if (!full) s->active = unfinished(s);
  store_pair(s->out->columns[s->pairs], reached, s->reached);
  store_pair(s->out->codes[s->pairs], first, second);
  s->pairs++;
}

// Full steps: an event moves its row on by at most 2^k columns, so that no row can be finished
// before columns / 2^k steps end. In a tile of 64 rows their flags are 64 bits each.
static void full_steps(lane_state *state, const qmoe_tile *tile) {
  const size_t columns = QMOE_TILE_COLUMNS - tile->first_column;
  const size_t pairs = ((columns + (1u << tile->width) - 1) >> tile->width) / 2;
  if (pairs == 0) return;
  lane_state s = *state; // stays in registers
  for (size_t i = 0; i < pairs; i++) two_steps(&s, 1);
  s.active = unfinished(&s);
  *state = s;
}

// All other steps of two tiles, side by side: each waits long for the one before.
static void finish_rows(lane_state *first, lane_state *second) {
  lane_state a = *first, b = *second; // stay in registers
  // No tile takes more than 256 steps, since each moves its rows on.
  while (a.active && b.active) {
    two_steps(&a, 0);
    two_steps(&b, 0);
  }
  while (a.active) two_steps(&a, 0);
  while (b.active) two_steps(&b, 0);
  *first = a;
  *second = b;
}

static void begin_tile(
    const qmoe_tile *tile, uint8_t *codes, qmoe_avx2_steps *out, lane_state *s) {
  unpack_payload(tile, codes);
  s->run = _mm256_set1_epi8((char)(1 << tile->width));
  s->longest = s->gap_mask = _mm256_set1_epi8((char)((1 << tile->width) - 1));
  s->codes = codes;
  s->flags = tile->flags;
  s->out = out;
  // Rows that are not there are finished.
  uint8_t begin[64];
  memset(begin, 255, 64);
  memset(begin, (int)tile->first_column, tile->rows);
  memcpy(s->reached, begin, 64);
  s->active = tile->rows == QMOE_TILE_ROWS ? ~0ull : (1ull << tile->rows) - 1;
  s->flag_bit = s->pairs = 0;
  if (tile->rows == QMOE_TILE_ROWS) full_steps(s, tile);
}

// The least of 32 bytes.
static inline unsigned least(__m256i v) {
  __m128i m = _mm_min_epu8(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  m = _mm_min_epu8(m, _mm_srli_epi16(m, 8));
  return (unsigned)_mm_cvtsi128_si32(_mm_minpos_epu16(m)) & 255;
}

// Rows advance together, so that the columns of a few steps lie near each other. Columns never
// decrease: the first pair has the least, the last one the greatest.
static inline void find_windows(qmoe_avx2_steps *d) {
  for (size_t i = 0; i < d->pairs; i += 2) {
    for (int h = 0; h < 2; h++) {
      const uint8_t(*from)[32] = &d->columns[i][2 * h], (*to)[32] = &d->columns[i + 1][2 * h];
      unsigned first = least(_mm256_min_epu8(load(from[0]), load(from[1])));
      __m256i last = _mm256_max_epu8(load(to[0]), load(to[1]));
      unsigned behind = least(_mm256_xor_si256(last, _mm256_set1_epi8(-1)));
      d->windows[i / 2][h].first = (uint8_t)first;
      d->windows[i / 2][h].sixteens = (uint8_t)((255 - behind - first) / 16 + 1);
    }
  }
}

static qmoe_ternary_status end_tile(
    const qmoe_tile *tile, const lane_state *s, const uint8_t *codes) {
  qmoe_avx2_steps *d = s->out;
  d->pairs = s->pairs;
  if (d->pairs % 2) {
    memset(d->columns[d->pairs], 255, sizeof d->columns[0]);
    memset(d->codes[d->pairs], 0, sizeof d->codes[0]);
    d->pairs++;
  }
  find_windows(d);
  return qmoe_check_tile(tile, s->flag_bit, (size_t)(s->codes - codes));
}

qmoe_ternary_status qmoe_decode_tiles_avx2(
    const qmoe_ternary *m, const qmoe_avx2_place *places, size_t count, qmoe_avx2_workspace *w) {
  qmoe_tile tiles[QMOE_AVX2_TILES];
  // What is not there has no active rows.
  lane_state lanes[QMOE_AVX2_TILES] = {{.active = 0}};
  for (size_t i = 0; i < count; i++) {
    if (qmoe_find_tile(m, places[i].group, places[i].block, &tiles[i])) {
      return QMOE_TERNARY_MALFORMED;
    }
    begin_tile(&tiles[i], w->codes[i], &w->steps[i], &lanes[i]);
  }
  finish_rows(&lanes[0], &lanes[1]);
  qmoe_ternary_status status = QMOE_TERNARY_OK;
  for (size_t i = 0; i < count; i++) status |= end_tile(&tiles[i], &lanes[i], w->codes[i]);
  return status;
}

#pragma clang attribute pop
#else
typedef int not_for_this_processor;
#endif
