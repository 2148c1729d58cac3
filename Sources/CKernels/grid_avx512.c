#if defined(__x86_64__)
#define NAME(f) f##_avx512
#define TARGET \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vnni,bmi2")))
#include "grid.h"

#include <immintrin.h>

#define INLINE TARGET static inline __attribute__((always_inline))

enum { LANES = QMOE_SEGMENT_LANES, MOST_ROWS = 2, MOST_TOKENS = 4 };

// Turns 8 * bits bytes into 64 codes of a byte each: bytes to the eighth of the register that holds their
// codes, then to each byte the eight bits that begin with its code.
typedef struct {
  __m512i order, shifts, mask;
} unpacking;

INLINE unpacking make_unpacking(unsigned bits) {
  uint8_t order[64], shifts[64];
  for (unsigned i = 0; i < 64; i++) {
    order[i] = (uint8_t)(i / 8 * bits + i % 8);
    shifts[i] = (uint8_t)(i % 8 * bits);
  }
  return (unpacking){_mm512_loadu_si512(order), _mm512_loadu_si512(shifts),
                     _mm512_set1_epi8((char)((1u << bits) - 1))};
}

// 64 codes, the 8 * bits bytes at p.
INLINE __m512i unpack(const uint8_t *p, unsigned bits, const unpacking *u) {
  if (bits == 8) return _mm512_loadu_si512(p);
  if (bits == 4) {
    __m512i words = _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)p));
    // Each byte's low half, and its high half a byte further: (word | word << 4) & mask.
    return _mm512_ternarylogic_epi32(words, _mm512_slli_epi16(words, 4), u->mask, 0xa8);
  }
  // No masked load: some processors take long for one near a page that was not touched yet.
  __m256i packed = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)p));
  if (bits == 3) {
    packed = _mm256_inserti128_si256(packed, _mm_loadl_epi64((const __m128i *)(p + 16)), 1);
  }
  __m512i bytes = _mm512_permutexvar_epi8(u->order, _mm512_castsi256_si512(packed));
  return _mm512_and_si512(_mm512_multishift_epi64_epi8(u->shifts, bytes), u->mask);
}

// The same of a row's end: `left` bytes, zeros behind them.
INLINE __m512i unpack_rest(const uint8_t *p, size_t left, unsigned bits, const unpacking *u) {
  uint8_t copy[64];
  size_t count = left < 8 * bits ? left : 8 * bits;
  _mm512_storeu_si512(copy, _mm512_maskz_loadu_epi8(_bzhi_u64(~0ull, (unsigned)count), p));
  return unpack(copy, bits, u);
}

// Steps and zeros of up to 16 segments from segment s on; 0 beyond the last.
INLINE void levels_at(
    const qmoe_grid *m, size_t row, size_t s, size_t segments, __m512 *step, __m512 *zero) {
  size_t left = segments - s;
  __mmask16 mask = left >= 16 ? 0xffff : (__mmask16)((1u << left) - 1);
  float largest = (float)((1 << m->bits) - 1);
  if (m->groups == 1) {
    qmoe_grid_levels levels = qmoe_grid_levels_at(m, row, 0);
    *step = _mm512_maskz_mov_ps(mask, _mm512_set1_ps(levels.step));
    *zero = _mm512_maskz_mov_ps(mask, _mm512_set1_ps(levels.zero));
    return;
  }
  __m512i pairs = _mm512_maskz_loadu_epi32(mask, m->levels + 4 * (row * m->groups + s));
  __m512 low = _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
  __m512 high = _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32((int)0xffff0000)));
  *step = _mm512_div_ps(_mm512_sub_ps(high, low), _mm512_set1_ps(largest));
  if (m->symmetric) {
    *zero = _mm512_set1_ps((largest + 1) / 2);
    return;
  }
  __m512 position = _mm512_maskz_div_ps(mask, _mm512_sub_ps(_mm512_setzero_ps(), low), *step);
  *zero = _mm512_maskz_roundscale_ps(mask, position, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

// Sums of a few rows times a few tokens.
typedef struct {
  __m512 values[MOST_ROWS][MOST_TOKENS];
} tile;

// Adds what segment s gives; `whole` if all its codes are there.
INLINE void add_segment(
    tile *sums, const uint8_t *codes, size_t row_bytes, size_t rows, qmoe_grid_activations x,
    size_t token, size_t tokens, size_t s, size_t segments, int whole,
    float factors[MOST_ROWS][MOST_TOKENS][LANES], unsigned bits, const unpacking *u) {
  size_t from = s * 16 * bits, half = 8 * bits;
  __m512i low[MOST_ROWS], high[MOST_ROWS];
#pragma clang loop unroll(full)
  for (size_t r = 0; r < rows; r++) {
    const uint8_t *p = codes + r * row_bytes + from;
    if (whole) {
      if (tokens == 1) {
        _mm_prefetch(p + 4096, _MM_HINT_NTA);
        if (bits == 8) _mm_prefetch(p + 4160, _MM_HINT_NTA);
      }
      low[r] = unpack(p, bits, u);
      high[r] = unpack(p + half, bits, u);
    } else {
      size_t left = row_bytes - from;
      low[r] = unpack_rest(p, left, bits, u);
      high[r] = unpack_rest(p + half, left > half ? left - half : 0, bits, u);
    }
  }
#pragma clang loop unroll(full)
  for (size_t t = 0; t < tokens; t++) {
    const int8_t *values = x.values + ((token + t) * segments + s) * QMOE_SEGMENT;
    __m512i first = _mm512_loadu_si512(values), second = _mm512_loadu_si512(values + 64);
#pragma clang loop unroll(full)
    for (size_t r = 0; r < rows; r++) {
      __m512i dot = _mm512_dpbusd_epi32(_mm512_setzero_si512(), low[r], first);
      dot = _mm512_dpbusd_epi32(dot, high[r], second);
      sums->values[r][t] = _mm512_fmadd_ps(
          _mm512_cvtepi32_ps(dot), _mm512_set1_ps(factors[r][t][s % LANES]), sums->values[r][t]);
    }
  }
}

// A few rows times a few tokens. Each product has its sum over all segments in one register, whatever is
// computed beside it.
INLINE void multiply_tile(
    const qmoe_grid *m, size_t row, size_t rows, qmoe_grid_activations x, size_t token, size_t tokens,
    unsigned bits, const unpacking *u, float *y, size_t y_stride) {
  size_t segments = qmoe_segments(m->columns), stride = qmoe_segment_stride(m->columns);
  size_t row_bytes = (m->columns * bits + 7) / 8, whole = m->columns / QMOE_SEGMENT;
  tile sums;
  float offsets[MOST_ROWS][MOST_TOKENS][LANES];
  for (size_t r = 0; r < rows; r++) {
    for (size_t t = 0; t < tokens; t++) {
      sums.values[r][t] = _mm512_setzero_ps();
      _mm512_storeu_ps(offsets[r][t], _mm512_setzero_ps());
    }
  }
  const uint8_t *codes = m->codes + row * row_bytes;
  for (size_t s = 0; s < segments; s += LANES) {
    float factors[MOST_ROWS][MOST_TOKENS][LANES];
    for (size_t r = 0; r < rows; r++) {
      __m512 step, zero;
      levels_at(m, row + r, s, segments, &step, &zero);
      // Few bytes a row, which the processor does not fetch by itself.
      if (tokens == 1 && m->groups > 1) {
        _mm_prefetch(m->levels + 4 * ((row + r + 16) * m->groups + s), _MM_HINT_T0);
      }
      for (size_t t = 0; t < tokens; t++) {
        size_t at = (token + t) * stride + s;
        __m512 factor = _mm512_mul_ps(step, _mm512_loadu_ps(x.scales + at));
        __m512 offset = _mm512_mul_ps(zero, _mm512_loadu_ps(x.sums + at));
        _mm512_storeu_ps(factors[r][t], factor);
        _mm512_storeu_ps(
            offsets[r][t], _mm512_fnmadd_ps(factor, offset, _mm512_loadu_ps(offsets[r][t])));
      }
    }
    size_t end = whole - s < LANES ? whole : s + LANES;
    for (size_t i = s; i < end; i++) {
      add_segment(&sums, codes, row_bytes, rows, x, token, tokens, i, segments, 1, factors, bits, u);
    }
    if (end == whole && whole < segments && end < s + LANES) {
      add_segment(&sums, codes, row_bytes, rows, x, token, tokens, end, segments, 0, factors, bits, u);
    }
  }
  for (size_t r = 0; r < rows; r++) {
    for (size_t t = 0; t < tokens; t++) {
      y[(token + t) * y_stride + row + r] = _mm512_reduce_add_ps(
          _mm512_add_ps(sums.values[r][t], _mm512_loadu_ps(offsets[r][t])));
    }
  }
}

INLINE void multiply(
    const qmoe_grid *m, size_t first, size_t last, qmoe_grid_activations x, unsigned bits, float *y,
    size_t y_stride) {
  unpacking u = make_unpacking(bits);
  size_t row = first;
  // One row after another for one token: memory gives most to a single stream.
  for (; x.tokens > 1 && row + 2 <= last; row += 2) {
    size_t t = 0;
    for (; t + 4 <= x.tokens; t += 4) multiply_tile(m, row, 2, x, t, 4, bits, &u, y, y_stride);
    for (; t < x.tokens; t++) multiply_tile(m, row, 2, x, t, 1, bits, &u, y, y_stride);
  }
  for (; row < last; row++) {
    for (size_t t = 0; t < x.tokens; t++) multiply_tile(m, row, 1, x, t, 1, bits, &u, y, y_stride);
  }
}

TARGET void qmoe_grid_multiply_avx512(
    const qmoe_grid *m, size_t first, size_t last, qmoe_grid_activations x, float *y, size_t y_stride) {
  switch (m->bits) {
  case 2: multiply(m, first, last, x, 2, y, y_stride); break;
  case 3: multiply(m, first, last, x, 3, y, y_stride); break;
  case 4: multiply(m, first, last, x, 4, y, y_stride); break;
  default: multiply(m, first, last, x, 8, y, y_stride);
  }
}
#else
typedef int not_for_this_processor;
#endif
