#if defined(__x86_64__)
#include "ternary_tile.h"

#include <immintrin.h>

// A lane of the registers is a row. The flags of a step are spread over the unfinished lanes by
// pdep, the payload of the nonzeros by vpexpandb; each lane keeps its own column, and the 256
// activations of the tile sit in four registers that vpermi2b reads by column. Nothing in a step
// depends on anything but the step before, and that through few instructions, so two row groups are
// decoded side by side to fill the time.

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(                                                                    \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,bmi,bmi2,"  \
                          "popcnt,lzcnt"))),                                                     \
    apply_to = function)

enum { SIDE_BY_SIDE = 2 };

// One row group while its tile is decoded.
typedef struct {
  __m512i position; // the column of each lane, 8 bits: it wraps where a row is finished
  __mmask64 active; // rows not finished
  const uint8_t *codes; // payload codes left, one a byte
  const uint8_t *flags;
  size_t flag_bit;
  __m512i all_even, all_odd; // sums of x over nonzeros, 16 bits, even and odd rows
  __m512i negative_even, negative_odd; // the same over the negative ones
} lane_state;

// Unpacks the payload to one code of width + 1 bits a byte. Reads up to 64 bytes behind the payload
// and writes at most 64 * 256 bytes, since the payload has at most 2048 * (width + 1).
static inline void unpack_payload(const qmoe_tile *tile, unsigned width, uint8_t *out) {
  const unsigned bits = width + 1;
  // A group of `bits` bytes holds 8 codes and goes to 8 bytes.
  uint8_t spread[64], shift[64];
  for (unsigned i = 0; i < 64; i++) {
    unsigned byte = i / 8 * bits + i % 8;
    spread[i] = i % 8 < bits ? (uint8_t)byte : 63;
    shift[i] = (uint8_t)(i % 8 * bits);
  }
  const __m512i spreads = _mm512_loadu_si512(spread), shifts = _mm512_loadu_si512(shift);
  const __m512i mask = _mm512_set1_epi8((char)((1 << bits) - 1));
  for (size_t done = 0; done < tile->payload_bytes; done += 8 * bits, out += 64) {
    __m512i v = _mm512_loadu_si512(tile->payload + done);
    v = _mm512_multishift_epi64_epi8(shifts, _mm512_permutexvar_epi8(spreads, v));
    _mm512_storeu_si512(out, _mm512_and_si512(v, mask));
  }
}

// The 64 flags from bit position `bit` on; reads 9 bytes.
static inline uint64_t flags_at(const uint8_t *flags, size_t bit) {
  uint64_t low;
  memcpy(&low, flags + (bit >> 3), 8);
  unsigned shift = bit & 7;
  // Two shifts: by 64 there is no single one.
  return low >> shift | (uint64_t)flags[(bit >> 3) + 8] << 1 << (63 - shift);
}

static inline __attribute__((always_inline)) void step(
    lane_state *s, __m512i gap_mask, __m512i sign_bit, const __m512i x[4]) {
  const __m512i one = _mm512_set1_epi8(1);
  const __m512i even = _mm512_set1_epi16(0x0001), odd = _mm512_set1_epi16(0x0100);
  __mmask64 nonzero = _pdep_u64(flags_at(s->flags, s->flag_bit), s->active);
  s->flag_bit += (size_t)_mm_popcnt_u64(s->active);
  // A lane without a nonzero gets the code of the longest gap, so that all lanes advance alike.
  __m512i code = _mm512_mask_expand_epi8(gap_mask, nonzero, _mm512_loadu_si512(s->codes));
  s->codes += _mm_popcnt_u64(nonzero);
  __m512i column = _mm512_add_epi8(s->position, _mm512_and_si512(code, gap_mask));
  __m512i low = _mm512_maskz_permutex2var_epi8(nonzero, x[0], column, x[1]);
  __m512i high = _mm512_maskz_permutex2var_epi8(nonzero, x[2], column, x[3]);
  __m512i value = _mm512_mask_blend_epi8(_mm512_movepi8_mask(column), low, high);
  __m512i negative = _mm512_maskz_mov_epi8(_mm512_test_epi8_mask(code, sign_bit), value);
  s->all_even = _mm512_add_epi16(s->all_even, _mm512_maddubs_epi16(even, value));
  s->all_odd = _mm512_add_epi16(s->all_odd, _mm512_maddubs_epi16(odd, value));
  s->negative_even = _mm512_add_epi16(s->negative_even, _mm512_maddubs_epi16(even, negative));
  s->negative_odd = _mm512_add_epi16(s->negative_odd, _mm512_maddubs_epi16(odd, negative));
  __m512i next = _mm512_add_epi8(column, one);
  s->active = _mm512_mask_cmpgt_epu8_mask(s->active, next, s->position);
  s->position = next;
}

// total[64] += scale * sums, where sums come as 16-bit numbers of even and odd rows.
static inline void add_scaled(float *total, __m512i even, __m512i odd, float scale) {
  // Rows 4q, 4q + 1, 4q + 2, 4q + 3 are the low halves of even and odd, then the high halves.
  int32_t sums[4][16];
  _mm512_storeu_si512(sums[0], _mm512_srai_epi32(_mm512_slli_epi32(even, 16), 16));
  _mm512_storeu_si512(sums[1], _mm512_srai_epi32(_mm512_slli_epi32(odd, 16), 16));
  _mm512_storeu_si512(sums[2], _mm512_srai_epi32(even, 16));
  _mm512_storeu_si512(sums[3], _mm512_srai_epi32(odd, 16));
  const __m512 factor = _mm512_set1_ps(scale);
  for (int j = 0; j < 4; j++) {
    // total is kept in the order of the registers until the end: [4][16].
    __m512 product = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_loadu_si512(sums[j])), factor);
    _mm512_storeu_ps(total + 16 * j, _mm512_add_ps(_mm512_loadu_ps(total + 16 * j), product));
  }
}

// From the order of the registers to that of the rows.
static inline void store_rows(const float *total, float *rows) {
  for (int j = 0; j < 4; j++) {
    for (int q = 0; q < 16; q++) rows[4 * q + j] = total[16 * j + q];
  }
}

static qmoe_ternary_status sums_of_groups(
    const qmoe_ternary *m, size_t group, int groups, size_t first_block, size_t last_block,
    qmoe_int8_activations x, uint8_t (*codes)[64 * 256 + 64], float *positive, float *negative) {
  const __m512i gap_mask = _mm512_set1_epi8((char)((1 << m->width) - 1));
  const __m512i sign_bit = _mm512_set1_epi8((char)(1 << m->width));
  float totals[SIDE_BY_SIDE][2][QMOE_TILE_ROWS] = {{{0}}};
  qmoe_ternary_status status = QMOE_TERNARY_OK;
  for (size_t block = first_block; block < last_block; block++) {
    const int8_t *values = x.values + block * QMOE_TILE_COLUMNS;
    __m512i xs[4];
    for (int i = 0; i < 4; i++) xs[i] = _mm512_loadu_si512(values + 64 * i);
    qmoe_tile tiles[SIDE_BY_SIDE];
    lane_state lanes[SIDE_BY_SIDE];
    for (int i = 0; i < SIDE_BY_SIDE; i++) {
      lane_state *s = &lanes[i];
      *s = (lane_state){.codes = codes[i], .flags = codes[i]};
      s->position = s->all_even = s->all_odd = s->negative_even = s->negative_odd =
          _mm512_setzero_si512();
      if (i >= groups) continue;
      if (qmoe_find_tile(m, group + (size_t)i, block, &tiles[i])) return QMOE_TERNARY_MALFORMED;
      unpack_payload(&tiles[i], m->width, codes[i]);
      s->flags = tiles[i].flags;
      s->position = _mm512_set1_epi8((char)tiles[i].first_column);
      s->active = tiles[i].rows == 64 ? ~0ull : (1ull << tiles[i].rows) - 1;
    }
    while (lanes[0].active | lanes[1].active) {
      step(&lanes[0], gap_mask, sign_bit, xs);
      step(&lanes[1], gap_mask, sign_bit, xs);
    }
    for (int i = 0; i < groups; i++) {
      lane_state *s = &lanes[i];
      status |= qmoe_check_tile(m, &tiles[i], s->flag_bit, (size_t)(s->codes - codes[i]));
      // Positive sums are what is left of all; 256 values of at most 127 fit 16 bits.
      add_scaled(
          totals[i][0], _mm512_sub_epi16(s->all_even, s->negative_even),
          _mm512_sub_epi16(s->all_odd, s->negative_odd), x.scales[block]);
      add_scaled(totals[i][1], s->negative_even, s->negative_odd, x.scales[block]);
    }
  }
  for (int i = 0; i < groups; i++) {
    store_rows(totals[i][0], positive + QMOE_TILE_ROWS * i);
    store_rows(totals[i][1], negative + QMOE_TILE_ROWS * i);
  }
  return status;
}

qmoe_ternary_status qmoe_ternary_sums_avx512(
    const qmoe_ternary *m, size_t first_group, size_t last_group, size_t first_block,
    size_t last_block, qmoe_int8_activations x, float *positive, float *negative) {
  // Codes are read 64 at a time from anywhere up to the last of 64 * 256.
  uint8_t codes[SIDE_BY_SIDE][64 * 256 + 64];
  qmoe_ternary_status status = QMOE_TERNARY_OK;
  for (size_t g = first_group; g < last_group; g += SIDE_BY_SIDE) {
    size_t groups = last_group - g < SIDE_BY_SIDE ? last_group - g : SIDE_BY_SIDE;
    size_t row = (g - first_group) * QMOE_TILE_ROWS;
    status |= sums_of_groups(
        m, g, (int)groups, first_block, last_block, x, codes, positive + row, negative + row);
  }
  return status;
}

#pragma clang attribute pop
#else
typedef int not_for_this_processor;
#endif
