#if defined(__x86_64__)
#include "ternary_tile.h"

#include <immintrin.h>

// A byte of the registers is a row, as in the AVX-512 kernel. What AVX2 lacks is done eight rows at
// a time in general registers (pdep spreads payload codes over the bytes of the nonzeros) and by
// sixteen table lookups of sixteen columns each.

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx2,bmi,bmi2,popcnt,lzcnt,fma"))),          \
                             apply_to = function)

typedef struct {
  __m256i position; // the column of each lane, 8 bits: it wraps where a row is finished
  __m256i all_even, all_odd; // sums of x over nonzeros, 16 bits, even and odd rows
  __m256i negative_even, negative_odd; // the same over the negative ones
} half_state; // 32 rows

// The activation at each lane's column. `values` are the tile's 256.
static inline __m256i look_up(const int8_t *values, __m256i column) {
  const __m256i bias = _mm256_set1_epi8(0x70), sixteen = _mm256_set1_epi8(16);
  __m256i result = _mm256_setzero_si256();
  for (int i = 0; i < 16; i++) {
    // Within the table's sixteen columns the sum keeps bit 7 clear; outside it sets it, and the
    // shuffle gives 0.
    __m256i index = _mm256_adds_epu8(column, bias);
    __m256i table = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)values + i));
    result = _mm256_or_si256(result, _mm256_shuffle_epi8(table, index));
    column = _mm256_sub_epi8(column, sixteen);
  }
  return result;
}

// One step of 32 rows; `code` and `nonzero` (0 or 255) have a byte for each. Returns the lanes that
// are not finished.
static inline __attribute__((always_inline)) uint32_t step(
    half_state *s, __m256i code, __m256i nonzero, __m256i gap_mask, __m256i sign_bit,
    const int8_t *values) {
  const __m256i even = _mm256_set1_epi16(0x0001), odd = _mm256_set1_epi16(0x0100);
  __m256i column = _mm256_add_epi8(s->position, _mm256_and_si256(code, gap_mask));
  __m256i value = _mm256_and_si256(look_up(values, column), nonzero);
  __m256i is_negative = _mm256_cmpeq_epi8(_mm256_and_si256(code, sign_bit), sign_bit);
  __m256i negative = _mm256_and_si256(value, is_negative);
  s->all_even = _mm256_add_epi16(s->all_even, _mm256_maddubs_epi16(even, value));
  s->all_odd = _mm256_add_epi16(s->all_odd, _mm256_maddubs_epi16(odd, value));
  s->negative_even = _mm256_add_epi16(s->negative_even, _mm256_maddubs_epi16(even, negative));
  s->negative_odd = _mm256_add_epi16(s->negative_odd, _mm256_maddubs_epi16(odd, negative));
  __m256i next = _mm256_add_epi8(column, _mm256_set1_epi8(1));
  __m256i finished = _mm256_cmpeq_epi8(_mm256_max_epu8(next, s->position), s->position);
  s->position = next;
  return ~(uint32_t)_mm256_movemask_epi8(finished);
}

static inline void add_scaled(float *total, __m256i even, __m256i odd, float scale) {
  int16_t sums[2][16];
  _mm256_storeu_si256((__m256i *)sums[0], even);
  _mm256_storeu_si256((__m256i *)sums[1], odd);
  for (int row = 0; row < 32; row++) total[row] += scale * (float)sums[row & 1][row >> 1];
}

static qmoe_ternary_status add_tile(
    const qmoe_ternary *m, size_t group, size_t block, const int8_t *values, float scale,
    float *positive, float *negative) {
  qmoe_tile tile;
  if (qmoe_find_tile(m, group, block, &tile)) return QMOE_TERNARY_MALFORMED;
  const unsigned bits = tile.width + 1;
  const uint64_t ones = 0x0101010101010101u;
  const uint64_t gap = ones * ((1u << tile.width) - 1), code_mask = ones * ((1u << bits) - 1);
  const __m256i gap_mask = _mm256_set1_epi64x((long long)gap);
  const __m256i sign_bit = _mm256_set1_epi8((char)(1 << tile.width));
  half_state halves[2];
  for (int h = 0; h < 2; h++) {
    half_state *s = &halves[h];
    s->all_even = s->all_odd = s->negative_even = s->negative_odd = _mm256_setzero_si256();
    s->position = _mm256_set1_epi8((char)tile.first_column);
  }
  uint64_t active = tile.rows == 64 ? ~0ull : (1ull << tile.rows) - 1;
  size_t flag_bit = 0, payload_bit = 0;
  while (active) {
    // A step reads at most 64 codes, 56 bytes; so one check a step keeps reads near the payload.
    if (payload_bit > 8 * tile.payload_bytes) return QMOE_TERNARY_MALFORMED;
    uint64_t low = qmoe_bits(tile.flags, flag_bit);
    uint64_t flags = low | (uint64_t)tile.flags[(flag_bit >> 3) + 8] << 1 << (63 - (flag_bit & 7));
    uint64_t nonzero = _pdep_u64(flags, active);
    flag_bit += (size_t)_mm_popcnt_u64(active);
    uint64_t codes[8], masks[8];
    for (int i = 0; i < 8; i++) {
      uint64_t byte = nonzero >> (8 * i) & 255;
      masks[i] = _pdep_u64(byte, ones) * 255;
      // A lane without a nonzero gets the code of the longest gap, so that all advance alike.
      codes[i] = _pdep_u64(qmoe_bits(tile.payload, payload_bit), masks[i] & code_mask) |
                 (gap & ~masks[i]);
      payload_bit += (size_t)_mm_popcnt_u64(byte) * bits;
    }
    uint64_t unfinished = 0;
    for (int h = 0; h < 2; h++) {
      __m256i code = _mm256_loadu_si256((const __m256i *)codes + h);
      __m256i mask = _mm256_loadu_si256((const __m256i *)masks + h);
      uint64_t lanes = step(&halves[h], code, mask, gap_mask, sign_bit, values);
      unfinished |= lanes << (32 * h);
    }
    active &= unfinished;
  }
  for (int h = 0; h < 2; h++) {
    half_state *s = &halves[h];
    // Positive sums are what is left of all; 256 values of at most 127 fit 16 bits.
    add_scaled(
        positive + 32 * h, _mm256_sub_epi16(s->all_even, s->negative_even),
        _mm256_sub_epi16(s->all_odd, s->negative_odd), scale);
    add_scaled(negative + 32 * h, s->negative_even, s->negative_odd, scale);
  }
  return qmoe_check_tile(&tile, flag_bit, payload_bit / bits);
}

qmoe_ternary_status qmoe_ternary_sums_avx2(
    const qmoe_ternary *m, size_t first_group, size_t last_group, size_t first_block,
    size_t last_block, qmoe_int8_activations x, float *positive, float *negative) {
  return qmoe_sum_tiles(
      m, first_group, last_group, first_block, last_block, x, positive, negative, add_tile);
}

#pragma clang attribute pop
#else
typedef int not_for_this_processor;
#endif
