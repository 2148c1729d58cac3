// Attention of one token: one body, which the compiler turns into the instructions of whatever set it
// is included for. NAME(f) gives a function its name, TARGET its attributes.
#include "include/attention.h"

#include <string.h>

#pragma STDC FP_CONTRACT ON
// How vectors would be passed does not matter: all is inlined.
#pragma clang diagnostic ignored "-Wpsabi"

// Numbers of a key that are added up side by side, and of a value; keys that are multiplied side by side;
// keys or values that stay in the cache for all heads: rows a power of two apart share few of its sets.
enum { LANES = 16, VALUE_LANES = 64, KEYS = 4, BLOCK = 8 };

// Whatever registers a set has: the compiler makes one, two or four of each of these.
typedef float lanes16 __attribute__((vector_size(64)));
typedef float lanes8 __attribute__((vector_size(32)));
typedef float lanes4 __attribute__((vector_size(16)));

#define ALWAYS_INLINE TARGET __attribute__((always_inline)) static inline

ALWAYS_INLINE lanes16 load16(const float *x) {
  lanes16 lanes;
  memcpy(&lanes, x, sizeof lanes);
  return lanes;
}

// Four sums, of which each lane holds a part.
ALWAYS_INLINE lanes4 quarter(lanes16 x) {
  lanes8 half = __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7) +
                __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15);
  return __builtin_shufflevector(half, half, 0, 1, 2, 3) +
         __builtin_shufflevector(half, half, 4, 5, 6, 7);
}

// Products of one query with four keys.
ALWAYS_INLINE void multiply_keys(
    const float *query, size_t size, const float *keys, size_t stride, float *scores) {
  lanes16 a = {0}, b = {0}, c = {0}, d = {0};
  size_t i = 0;
  for (; i + LANES <= size; i += LANES) {
    lanes16 q = load16(query + i);
    a += q * load16(keys + i);
    b += q * load16(keys + stride + i);
    c += q * load16(keys + 2 * stride + i);
    d += q * load16(keys + 3 * stride + i);
  }
  lanes4 qa = quarter(a), qb = quarter(b), qc = quarter(c), qd = quarter(d);
  lanes4 ab = __builtin_shufflevector(qa, qb, 0, 4, 2, 6) + __builtin_shufflevector(qa, qb, 1, 5, 3, 7);
  lanes4 cd = __builtin_shufflevector(qc, qd, 0, 4, 2, 6) + __builtin_shufflevector(qc, qd, 1, 5, 3, 7);
  lanes4 sums = __builtin_shufflevector(ab, cd, 0, 1, 4, 5) + __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
  memcpy(scores, &sums, sizeof sums);
  for (; i < size; i++) {
    for (size_t k = 0; k < KEYS; k++) scores[k] += query[i] * keys[k * stride + i];
  }
}

TARGET void NAME(qmoe_attention_scores)(
    const float *queries, size_t heads, size_t size, const float *keys, size_t key_stride, size_t count,
    float *scores, size_t score_stride) {
  for (size_t first = 0; first < count; first += BLOCK) {
    size_t end = first + BLOCK < count ? first + BLOCK : count;
    for (size_t h = 0; h < heads; h++) {
      const float *query = queries + h * size;
      float *out = scores + h * score_stride;
      size_t i = first;
      for (; i + KEYS <= end; i += KEYS) {
        multiply_keys(query, size, keys + i * key_stride, key_stride, out + i);
      }
      for (; i < end; i++) {
        // The same key four times.
        float rest[KEYS];
        multiply_keys(query, size, keys + i * key_stride, 0, rest);
        out[i] = rest[0];
      }
    }
  }
}

TARGET void NAME(qmoe_attention_values)(
    const float *weights, size_t weight_stride, size_t heads, size_t size, const float *values,
    size_t value_stride, size_t count, float *out) {
  memset(out, 0, heads * size * sizeof *out);
  size_t whole = size / VALUE_LANES * VALUE_LANES;
  for (size_t first = 0; first < count; first += BLOCK) {
    size_t end = first + BLOCK < count ? first + BLOCK : count;
    for (size_t h = 0; h < heads; h++) {
      const float *weight = weights + h * weight_stride;
      float *sums = out + h * size;
      for (size_t c = 0; c < whole; c += VALUE_LANES) {
        float lanes[VALUE_LANES];
        memcpy(lanes, sums + c, sizeof lanes);
        for (size_t i = first; i < end; i++) {
          const float *value = values + i * value_stride + c;
          for (size_t l = 0; l < VALUE_LANES; l++) lanes[l] += weight[i] * value[l];
        }
        memcpy(sums + c, lanes, sizeof lanes);
      }
      for (size_t c = whole; c < size; c++) {
        for (size_t i = first; i < end; i++) sums[c] += weight[i] * values[i * value_stride + c];
      }
    }
  }
}
